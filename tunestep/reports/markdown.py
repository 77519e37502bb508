"""The report in short, as Markdown for mails and chats."""

import re
from collections.abc import Sequence
from typing import Any

from tunestep.next_step import NextStep
from tunestep.record_model import RunRecord
from tunestep.reports import wording
from tunestep.text import defanged, one_line

_MARKUP = re.compile(r"([\\`*\[\]<>|])")
_STARTS_A_BLOCK = re.compile(r"^(\d*)([.)]|[-+]|#{1,6}|-+|=+)(?=\s|$)")
"""A sign that makes a list, a heading or an underline of a line that begins with it."""
_MOST_GAPS = 10


def text(value: object, limit: int = 400) -> str:
    """Somebody's text as one line of Markdown: no link, image, table, heading, list or HTML comes of it."""
    line = _MARKUP.sub(r"\\\1", defanged(one_line(value, limit)))
    return _STARTS_A_BLOCK.sub(r"\1\\\2", line)


def code(value: object, limit: int = 400) -> str:
    """A name to copy, as code; backticks in it are shown as apostrophes."""
    return f"`{one_line(value, limit).replace('`', chr(39))}`"


def table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """A table; every cell is escaped."""
    lines = [" | ".join(text(column, 80) for column in columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(text(cell, 200) for cell in row) for row in rows]
    return [f"| {line} |" for line in lines]


def summary(record: RunRecord, *, log_tail: Sequence[str] = (), console: str = "") -> str:
    """A run that ended, for people: outcome, metrics, cost, what is not known, and the next command.

    ``console`` is a link of ours to the execution.
    """
    return "\n".join([*_outcome(record, log_tail), *_numbers(record), *_ending(record, console)]) + "\n"


def _outcome(record: RunRecord, log_tail: Sequence[str]) -> list[str]:
    said = "succeeded" if record.outcome == "SUCCEEDED" else f"failed with {text(wording.error_name(record))}"
    lines = [f"**Run {code(record.run_id)} {said}.**", ""]
    if record.outcome != "SUCCEEDED":
        lines += [text(wording.cause(record), 2100), ""]
        if record.job and record.job.failure_reason:
            lines += [f"SageMaker's reason: {text(record.job.failure_reason, 1100)}", ""]
        lines += [f"What usually helps: {text(record.hint, 500)}", ""] if record.hint else []
        if log_tail:
            tail = [one_line(line, 300).replace("`", "'") for line in log_tail]
            lines += ["Last lines of the job's log:", "", "```", *tail, "```", ""]
        lines += [
            f"Not cleaned up: {text(entry.get('step'))}: {text(entry.get('detail'))}"
            for entry in (record.error or {}).get("cleaned") or []
            if isinstance(entry, dict) and not entry.get("ok", True)
        ]
    return lines


def _numbers(record: RunRecord) -> list[str]:
    lines: list[str] = []
    facts: list[tuple[str, Any]] = [
        ("Use case", text(record.plan.use_case, 200) if record.plan else ""),
        ("Technique", record.plan.technique if record.plan else ""),
        ("Model", code(record.plan.model.name) if record.plan else ""),
        ("Model package", code(record.model_package_arn) if record.model_package_arn else ""),
        ("Training job", code(record.job.name) if record.job else ""),
        ("Billed", wording.billed(record.cost)),
        ("Estimate", wording.share(record.cost)),
    ]
    lines += [f"- {label}: {value}" for label, value in facts if value]
    if record.metrics.overview:
        rows = wording.metric_rows(record, most=8)
        lines += ["", *table(["metric", "first", "last", "values"], rows)]
    columns, epochs = wording.epoch_table(record, most_columns=4)
    if epochs:
        lines += ["", *table(columns, epochs)]
    return lines


def _ending(record: RunRecord, console: str) -> list[str]:
    flag = wording.flag(record)
    lines = [""] + [f"- Not known: {text(gap)}" for gap in record.gaps[:_MOST_GAPS]]
    lines += [f"- Look at: {text(note)}" for note in record.metrics.notes[:_MOST_GAPS]]
    lines += ["", text(said)] if (said := wording.rehearsal(record)) else []
    if console:
        lines += ["", f"Console: <{console}>"]
    report = f"tunestep report {record.run_id} --open {flag}"
    return [*lines, "", following(wording.next_step(record), flag), f"Report: {code(report)}"]


def following(step: NextStep, flag: str) -> str:
    """What to do next, as a line; ``flag`` is added to the command."""
    return f"Next: {f'{step.first}, then ' if step.first else ''}{code(f'{step.command} {flag}')}"
