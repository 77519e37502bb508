"""Runs under faults: whatever goes wrong, nothing is lost, doubled or left behind.

Two hundred schedules here, ten thousand in all with ``make test-faults``. A schedule that goes wrong is made
as small as possible and told as a story.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.faults import invariants
from tests.faults.campaign import Coverage, Profile, play, story
from tests.faults.ground import Ground
from tests.faults.jobs import Fate
from tests.faults.schedule import CLEAN, Schedule, drawn, failing, sweep
from tests.faults.simulation import Simulation
from tunestep import names

CHUNK = 50
FEW = 200
MANY = int(os.environ.get("TUNESTEP_SCHEDULES", "7150"))
ALL = 10_000
"""Drawn ones, and those in which every call fails in every way."""

NOT_PLAYED = {
    "approvals_api": "decides by the same function as decide: tests/gate",
    "revoke": "takes no part in a run: tests/unit/test_evidence.py",
    "start_signed": "starts by the same function as start: tests/gate",
    "trigger": "starts by the same function as start: tests/unit/test_trigger.py",
}
PLAYED = [verb for verb in names.FUNCTIONS if verb not in NOT_PLAYED]


def _hold(ground: Ground, schedules: Iterable[Schedule], coverage: Coverage | None = None) -> None:
    for schedule in schedules:
        if play(ground, schedule, coverage).problems:
            pytest.fail(story(ground, schedule), pytrace=False)


@pytest.mark.parametrize("first", range(0, FEW, CHUNK))
def test_drawn_schedules_hold(common_ground: Ground, clean: Profile, first: int) -> None:
    _hold(common_ground, (drawn(seed, clean.lengths) for seed in range(first, first + CHUNK)))


@pytest.mark.faults
@pytest.mark.parametrize("verb", PLAYED)
def test_every_call_fails_in_every_way_and_nothing_is_lost(
    common_ground: Ground, clean: Profile, verb: str
) -> None:
    coverage = Coverage(verb)
    _hold(common_ground, sweep(verb, clean.by_run), coverage)
    print("\n".join(coverage.report()))
    spared = {place for place in clean.places[verb] if not (coverage.before[place] and coverage.after[place])}
    assert spared == set()


@pytest.mark.faults
@pytest.mark.parametrize("first", range(FEW, MANY, CHUNK))
def test_many_more_drawn_schedules_hold(common_ground: Ground, clean: Profile, first: int) -> None:
    last = min(first + CHUNK, MANY)
    _hold(common_ground, (drawn(seed, clean.lengths) for seed in range(first, last)))


@pytest.mark.faults
@pytest.mark.parametrize("job", [Fate(trains=1800), Fate(trains=0, ends="Failed")])
def test_an_aborted_run_is_cleaned_up_whichever_call_of_that_fails(common_ground: Ground, job: Fate) -> None:
    """The second clean-up where the event of the job's own end, which is late, comes first."""
    aborted = Schedule(seed=4, deeds=((286.0, "abort"),), fates=(job,), events=((2, "late"),))
    assert not play(common_ground, aborted).problems
    cleaned = [call for call in common_ground.wire.seen if call.verb == "clean_up"]
    invocation, most = max(((call.invocation, call.number) for call in cleaned), key=lambda call: call[1])
    assert most > 10
    _hold(common_ground, failing(aborted, "clean_up", invocation, most))


def test_every_function_is_played_or_named_with_where_else_it_is_tried(clean: Profile) -> None:
    assert set(clean.lengths) == set(PLAYED)


def test_a_dead_letter_that_holds_a_token_or_a_link_s_secret_would_be_seen(common_ground: Ground) -> None:
    sim = Simulation(common_ground, CLEAN[1])
    try:
        sim.play()
        assert sim.letters and not invariants.problems(sim)
        assert Counter(sim.secrets.values()) == {"task token": 2, "part of a link": 2}
        for secret, what in sim.secrets.items():
            sim.letters = [json.dumps({"detail": {"output": secret}})]
            assert f"a dead letter would hold a {what}" in "".join(invariants.problems(sim))
    finally:
        sim.close()


@pytest.mark.faults
@pytest.mark.skipif("TUNESTEP_SCHEDULES" in os.environ, reason="another number was asked for")
def test_ten_thousand_schedules_are_played(clean: Profile) -> None:
    swept = sum(1 for verb in PLAYED for _ in sweep(verb, clean.by_run))
    assert swept + MANY >= ALL
