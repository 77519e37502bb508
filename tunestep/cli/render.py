"""How runs look on a terminal (rich) and as JSON. Everything shown went through ``visible``."""

import datetime
import json
import sys
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tunestep.cli.advice import next_commands
from tunestep.cli.runs import RunView, StateVisit
from tunestep.cli.target import Target
from tunestep.text import one_line, visible

STYLES = {"RUNNING": "cyan", "SUCCEEDED": "green", "FAILED": "red", "ABORTED": "yellow", "TIMED_OUT": "red"}
_QUIET_STATES = frozenset({"Receive", "Done", "Failed"})


_PIPE_WIDTH = 4000
"""Columns of what is no terminal: nobody looks at it, and nothing may be cut."""


def console(*, stderr: bool = False) -> Console:
    """A console that takes no text for markup: much of it comes from requests and services."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if terminal else _PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False, width=width)


def duration(seconds: float) -> str:
    """A length of time for people: 0.4 s, 12 s, 3 min 5 s, 2 h 4 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def headline(run: RunView) -> Text:
    """Run id, status and how long it took or has taken."""
    text = Text()
    text.append(visible(run.run_id), style="bold")
    text.append("  ")
    text.append(run.status, style=STYLES.get(run.status, ""))
    spent = ((run.ended or now()) - run.started).total_seconds()
    text.append(f"  {duration(spent)}", style="dim")
    return text


def panel(run: RunView) -> RenderableType:
    """The live picture of a run: its states, the training job, the progress of training."""
    parts: list[RenderableType] = [headline(run), _states(run)]
    if run.job:
        parts.append(_job(run.job))
    if run.error:
        parts.append(Text(f"{visible(run.error)}: {visible(run.cause)}", style="red"))
    return Group(*parts)


def _states(run: RunView) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(overflow="fold")
    for visit in run.visits:
        if visit.name in _QUIET_STATES:
            continue
        waiting = visit.left is None and run.live
        mark = Text("•", style="cyan") if waiting else Text("✓", style="green")
        table.add_row(
            mark, visible(visit.name), Text(_spent(visit, run), style="dim"), _remark(visit.name, run)
        )
    return table


def _spent(visit: StateVisit, run: RunView) -> str:
    return duration(((visit.left or run.ended or now()) - visit.entered).total_seconds())


def _remark(state: str, run: RunView) -> Text:
    """What is worth knowing about a state beside its time."""
    document = run.document
    match state:
        case "ValidatePrerequisites":
            plan = document.get("plan", {})
            return _findings(plan) if plan else Text()
        case "CheckDataset":
            return _dataset(document.get("dataset", {}))
        case "AwaitApproval":
            approval = document.get("approval", {})
            if approval:
                return Text(one_line(f"{approval.get('decision', '')} by {approval.get('actor', '?')}"))
            return Text("waiting for a person", style="yellow")
        case "StartTraining":
            return Text(one_line(run.job_name), style="dim")
    return Text()


def _dataset(part: dict[str, Any]) -> Text:
    """How many rows were checked, and how many findings there are about them."""
    rows = part.get("rows_checked", 0)
    said = Text(f"{rows:,} rows" if rows else "", style="dim")
    found = _findings(part)
    return Text(", ").join([part for part in (said, found) if part])


def _findings(part: dict[str, Any]) -> Text:
    errors = sum(part.get("errors", {}).values())
    warnings = part.get("warnings", 0)
    if errors:
        return Text(f"{errors} error{'s' if errors > 1 else ''}", style="red")
    return Text(f"{warnings} warning{'s' if warnings > 1 else ''}" if warnings else "", style="yellow")


def _job(job: dict[str, Any]) -> RenderableType:
    steps = Table.grid(padding=(0, 2))
    for transition in job.get("SecondaryStatusTransitions", []):
        end = transition.get("EndTime") or now()
        spent = (end - transition["StartTime"]).total_seconds()
        steps.add_row("   ", transition["Status"], Text(duration(max(spent, 0)), style="dim"))
    progress = job.get("ProgressInfo") or {}
    if not progress.get("TotalStepCountPerEpoch"):
        return steps
    return Group(steps, _bar(progress))


def _bar(progress: dict[str, Any]) -> RenderableType:
    per_epoch = progress["TotalStepCountPerEpoch"]
    epochs = max(1, progress.get("MaxEpoch", 1))
    epoch, step = progress.get("CurrentEpoch", 0), progress.get("CurrentStep", 0)
    done = min(per_epoch * epochs, max(0, epoch - 1) * per_epoch + step)
    row = Table.grid(padding=(0, 2))
    row.add_row(
        "   ",
        ProgressBar(total=per_epoch * epochs, completed=done, width=30),
        f"epoch {epoch}/{epochs}",
        f"step {step}/{per_epoch}",
    )
    return row


def print_facts(out: Console, facts: list[tuple[str, str]]) -> None:
    """Labelled values, one a line and never cut: ARNs and paths are there to be copied."""
    width = max((len(label) for label, _ in facts), default=0)
    for label, value in facts:
        out.print(Text.assemble((f"{label:{width}}  ", "dim"), one_line(value, 1200)))


def print_rows(out: Console, columns: tuple[str, ...], rows: list[tuple[Text, ...]]) -> None:
    """Aligned columns, never cut: run ids are there to be copied."""
    header = tuple(Text(column, style="dim") for column in columns)
    widths = [max(row[index].cell_len for row in [header, *rows]) for index in range(len(columns))]
    for row in [header, *rows]:
        line = Text()
        for cell, width in zip(row, widths, strict=True):
            line.append_text(cell)
            line.append(" " * (width - cell.cell_len + 2))
        line.rstrip()
        out.print(line)


def number_rows(names: list[str], rows: list[dict[str, Any]]) -> list[Text]:
    """Numbers under their names, right-aligned and never cut; the first line is the names."""
    widths = [max(len(name), 8) for name in names]
    head = Text("  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True)), style="dim")
    return [head] + [
        Text("  ".join(_number(row.get(name)).rjust(w) for name, w in zip(names, widths, strict=True)))
        for row in rows
    ]


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value) if isinstance(value, int) else "-"


def notices(run: RunView, target: Target) -> list[str]:
    return [f"  {command}" for command in next_commands(run, target)]


def as_dict(run: RunView, target: Target) -> dict[str, Any]:
    """A run for programs. Times are ISO 8601."""
    job = run.job
    return {
        "run_id": run.run_id,
        "status": run.status,
        "state": run.state,
        "started": run.started.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "error": run.error or None,
        "cause": run.cause or None,
        "states": [
            {
                "name": visit.name,
                "entered": visit.entered.isoformat(),
                "left": visit.left.isoformat() if visit.left else None,
            }
            for visit in run.visits
        ],
        "training_job": {
            "name": job["TrainingJobName"],
            "status": job["TrainingJobStatus"],
            "secondary_status": job.get("SecondaryStatus"),
            "progress": job.get("ProgressInfo"),
            "failure_reason": job.get("FailureReason"),
        }
        if job
        else None,
        "findings": [
            finding
            for part in ("plan", "dataset", "reward")
            for finding in run.document.get(part, {}).get("findings", [])
        ],
        "dataset": run.document.get("dataset", {}).get("report"),
        "results": run.document.get("results"),
        "next": next_commands(run, target),
    }


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))
