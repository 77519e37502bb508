"""A run's notice as Slack blocks: whatever comes from outside is plain or preformatted text, shown as it is.

Limits: docs.slack.dev/reference/block-kit.
"""

from collections.abc import Sequence
from typing import Any

from tunestep.record_model import RunRecord
from tunestep.reports import wording
from tunestep.text import defanged, one_line

Block = dict[str, Any]

_SECTION_LIMIT = 2900
_MOST_ROWS = 8
_COLUMN = 28


def notice(record: RunRecord, *, log_tail: Sequence[str] = (), console: str = "") -> list[Block]:
    """The end of a run: outcome, facts, metrics, the log's last lines, a link of ours, the next command."""
    said = "succeeded" if record.outcome == "SUCCEEDED" else "failed"
    blocks = [header(f"Run {said}: {one_line(record.run_id, 90)}"), section(_facts(record))]
    if record.metrics.overview:
        blocks.append(preformatted(metrics_table(record)))
    if log_tail:
        blocks.append(preformatted("\n".join(one_line(line, 200) for line in log_tail)))
    step = wording.next_step(record)
    return [*blocks, ending(f"{step.command} {wording.flag(record)}", console, first=step.first)]


def _facts(record: RunRecord) -> str:
    lines = [wording.headline(record)]
    if record.model_package_arn:
        lines += [f"Model package: {record.model_package_arn}"]
    if record.outcome != "SUCCEEDED":
        lines += [wording.cause(record)]
        reason = record.job.failure_reason if record.job else ""
        lines += [f"SageMaker's reason: {reason}"] if reason and reason not in lines[-1] else []
        lines += [f"What usually helps: {record.hint}"] if record.hint else []
    lines += [f"Billed: {billed}"] if (billed := wording.billed(record.cost)) else []
    lines += [f"Not known: {one_line(gap, 200)}" for gap in record.gaps[:5]]
    lines += [said] if (said := wording.rehearsal(record)) else []
    return "\n".join(lines)


def metrics_table(record: RunRecord) -> str:
    """First and last values as aligned text."""
    rows = [["metric", "first", "last"]]
    rows += [row[:3] for row in wording.metric_rows(record, most=_MOST_ROWS)]
    return "\n".join(
        f"{one_line(name, _COLUMN):{_COLUMN}} {first:>10} {last:>10}" for name, first, last in rows
    )


def header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text[:150], "emoji": False}}


def section(text: str) -> Block:
    shown = defanged(text)[:_SECTION_LIMIT] or "-"
    return {"type": "section", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def preformatted(text: str) -> Block:
    inside = [{"type": "text", "text": text[:_SECTION_LIMIT] or "-"}]
    return {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": inside}]}


def ending(command: str, console: str, *, first: str = "") -> Block:
    """The next command as code, after what comes ``first``, and a link to the console where there is one."""
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": f"Next: {first}, then " if first else "Next: "},
        {"type": "text", "text": command, "style": {"code": True}},
    ]
    if console:
        parts += [
            {"type": "text", "text": "  "},
            {"type": "link", "url": console, "text": "Open in the console"},
        ]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": parts}]}
