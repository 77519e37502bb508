"""A deployed run says so when its answers ran away in length while the reward rose."""

import math
import sys
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.run_world import RUN_ID, World, make_plan, world
from tests.unit.test_collect import Reader, _collect, _completed
from tunestep import reward_drift
from tunestep.context import Context
from tunestep.metric_series import ANSWER_LENGTH, REWARD
from tunestep.metrics import Point


def _series(reward: list[float], length: list[float]) -> dict[str, list[Point]]:
    named = ((REWARD, reward), (ANSWER_LENGTH, length))
    return {name: [Point(step, value, 0) for step, value in enumerate(values)] for name, values in named}


@pytest.mark.parametrize(
    ("reward", "length", "warned"),
    [
        ([0.1, 0.2, 0.5, 0.9], [100, 150, 250, 400], True),
        ([0.1, 0.2, 0.5, 0.9], [100, 100, 110, 120], False),
        ([0.5, 0.5, 0.5, 0.5], [100, 150, 250, 400], False),
        ([0.9, 0.6, 0.4, 0.1], [100, 150, 250, 400], False),
        ([0.1, 0.9], [100, 400], False),
        ([0.1, math.nan, 0.5, 0.9], [100, 150, 250, 400], False),
        ([0.1, 0.2, math.inf, 0.5, 0.9], [100, 150, 250, 400], True),
        ([-5.0, -4.0, -2.0, -1.0], [10, 20, 30, 40], True),
        ([], [100, 150, 250, 400], False),
    ],
)
def test_length_that_runs_away_while_the_reward_rises_is_one_sentence(
    reward: list[float], length: list[float], warned: bool
) -> None:
    said = reward_drift.warnings(_series(reward, length))
    assert len(said) == warned
    assert all("may pay for length" in sentence for sentence in said)


@given(st.lists(st.floats(), max_size=30), st.lists(st.floats(), max_size=30))
@example([sys.float_info.max] * 30, [sys.float_info.max] * 30)
@example([-sys.float_info.max] * 4 + [sys.float_info.max] * 4, [1.0] * 8)
def test_no_values_break_it(reward: list[float], length: list[float]) -> None:
    assert len(reward_drift.warnings(_series(reward, length))) <= 1


@pytest.fixture
def deployed() -> Iterator[World]:
    with world() as made:
        env = msgspec.structs.replace(made.context.env, laptop="")
        made.context = Context(env=env, clients=made.context.clients, now=made.clock)
        yield made


def test_the_results_of_a_deployed_run_carry_it(deployed: World) -> None:
    _completed(deployed, make_plan(technique="RLVR"))
    reader = Reader(**{REWARD: [0.1, 0.2, 0.5, 0.9], ANSWER_LENGTH: [10, 20, 40, 80]})
    results = _collect(deployed, reader)
    assert "may pay for length" in results["summary"]["warnings"][0]
    report = deployed.files.get(RUN_ID, "report.html")
    assert report is not None and b"may pay for length" in report[0]
