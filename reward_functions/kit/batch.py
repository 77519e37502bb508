"""One batch: every row gets exactly one outcome, in order.

A row goes through at most five steps: its two texts may decide it (``glance``); it is read; an equal one may
have been scored before (``key``); the reward may decide it at once (``quick``); or a worker scores it.
Failures are outcomes of their own.
"""

import functools
import json
import math
import os
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from reward_functions.kit import samples, workers
from reward_functions.kit.config import VARIABLE
from reward_functions.kit.types import Outcome, RewardError, Sample, Score, failed

FAILURES = ("error", "timeout")
"""Metrics that say, above 0, that there is no verdict; a reward may report them itself."""

MAX_METRICS = 32
MAX_NAME = 128
MAX_REASON = 2_000
MAX_WORKERS = 4
QUICK_TEXT = 32_768
"""Longest response that is looked at outside of a worker, in characters."""

FEW = 8
"""Below so many samples a second worker costs more than it saves."""

_MEGABYTES_PER_CPU = 1_769
_MEMO_ENTRIES = 4_096


@dataclass(slots=True)
class Memo:
    """Outcomes of samples already scored, least recently used first out; failures are never kept."""

    _entries: OrderedDict[str, Outcome] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str) -> Outcome | None:
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: str, outcome: Outcome) -> None:
        if outcome.failure:
            return
        with self._lock:
            self._entries[key] = outcome
            while len(self._entries) > _MEMO_ENTRIES:
                self._entries.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Scoring:
    """A reward and how it is run; see :func:`reward_functions.kit.serve.serve`."""

    score: Callable[[Sample], Score]
    quick: Callable[[Sample], Score | None] | None = None
    key: Callable[[Sample], str | None] | None = None
    sample_seconds: float = 1.0
    memory_bytes: int = 256 << 20
    workers: int | None = None
    glance: Callable[[str, str], Score | None] | None = None
    memo: Memo = field(default_factory=Memo)

    def batch(self, rows: Sequence[object], end: float) -> list[Outcome]:
        """Outcomes for the rows, in their order; ``end`` is the deadline on the monotonic clock."""
        outcomes: dict[int, Outcome] = {}
        waiting: dict[int, Sample] = {}
        keys: dict[int, str] = {}
        twins: dict[str, int] = {}
        glance, now = _glancing(self.glance) if self.glance else None, time.monotonic
        for index, row in enumerate(rows):
            if now() >= end:
                outcomes[index] = failed("timeout", "the batch deadline passed")
                continue
            outcome = glance(row) if glance else None
            if outcome is None:
                outcome = attempt(functools.partial(self._first_look, index, row, waiting, keys))
            if outcome is not None:
                outcomes[index] = outcome
            elif index in keys and twins.setdefault(keys[index], index) != index:
                del waiting[index]
        outcomes.update(self._in_workers(waiting, end))
        for index, key in keys.items():
            outcome = outcomes.setdefault(index, outcomes[twins.get(key, index)])
            self.memo.put(key, outcome)
        return [outcomes[index] for index in range(len(rows))]

    def _first_look(
        self, index: int, row: object, waiting: dict[int, Sample], keys: dict[int, str]
    ) -> Outcome | None:
        sample = samples.read(row, index)
        short = len(sample.response) <= QUICK_TEXT
        key = self.key(sample) if self.key and short else None
        if key is not None:
            key = json.dumps([os.environ.get(VARIABLE, ""), sample.row_options, key], default=str)
            known = self.memo.get(key)
            if known is not None:
                return known
            keys[index] = key
        score = self.quick(sample) if self.quick and short else None
        if score is not None:
            return settle(score)
        waiting[index] = sample
        return None

    def _in_workers(self, waiting: Mapping[int, Sample], end: float) -> dict[int, Outcome]:
        if not waiting:
            return {}

        def work(index: int) -> bytes:
            return _encode(attempt(lambda: settle(self.score(waiting[index]))))

        bounds = workers.Bounds(self.sample_seconds, end, self.memory_bytes)
        results = workers.run(shards(waiting, self.workers or worker_count(len(waiting))), work, bounds)
        return {index: _decode(result) for index, result in results.items()}


