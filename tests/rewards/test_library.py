"""The library as a whole: what is deployable, documented, and ready to be copied."""

import ast
import doctest
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from reward_functions import catalog

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "reward_functions"
TEMPLATES = ("open_weights", "nova")
DOCUMENTED = [*(f"reward_functions.{name}" for name in catalog.names()), "reward_functions.kit.answers"]


@pytest.mark.parametrize(
    "module", [*DOCUMENTED, *(f"reward_functions.templates.{name}" for name in TEMPLATES)]
)
def test_the_example_in_the_text_of_a_module_is_true(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.failed == 0


@pytest.mark.parametrize("name", catalog.names())
def test_every_reward_says_what_it_computes_from_what_and_serves_it(name: str) -> None:
    module = importlib.import_module(f"reward_functions.{name}")
    text = module.__doc__ or ""
    for part in ("Inputs:", "reference", "error"):
        assert part in text, part
    assert callable(module.score)
    assert callable(module.handler)


def test_the_catalogue_imports_no_reward_and_names_locks_that_exist() -> None:
    code = "import sys; from reward_functions import catalog; catalog.rewards(); print(*sys.modules)"
    loaded = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"rapidfuzz", "jsonschema_rs", "math_verify", "sympy"} & set(loaded)
    for reward in catalog.rewards():
        assert reward.handler == f"reward_functions.{reward.name}.handler"
        assert reward.requirements is None or (ROOT / "requirements" / reward.requirements).is_file()
        assert reward.title
        assert 30 <= reward.timeout <= 900
        assert 256 <= reward.memory <= 10_240


@pytest.mark.parametrize("name", ["text_similarity", "json_schema", "combine"])
def test_a_reward_with_dependencies_has_a_lock_with_hashes(name: str) -> None:
    lock = catalog.reward(name).requirements
    assert lock
    text = (ROOT / "requirements" / lock).read_text()
    assert "--hash=sha256:" in text


def test_only_declared_packages_are_imported() -> None:
    allowed = {
        "text_similarity": {"rapidfuzz"},
        "json_schema": {"jsonschema_rs"},
    }
    for path in [*FOLDER.glob("*.py"), *FOLDER.glob("kit/*.py"), *FOLDER.glob("templates/*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        roots = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        roots |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        foreign = {root.partition(".")[0] for root in roots} - sys.stdlib_module_names - {"reward_functions"}
        assert foreign <= allowed.get(path.stem, set()), path


def test_a_reward_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        catalog.reward("kit")
    assert "catalog" not in catalog.names()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_runs_as_it_is(name: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", f"reward_functions.templates.{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads("\n".join(done.stdout.splitlines()[1:]))
    items = json.loads(answer["body"]) if name == "open_weights" else answer
    assert [(item["id"], item["aggregate_reward_score"]) for item in items] == [
        ("right", 1.0),
        ("wrong", 0.1),
    ]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_works_under_another_name_and_handler(name: str, tmp_path: Path) -> None:
    copied: dict[str, object] = {"__name__": "reward_functions.my_own"}
    exec((FOLDER / "templates" / f"{name}.py").read_text(encoding="utf-8"), copied)  # noqa: S102 - our template
    assert copied["handler"] is copied["lambda_handler"]
