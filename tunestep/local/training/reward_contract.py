"""What a reward function is sent while a model is trained, and its answers as verdicts.

Sent is a list with one object per answer: the row as it stands, with the model's answer as last message,
an id, and the reference as ``reference_answer``. Answers are read as strictly as at certification: training
on a misread score costs more than failing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tunestep.certify import contract as answers
from tunestep.certify.contract import Metric
from tunestep.local.training.faults import TrainingFault
from tunestep.plan_model import Family

__all__ = ["Asked", "Contract", "Metric", "RewardFault", "Verdict", "event", "question", "read"]

Contract = Family


class RewardFault(TrainingFault):
    """The reward function failed, or its answer breaks the contract."""


class Asked(NamedTuple):
    """One answer to be judged. ``messages`` end before the model's ``response``."""

    id: str
    row: Mapping[str, Any]
    messages: Sequence[Mapping[str, Any]]
    response: str
    reference: Any


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
    """The verdicts on the answers with these ids, in their order, by the rules of certification.

    Raises:
        RewardFault: with what is wrong, and with which result.
    """
    try:
        scored = answers.read(payload, ids, contract)
    except answers.ContractFault as fault:
        raise RewardFault(str(fault)) from None
    return [Verdict(one.score, one.metrics, bool(one.failure)) for one in scored]
