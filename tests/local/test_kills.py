"""The laptop cloud killed at any point of a run: the next start goes on with it or ends it cleanly."""

import json
import os
import time
from collections.abc import Callable, Iterable

import pytest

from tests.local.laptop import Laptop, until

LONGEST = 1.5
"""Seconds after its start within which the short run is killed; it takes about one."""

POINTS = int(os.environ.get("TUNESTEP_KILLS", "100"))
PARTS = 4


def at(point: int, of: int) -> float:
    """Seconds after the start of the run, denser where it has only begun."""
    return LONGEST * (point / of) ** 1.5


def killed_and_taken_up(laptop: Laptop, moments: Iterable[float]) -> None:
    jobs = len(laptop.jobs())
    for number, moment in enumerate(moments):
        run_id = laptop.start(laptop.request(f"kill-{number}", hyperparameters={"max_epochs": 10}))
        begun = time.monotonic()
        until(lambda begun=begun, moment=moment: time.monotonic() - begun > moment)
        laptop.kill()
        laptop("local", "start")
        ended = laptop.ended(run_id)
        told = f"killed after {moment:.3f} s: {json.dumps(ended, default=str)}"
        assert ended["status"] == "SUCCEEDED", told
        jobs += 1
        assert len(laptop.jobs()) == jobs, told
        until(lambda: laptop.pending() == [])
        assert laptop.run_file(run_id, "record.json")["results"]["model_package_arn"], told


def test_a_run_goes_on_wherever_the_cloud_is_killed(own_laptop: Callable[[], Laptop]) -> None:
    killed_and_taken_up(own_laptop(), [at(point, 5) for point in range(5)])


@pytest.mark.faults
@pytest.mark.parametrize("part", range(PARTS))
def test_a_run_goes_on_from_any_of_a_hundred_kills(own_laptop: Callable[[], Laptop], part: int) -> None:
    killed_and_taken_up(own_laptop(), [at(point, POINTS) for point in range(part, POINTS, PARTS)])