def _glancing(decide: Callable[[str, str], Score | None]) -> Callable[[object], Outcome | None]:
    """What the two texts of a row decide; one score for many rows is settled once a batch."""
    settled: dict[int, tuple[Score, Outcome]] = {}

    def glance(row: object) -> Outcome | None:
        try:
            texts = samples.texts(row)
            if texts is None or len(texts[0]) > QUICK_TEXT:
                return None
            score = decide(*texts)
            if score is None:
                return None
            known = settled.get(id(score))
            if known is None:
                known = settled[id(score)] = (score, settle(score))
            return known[1]
        except Exception:
            return None  # The steps after this one meet the same fault, and report it.

    return glance


def shards(waiting: Mapping[int, Sample], count: int) -> list[list[int]]:
    """Split by reference, so that what a worker caches about a reference serves all its rollouts."""
    groups: dict[str, list[int]] = {}
    for index, sample in waiting.items():
        groups.setdefault(repr(sample.reference), []).append(index)
    split: list[list[int]] = [[] for _ in range(count)]
    for group in sorted(groups.values(), key=len, reverse=True):
        min(split, key=len).extend(group)
    return split


def worker_count(waiting: int) -> int:
    """Workers for so many samples: one per processor that the function has a full share of."""
    if waiting < FEW:
        return 1
    available = getattr(os, "process_cpu_count", os.cpu_count)() or 1
    memory = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if memory.isdigit():
        available = min(available, round(int(memory) / _MEGABYTES_PER_CPU))
    return max(1, min(available, MAX_WORKERS))


def attempt(step: Callable[[], Outcome | None]) -> Any:
    """The step's outcome, or an error outcome in place of whatever it raised."""
    try:
        return step()
    except RewardError as fault:
        reason = f"{fault}: {fault.content}" if fault.content else str(fault)
        return failed("error", str(fault)[:MAX_REASON], reason[:MAX_REASON])
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        return failed("error", _where(fault), f"{_where(fault)}: {_message(fault)}")


def settle(result: object) -> Outcome:
    """A reward's result as an outcome; raises RewardError when it is not a usable score."""
    if isinstance(result, int | float):
        result = Score(float(result))
    if not isinstance(result, Score):
        raise RewardError(f"score() returned {type(result).__name__}, not Score")
    if len(result.metrics) + len(result.rewards) > MAX_METRICS:
        raise RewardError(f"score() returned more than {MAX_METRICS} metrics")
    value = _finite("the value", result.value)
    metrics = {_name(name): _finite(f"metric {name}", number) for name, number in result.metrics.items()}
    rewards = {_name(name): _finite(f"reward {name}", number) for name, number in result.rewards.items()}
    reported = next((name for name in FAILURES if metrics.get(name, 0) > 0), "")
    detail = f"the reward reported {reported}" if reported else ""
    return Outcome(Score(value, metrics, str(result.reason)[:MAX_REASON], rewards), reported, detail)


def _finite(what: str, value: object) -> float:
    if not isinstance(value, int | float):
        raise RewardError(f"{what} is {type(value).__name__}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise RewardError(f"{what} is not finite")
    return number


def _name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        raise RewardError(f"metric names are texts of 1 to {MAX_NAME} characters")
    return name


def _where(fault: BaseException) -> str:
    """Class and place of an exception; its text may hold content, so it is not part of this."""
    frames = traceback.extract_tb(fault.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(fault).__name__}{place}"


def _message(fault: BaseException) -> str:
    try:
        return str(fault)[:MAX_REASON]
    except Exception:
        return "no readable message"


def _encode(outcome: Outcome) -> bytes:
    score = outcome.score
    return json.dumps(
        [score.value, dict(score.metrics), score.reason, dict(score.rewards), outcome.failure, outcome.detail]
    ).encode()


def _decode(result: bytes | workers.Lost) -> Outcome:
    if isinstance(result, workers.Lost):
        return failed(result.failure, result.detail)
    value, metrics, reason, rewards, failure, detail = json.loads(result)
    return Outcome(Score(value, metrics, reason, rewards), failure, detail)
