"""``tunestep plan``: what a run would do, without doing any of it."""

from pathlib import Path
from typing import Any

import click
import msgspec
from rich.text import Text

from tunestep import estimate
from tunestep.cli import render, requests, uploads
from tunestep.cli.failure import CliError
from tunestep.cli.target import check_options, isolate_from_aws, json_option, open_target, target_options
from tunestep.plan_model import Plan
from tunestep.text import visible

_SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "dim"}


@click.command()
@click.argument("request_file", metavar="REQUEST")
@target_options
@click.option("--world", type=click.Path(dir_okay=False), help="Plan against this world file alone.")
@click.option("--assume-approved", is_flag=True, help="Plan as if every licence had been accepted.")
@json_option
def plan(request_file: str, world: str | None, assume_approved: bool, as_json: bool, **options: Any) -> None:
    """Check REQUEST and show what a run would use, up to the exact CreateTrainingJob request.

    Nothing is created, uploaded or started. Exit code 2 when a check fails.
    """
    document = requests.read(request_file)
    base = Path(request_file).parent
    if world:
        outcome = _against_world(document, base, world, assume_approved, options)
    else:
        outcome = _against_target(document, base, assume_approved, as_json, options)
    if as_json:
        render.print_json(outcome)
    else:
        _show(outcome, assume_approved)
    if any(finding["severity"] == "error" for finding in outcome["findings"]):
        raise SystemExit(2)


def _against_target(
    document: dict[str, Any], base: Path, assume_approved: bool, as_json: bool, options: dict[str, Any]
) -> dict[str, Any]:
    errors = render.console(stderr=True)
    target = open_target(
        on_progress=lambda text: None if as_json else errors.print(text, style="dim"), **options
    )
    document, files = uploads.find(document, base, target.bucket)
    answer = target.call(
        "validate",
        {
            "document": {"request": document},
            "dry_run": True,
            "assume_approved": assume_approved,
            "uploads": [upload.uri for upload in files],
        },
    )
    if fault := answer.get("error"):
        raise CliError(f"{fault['name']}: {fault['message']}")
    return answer


def _show(outcome: dict[str, Any], assume_approved: bool) -> None:
    out = render.console()
    for finding in outcome["findings"]:
        label = Text(f"{finding['severity']:8}", style=_SEVERITY_STYLES[finding["severity"]])
        out.print(label, Text(visible(_line(finding))))
    plan = outcome.get("plan")
    if not plan:
        out.print("No plan: mend the errors above.", style="red")
        return
    render.print_facts(out, _facts(plan, assume_approved))
    request = outcome["create_training_job"]
    if request:
        out.print(Text("CreateTrainingJob", style="bold"))
        out.print_json(data=request, ensure_ascii=True)


def _line(finding: dict[str, Any]) -> str:
    text = f"{finding['code']} at {finding['where']}: {finding['message']}"
    return f"{text} {finding['fix']}" if finding.get("fix") else text


def _facts(plan: dict[str, Any], assume_approved: bool) -> list[tuple[str, str]]:
    licence, approval = plan["licence"], plan["approval"]
    needed = "needed, and here taken as given" if assume_approved else "needed"
    decision = needed if approval["needed"] else "not needed"
    facts = {
        "model": f"{plan['model']['name']} {plan['model']['version']}",
        "recipe": plan["recipe"]["name"],
        "training data": plan["training_data"]["uri"],
        "output": plan["output_uri"],
        "role": plan["execution_role_arn"],
        "model package group": plan["group"]["name"],
        "MLflow": (plan.get("mlflow") or {}).get("app_arn", "none"),
        "licence": licence.get("statement") or licence["name"],
        "decision": f"{decision}: {approval['reason']}" if approval.get("reason") else decision,
        "cost": estimate.beforehand(msgspec.convert(plan, Plan)),
    }
    return list(facts.items())


def _against_world(
    document: dict[str, Any], base: Path, world_file: str, assume_approved: bool, options: dict[str, Any]
) -> dict[str, Any]:
    """Plan against a world file, in this process alone: no laptop cloud is started and none is asked."""
    check_options(**options, world=world_file)
    isolate_from_aws()
    from tunestep.cli import world  # noqa: PLC0415 - brings the laptop cloud's services with it

    return world.plan_against(Path(world_file), document, base, assume_approved, options["settings_file"])
