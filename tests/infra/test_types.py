"""mypy sees the types of every CDK module that the stack is made with."""

import ast
import importlib.util
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.infra.support import REPOSITORY


def _cdk_modules(file: Path) -> Iterator[str]:
    """Dotted names of the CDK modules that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("aws_cdk"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aws_cdk"):
            yield from (f"{node.module}.{name.name}" for name in node.names if name.name.islower())


def _what_they_implement(modules: set[str]) -> set[str]:
    """The modules of the interfaces that the classes of others have as a base."""
    spec = importlib.util.find_spec("aws_cdk")
    assert spec is not None and spec.origin is not None
    named = {name.removeprefix("aws_cdk.") for name in modules}
    folder = Path(spec.origin).parent / "interfaces"
    return {f"aws_cdk.interfaces.{name}" for name in named if (folder / name).is_dir()}


def test_no_cdk_module_that_the_stack_uses_is_skipped() -> None:
    overrides = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    (followed,) = [set(item["module"]) for item in overrides if item.get("follow_imports") == "normal"]
    used = {name for file in (REPOSITORY / "infra").glob("*.py") for name in _cdk_modules(file)}
    assert len(used) > 10
    assert used | _what_they_implement(used) <= followed
