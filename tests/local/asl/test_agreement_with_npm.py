"""Our interpreter, and the template's machine on it, against npm's aws-local-stepfunctions.

It has no tokens, so that the states that wait are functions that answer; all else is as it is deployed.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.local.asl.differences import DIFFERENCES, Difference, members
from tests.local.asl.npm_differences import NPM_DIFFERENCES
from tests.local.asl.npm_runner import run_npm
from tests.local.asl.runners import Outcome
from tests.local.asl.scenarios import Scenario, machine_scenarios, run_ours, small_scenarios

pytestmark = pytest.mark.slow

EXEMPT = {difference.scenario.name for difference in NPM_DIFFERENCES}
LANGUAGE = [
    scenario
    for scenario in (*small_scenarios(), *(difference.scenario for difference in DIFFERENCES))
    if scenario.name not in EXEMPT
]
MACHINE = [scenario.name for scenario in machine_scenarios()]


@pytest.fixture(scope="module")
def machine(synthesized: dict[str, Any]) -> dict[str, Scenario]:
    """The scenarios of the template's own state machine."""
    return {scenario.name: scenario for scenario in machine_scenarios(synthesized)}


@pytest.fixture(scope="module")
def npm(machine: dict[str, Scenario]) -> Mapping[str, Outcome]:
    """Every scenario's outcome there, run side by side: it really waits."""
    exempt = [difference.scenario for difference in NPM_DIFFERENCES]
    return run_npm([*machine.values(), *LANGUAGE, *exempt])


def readable(outcome: Outcome) -> Outcome:
    """The outcome without an interpreter's words for its own errors: AWS does not publish its own."""
    document = outcome.document
    for key in ("error", "caught"):
        if isinstance(document, dict) and isinstance(fault := document.get(key), dict) and "Cause" in fault:
            document = {**document, key: {**fault, "Cause": _cause(fault.get("Error"), fault["Cause"])}}
    return outcome._replace(document=document, cause=_cause(outcome.error, outcome.cause))


def _cause(error: str | None, cause: str | None) -> str | None:
    return None if str(error).startswith("States.") else cause


@pytest.mark.parametrize("name", MACHINE)
def test_the_templates_machine_does_the_same(
    name: str, machine: dict[str, Scenario], npm: Mapping[str, Outcome]
) -> None:
    scenario = machine[name]
    ours = run_ours(scenario.definition, scenario.script, scenario.document)
    assert set(scenario.visits) <= set(ours.path)
    assert readable(npm[name]) == readable(ours)


@pytest.mark.parametrize("scenario", LANGUAGE, ids=lambda scenario: scenario.name)
def test_the_language_means_the_same(scenario: Scenario, npm: Mapping[str, Outcome]) -> None:
    ours = run_ours(scenario.definition, scenario.script, scenario.document)
    assert readable(npm[scenario.name]) == readable(ours)


@pytest.mark.parametrize("difference", NPM_DIFFERENCES, ids=lambda difference: difference.scenario.name)
def test_exempted_differences_are_as_documented(difference: Difference, npm: Mapping[str, Outcome]) -> None:
    scenario = difference.scenario
    ours = run_ours(scenario.definition, scenario.script, scenario.document)
    theirs = npm[scenario.name]
    assert members(ours, difference.ours) == dict(difference.ours)
    assert members(theirs, difference.theirs) == dict(difference.theirs)
    assert readable(ours) != readable(theirs)
    assert difference.page.startswith("https://docs.aws.amazon.com/step-functions/")


def test_at_least_forty_scenarios_of_the_machine_are_compared() -> None:
    assert len(MACHINE) >= 40
