"""``tunestep licences``: which licences were accepted by whom, for which runs, and whether that is intact."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import msgspec
from rich.text import Text

from tunestep import durations, names
from tunestep.cli import render
from tunestep.cli.approvers import deployed_settings
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target, json_option, open_target, target_options, user_name
from tunestep.evidence import Evidence
from tunestep.evidence_audit import Entry, audit
from tunestep.runs import KIND_RUN, Runs
from tunestep.text import one_line

_STYLES = {"valid": "green", "expired": "dim", "revoked": "yellow", "damaged": "red"}


@click.group(invoke_without_command=True)
@target_options
@json_option
@click.pass_context
def licences(context: click.Context, /, as_json: bool, **options: Any) -> None:
    """Licences that people accepted, and the runs that relied on it."""
    if context.invoked_subcommand:
        if any(options.values()) or as_json:
            raise CliError(f"put the options behind the word: tunestep licences {context.invoked_subcommand}")
        return
    _, entries = _read(options)
    if as_json:
        render.print_json(msgspec.to_builtins(entries))
        return
    out = render.console()
    if not entries:
        out.print("No licence was accepted yet.")
        return
    columns = ("evidence", "state", "licence", "model", "by", "when", "runs")
    render.print_rows(out, columns, [_row(entry) for entry in entries])


@licences.command()
@target_options
@json_option
def verify(as_json: bool, **options: Any) -> None:
    """Compare every acceptance with its file; exit code 1 when one was altered, deleted or copied."""
    _, entries = _read(options)
    damaged = [entry for entry in entries if entry.faults]
    if as_json:
        render.print_json({"checked": len(entries), "damaged": msgspec.to_builtins(damaged)})
    else:
        out = render.console()
        for entry in damaged:
            out.print(Text(f"{one_line(entry.evidence_id)}: {one_line('; '.join(entry.faults), 600)}", "red"))
        out.print(f"{len(entries)} acceptances, {len(damaged)} of them not as they were stored.")
    if damaged:
        raise SystemExit(1)


@licences.command()
@click.argument("evidence_id", metavar="ID")
@click.option("--reason", required=True, help="Why, for the record.")
@target_options
@json_option
def revoke(evidence_id: str, reason: str, as_json: bool, **options: Any) -> None:
    """Take the acceptance ID back: no later run relies on it. A running job goes on."""
    target, entries = _read(options)
    entry = _chosen(entries, evidence_id)
    answer = target.call(
        "revoke",
        {"evidence": entry.evidence_id, "model": entry.model, "actor": user_name(), "reason": reason},
    )
    if fault := answer.get("error"):
        raise CliError(f"{fault['name']}: {fault['message']}", code=1)
    if as_json:
        render.print_json(answer)
    else:
        said = f"{answer['evidence_id']}: revoked by {answer['actor']} at {answer['revoked_at']}"
        render.console().print(one_line(said, 400))


def _read(options: dict[str, Any]) -> tuple[Target, list[Entry]]:
    target = open_target(start=False, **options)
    window = deployed_settings(target).approval.policy_window
    evidence = Evidence(
        target.clients.dynamodb,
        target.clients.s3,
        table=names.evidence_table_name(target.stack),
        bucket=target.bucket,
    )
    with aws_errors(f"read the acceptances of stack {target.stack} in {target.region}"):
        items = Runs(target.clients.dynamodb, target.table).by_kind(KIND_RUN)
        cited = {item["run_id"]: item["evidence"] for item in items if item.get("evidence")}
        kept = timedelta(seconds=durations.seconds(window))
        return target, audit(evidence, now=datetime.now(UTC), window=kept, cited=cited)


def _chosen(entries: Iterable[Entry], wanted: str) -> Entry:
    """The one acceptance whose id begins like this."""
    found = [entry for entry in entries if entry.evidence_id.startswith(wanted) and entry.model]
    if len(found) != 1:
        raise CliError(
            f"{wanted!r} is the beginning of {len(found) or 'no'} acceptances; `tunestep licences` lists them"
        )
    return found[0]


def _row(entry: Entry) -> tuple[Text, ...]:
    said = entry.said
    return (
        Text(one_line(entry.evidence_id, 40)),
        Text(entry.state, style=_STYLES[entry.state]),
        Text(one_line(said.terms.name if said else "?", 80)),
        Text(one_line(said.terms.model_arn.rsplit("/", 2)[-2] + " " + said.terms.model_version, 100))
        if said and said.terms.model_arn.count("/") > 1
        else Text("?"),
        Text(one_line(f"{said.actor} ({said.channel}, {said.assurance})" if said else "?", 120)),
        Text(one_line(said.decided_at[:10] if said else "?", 20)),
        Text(one_line(", ".join(entry.runs) or "-", 400)),
    )
