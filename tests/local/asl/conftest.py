"""The template's own state machine."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.definition import state_machine_definition
from tests.infra.support import run_app


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The definition that app.py synthesizes."""
    folder: Path = tmp_path_factory.mktemp("synth")
    done = run_app(folder)
    assert done.returncode == 0, done.stderr
    (template,) = folder.rglob("*.template.json")
    return state_machine_definition(json.loads(template.read_text()))
