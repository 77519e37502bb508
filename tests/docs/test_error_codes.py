"""docs/errors.md names every finding code and every public error, and none that is gone."""

import ast
import re
from pathlib import Path

from tunestep.errors import PUBLIC_NAMES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
CODE = re.compile(r"[A-Z]{2,}(_[A-Z]+)+")
ONE_WORD = {"ASSUMED", "CONFLICT", "DEADLINE"}
# Constants of the same look in the modules that make findings, which are no codes.
NO_CODES = {"CUSTOMER_PROVIDED", "JUDGE_REGIONS", "RLVR_LAMBDA"}


def modules() -> list[Path]:
    """The modules that can make a finding: every check, whoever imports the maker, and the rules of rows."""
    return [
        path
        for path in sorted((ROOT / "tunestep").rglob("*.py"))
        if path.parent.name == "checks"
        or path.parts[-2:] == ("datasets", "faults.py")
        or "tunestep.findings import" in path.read_text(encoding="utf-8")
    ]


def used() -> set[str]:
    texts = {
        node.value
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if CODE.fullmatch(text) or text in ONE_WORD} - NO_CODES


def rows(level: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"^\| `({level})` \|", page, re.MULTILINE)


def test_every_finding_code_stands_in_the_tables_once_and_none_that_is_gone() -> None:
    documented = rows(r"[A-Z][A-Z_]+")
    assert sorted(documented) == sorted(used())


def test_every_public_error_stands_in_the_table() -> None:
    assert set(rows(r"[A-Z][a-z]\w+")) == set(PUBLIC_NAMES)
