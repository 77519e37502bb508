"""``tunestep status`` and ``tunestep watch``."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from botocore.exceptions import ClientError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from tunestep import rejections
from tunestep.cli import render, runs
from tunestep.cli.target import Target, json_option, open_target, target_options
from tunestep.text import one_line, visible

_REJECTED_SHOWN = 5

POLL_SECONDS = 0.5
"""How often a local run is looked at; a stack is asked a tenth as often."""


@click.command()
@click.argument("run", required=False)
@target_options
@json_option
def status(run: str | None, as_json: bool, **options: Any) -> None:
    """Where RUN stands. Without RUN: the latest runs."""
    target = open_target(start=False, **options)
    if run is None:
        _list(target, as_json)
        return
    seen = runs.view(target, runs.resolve(target, run))
    if as_json:
        render.print_json(render.as_dict(seen, target))
        return
    out = render.console()
    out.print(render.panel(seen))
    print_next(out, seen, target)


def _list(target: Target, as_json: bool) -> None:
    rows = []
    for item in runs.list_runs(target, 20):
        seen = runs.view(target, str(item["run_id"]))
        rows.append((item, seen))
    if as_json:
        render.print_json([render.as_dict(seen, target) for _, seen in rows])
        return
    out = render.console()
    if rows:
        columns = ("run", "status", "state", "technique", "started", "model")
        render.print_rows(out, columns, [_row(item, seen) for item, seen in rows])
    else:
        out.print(f"No run yet. Start one: tunestep run REQUEST {target.flag}")
    _print_rejected(out, target)


def _print_rejected(out: Console, target: Target) -> None:
    """What asked for a run within a day and got none, for those who look for it among the runs."""
    a_day_ago = datetime.now(UTC) - timedelta(days=1)
    try:
        found = rejections.since(target.clients.s3, target.bucket, a_day_ago)
    except ClientError:
        # Who may see the runs need not be allowed to list the bucket.
        return
    if found:
        out.print(
            Text(
                "Uploads and events of the last 24 hours that started nothing; each file says why:",
                style="dim",
            )
        )
        more = f"and {len(found) - _REJECTED_SHOWN} more" if len(found) > _REJECTED_SHOWN else ""
        for line in filter(None, (*found[:_REJECTED_SHOWN], more)):
            out.print(Text(line), soft_wrap=True)


def _row(item: dict[str, Any], seen: runs.RunView) -> tuple[Text, ...]:
    return (
        Text(seen.run_id),
        Text(seen.status, style=render.STYLES.get(seen.status, "")),
        Text(one_line(seen.error or seen.state)),
        Text(str(item.get("technique", ""))),
        Text(seen.started.astimezone().strftime("%Y-%m-%d %H:%M"), style="dim"),
        Text(one_line(item.get("base_model", ""), 100), style="dim"),
    )


@click.command()
@click.argument("run", required=False)
@target_options
@json_option
def watch(run: str | None, as_json: bool, **options: Any) -> None:
    """Follow RUN (by default the latest) until it ends. Leaving with Ctrl-C leaves it running."""
    target = open_target(start=False, **options)
    run_id = runs.resolve(target, run)
    try:
        seen = follow(target, run_id, as_json=as_json)
    except KeyboardInterrupt:
        render.console(stderr=True).print(f"Left running. Come back: tunestep watch {run_id} {target.flag}")
        return
    if not as_json:
        print_next(render.console(), seen, target)
    raise SystemExit(0 if seen.status == "SUCCEEDED" else 1)


def follow(target: Target, run_id: str, *, as_json: bool = False, quiet: bool = False) -> runs.RunView:
    """Show a run until it ends and return its last view.

    A terminal gets a live picture, a pipe a line per change, ``as_json`` a JSON object per change;
    ``quiet`` shows nothing.
    """
    pause = POLL_SECONDS if target.local else POLL_SECONDS * 10
    out = render.console()
    if quiet or as_json or not out.is_terminal:
        return _follow_lines(target, run_id, as_json, quiet, pause)
    with Live(console=out, refresh_per_second=8, transient=False) as live:
        while True:
            seen = runs.view(target, run_id)
            live.update(render.panel(seen))
            if not seen.live:
                return seen
            time.sleep(pause)


def _follow_lines(target: Target, run_id: str, as_json: bool, quiet: bool, pause: float) -> runs.RunView:
    shown: set[str] = set()
    while True:
        seen = runs.view(target, run_id)
        for line in [] if quiet else _lines(seen, as_json):
            if line not in shown:
                shown.add(line)
                print(line, flush=True)
        if not seen.live:
            return seen
        time.sleep(pause)


def _lines(seen: runs.RunView, as_json: bool) -> list[str]:
    events = [{"state": visit.name, "at": visit.entered.isoformat()} for visit in seen.visits]
    for transition in seen.job.get("SecondaryStatusTransitions", []):
        events.append({"training": transition["Status"], "at": transition["StartTime"].isoformat()})
    progress = seen.job.get("ProgressInfo") or {}
    if progress.get("CurrentEpoch"):
        event = {"epoch": progress["CurrentEpoch"], "of": progress.get("MaxEpoch", 0)}
        events.append({**event, "at": _trained_until(seen.job)})
    if not seen.live:
        events.append({"status": seen.status, "error": seen.error, "cause": seen.cause})
    events.sort(key=lambda event: str(event.get("at", "~")))
    if as_json:
        return [json.dumps({"run_id": seen.run_id, **event}) for event in events]
    return [_plain(event) for event in events]


def _trained_until(job: dict[str, Any]) -> str:
    """When the job last trained: its progress belongs there in a list of events."""
    for transition in job["SecondaryStatusTransitions"]:
        if transition["Status"] == "Training" and transition.get("EndTime"):
            return str(transition["EndTime"].isoformat())
    return str(job["LastModifiedTime"].isoformat())


def _plain(event: dict[str, Any]) -> str:
    if "state" in event:
        return f"{event['at'][11:19]}  {event['state']}"
    if "training" in event:
        return f"{event['at'][11:19]}    training job: {event['training']}"
    if "epoch" in event:
        return f"            epoch {event['epoch']} of {event['of']}"
    text = f"{event['status']}"
    return text + (visible(f"  {event['error']}: {event['cause']}") if event["error"] else "")


def print_next(out: Console, seen: runs.RunView, target: Target) -> None:
    """The commands that make sense now."""
    commands = render.notices(seen, target)
    if commands:
        out.print(Text("Next:", style="dim"))
        for command in commands:
            out.print(Text(command))
