"""``tunestep approve`` and ``tunestep decline``."""

from typing import Any
from urllib.parse import quote

import click

from tunestep.cli import render, runs, signed
from tunestep.cli.failure import CliError
from tunestep.cli.target import Target, json_option, open_target, target_options, user_name
from tunestep.text import visible


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="", help="Why, for the record.")
@target_options
@json_option
def approve(run_id: str, reason: str, as_json: bool, **options: Any) -> None:
    """Accept what RUN asks for, in your own name. The first decision stands."""
    _decide(run_id, "APPROVED", reason, as_json, options)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--reason", required=True, help="Why; it ends the run and is recorded.")
@target_options
@json_option
def decline(run_id: str, reason: str, as_json: bool, **options: Any) -> None:
    """Decline what RUN asks for; the run ends as ApprovalDeclined, with nothing created."""
    _decide(run_id, "DECLINED", reason, as_json, options)


def _decide(run_id: str, decision: str, reason: str, as_json: bool, options: dict[str, Any]) -> None:
    target = open_target(start=False, **options)
    resolved = runs.resolve(target, run_id)
    seen = runs.view(target, resolved)
    licence = seen.document.get("plan", {}).get("licence", {})
    if not as_json and licence.get("statement"):
        render.console().print(visible(licence["statement"]))
    answer = _ask(target, resolved, {"decision": decision, "reason": reason})
    if fault := answer.get("error"):
        raise CliError(f"{fault['name']}: {fault['message']}", code=1)
    if as_json:
        render.print_json(answer)
    else:
        _say(answer, resolved, target.flag, asked=decision)
    if answer.get("decision") != decision:
        raise SystemExit(1)


def _ask(target: Target, run_id: str, said: dict[str, str]) -> dict[str, Any]:
    """Nobody checks who decides on a laptop; on AWS the request is signed, and IAM knows."""
    if target.local:
        return target.call("decide", {"run": run_id, "actor": user_name(), **said})
    return signed.call(target, "POST", f"/runs/{quote(run_id, safe='')}/decision", said)


def _say(answer: dict[str, Any], run_id: str, flag: str, *, asked: str) -> None:
    out = render.console()
    actor, when = visible(answer.get("actor", "?")), answer.get("decided_at", "?")
    out.print(f"{run_id}: {answer.get('decision')} by {actor} at {when}")
    if answer.get("decision") != asked:
        out.print("That was decided before, and stands; what was said now changes nothing.")
    if answer.get("delivered") is False:
        out.print("The run could not be told: it had already ended. The decision is recorded.")
    else:
        out.print(f"Follow it: tunestep watch {run_id} {flag}")
