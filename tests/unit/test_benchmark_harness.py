import time
from dataclasses import replace
from typing import Any

import pytest

from benchmarks import cold_starts, harness, run
from benchmarks.harness import Claim, Limit, Measured

Times = list[float]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Times:
    """What calls take: each call of ``passing`` lets so much time go by."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def passing(clock: Times, seconds: list[float]) -> Any:
    left = iter(seconds)

    def call(_: object) -> str:
        clock[0] += next(left)
        return "same"

    return call


def claim(clock: Times, ours: list[float], peer: list[float], at_least: float = 2.0, **more: Any) -> Claim:
    values: dict[str, Any] = {
        "name": "reading",
        "peer_name": "a peer",
        "at_least": at_least,
        "unit": "rows",
        "prepare": lambda number: number,
        "ours": passing(clock, ours),
        "peer": passing(clock, peer),
        "items": lambda _: 10,
        "agree": lambda one, other: None,
    }
    return Claim(**{**values, **more})


def test_a_ratio_is_the_peers_time_over_ours_by_medians_without_the_warm_up(clock: Times) -> None:
    result = harness.measure(claim(clock, [50, 1, 2, 9], [0.1, 6, 8, 7]), 3)
    assert result.value == pytest.approx(7 / 2)
    assert result.kept
    assert result.shown == "3.5x (0.8 to 6.0)"
    assert (result.ours, result.peer) == ("5 rows/s", "1 rows/s")


def test_a_side_that_is_slower_than_promised_is_not_kept(clock: Times) -> None:
    result = harness.measure(claim(clock, [1, 3, 3], [1, 1, 1]), 2)
    assert result.value == pytest.approx(1 / 3)
    assert not result.kept


def test_results_are_compared_in_every_round_and_outside_of_the_measured_time(clock: Times) -> None:
    compared = []

    def agree(ours: object, peer: object) -> None:
        clock[0] += 100
        compared.append((ours, peer))

    result = harness.measure(claim(clock, [1, 1, 1], [4, 4, 4], agree=agree), 2)
    assert compared == [("same", "same")] * 3
    assert result.value == pytest.approx(4)


def test_each_round_has_data_of_its_own(clock: Times) -> None:
    prepared: list[int] = []

    def prepare(number: int) -> int:
        prepared.append(number)
        return number

    harness.measure(claim(clock, [1, 1, 1], [4, 4, 4], prepare=prepare), 2)
    assert prepared == [0, 1, 2]


def test_a_verdict_that_differs_ends_the_measurement(clock: Times) -> None:
    def agree(ours: object, peer: object) -> None:
        raise AssertionError("1 verdicts differ")

    with pytest.raises(AssertionError, match="differ"):
        harness.measure(claim(clock, [1], [1], agree=agree), 1)


@pytest.mark.parametrize(("seconds", "kept"), [([9, 1, 2, 5], True), ([0, 3, 3, 3], False)])
def test_a_limit_is_kept_when_the_median_is_below_it(clock: Times, seconds: Times, kept: bool) -> None:
    limit = Limit("batch", 3.0, lambda number: number, passing(clock, seconds), lambda result: None)
    assert harness.measure(limit, 3).kept is kept


def chosen(monkeypatch: pytest.MonkeyPatch, *claims: Claim) -> None:
    monkeypatch.setattr(run.rewards, "everything", lambda: list(claims))
    monkeypatch.setattr(run.datasets, "everything", list)


@pytest.mark.parametrize(("at_least", "code"), [(3.0, 0), (5.0, 1)])
def test_the_command_fails_when_a_promise_is_not_kept(
    clock: Times,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at_least: float,
    code: int,
) -> None:
    chosen(monkeypatch, claim(clock, [1, 1], [4, 4], at_least))
    assert run.main(["--rounds", "1"]) == code
    shown = capsys.readouterr().out
    assert ("ok   reading" in shown) is (code == 0)
    assert ("MISS reading" in shown) is (code == 1)


def test_a_name_that_no_benchmark_has_is_bad_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen(monkeypatch)
    assert run.main(["--only", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err


def test_the_page_says_what_is_not_kept() -> None:
    kept = Measured("fast", "a peer", ">= 2x", 3.0, "3.0x", "3 rows/s", "1 rows/s", True)
    broken = Measured("slow", "", "< 1 s", 2.0, "2.00 s", "", "", False)
    page = harness.as_markdown([kept, broken], {"cores": "2"}, "2026-01-01")
    assert "| fast | a peer | >= 2x | 3.0x | 3 rows/s | 1 rows/s |" in page
    assert "| slow | - | < 1 s | **2.00 s: not kept** | - | - |" in page


def test_cold_starts_take_the_place_of_those_before_and_leave_the_rest_of_the_page() -> None:
    row = cold_starts.Start("validate", 201.4, 190.2, 61.0, 9.94)
    once = cold_starts.with_section("# Benchmarks\n\nText.\n", [row], {"cores": "2"})
    twice = cold_starts.with_section(once, [replace(row, clock_ms=300)], {"cores": "2"})
    assert once.startswith("# Benchmarks\n\nText.\n\n## Cold starts\n")
    assert "| validate | 201 | 190 | 61 | 9.9 |" in once
    assert "| validate | 300 | 190 | 61 | 9.9 |" in twice and twice.count("## Cold starts") == 1


def test_a_handler_over_its_budget_is_marked_and_a_peer_is_not() -> None:
    slow = cold_starts.Start("validate", 260.0, 251.0, 38.0, 9.9)
    large = cold_starts.Start("start", 200.0, 200.0, 38.0, 16.1)
    peer = cold_starts.Start("plain boto3", 300.0, 300.0, 38.0, 36.4)
    page = cold_starts.with_section("# Benchmarks\n", [slow, large, peer], {"cores": "2"})
    assert "| validate: **not kept** |" in page and "| start: **not kept** |" in page
    assert "| plain boto3 |" in page
