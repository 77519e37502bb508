"""What a reward function is sent and what it has to answer, on both wire contracts.

Sent is a list with one object per answer: the row as it stands, with the model's answer as last message,
an id, and the reference as ``reference_answer``. Answered is a list in the same order, bare for Nova
models, and in ``{"statusCode": 200, "body": "<the list as JSON>"}`` for open weights (SageMaker Python
SDK 3.27.0, rlvr_reward_verifier.py). Read strictly: training on a misread score costs more than failing.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tunestep.local.training.faults import TrainingFault

Contract = Literal["open-weights", "nova"]
FAILED = ("error", "timeout")
"""Metrics with which a reward says, by a value above 0, that it could not judge an answer."""
MAX_METRICS = 50
"""Most metrics of one answer."""
KINDS = ("Metric", "Reward")


class RewardFault(TrainingFault):
    """The reward function failed, or its answer breaks the contract."""


class Asked(NamedTuple):
    """One answer to be judged. ``messages`` end before the model's ``response``."""

    id: str
    row: Mapping[str, Any]
    messages: Sequence[Mapping[str, Any]]
    response: str
    reference: Any


class Metric(NamedTuple):
    name: str
    value: float
    kind: str


class Verdict(NamedTuple):
    """``failed`` means that the answer could not be judged; its score then says nothing."""

    score: float
    metrics: tuple[Metric, ...] = ()
    failed: bool = False


def event(samples: Sequence[Asked]) -> list[dict[str, Any]]:
    """What the function is sent."""
    return [
        {
            **sample.row,
            "id": sample.id,
            "messages": [*sample.messages, {"role": "assistant", "content": sample.response}],
            **({} if sample.reference is None else {"reference_answer": sample.reference}),
        }
        for sample in samples
    ]


def question(sample: Asked) -> str:
    """The text of the conversation before the answer."""
    return "\n".join(filter(None, (_text(message.get("content")) for message in sample.messages)))


def _text(content: Any) -> str:
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str) and part)
    return content if isinstance(content, str) else ""


def read(payload: bytes, ids: Sequence[str], contract: Contract) -> list[Verdict]:
    """The verdicts on the answers with these ids, in their order.

    Raises:
        RewardFault: with what is wrong and, where there is one, the id of the answer concerned.
    """
    items = _items(_json(payload, "its answer"), contract)
    if len(items) != len(ids):
        raise RewardFault(f"it answered {len(items)} results for {len(ids)} answers.")
    found = [_id(item, place) for place, item in enumerate(items)]
    if found != list(ids):
        raise RewardFault(_wrong_ids(found, ids))
    return [_verdict(item) for item in items]


def _json(text: bytes | str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RewardFault(f"{what} is not JSON.") from None


def _items(answer: Any, contract: Contract) -> list[Any]:
    if isinstance(answer, dict) and ("errorMessage" in answer or "errorType" in answer):
        raise RewardFault(f"it answered an error: {failure(answer)}")
    if contract == "nova":
        if not isinstance(answer, list):
            raise RewardFault(f"for a Nova model it has to answer a bare list, not {_kind(answer)}.")
        return answer
    if not isinstance(answer, dict):
        raise RewardFault(
            f'for an open-weights model it has to answer {{"statusCode": 200, "body": "..."}}, not '
            f"{_kind(answer)}."
        )
    if answer.get("statusCode") != 200:
        raise RewardFault(f"it answered statusCode {_short(answer.get('statusCode'))}, not 200.")
    if not isinstance(answer.get("body"), str):
        raise RewardFault(f"its body has to be a list as a JSON string, not {_kind(answer.get('body'))}.")
    body = _json(answer["body"], "its body")
    if not isinstance(body, list):
        raise RewardFault(f"its body has to hold a list, not {_kind(body)}.")
    return body


def failure(answer: Any) -> str:
    """What a Lambda's error document says, short."""
    if not isinstance(answer, dict):
        return _short(answer)
    kind, message = answer.get("errorType"), answer.get("errorMessage")
    return ": ".join(_short(part) for part in (kind, message) if part) or "no message"


def _id(item: Any, place: int) -> str:
    if not isinstance(item, dict):
        raise RewardFault(f"result {place + 1} has to be an object, not {_kind(item)}.")
    if not isinstance(item.get("id"), str):
        raise RewardFault(f"result {place + 1} has no id, or one that is not a string.")
    return str(item["id"])


def _wrong_ids(found: Sequence[str], ids: Sequence[str]) -> str:
    if sorted(found) == sorted(ids):
        return "its results are not in the order of the answers it was sent."
    place = next(place for place, pair in enumerate(zip(found, ids, strict=True)) if pair[0] != pair[1])
    return f"result {place + 1} has the id {_short(found[place])}; it was sent {_short(ids[place])}."


def _verdict(item: Mapping[str, Any]) -> Verdict:
    about = f"of answer {_short(item['id'])}"
    if "aggregate_reward_score" not in item:
        raise RewardFault(f"the result {about} has no aggregate_reward_score.")
    score = _number(item["aggregate_reward_score"], f"aggregate_reward_score {about}")
    listed = item.get("metrics_list")
    if listed is None:
        return Verdict(score)
    if not isinstance(listed, list) or len(listed) > MAX_METRICS:
        raise RewardFault(f"metrics_list {about} has to be a list of at most {MAX_METRICS} metrics.")
    metrics = tuple(_metric(entry, about) for entry in listed)
    return Verdict(score, metrics, any(metric.name in FAILED and metric.value > 0 for metric in metrics))


def _metric(entry: Any, about: str) -> Metric:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise RewardFault(f"a metric {about} has no name.")
    if entry.get("type") not in KINDS:
        raise RewardFault(f"metric {_short(entry['name'])} {about} has to be of type Metric or Reward.")
    return Metric(
        entry["name"], _number(entry.get("value"), f"metric {_short(entry['name'])} {about}"), entry["type"]
    )


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RewardFault(f"{what} has to be a number, not {_kind(value)}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise RewardFault(f"{what} has to be a finite number, not {number}.")
    return number


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "nothing"}
    return names.get(type(value), "a number")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 160 else f"{text[:159]}…"
