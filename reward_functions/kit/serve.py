"""From a score function to a Lambda handler."""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from reward_functions.kit import wire
from reward_functions.kit.batch import Scoring
from reward_functions.kit.types import Outcome, Sample, Score

RESERVE_SECONDS = 0.5
"""Left of Lambda's own time-out for writing the answer."""

_CAUSES = 5


class Handler(Protocol):
    """What Lambda calls."""

    def __call__(self, event: Any, context: Any = None) -> Any: ...


def serve(
    score: Callable[[Sample], Score],
    *,
    name: str = "",
    contract: wire.Contract = "auto",
    sample_deadline: float = 1.0,
    batch_deadline: float = 60.0,
    quick: Callable[[Sample], Score | None] | None = None,
    key: Callable[[Sample], str | None] | None = None,
    glance: Callable[[str, str], Score | None] | None = None,
    warm_up: Callable[[], object] | None = None,
    memory_mb: int = 256,
    workers: int | None = None,
) -> Handler:
    """A handler ``(event, context) -> answer`` around a score function.

    ``sample_deadline`` and ``batch_deadline`` are wall-clock seconds; the batch also ends before the Lambda
    time-out in ``context``. What is not scored by then has the outcome timeout. ``memory_mb`` is what a
    worker may allocate beyond what the function had when it was forked.

    ``quick`` decides a sample in the function's own process, which saves the fork (3 ms a batch, and the
    way back of each result); it returns None to leave the sample to a worker. No deadline holds there, so it
    is only for code whose time is bounded for every input within the kit's limits: no recursion over the
    text, no expression that backtracks, no arithmetic on numbers of unbounded size.

    ``key`` names what a verdict depends on (say, extracted answer and reference): samples with equal keys are
    scored once, also across invocations of a warm function. None means that the sample stands alone. It runs
    where ``quick`` runs, under the same rule.

    ``glance`` decides likewise, by the same rule and before all else, from the response and a reference that
    is text; it is for rewards without options that look at nothing more, and makes a batch of plain rows
    three times as fast. It may return one Score for many samples. What it leaves open goes the usual way.

    ``warm_up`` is called once, here, so that workers inherit what it has imported and cached.
    """
    if not sample_deadline > 0 or not batch_deadline > 0:
        raise ValueError("deadlines are seconds above 0")
    scoring = Scoring(score, quick, key, sample_deadline, memory_mb << 20, workers, glance)
    label = name or str(getattr(score, "__module__", None)).rpartition(".")[2]
    if warm_up:
        warm_up()

    def handler(event: Any, context: Any = None) -> Any:
        started = time.monotonic()
        spoken: wire.Contract = "open-weights" if contract == "auto" else contract
        try:
            spoken = wire.contract_for(contract)
            batch = wire.read(event)
            outcomes = scoring.batch(batch.rows, started + _seconds(batch_deadline, context))
            answer = wire.answer(batch, outcomes, spoken)
        except wire.EventInvalid as fault:
            _log({"event": "reward_refused", "reward": label, "status": fault.status, "cause": str(fault)})
            return wire.refusal(fault, spoken)
        _log(_summary(label, spoken, outcomes, started))
        return answer

    return handler


def _seconds(batch_deadline: float, context: Any) -> float:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if remaining is None:
        return batch_deadline
    left = float(remaining()) / 1000 - RESERVE_SECONDS
    return min(batch_deadline, max(0.0, left))


def _summary(label: str, contract: str, outcomes: Sequence[Outcome], started: float) -> dict[str, Any]:
    failures = Counter(outcome.failure for outcome in outcomes)
    causes = Counter(outcome.detail for outcome in outcomes if outcome.failure)
    return {
        "event": "reward_batch",
        "reward": label,
        "contract": contract,
        "rows": len(outcomes),
        "scored": failures[""],
        "errors": failures["error"],
        "timeouts": failures["timeout"],
        "causes": dict(causes.most_common(_CAUSES)),
        "ms": round((time.monotonic() - started) * 1000, 1),
    }


def _log(line: dict[str, Any]) -> None:
    """One JSON line per batch: counts and causes, never content."""
    print(json.dumps(line), file=sys.stdout, flush=True)
