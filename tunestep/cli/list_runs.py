"""``tunestep runs``: every run that the table knows, filtered."""

import datetime
import itertools
from typing import Any

import click
from rich.text import Text

from tunestep import durations
from tunestep.cli import render
from tunestep.cli import runs as reading
from tunestep.cli.failure import CliError
from tunestep.cli.target import json_option, open_target, target_options
from tunestep.text import one_line

STATES = ("running", "stopping", "succeeded", "failed", "not-started")
_SHOWN = (
    *("run_id", "state", "technique", "use_case", "base_model", "created_at", "ended_at", "error"),
    *("model_package_arn", "requester", "source", "attempt", "retry_of", "execution_arn", "request_hash"),
)


@click.command()
@click.option("--status", "state", type=click.Choice(STATES), help="Only runs in this state.")
@click.option(
    "--technique",
    type=click.Choice(["SFT", "DPO", "RLVR", "RLAIF"], case_sensitive=False),
    help="Only runs of this technique.",
)
@click.option("--use-case", metavar="TEXT", help="Only runs whose use case contains this.")
@click.option("--since", metavar="WHEN", help="Only runs since then: 2026-11-22, or 7d for a week ago.")
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="At most so many."
)
@target_options
@json_option
def runs(since: str | None, limit: int, as_json: bool, **options: Any) -> None:
    """The runs of a stack, newest first."""
    began = _since(since) if since else ""
    asked = {name: options.pop(name) for name in ("state", "technique", "use_case")}
    target = open_target(start=False, **options)
    wanted = (item for item in reading.every_run(target, since=began) if _fits(item, **asked))
    found = list(itertools.islice(wanted, limit))
    if as_json:
        render.print_json([_as_dict(item) for item in found])
        return
    out = render.console()
    if not found:
        out.print("No run fits." if any((since, *asked.values())) else "No run yet.")
        return
    columns = ("run", "status", "technique", "started", "use case")
    render.print_rows(out, columns, [_row(item) for item in found])
    if next(wanted, None) is not None:
        out.print(Text(f"There are more: --limit {limit * 2}", style="dim"))


def _fits(item: dict[str, Any], *, state: str | None, technique: str | None, use_case: str | None) -> bool:
    return (
        (state is None or state_of(item) == state)
        and (technique is None or item.get("technique") == technique.upper())
        and (use_case is None or use_case.casefold() in str(item.get("use_case", "")).casefold())
    )


def state_of(item: dict[str, Any]) -> str:
    """A run's state in one word, from its item."""
    if item.get("status") == "ENDED":
        return str(item.get("outcome", "")).lower().replace("_", "-")
    return "stopping" if item.get("status") == "STOPPING" else "running"


def _since(text: str) -> str:
    """The beginning of a time span as the table writes times. Raises CliError."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = _ago(text)
    if moment.tzinfo is None:
        moment = moment.astimezone()
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _ago(text: str) -> datetime.datetime:
    try:
        return datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=durations.seconds(text))
    except (ValueError, OverflowError):
        raise CliError(
            f"--since {text!r} is neither a date like 2026-11-22 nor a time span like 7d"
        ) from None


def _as_dict(item: dict[str, Any]) -> dict[str, Any]:
    known = {**item, "state": state_of(item), "attempt": int(item.get("attempt", 1))}
    return {name: known.get(name) for name in _SHOWN}


def _row(item: dict[str, Any]) -> tuple[Text, ...]:
    state = state_of(item)
    told = f"{state} {item['error']}" if item.get("error") and state == "failed" else state
    return (
        Text(one_line(item.get("run_id", ""), 100)),
        Text(one_line(told, 60), style=render.STYLES.get(state.upper(), "")),
        Text(one_line(item.get("technique", ""), 10)),
        Text(one_line(item.get("created_at", ""), 30), style="dim"),
        Text(one_line(item.get("use_case", ""), 60), style="dim"),
    )
