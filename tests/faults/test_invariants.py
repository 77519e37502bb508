"""Each invariant can fail: a product with one part missing is caught, and one that is whole is not."""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from tests.faults import agreement, invariants
from tests.faults.campaign import Profile
from tests.faults.ground import Ground
from tests.faults.jobs import Fate
from tests.faults.schedule import CLEAN, Deed, Delivery, Schedule, Upset, drawn
from tests.faults.simulation import Simulation
from tests.faults.wire import Fault
from tunestep import (
    budgets,
    claims,
    clean_up,
    reconcile,
    runs,
    stop,
    tracking,
    training_job,
    training_start,
)

pytestmark = pytest.mark.faults

DRAWN = 40
"""More of them are looked at for what tests/faults/invariants.py lists."""


def wrong(ground: Ground, schedule: Schedule) -> list[str]:
    """Everything that is wrong of a schedule, looked at in every way."""
    sim = Simulation(ground, schedule)
    watch = invariants.Watch(sim)
    try:
        sim.play()
        return [*watch.problems, *invariants.problems(sim), *agreement.disagreements(sim)]
    finally:
        sim.close()


@pytest.mark.parametrize(
    ("schedule", "end"),
    [
        (CLEAN[0], ("SUCCEEDED", None)),
        (CLEAN[1], ("SUCCEEDED", None)),
        (CLEAN[2], ("FAILED", "StoppedByUser")),
    ],
)
def test_a_run_that_nothing_befalls_ends_as_it_should(
    common_ground: Ground, schedule: Schedule, end: tuple[str, Any]
) -> None:
    sim = Simulation(common_ground, schedule)
    try:
        sim.play()
        assert [(ran["status"], ran.get("error")) for ran in invariants.executions(sim)] == [end]
    finally:
        sim.close()


def test_what_runs_say_of_their_jobs_is_so(common_ground: Ground, clean: Profile) -> None:
    schedules = [*CLEAN, *(drawn(seed, clean.lengths) for seed in range(DRAWN))]
    found = {schedule.seed: wrong(common_ground, schedule) for schedule in schedules}
    assert {seed: said for seed, said in found.items() if said} == {}


class Broken(NamedTuple):
    """A part of the product that is missing, the schedule that shows it, and what is said then."""

    parts: list[tuple[Any, str, Any]]
    schedule: Schedule
    said: str


def _stops_nothing(*_: Any) -> str:
    return "job: stopping"


def _names() -> Callable[..., str]:
    made = iter(range(1000, 9999))
    return lambda base, _arn: f"{base}-{next(made)}"


def _but(kind: str) -> tuple[Any, ...]:
    return tuple(look for look in reconcile._LOOKS if look[0] != kind)


_standing, _value, _update = claims._standing, tracking.training_value, runs.Runs.update


def _stands(as_if: str, really: str) -> Callable[..., str]:
    def standing(*args: Any) -> str:
        found = _standing(*args)
        return as_if if found == really else found

    return standing


def _says(status: str, really: str) -> Callable[..., dict[str, Any]]:
    def value(*args: Any) -> dict[str, Any]:
        found = _value(*args)
        return {**found, "status": status, "cause": "?"} if found["status"] == really else found

    return value


def _frees_whatever_is_claimed(context: Any, _run_id: str, run: Any) -> str:
    for content in run.get("contents") or ():
        context.runs.delete(claims.claim_pk(content), claims.CLAIM)
    return "freed"


def _decides_without_looking(self: Any, pk: str, sk: str, members: Any, **more: Any) -> Any:
    if sk == runs.APPROVAL and members.get("state") in ("APPROVED", "DECLINED"):
        more.pop("condition", None)
        more.pop("values", None)
    return _update(self, pk, sk, members, **more)


STOPS = (clean_up, training_start, reconcile, stop)
LONG: tuple[Fate, ...] = (Fate(trains=5000), Fate(trains=5000))
LOST: tuple[tuple[int, Delivery], ...] = tuple((number, "lost") for number in range(1, 9))
AGAIN: tuple[tuple[float, Deed], ...] = ((100.0, "start"), (5000.0, "start"))
UNTOLD = tuple(
    Fault("decide", tried, 0, "dies", 1, "", "approvals.py sfn.SendTaskSuccess") for tried in (1, 2, 3)
)

