"""The laptop cloud killed at any point of a run: the next start goes on with it or ends it cleanly."""

import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from tests.local.laptop import Laptop, jsonl, sft_rows, small_run, until

LONGEST = 1.5
"""Seconds after its start within which a run that is alone is killed; it takes about one."""

POINTS = int(os.environ.get("TUNESTEP_KILLS", "100"))
PARTS = 2
TOGETHER = 3
"""Runs that one kill hits, each at a point of its own."""


def killed_and_taken_up(
    laptop: Laptop, starts: Sequence[Callable[[], str]], ages: Sequence[float]
) -> list[float]:
    """Start runs so that they have these ages (seconds, the oldest first) at a kill, and see them end well.

    Returns how many seconds those took that the kill came too late for.
    """
    jobs = len(laptop.jobs())
    begun = time.monotonic()
    run_ids = []
    for start, age in zip(starts, ages, strict=True):
        _sleep_until(begun + ages[0] - age)
        run_ids.append(start())
    _sleep_until(begun + ages[0])
    killed = datetime.now(UTC)
    laptop.kill()
    laptop("local", "start")
    too_late = []
    for run_id, age in zip(run_ids, ages, strict=True):
        ended = laptop.ended(run_id)
        told = f"killed after {age:.3f} s: {json.dumps(ended, default=str)}"
        assert ended["status"] == "SUCCEEDED", told
        assert laptop.run_file(run_id, "record.json")["results"]["model_package_arn"], told
        if ended["stopDate"] < killed:
            too_late.append((ended["stopDate"] - ended["startDate"]).total_seconds())
    assert len(laptop.jobs()) == jobs + len(run_ids), f"killed after {ages} s"
    until(lambda: laptop.pending() == [])
    return too_late


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def at(point: int, of: int) -> float:
    """Which part of the time to kill in is over at a point; denser where a run has only begun."""
    return float((point / of) ** 1.5)


def from_the_command(laptop: Laptop, name: str) -> Callable[[], str]:
    request = laptop.request(name, hyperparameters={"max_epochs": 10})
    return lambda: laptop.start(request)


def from_the_console(laptop: Laptop, name: str) -> Callable[[], str]:
    """The quicker way, for those that are to be together at their points."""
    document = small_run(name, f"s3://{laptop.bucket}/data/kills.jsonl")
    document["hyperparameters"]["max_epochs"] = 10
    return lambda: laptop.start_in_console(name, document)


def length(laptop: Laptop, starts: Sequence[Callable[[], str]]) -> float:
    """Seconds until the last of these runs has ended when they begin together and nothing befalls them."""
    begun = time.monotonic()
    for run_id in [start() for start in starts]:
        assert laptop.ended(run_id)["status"] == "SUCCEEDED"
    return time.monotonic() - begun


def test_a_run_goes_on_wherever_the_cloud_is_killed(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    too_late = []
    for point in range(5):
        start = from_the_command(laptop, f"kill-{point}")
        too_late += killed_and_taken_up(laptop, [start], [LONGEST * at(point, 5)])
    assert len(too_late) <= 3


@pytest.mark.faults
@pytest.mark.parametrize("part", range(PARTS))
def test_a_run_goes_on_from_any_of_a_hundred_points(own_laptop: Callable[[], Laptop], part: int) -> None:
    laptop = own_laptop()
    laptop.client("s3").put_object(
        Bucket=laptop.bucket, Key="data/kills.jsonl", Body=jsonl(sft_rows()).encode()
    )
    longest = length(laptop, [from_the_console(laptop, f"whole-{n}") for n in range(TOGETHER)])
    points = list(range(part, POINTS, PARTS))
    kills = -(-len(points) // TOGETHER)
    too_late = []
    for number in range(kills):
        hit = points[number::kills][::-1]
        starts = [from_the_console(laptop, f"kill-{point}") for point in hit]
        too_late += killed_and_taken_up(laptop, starts, [longest * at(point, POINTS) for point in hit])
        longest = min([longest, *too_late])
    print(f"{len(points) - len(too_late)} of {len(points)} runs were under way when they were hit")
    assert len(too_late) <= len(points) / 2
