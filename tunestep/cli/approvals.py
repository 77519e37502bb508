"""``tunestep approvals``: what waits for a decision."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.text import Text

from tunestep import environment, names
from tunestep.approval_states import PENDING
from tunestep.cli import render
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target, json_option, open_target, target_options
from tunestep.context import Context
from tunestep.gate import links, people
from tunestep.runs import KIND_APPROVAL, Item, Runs
from tunestep.text import one_line

_SHOWN = (
    *("run_id", "reason_needed", "model_name", "model_version", "technique", "use_case", "licence"),
    *("requester", "requester_assurance", "estimate", "dataset", "reward", "reward_verdict"),
    *("created_at", "expires_at"),
)
"""What is shown of a question; never an approver's entry, nor its id, which is half of a link."""


@click.command()
@click.option("--links", "with_links", is_flag=True, help="Make a link to each page (with --local).")
@target_options
@json_option
def approvals(as_json: bool, with_links: bool, **options: Any) -> None:
    """Runs that wait for a decision, the one that expires first on top."""
    target = open_target(start=False, **options)
    if with_links and not target.local:
        raise CliError("--links goes with --local: on a deployed stack a link is sent to its approver alone")
    with aws_errors(f"list the open questions of stack {target.stack} in {target.region}"):
        found = sorted(_open(target), key=lambda item: int(item["expires_at"]))
        made = {str(item["run_id"]): _links(target, item) for item in found} if with_links else {}
    if as_json:
        render.print_json([_document(item, made) for item in found])
        return
    out = render.console()
    if not found:
        out.print("Nothing waits for a decision.")
        return
    columns = ("run", "expires in", "why", "asked by")
    render.print_rows(out, columns, [_row(item) for item in found])
    for run_id, by_approver in made.items():
        for approver, link in by_approver.items():
            out.print(Text(f"{one_line(run_id)}, as {approver}:"))
            out.print(Text(f"  {link}"), soft_wrap=True)
    out.print(Text("Decide:", style="dim"))
    for verb, more in (("approve", ""), ("decline", " --reason TEXT")):
        out.print(Text(f"  tunestep {verb} {one_line(found[0]['run_id'])}{more} {target.flag}"))


def _open(target: Target) -> Iterator[Item]:
    """The questions that are still open; the index is only a hint."""
    table = Runs(target.clients.dynamodb, target.table)
    for hint in table.by_kind(KIND_APPROVAL):
        item = table.approval(hint["pk"].removeprefix("RUN#"))
        if item and item["state"] == PENDING and item["expires_at"] > time.time():
            yield item


def _links(target: Target, item: Item) -> dict[str, str]:
    """A further link to the question's page for each approver, by id. Those that were sent go on working."""
    function = names.function_name(target.stack, "request_approval")
    there = target.clients.lambda_.get_function_configuration(FunctionName=function)
    env = environment.load({**there["Environment"]["Variables"], "TUNESTEP_LAPTOP": "settings"})
    context = Context(env=env, clients=target.clients)
    links.publish(context, item["run_id"], item["approval_id"])
    made = {one.id: links.mint(context, item["run_id"], one.id) for one in people.approvers(env)}
    return {approver: link for approver, link in made.items() if link}


def _document(item: Item, made: Mapping[str, dict[str, str]]) -> dict[str, Any]:
    document = {name: item[name] for name in _SHOWN if name in item}
    return {**document, "links": made[item["run_id"]]} if made else document


def _row(item: Item) -> tuple[Text, ...]:
    asked = f"{item.get('requester', '?')} ({item.get('requester_assurance') or 'not verified'})"
    return (
        Text(one_line(item["run_id"])),
        Text(render.duration(item["expires_at"] - time.time()), style="dim"),
        Text(one_line(item.get("reason_needed", ""), 300)),
        Text(one_line(asked, 120), style="dim"),
    )
