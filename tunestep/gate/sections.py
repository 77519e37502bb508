"""What the page says about a question: the stored facts, in sections, as plain text.

Nothing here is escaped or checked for what it could do: the page does both, for everything it shows.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from tunestep.approval_states import APPROVED, DECLINED
from tunestep.runs import Item

_SOURCES = {
    "cli": "started from the command line",
    "console": "started in the console",
    "event": "started by an event",
    "schedule": "started by a schedule",
    "s3": "started by a file in S3",
    "preset": "started by new data for a preset",
}
_CHANNELS = {
    "page": "on the approval page",
    "slack": "in Slack",
    "api": "by a signed request",
    "cli": "from the command line",
}


_LABELLED = re.compile(
    r"(?P<label>(?:Training|Validation) (?:data|tokens|rows in tokens|content)|Tokens|Time|Cost): "
    r"(?P<value>.+)"
)
"""Lines of the data's summary and of the estimate that begin with a label of ours. Any other stays whole."""


class Fact(NamedTuple):
    """A label of ours and a value of anybody's; ``code`` is for digests and ARNs, ``link`` for a URL."""

    label: str
    value: str
    kind: Literal["text", "code", "link"] = "text"


class Section(NamedTuple):
    title: str
    facts: list[Fact]


class Moment(NamedTuple):
    """A time as ``<time>`` takes it and as people read it, both UTC."""

    machine: str
    people: str


def moment(epoch: float) -> Moment:
    when = datetime.fromtimestamp(epoch, UTC)
    return Moment(when.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{when.day} {when:%B %Y, %H:%M} UTC")


def when(text: str) -> str:
    """A recorded time as people read it; what is no time stays as it is."""
    try:
        return moment(datetime.fromisoformat(text).timestamp()).people
    except (ValueError, OverflowError):
        return text


def sections(item: Item) -> list[Section]:
    """All sections of a question that have something to say, the decision first when there is one."""
    made = [
        Section("The decision", _decision(item)),
        Section("The licence", _licence(item.get("licence") or {})),
        Section("The model", _model(item)),
        Section("The data", _data(item.get("dataset") or {})),
        Section("The reward", _reward(item)),
        Section("The estimate", _estimate(item.get("estimate") or {})),
        Section("Who asks", _asked(item)),
    ]
    kept = [Section(section.title, [fact for fact in section.facts if fact.value]) for section in made]
    return [section for section in kept if section.facts]


def _decision(item: Item) -> list[Fact]:
    if item.get("state") not in (APPROVED, DECLINED):
        return []
    return [
        Fact("Decision", "approved" if item["state"] == APPROVED else "declined"),
        Fact("By", _text(item, "actor")),
        Fact("How", _CHANNELS.get(_text(item, "channel"), "")),
        Fact("Known by", _text(item, "assurance")),
        Fact("When", when(_text(item, "decided_at"))),
        Fact("Reason", _text(item, "reason")),
        Fact("Decided in run", _text(item, "decided_in_run")),
        Fact("Note", f"Not delivered: {item['undelivered']}." if item.get("undelivered") else ""),
    ]


def _licence(licence: Mapping[str, Any]) -> list[Fact]:
    url = _text(licence, "url")
    return [
        Fact("Licence", _text(licence, "name")),
        Fact("Terms", url, "link" if linkable(url) else "text"),
        Fact("Statement", _text(licence, "statement")),
        Fact("Text that the hub keeps", _text(licence, "text_uri"), "code"),
        Fact("SHA-256 of the text", _text(licence, "text_sha256"), "code"),
        Fact("Table of links", _text(licence, "revision")),
    ]


def linkable(url: str) -> bool:
    """Whether a URL may be a link: https, and nothing in it that reads as something else."""
    return url.startswith("https://") and url.isascii() and url.isprintable() and not set(url) & set(' "<>\\')


def _model(item: Item) -> list[Fact]:
    return [
        Fact("Model", _text(item, "model_name")),
        Fact("Version", _text(item, "model_version")),
        Fact("ARN", _text(item, "model_arn"), "code"),
        Fact("Goes on from", _text(item, "source_model_package_arn"), "code"),
        Fact("Technique", _text(item, "technique")),
        Fact("Use case", _text(item, "use_case")),
    ]


def _data(dataset: Mapping[str, Any]) -> list[Fact]:
    warnings = dataset.get("warnings")
    return [
        *_lines("Summary", dataset.get("said")),
        Fact("Warnings", str(warnings) if warnings else ""),
        Fact("Report", _text(dataset, "uri"), "code"),
        Fact("SHA-256 of the report", _text(dataset, "sha256"), "code"),
    ]


def _reward(item: Item) -> list[Fact]:
    pins = item.get("reward") or {}
    return [
        Fact("Certification", _text(item, "reward_verdict")),
        Fact("Reward", f"{_text(pins, 'kind')} {_text(pins, 'value')}".strip()),
        Fact("Judge", _text(pins, "judge_model")),
        Fact("Function", _text(pins, "function_arn"), "code"),
        Fact("CodeSha256", _text(pins, "code_sha256"), "code"),
        Fact("SHA-256 of the configuration", _text(pins, "configuration_sha256"), "code"),
        Fact("Prompt", _text(pins, "prompt_uri"), "code"),
        Fact("SHA-256 of the prompt", _text(pins, "prompt_sha256"), "code"),
    ]


def _estimate(estimate: Mapping[str, Any]) -> list[Fact]:
    return list(_lines("Estimate", estimate.get("lines")))


def _lines(label: str, said: object) -> Iterator[Fact]:
    """Each line under its own label; ``label`` is that of lines which have none."""
    for line in map(str, said) if isinstance(said, list) else ():
        found = _LABELLED.fullmatch(line)
        if found is None:
            yield Fact(label, line)
        elif found["label"].endswith("content"):
            yield Fact(found["label"], found["value"].removesuffix(".").replace("; ", "\n"), "code")
        else:
            yield Fact(found["label"], found["value"])


def _asked(item: Item) -> list[Fact]:
    known = _text(item, "requester_assurance") or "not verified"
    return [
        Fact("Run", _text(item, "run_id"), "code"),
        Fact("Requester", f"{_text(item, 'requester')} ({known})"),
        Fact("Source", _SOURCES.get(_text(item, "source"), "")),
        Fact("Asked at", when(_text(item, "created_at"))),
        Fact("SHA-256 of the request", _text(item, "request_hash"), "code"),
    ]


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return "" if value is None else str(value)
