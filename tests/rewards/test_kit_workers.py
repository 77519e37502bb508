import ctypes
import json
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from reward_functions.kit import Sample, Score, serve
from reward_functions.kit.batch import shards, worker_count
from reward_functions.kit.try_out import row, sample
from tests.support.processes import children

DEADLINE = 0.5
PATIENCE = 60.0
"""Seconds for a sample that ends by itself, on however busy a machine."""
MAX_GRACE = 10.0
"""Seconds for starting and ending processes on a busy machine; the benchmark holds the promise of 1 s."""


def _spin() -> None:
    while True:
        pass


def _allocate_forever() -> None:
    kept = []
    while True:
        kept.append(bytearray(10_000_000))


def _swallow_everything() -> None:
    while True:
        try:
            _spin()
        except BaseException:
            time.sleep(0)


def _recurse() -> None:
    _recurse()


def _ignore_signals_and_wait() -> None:
    for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(1000)


def _leave_a_grandchild() -> None:
    if os.fork() == 0:
        time.sleep(1000)
    _spin()


HANGS: dict[str, Callable[[], Any]] = {
    "endless loop": _spin,
    "arithmetic that never returns to the interpreter": lambda: 9**9**9,
    "an expression that backtracks": lambda: re.match(r"(a+)+$", "a" * 40 + "b"),
    "sleep": lambda: time.sleep(1000),
    "exceptions swallowed": _swallow_everything,
    "signals ignored": _ignore_signals_and_wait,
    "a lock never released": lambda: [lock.acquire() for lock in [threading.Lock()] * 2],
    "a grandchild": _leave_a_grandchild,
}
CRASHES: dict[str, Callable[[], Any]] = {
    "os._exit": lambda: os._exit(0),
    "sys.exit": lambda: sys.exit(3),
    "segmentation fault": lambda: ctypes.string_at(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "abort": os.abort,
    "one huge allocation": lambda: bytearray(10**12),
    "many allocations": _allocate_forever,
    "endless recursion": _recurse,
    "descriptors closed": lambda: os.closerange(3, 1000),
    "exception": lambda: 1 / 0,
    "keyboard interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt()),
    "not a score": lambda: "1.0",
    "NaN": lambda: Score(float("nan")),
    "infinity": lambda: Score(float("inf")),
    "a number without end": lambda: Score(10**400),
    "text for a number": lambda: Score("1"),  # type: ignore[arg-type]
    "text for a metric": lambda: Score(1.0, {"m": "x"}),  # type: ignore[dict-item]
    "NaN in a metric": lambda: Score(1.0, {"m": float("nan")}),
    "a metric without a name": lambda: Score(1.0, {"": 1.0}),
    "too many metrics": lambda: Score(1.0, {str(index): 1.0 for index in range(100)}),
    "an exception that cannot be printed": lambda: (_ for _ in ()).throw(Unprintable()),
}


class Unprintable(Exception):  # noqa: N818 - its name is its point
    def __str__(self) -> str:
        raise ValueError


def behave(sample: Sample) -> Score:
    """1, or whatever the response names."""
    action = HANGS.get(sample.response) or CRASHES.get(sample.response)
    result = action() if action else Score(1.0)
    return result if result is not None else Score(1.0)


handler = serve(behave, sample_deadline=DEADLINE, memory_mb=64)
patient = serve(behave, sample_deadline=PATIENCE, memory_mb=64)


def outcomes(responses: list[str], serving: Any = handler, context: Any = None) -> list[str]:
    rows = [row(response, str(index // 8), id=str(index)) for index, response in enumerate(responses)]
    answer = json.loads(serving(rows, context)["body"])
    assert [item["id"] for item in answer] == [str(index) for index in range(len(rows))]
    return [
        next((m["name"] for m in item["metrics_list"] if m["name"] in ("error", "timeout")), "scored")
        for item in answer
        if item["aggregate_reward_score"] in (0.0, 1.0)
    ]


@pytest.mark.parametrize("name", HANGS)
def test_a_sample_that_does_not_return_costs_itself_alone(name: str) -> None:
    started = time.monotonic()
    assert outcomes(["ok", name, "ok"]) == ["scored", "timeout", "scored"]
    assert time.monotonic() - started < DEADLINE + MAX_GRACE


@pytest.mark.parametrize("name", CRASHES)
def test_a_sample_that_kills_its_process_or_answers_nonsense_costs_itself_alone(name: str) -> None:
    assert outcomes(["ok", name, "ok"], patient) == ["scored", "error", "scored"]


def test_sixty_four_answers_with_three_poisoned_are_all_answered_soon() -> None:
    responses = ["ok"] * 64
    for index in (3, 30, 60):
        responses[index] = "endless loop"
    started = time.monotonic()
    answered = outcomes(responses)
    assert time.monotonic() - started < 3 * DEADLINE + MAX_GRACE
    assert [index for index, outcome in enumerate(answered) if outcome != "scored"] == [3, 30, 60]
    assert answered.count("timeout") == 3


def test_the_batch_deadline_holds_when_every_sample_hangs() -> None:
    hurried = serve(behave, sample_deadline=PATIENCE, batch_deadline=0.3)
    started = time.monotonic()
    assert set(outcomes(["sleep"] * 20, hurried)) == {"timeout"}
    assert time.monotonic() - started < 0.3 + MAX_GRACE


def test_the_batch_ends_before_the_functions_own_time_out() -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 2_000

    started = time.monotonic()
    assert outcomes(["sleep", "sleep"], serve(behave, sample_deadline=PATIENCE), Context()) == ["timeout"] * 2
    assert time.monotonic() - started < 2.0 + MAX_GRACE


def test_nothing_is_scored_when_no_time_is_left() -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 0

    assert outcomes(["ok", "ok"], handler, Context()) == ["timeout"] * 2


def test_batches_run_at_the_same_time_in_threads_without_mixing() -> None:
    with ThreadPoolExecutor(4) as pool:
        batches = [["ok", "os._exit", "ok"], ["sleep", "ok"], ["exception"], ["ok"] * 20] * 2
        found = list(pool.map(outcomes, batches))
    wanted = [["scored", "error", "scored"], ["timeout", "scored"], ["error"], ["scored"] * 20] * 2
    assert found == wanted


def test_no_process_and_no_descriptor_is_left_behind() -> None:
    before = len(list(Path("/proc/self/fd").iterdir())), children()
    outcomes(["ok", "sleep", "os._exit", "a grandchild", "ok"])
    assert (len(list(Path("/proc/self/fd").iterdir())), children()) == before


def test_a_worker_holds_no_descriptor_of_the_function() -> None:
    def descriptors(_: Sample) -> Score:
        return Score(float(len(list(Path("/proc/self/fd").iterdir()))))

    held = [Path("/dev/null").open() for _ in range(20)]  # noqa: SIM115 - held open on purpose
    try:
        (item,) = json.loads(serve(descriptors)([row("x")])["body"])
    finally:
        for file in held:
            file.close()
    # The standard streams, what they may be redirected to, the pipe, and the listing itself.
    assert item["aggregate_reward_score"] <= 7


def test_workers_are_limited_in_memory_and_processor_time() -> None:
    def limits(_: Sample) -> Score:
        kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)
        address, seconds, core = (resource.getrlimit(kind)[0] for kind in kinds)
        return Score(1.0, {"address": address, "seconds": seconds, "core": core})

    (item,) = json.loads(serve(limits, batch_deadline=7)([row("x")])["body"])
    values = {metric["name"]: metric["value"] for metric in item["metrics_list"]}
    assert 0 < values["address"] < 1 << 46
    assert 1 <= values["seconds"] <= 10
    assert values["core"] == 0


def test_what_a_reward_prints_comes_out_once(capfd: pytest.CaptureFixture[str]) -> None:
    def chatty(_: Sample) -> Score:
        print("checked")
        return Score(1.0)

    print("before", end=" ")
    serve(chatty, workers=1)([row("a"), row("b")])
    printed = capfd.readouterr().out
    assert printed.count("before") == 1
    assert printed.count("checked") == 2


def test_a_failing_fork_is_an_error_of_each_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fork() -> int:
        raise OSError(11, "no process to be had")

    monkeypatch.setattr(os, "fork", no_fork)
    assert outcomes(["ok", "ok"]) == ["error", "error"]


def test_no_shared_memory_is_used() -> None:
    def without_shm(_: Sample) -> Score:
        return Score(1.0)

    opened: list[str] = []
    watching = True
    sys.addaudithook(
        lambda event, args: opened.append(str(args[0])) if watching and event == "open" else None
    )
    serve(without_shm)([row("x")] * 20)
    watching = False
    assert not any("/shm" in path for path in opened)


def test_quick_verdicts_need_no_worker_and_undecided_ones_get_one() -> None:
    here = os.getpid()

    def where(_: Sample) -> Score:
        return Score(float(os.getpid() == here))

    served = serve(where, quick=lambda given: where(given) if given.response == "plain" else None)
    answer = json.loads(served([row("plain"), row("hard"), row("plain" * 10_000)])["body"])
    assert [item["aggregate_reward_score"] for item in answer] == [1.0, 0.0, 0.0]


def test_an_exception_in_quick_or_key_is_an_error_of_the_sample() -> None:
    def broken(_: Sample) -> Any:
        raise ValueError

    assert outcomes(["ok"], serve(behave, quick=broken)) == ["error"]
    assert outcomes(["ok"], serve(behave, key=broken)) == ["error"]


def test_equal_keys_are_scored_once_also_in_later_batches_and_failures_are_not_kept(tmp_path: Path) -> None:
    calls = tmp_path / "calls"

    def counted(given: Sample) -> Score:
        with calls.open("a") as file:
            file.write(f"{given.response}\n")
        if given.response == "bad":
            raise ValueError
        return Score(1.0)

    served = serve(counted, key=lambda given: given.response, workers=1)
    rows = [row("good"), row("good"), row("bad"), row("bad")]
    for _ in range(2):
        answer = json.loads(served(rows)["body"])
        assert [item["aggregate_reward_score"] for item in answer] == [1.0, 1.0, 0.0, 0.0]
    assert sorted(calls.read_text().split()) == ["bad", "bad", "good"]


def test_a_reward_may_report_an_error_itself(capsys: pytest.CaptureFixture[str]) -> None:
    serve(lambda _: Score(0.0, {"error": 1.0}))([row("x")])
    assert json.loads(capsys.readouterr().out)["errors"] == 1


def test_rollouts_of_one_prompt_share_a_worker() -> None:
    waiting = {index: sample("x", str(index % 4)) for index in range(32)}
    split = shards(waiting, 2)
    assert sorted(index for shard in split for index in shard) == list(range(32))
    assert [len(shard) for shard in split] == [16, 16]
    groups = [{index % 4 for index in shard} for shard in split]
    assert groups[0] & groups[1] == set()


@pytest.mark.parametrize(("memory", "most"), [("512", 1), ("1769", 1), ("3538", 2), ("", 4), ("odd", 4)])
def test_workers_follow_the_share_of_processors(
    monkeypatch: pytest.MonkeyPatch, memory: str, most: int
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory)
    assert 1 <= worker_count(64) <= most
    assert worker_count(2) == 1


def test_deadlines_that_are_no_deadlines_are_refused_at_once() -> None:
    for bad in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="deadlines"):
            serve(behave, sample_deadline=bad)


def test_warm_up_runs_once_in_the_function_itself() -> None:
    calls: list[int] = []
    warmed = serve(behave, warm_up=lambda: calls.append(os.getpid()))
    outcomes(["ok"], warmed)
    assert calls == [os.getpid()]
