"""The template's own state machine takes every scenario as the agreed definition does.

The agreed one is compared with another interpreter, so what holds for it holds for the template.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.definition import state_machine_definition
from tests.infra.support import run_app
from tests.local.asl.scenarios import Scenario, machine_scenarios, run_ours


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("synth")
    done = run_app(folder)
    assert done.returncode == 0, done.stderr
    (template,) = folder.rglob("*.template.json")
    return state_machine_definition(json.loads(template.read_text()))


@pytest.mark.parametrize("scenario", machine_scenarios(), ids=lambda scenario: scenario.name)
def test_the_synthesized_machine_does_the_same(scenario: Scenario, synthesized: dict[str, Any]) -> None:
    agreed = run_ours(scenario.definition, scenario.script, scenario.document)
    assert run_ours(synthesized, scenario.script, scenario.document) == agreed
