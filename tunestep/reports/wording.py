"""Numbers, times and sentences of a record as people read them, shared by the page and the short text."""

import re
from typing import Any

from tunestep import metric_series
from tunestep.next_step import NextStep, after_failure
from tunestep.record_model import Cost, RunRecord, Used
from tunestep.text import one_line

NOT_KNOWN = "–"

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)Z")

REHEARSAL = (
    "This was a rehearsal on a laptop: a tiny model stood in for {model}, and nothing was paid for. It shows "
    "whether data, reward and steps work, and says nothing about what {model} will be able to do."
)


def number(value: Any) -> str:
    """A number with four significant digits, integers whole with thousands separated."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value) if isinstance(value, str) else NOT_KNOWN
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """A length of time: 0.4 s, 12 s, 3 min 5 s, 2 h 4 min."""
    if seconds is None:
        return NOT_KNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def dollars(usd: float | None) -> str:
    if usd is None:
        return NOT_KNOWN
    return "under 0.01" if 0 < usd < 0.01 else f"{usd:,.2f}"


def used(part: Used | None) -> list[str]:
    """Tokens, time and dollars of an estimate or a bill."""
    found = part or Used()
    return [number(found.tokens), duration(found.seconds), dollars(found.usd)]


def billed(cost: Cost) -> str:
    """What was billed, in one phrase; empty when nothing is known."""
    found = cost.billed
    if found is None:
        return ""
    parts = []
    if found.tokens is not None:
        parts.append(f"{found.tokens:,} tokens")
    if found.seconds is not None:
        parts.append(duration(found.seconds))
    if found.usd is not None:
        parts.append(f"{dollars(found.usd)} USD")
    return ", ".join(parts)


def share(cost: Cost) -> str:
    if cost.share is None:
        return ""
    return f"Billed was {cost.share:.0%} of the estimate."


def headline(record: RunRecord) -> str:
    """The outcome in one sentence."""
    plan = record.plan
    what = f"{plan.technique} on {plan.model.name}" if plan else "the request was not planned"
    if record.outcome == "SUCCEEDED":
        made = record.model_package_arn.rpartition(":model-package/")[2]
        return f"{what} is done: {one_line(f'model package {made}' if made else 'package unknown', 300)}"
    return f"{what}: {error_name(record)}"


def rehearsal(record: RunRecord) -> str:
    """What the numbers of a run on a laptop are worth; empty for one in AWS, or without a job."""
    model = record.plan.model.name if record.plan else "the model"
    return REHEARSAL.format(model=one_line(model, 100)) if record.rehearsal and record.job else ""


def error_name(record: RunRecord) -> str:
    return one_line((record.error or {}).get("Error") or "ServiceFault", 60)


def cause(record: RunRecord) -> str:
    return str((record.error or {}).get("Cause") or "No cause was given.")


def flag(record: RunRecord) -> str:
    """What leads a command to this run's stack: on a laptop there is only one."""
    return "--local" if record.rehearsal else f"--stack {record.stack}"


def moment(text: str) -> str:
    """A time in UTC without the signs that only machines need; what is no such time stays as it is."""
    found = _MOMENT.fullmatch(text)
    return f"{found[1]} {found[2]}" if found else text


def next_step(record: RunRecord) -> NextStep:
    """What to do next."""
    if record.outcome == "SUCCEEDED":
        return NextStep(f"tunestep results {record.run_id}")
    return after_failure(error_name(record), record.run_id, comes_first=record.duplicate_of)


def course(record: RunRecord, most: int = 2) -> tuple[str, str]:
    """What the most telling metrics did, and a label for that: means of epochs, which are steadier, or else
    single values. Empty without any."""
    rows = record.metrics.epochs
    told = []
    for name in _names(record)[:most]:
        means = [row[name] for row in rows if name in row]
        if len(means) > 1:
            told.append(f"{one_line(name, 80)} {number(means[0])} → {number(means[-1])}")
    if told:
        return "first → last epoch", ", ".join(told)
    values = metric_rows(record, most=most)
    return "first → last value", ", ".join(f"{name} {first} → {last}" for name, first, last, _ in values)


def metric_rows(record: RunRecord, most: int = 40) -> list[list[str]]:
    """Name, first value, last value and number of values of each metric, the most telling first."""
    found = record.metrics.overview
    return [
        [one_line(name, 80), *(number(found[name].get(key)) for key in ("first", "last", "points"))]
        for name in _names(record)[:most]
    ]


def epoch_table(record: RunRecord, most_columns: int = 6) -> tuple[list[str], list[list[str]]]:
    """Columns, the most telling metrics first, and rows of the table of epochs; both empty without values."""
    rows = [row for row in record.metrics.epochs if len(row) > 1]
    names = [name for name in _names(record) if any(name in row for row in rows)][:most_columns]
    if not names:
        return [], []
    columns = ["epoch", *(one_line(name, 60) for name in names)]
    return columns, [[number(row.get("epoch")), *(number(row.get(name)) for name in names)] for row in rows]


def _names(record: RunRecord) -> list[str]:
    """The record's metrics in order of importance, which its file with sorted keys does not keep."""
    names = list(record.metrics.overview)
    return metric_series.chosen(record.plan.technique, names) if record.plan else names


def decided(record: RunRecord) -> str:
    """Who decided what, in one phrase."""
    asked = record.approval
    if not asked:
        return "nobody had to decide"
    state = str(asked.get("state", "")).lower()
    known = f" ({one_line(asked['assurance'], 60)})" if asked.get("assurance") else ""
    actor = f" by {one_line(asked['actor'], 120)}{known}" if asked.get("actor") else ""
    when = f" at {asked['decided_at']}" if asked.get("decided_at") else ""
    reason = f": {one_line(asked['reason'], 400)}" if asked.get("reason") else ""
    return f"{state}{actor}{when}{reason}"
