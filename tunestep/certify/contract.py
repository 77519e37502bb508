"""What a reward function has to answer, read strictly.

Open weights: ``{"statusCode": 200, "body": TEXT}`` with a JSON list in TEXT; Nova: the bare list. Each item
has ``id``, a number ``aggregate_reward_score`` and, optionally, ``metrics_list`` of ``{name, value, type}``
with type Metric or Reward (SageMaker Python SDK 3.27.0, rlvr_reward_verifier.py). Stricter than that verifier
where it lets a wrong answer pass: one object in place of the list, another number of results, other ids,
another order, numbers that are not finite.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tunestep.plan_model import Family
from tunestep.text import one_line

KINDS = ("Metric", "Reward")
MAX_METRICS = 50
"""Most metrics of one result."""
FAILURES = ("error", "timeout")
"""Metrics by which a reward says, with a value above 0, that it could not judge a row."""


class ContractFault(Exception):  # noqa: N818 - reads like the other refusals of outside data
    """The answer cannot be used at all; the message says why, without content of a row."""


class Metric(NamedTuple):
    """A number beside the score; ``kind`` is Metric or Reward."""

    name: str
    value: float
    kind: str


class Scored(NamedTuple):
    """One row's result. ``failure`` is error or timeout when the reward said so itself."""

    score: float
    failure: str = ""
    metrics: tuple[Metric, ...] = ()


def read(payload: bytes, ids: Sequence[str], contract: Family) -> list[Scored]:
    """The results for the rows with these ids, in their order; raises ContractFault."""
    items = _items(_json(payload, "The answer"), contract)
    if len(items) != len(ids):
        raise ContractFault(f"{len(items)} results came back for {len(ids)} rows.")
    found = [_id(item, place) for place, item in enumerate(items, 1)]
    if found != list(ids):
        if sorted(found) == sorted(ids):
            raise ContractFault("The results are not in the order of the rows.")
        place = next(n for n, pair in enumerate(zip(found, ids, strict=True), 1) if pair[0] != pair[1])
        raise ContractFault(f"Result {place} has an id that is not its row's.")
    return [_scored(item, place) for place, item in enumerate(items, 1)]


class Failed(NamedTuple):
    """What the error document of a failed invocation says. ``said`` may quote rows, ``kind`` does not."""

    kind: str
    said: str


def explain(payload: bytes) -> Failed:
    """Read an error document, each part on one line."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Failed("an error that cannot be read", "")
    return Failed(_short(document.get("errorType") or "an error"), _short(document.get("errorMessage") or ""))


def _json(text: bytes | str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ContractFault(f"{what} is not JSON.") from None


def _items(answer: Any, contract: Family) -> list[Any]:
    if isinstance(answer, dict) and ("errorMessage" in answer or "errorType" in answer):
        raise ContractFault(f"The answer is an error document ({_short(answer.get('errorType'))}).")
    if contract == "nova":
        if not isinstance(answer, list):
            raise ContractFault(f"For a Nova model the answer has to be a bare list, not {_kind(answer)}.")
        return answer
    if not isinstance(answer, dict):
        raise ContractFault(
            'For an open-weights model the answer has to be {"statusCode": 200, "body": "[...]"}, not '
            f"{_kind(answer)}."
        )
    if answer.get("statusCode") != 200:
        raise ContractFault(f"statusCode is {_short(answer.get('statusCode'))}, not 200.")
    if not isinstance(answer.get("body"), str):
        raise ContractFault(f"body has to be a list as JSON text, not {_kind(answer.get('body'))}.")
    body = _json(answer["body"], "body")
    if not isinstance(body, list):
        raise ContractFault(f"body has to hold a list, not {_kind(body)}.")
    return body


def _id(item: Any, place: int) -> str:
    if not isinstance(item, dict):
        raise ContractFault(f"Result {place} has to be an object, not {_kind(item)}.")
    if not isinstance(item.get("id"), str):
        raise ContractFault(f"Result {place} has no id, or one that is not the text that was sent.")
    return str(item["id"])


def _scored(item: Mapping[str, Any], place: int) -> Scored:
    if "aggregate_reward_score" not in item:
        raise ContractFault(f"Result {place} has no aggregate_reward_score.")
    score = _number(item["aggregate_reward_score"], f"aggregate_reward_score of result {place}")
    listed = item.get("metrics_list")
    if listed is None:
        return Scored(score)
    if not isinstance(listed, list):
        raise ContractFault(f"metrics_list of result {place} has to be a list, not {_kind(listed)}.")
    if len(listed) > MAX_METRICS:
        raise ContractFault(f"metrics_list of result {place} has more than {MAX_METRICS} metrics.")
    metrics = tuple(_metric(metric, place) for metric in listed)
    told = {metric.name for metric in metrics if metric.value > 0}
    return Scored(score, next((name for name in FAILURES if name in told), ""), metrics)


def _metric(metric: Any, place: int) -> Metric:
    if not isinstance(metric, dict) or not isinstance(metric.get("name"), str) or not metric["name"]:
        raise ContractFault(f"A metric of result {place} has no name.")
    about = f"metric {_short(metric['name'])} of result {place}"
    if metric.get("type") not in KINDS:
        raise ContractFault(f"The type of {about} has to be Metric or Reward.")
    return Metric(metric["name"], _number(metric.get("value"), about), metric["type"])


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ContractFault(f"{what} has to be a number, not {_kind(value)}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ContractFault(f"{what} has to be a finite number, not {number}.")
    return number


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")


def _short(value: Any) -> str:
    return one_line(value if isinstance(value, str) else repr(value), 160)
