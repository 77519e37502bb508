"""What a message says about a question: the facts of the stored approval, in words, safe to send anywhere.

Whatever a requester, a hub or a dataset could have written stands in quotation marks, on one line, without
anything that becomes a link (tunestep.text.quoted). Links are written out only where they come from the
table of known licences.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tunestep.text import defanged, one_line, quoted

Question = Mapping[str, Any]
"""The item RUN#<run id>/APPROVAL, see tunestep.approvals.request_approval."""

_STATES = {"APPROVED": "Approved", "DECLINED": "Declined", "EXPIRED": "Closed without a decision"}


class Fact(NamedTuple):
    """One line of a message: a label of ours, and a value that is safe to show."""

    label: str
    value: str

    @property
    def line(self) -> str:
        return f"{self.label}: {self.value}"


def moment(epoch: object) -> str:
    """A time for people, in UTC; empty for what is no time."""
    try:
        return datetime.fromtimestamp(int(str(epoch)), UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return ""


def facts(question: Question) -> list[Fact]:
    """What is being decided, in the order in which a person wants to know it; empty ones are left out."""
    reward, dataset = question.get("reward") or {}, question.get("dataset") or {}
    package = question.get("source_model_package_arn")
    found = [
        Fact("Run", quoted(question.get("run_id", ""))),
        Fact("Why", _ours(question.get("reason_needed"))),
        Fact("Model", _theirs(question.get("model_arn"))),
        Fact("Goes on from", _theirs(package)),
        Fact("Licence", _licence(question.get("licence") or {})),
        Fact("Technique", _ours(question.get("technique"))),
        *[Fact("Dataset", _theirs(said)) for said in _several(dataset.get("said"))],
        Fact("Reward", _theirs(f"{reward.get('kind', '')} {reward.get('value', '')}".strip())),
        Fact("Certification", _ours(question.get("reward_verdict"))),
        Fact("Estimate", _ours(_estimate(question.get("estimate")))),
        Fact("Asked by", _requester(question)),
        Fact("Open until", moment(question.get("expires_at", ""))),
    ]
    return [fact for fact in found if fact.value]


def outcome(question: Question) -> list[Fact]:
    """How it was decided, by whom and when; empty while nobody has."""
    state = _STATES.get(str(question.get("state")))
    if state is None:
        return []
    known = str(question.get("assurance") or "")
    actor = _theirs(question.get("actor"))
    found = [
        Fact("Decision", state),
        Fact("By", f"{actor} ({one_line(known, 40)})" if actor and known else actor),
        Fact("At", one_line(question.get("decided_at") or "", 40)),
        Fact("Reason", _theirs(question.get("reason"))),
    ]
    return [fact for fact in found if fact.value]


def _ours(text: object) -> str:
    """A sentence that the planner wrote; names in it may be a requester's."""
    return defanged(one_line(text or "", 400))


def _theirs(text: object) -> str:
    return quoted(text) if text else ""


def _several(value: object) -> list[object]:
    return list(value)[:10] if isinstance(value, list | tuple) else []


def _licence(licence: Mapping[str, Any]) -> str:
    name, url = licence.get("name") or "", str(licence.get("url") or "")
    if not name:
        return "unknown"
    in_table = bool(licence.get("revision")) and url.startswith("https://") and url.isascii()
    if in_table and url.isprintable() and " " not in url:
        return f"{_ours(name)}, {url}"
    return _theirs(f"{name} {url}".strip())


def _estimate(estimate: object) -> str:
    if isinstance(estimate, Mapping):
        return str(estimate.get("text") or "")
    return str(estimate or "")


def _requester(question: Question) -> str:
    how = question.get("requester_assurance") or "not verified"
    return f"{quoted(question.get('requester') or 'unknown')} ({one_line(how, 60)})"
