"""Our interpreter against one that others wrote: same path, same document, same error."""

import itertools
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.local.asl.differences import DIFFERENCES, Difference, members
from tests.local.asl.machine import DEFINITION
from tests.local.asl.moto_runner import Moto
from tests.local.asl.runners import Outcome
from tests.local.asl.scenarios import Scenario, machine_scenarios, run_ours, small_scenarios

pytestmark = pytest.mark.slow

AGREED = [*machine_scenarios(), *small_scenarios()]


@pytest.fixture(scope="module")
def moto() -> Iterator[dict[str, Future[Outcome]]]:
    """Every scenario's outcome on moto's interpreter, run side by side: it really waits."""
    scenarios = [*AGREED, *(difference.scenario for difference in DIFFERENCES)]
    assert len({scenario.name for scenario in scenarios}) == len(scenarios)
    with Moto().running() as runner:
        yield {s.name: runner.submit(s.definition, s.script, s.document) for s in scenarios}


@pytest.mark.parametrize("scenario", AGREED, ids=lambda scenario: scenario.name)
def test_both_interpreters_do_the_same(scenario: Scenario, moto: dict[str, Future[Outcome]]) -> None:
    ours = run_ours(scenario.definition, scenario.script, scenario.document)
    assert set(scenario.visits) <= set(ours.path)
    assert readable(ours) == readable(moto[scenario.name].result(timeout=120))


def readable(outcome: Outcome) -> Outcome:
    """The outcome without what moto adds to the text of a Lambda service's fault (a row of DIFFERENCES)."""
    document = outcome.document
    for key in ("error", "caught"):
        if isinstance(document, dict) and isinstance(fault := document.get(key), dict) and "Cause" in fault:
            document = {**document, key: {**fault, "Cause": _cause(fault["Cause"])}}
    return outcome._replace(document=document, cause=_cause(outcome.cause))


def _cause(text: str | None) -> str | None:
    return None if text is None else text.split(" (Service: AWSLambda;")[0]


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.scenario.name)
def test_exempted_differences_are_as_documented(
    difference: Difference, moto: dict[str, Future[Outcome]]
) -> None:
    scenario = difference.scenario
    ours = run_ours(scenario.definition, scenario.script, scenario.document)
    theirs = moto[scenario.name].result(timeout=120)
    assert members(ours, difference.ours) == dict(difference.ours)
    assert members(theirs, difference.theirs) == dict(difference.theirs)
    assert ours != theirs
    assert difference.page.startswith("https://docs.aws.amazon.com/step-functions/")


def test_the_machine_scenarios_reach_every_transition() -> None:
    taken = set()
    for scenario in machine_scenarios():
        path = run_ours(scenario.definition, scenario.script, scenario.document).path
        taken |= set(itertools.pairwise(path))
    missing = [
        (name, target)
        for name, state in DEFINITION["States"].items()
        for target in {
            *([state["Next"]] if "Next" in state else []),
            *([state["Default"]] if "Default" in state else []),
            *(rule["Next"] for rule in [*state.get("Choices", []), *state.get("Catch", [])]),
        }
        if (name, target) not in taken
    ]
    assert missing == []


def test_at_least_forty_scenarios_are_compared() -> None:
    assert len(AGREED) >= 40