BROKEN = {
    "nobody stops a job": Broken(
        [(module, "stop_job", _stops_nothing) for module in STOPS],
        Schedule(seed=1, deeds=((600.0, "stop"),), fates=LONG),
        "s after its execution",
    ),
    "nobody stops a job that ends by itself soon": Broken(
        [(module, "stop_job", _stops_nothing) for module in STOPS],
        CLEAN[2],
        "and nothing had gone wrong",
    ),
    "each try makes a job of another name": Broken(
        [(training_job, "job_name", _names())],
        Schedule(seed=1, upsets=(Upset("start_training", 1, "twice"),)),
        "jobs",
    ),
    "a claim holds nobody": Broken(
        [(claims, "_standing", lambda *_: "over")],
        Schedule(seed=1, deeds=AGAIN),
        "2 jobs train the same content at once",
    ),
    "what has been done is done again": Broken(
        [(claims, "_standing", _stands("over", "succeeded"))],
        Schedule(seed=1, deeds=AGAIN),
        "runs of one content succeeded",
    ),
    "a run whose job is being stopped holds nobody": Broken(
        [(clean_up._Steps, "job_goes_on", False)],
        Schedule(seed=1, deeds=((600.0, "abort"), (610.0, "start")), fates=LONG),
        "2 jobs train the same content at once",
    ),
    "a run whose job goes on holds nobody": Broken(
        [(claims, "_standing", _stands("over", "ending"))],
        Schedule(seed=1, deeds=((600.0, "abort"), (610.0, "start")), fates=LONG),
        "2 jobs train the same content at once",
    ),
    "nobody comes back to a job that is being stopped": Broken(
        [(clean_up, "_settle", lambda *_: "?"), (clean_up._Steps, "job_goes_on", False)],
        Schedule(seed=1, deeds=((600.0, "stop"),), events=LOST),
        "says Stopping, SageMaker says Stopped",
    ),
    "a claim is never freed": Broken(
        [(claims, "release", lambda *_: "freed")], CLEAN[2], "is still claimed by"
    ),
    "a duplicate frees what another has claimed": Broken(
        [(claims, "release", _frees_whatever_is_claimed)],
        Schedule(seed=1, deeds=AGAIN[:1]),
        "its content is claimed by nobody",
    ),
    "a second decision overwrites the first": Broken(
        [(runs.Runs, "update", _decides_without_looking)],
        Schedule(
            seed=1,
            gated=True,
            deeds=((30.0, "approve"),),
            faults=(Fault("decide", 1, 0, "meets", 1, "decline", "approvals.py dynamodb.UpdateItem"),),
        ),
        "became",
    ),
    "a failed job counts as completed": Broken(
        [(tracking, "training_value", _says("Completed", "Failed"))],
        Schedule(seed=1, fates=(Fate(ends="Failed"),)),
        "SageMaker says ('Failed', 'Failed')",
    ),
    "a completed job counts as failed": Broken(
        [(tracking, "training_value", _says("Failed", "Completed"))],
        CLEAN[0],
        "ends with TrainingJobFailed, and its job Completed",
    ),
    "a budget is never settled": Broken(
        [
            (budgets, "settle", lambda *_: "?"),
            (budgets, "settle_ended", lambda _: {"settled": [], "failed": []}),
        ],
        CLEAN[0],
        "is still held by",
    ),
    "the reconciler looks at no job": Broken(
        [(reconcile, "_LOOKS", _but(runs.KIND_TRAINING))],
        Schedule(seed=1, events=LOST),
        "and its job Completed",
    ),
    "the reconciler looks at no question": Broken(
        [(reconcile, "_LOOKS", _but(runs.KIND_APPROVAL))],
        Schedule(seed=1, gated=True, deeds=((30.0, "approve"),), faults=UNTOLD),
        "expired, and is approved as if that had reached it",
    ),
    "the reconciler looks at no run": Broken(
        [(reconcile, "_LOOKS", _but(runs.KIND_PENDING_RUN))], CLEAN[0], "PENDING#run is still there"
    ),
}


@contextmanager
def without(parts: list[tuple[Any, str, Any]]) -> Iterator[None]:
    with ExitStack() as stack:
        for module, name, instead in parts:
            stack.enter_context(patch.object(module, name, instead))
        yield


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_product_is_caught(common_ground: Ground, name: str) -> None:
    broken = BROKEN[name]
    assert wrong(common_ground, broken.schedule) == []
    with without(broken.parts):
        found = wrong(common_ground, broken.schedule)
    assert any(broken.said in problem for problem in found), found


def test_a_machine_that_ends_green_after_a_failure_is_caught(common_ground: Ground) -> None:
    definition = copy.deepcopy(common_ground.definition)
    definition["States"]["CleanUp"]["Next"] = "Done"
    with patch.object(common_ground, "definition", definition):
        found = wrong(common_ground, CLEAN[2])
    assert any("is green after" in problem for problem in found), found
