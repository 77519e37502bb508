"""The two wire contracts, and the limits on what comes in and goes out.

Open weights: the event is a list of rows, or an object that holds it under ``batch``, ``input`` or ``body``
(the list, or JSON text of any of these); the answer is ``{"statusCode": 200, "headers": ..., "body": TEXT}``,
where TEXT is a JSON list. Nova: a bare list in, a bare list out. Each item is ``{"id",
"aggregate_reward_score", "metrics_list": [{"name", "value", "type": "Metric" | "Reward"}]}``.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from reward_functions.kit.samples import identity
from reward_functions.kit.types import Outcome

Contract = Literal["auto", "open-weights", "nova"]
VARIABLE = "REWARD_CONTRACT"
MAX_BYTES = 6_291_556
"""Lambda's limit on a synchronous request and on its answer, in bytes."""

MAX_ROWS = 10_000
HOLDERS = ("batch", "input", "body")


class EventInvalid(ValueError):  # noqa: N818 - reads like the other refusals
    """The event holds no batch that could be answered row by row; ``status`` is the HTTP status for it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Batch(NamedTuple):
    """Rows as they came; ``explain`` when ``"explain": true`` beside the batch asks for reasons."""

    rows: list[Any]
    explain: bool = False


def read(event: object) -> Batch:
    """The batch in an event; raises EventInvalid saying what was expected."""
    explain = isinstance(event, Mapping) and event.get("explain") is True
    for _ in range(3):
        if isinstance(event, Mapping):
            holder = next((key for key in HOLDERS if key in event), None)
            if holder is None:
                raise EventInvalid(f"the event has none of {', '.join(HOLDERS)}; send a list of rows")
            event = event[holder]
        elif isinstance(event, str):
            event = _parse(event)
            explain = explain or (isinstance(event, Mapping) and event.get("explain") is True)
    if not isinstance(event, list):
        raise EventInvalid(f"the batch is {type(event).__name__}, not a list of rows")
    if len(event) > MAX_ROWS:
        raise EventInvalid(f"the batch has {len(event)} rows; at most {MAX_ROWS}", 413)
    return Batch(event, explain)


def contract_for(configured: Contract) -> Contract:
    """Which contract a function answers by.

    A contract that the reward's code sets is final. With "auto", REWARD_CONTRACT decides if it is set
    ("open-weights" or "nova"). Otherwise the answer is that of open weights: both families send a bare list,
    and nothing in it tells them apart, so a function that serves a Nova model has REWARD_CONTRACT=nova.
    """
    chosen = configured if configured != "auto" else os.environ.get(VARIABLE, "")
    if chosen in ("", "auto") or chosen == "open-weights":
        return "open-weights"
    if chosen == "nova":
        return "nova"
    raise EventInvalid(f"{VARIABLE} is {chosen[:40]!r}; it is open-weights, nova or auto", 500)


def answer(batch: Batch, outcomes: Sequence[Outcome], contract: Contract) -> Any:
    """The answer on the wire; metrics are left out when Lambda's limit would refuse the whole."""
    sealed = _seal(_body(batch, outcomes, True), contract)
    if sealed is None:
        sealed = _seal(_body(batch, outcomes, False), contract)
    if sealed is None:
        raise EventInvalid("the answer would exceed Lambda's limit: the ids alone are too long", 413)
    return sealed


def refusal(fault: EventInvalid, contract: Contract) -> dict[str, Any]:
    """The answer to an event that is no batch: a status for open weights; Nova's has none, so it raises."""
    if contract == "nova":
        raise fault
    return {"statusCode": fault.status, "headers": dict(_HEADERS), "body": json.dumps({"error": str(fault)})}


_HEADERS = {"Content-Type": "application/json"}
_encode = json.JSONEncoder(allow_nan=False).encode
_quoted = json.encoder.encode_basestring_ascii


def _body(batch: Batch, outcomes: Sequence[Outcome], metrics: bool) -> str:
    """The JSON list; an outcome that many rows share is written once."""
    written: dict[int, str] = {}
    items = []
    for index, (row, outcome) in enumerate(zip(batch.rows, outcomes, strict=True)):
        rest = written.get(id(outcome))
        if rest is None:
            rest = written[id(outcome)] = _encode(_verdict(outcome, metrics, batch.explain))[1:]
        given = row.get("id") if type(row) is dict else None
        plain = type(given) is str and given.isascii()
        name = given if plain else _sendable(identity(row, index))
        items.append(f'{{"id": {_quoted(name) if type(name) is str else _encode(name)}, {rest}')
    return f"[{', '.join(items)}]"


def _seal(body: str, contract: Contract) -> Any:
    if contract == "nova":
        return json.loads(body) if len(body) <= MAX_BYTES else None
    if len(body) + body.count('"') + body.count("\\") + 256 > MAX_BYTES:
        return None
    return {"statusCode": 200, "headers": dict(_HEADERS), "body": body}


def _verdict(outcome: Outcome, metrics: bool, explain: bool) -> dict[str, Any]:
    """An item of the answer without its id."""
    score = outcome.score
    item: dict[str, Any] = {"aggregate_reward_score": score.value}
    if not metrics:
        return item
    listed = [{"name": name, "value": value, "type": "Metric"} for name, value in score.metrics.items()]
    listed += [{"name": name, "value": value, "type": "Reward"} for name, value in score.rewards.items()]
    item["metrics_list"] = listed
    if explain:
        item["reason"] = _sendable(score.reason)
    return item


def _sendable(value: str | int | float) -> str | int | float:
    """A lone surrogate cannot be sent as UTF-8, which Lambda's runtime does with a bare list."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode()
    return value


def _parse(text: str) -> Any:
    if len(text) > MAX_BYTES:
        raise EventInvalid(f"the body has {len(text)} characters; at most {MAX_BYTES}", 413)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise EventInvalid(f"the body is not JSON: {type(fault).__name__}") from None
