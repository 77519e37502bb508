"""The template's own state machine takes every scenario as the agreed definition does.

The agreed one is compared with another interpreter, so what holds for it holds for the template.
"""

from typing import Any

import pytest

from tests.local.asl.scenarios import Scenario, machine_scenarios, run_ours


@pytest.mark.parametrize("scenario", machine_scenarios(), ids=lambda scenario: scenario.name)
def test_the_synthesized_machine_does_the_same(scenario: Scenario, synthesized: dict[str, Any]) -> None:
    agreed = run_ours(scenario.definition, scenario.script, scenario.document)
    assert run_ours(synthesized, scenario.script, scenario.document) == agreed
