"""Rewards called in this process as Lambda calls them: JSON in, JSON out, or an error document."""

import importlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from tunestep.certify import certification, data
from tunestep.certify.calls import Reply, failed
from tunestep.certify.certification import Certified
from tunestep.certify.outcomes import Probe, Thresholds
from tunestep.certify.rows import Question
from tunestep.plan_model import Family

Handler = Callable[[Any, Any], Any]


class InProcess:
    """A handler as a Function; ``seconds`` says how long a call pretends to have taken."""

    title = "in-process"

    def __init__(
        self, handler: Handler, *, timeout: float = 60.0, seconds: Callable[[int], float] = lambda _: 0.01
    ) -> None:
        self._handler, self.timeout, self._seconds = handler, timeout, seconds
        self.sizes: list[int] = []

    def call(self, payload: bytes) -> Reply:
        event = json.loads(payload)
        self.sizes.append(len(event))
        seconds = self._seconds(len(event))
        if seconds > self.timeout:
            return Reply(b"", self.timeout, "timeout", "It was ended at its time-out.")
        try:
            answer = json.dumps(self._handler(event, None))
        except Exception as fault:
            document = {"errorType": type(fault).__name__, "errorMessage": str(fault)}
            return failed(json.dumps(document).encode(), seconds)
        return Reply(answer.encode(), seconds)


def library(name: str) -> Handler:
    """The handler of a reward of the library."""
    handler: Handler = importlib.import_module(f"reward_functions.{name}").handler
    return handler


def lines(rows: Sequence[Any]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def products(count: int = 30) -> list[dict[str, Any]]:
    """verl rows with different whole numbers as references."""
    return [
        {
            "prompt": [{"role": "user", "content": f"What is {n} times {n + 3}?"}],
            "reward_model": {"style": "rule", "ground_truth": str(n * (n + 3))},
        }
        for n in range(2, count + 2)
    ]


def questions(rows: Sequence[Any], count: int = 24) -> list[Question]:
    return data.of_bytes(lines(rows), count).questions


def certify(
    handler: Handler | InProcess,
    rows: Sequence[Any] | None = None,
    *,
    family: Family = "open-weights",
    thresholds: Thresholds | None = None,
    **options: Any,
) -> Certified:
    function = handler if isinstance(handler, InProcess) else InProcess(handler)
    chosen = thresholds or Thresholds()
    sampled = data.of_bytes(lines(products() if rows is None else rows), chosen.sample)
    return certification.of_function(function, family, sampled, chosen, "$.reward.function", **options)


def probe(certified: Certified, name: str) -> Probe:
    (found,) = [probe for probe in certified.probes if probe.name == name]
    return found


def outcomes(certified: Certified, outcome: str) -> set[str]:
    return {probe.name for probe in certified.probes if probe.outcome == outcome}


def codes(certified: Certified, severity: str = "error") -> set[str]:
    return {finding.code for finding in certified.findings if finding.severity == severity}


def answering(change: Callable[[list[dict[str, Any]]], Any]) -> Handler:
    """A reward that scores exactly right, whose list of results is then changed."""

    def handler(event: Any, _context: Any) -> Any:
        results = []
        for row in event:
            turns = row.get("messages") or [{"content": ""}]
            right = f"The answer is {row.get('reference_answer')}." == turns[-1].get("content")
            results.append({"id": row["id"], "aggregate_reward_score": float(right), "metrics_list": []})
        return {"statusCode": 200, "headers": {}, "body": json.dumps(change(results))}

    return handler
