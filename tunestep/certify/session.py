"""Batches sent to one reward: within the payload's limit, counted, and within the time there is."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from tunestep.certify import contract, rows
from tunestep.certify.calls import MAX_PAYLOAD, Failure, Function, Reply
from tunestep.certify.contract import ContractFault
from tunestep.certify.rows import Question
from tunestep.plan_model import Family

BATCH = 64
"""Rows of one call when scores are asked for."""


MAX_SAID = 5


class Case(NamedTuple):
    """One answer to one question."""

    question: Question
    response: str


class Result(NamedTuple):
    """The score of a case; None with ``failure`` when there is none, or none that means anything.

    ``reported`` when the call was answered as it should be, and the reward itself says that it failed.
    """

    score: float | None
    failure: Failure = ""
    message: str = ""
    reported: bool = False


class Batch(NamedTuple):
    """How one call ended."""

    results: list[Result]
    reply: Reply

    @property
    def lost(self) -> Result | None:
        """What stands for all results when the call was not answered by the contract; else None."""
        first = self.results[0]
        return first if first.failure and not first.reported and len({*self.results}) == 1 else None


class OutOfTime(Exception):  # noqa: N818 - a state of the session, which its user ends on
    """The time for all calls together is used up."""


class Session:
    """Calls to one function by one contract; none is begun when ``budget_seconds`` have passed.

    ``said`` holds the function's own words about its failures; they may quote rows.
    """

    def __init__(
        self,
        function: Function,
        family: Family,
        *,
        budget_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.function, self.family = function, family
        self.calls = 0
        self.said: list[str] = []
        self._clock = clock
        self._end = clock() + budget_seconds

    def score(self, cases: Sequence[Case]) -> list[Result]:
        """A result for every case, in order; raises OutOfTime."""
        return [result for part in parts(cases) for result in self.batch(part).results]

    def batch(self, cases: Sequence[Case]) -> Batch:
        """One call with all cases; raises OutOfTime when there is no time left for it."""
        ids = identities(len(cases))
        return self.send([sent(case, row_id) for case, row_id in zip(cases, ids, strict=True)], ids)

    def send(self, event: list[dict[str, Any]], ids: Sequence[str]) -> Batch:
        """One call with these rows as they are."""
        if self._clock() >= self._end:
            raise OutOfTime
        self.calls += 1
        reply = self.function.call(json.dumps(event).encode())
        if reply.said and reply.said not in self.said and len(self.said) < MAX_SAID:
            self.said.append(reply.said)
        if reply.failure:
            return Batch([Result(None, reply.failure, reply.message)] * len(ids), reply)
        try:
            scored = contract.read(reply.payload, ids, self.family)
        except ContractFault as fault:
            return Batch([Result(None, "error", str(fault))] * len(ids), reply)
        return Batch([_result(item) for item in scored], reply)


def _result(item: contract.Scored) -> Result:
    if item.failure == "timeout":
        return Result(None, "timeout", "The reward reports that it took too long.", True)
    if item.failure:
        return Result(None, "error", "The reward reports an error for the row.", True)
    return Result(item.score)


def failure(result: Result) -> Literal["timeout", "error"]:
    """What a probe is called whose result was lost."""
    return "timeout" if result.failure == "timeout" else "error"


def sent(case: Case, row_id: str) -> dict[str, Any]:
    return rows.sent(case.question, row_id, case.response)


def identities(count: int) -> list[str]:
    """Ids that are in no order of their own, so that sorted answers are noticed."""
    return [hashlib.sha256(f"certify {index}".encode()).hexdigest()[:16] for index in range(count)]


def size(case: Case) -> int:
    """Bytes that the case takes in a payload."""
    return len(json.dumps(sent(case, "0" * 16))) + 2


def parts(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """The cases in calls of at most BATCH rows and MAX_PAYLOAD bytes."""
    part: list[Case] = []
    total = 0
    for case in cases:
        length = size(case)
        if part and (len(part) == BATCH or total + length > MAX_PAYLOAD):
            yield part
            part, total = [], 0
        part.append(case)
        total += length
    if part:
        yield part
