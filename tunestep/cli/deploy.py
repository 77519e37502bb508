"""``tunestep deploy`` and ``tunestep destroy``: the pinned CDK command, checked first and printed."""

from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError

from tunestep import documents, settings_faults
from tunestep.aws import error_code
from tunestep.cli import list_runs, render, runs
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target, open_target
from tunestep.operate import deploying
from tunestep.operate.deploying import CannotDeploy, CdkCommand
from tunestep.operate.leftovers import leftovers
from tunestep.settings import CREATE, DEFAULT_FILE, Settings, check

_MOST_NAMED = 10

_options = (
    click.option("--profile", metavar="NAME", help="AWS profile."),
    click.option("--region", metavar="NAME", help="AWS region."),
    click.option(
        "--settings",
        "settings_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Settings file, one per stage (default: ./tunestep.yaml).",
    ),
    click.option("--dry-run", is_flag=True, help="Check, print the command, and stop."),
)


def _with_options(function: Any) -> Any:
    for option in reversed(_options):
        function = option(function)
    return function


@click.command(context_settings={"ignore_unknown_options": False})
@_with_options
@click.option("--bootstrap", is_flag=True, help="Prepare account and region for CDK, once; deploys nothing.")
@click.argument("cdk_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- CDK OPTIONS]")
def deploy(
    *,
    profile: str | None,
    region: str | None,
    settings_file: Path | None,
    dry_run: bool,
    bootstrap: bool,
    cdk_options: tuple[str, ...],
) -> None:
    """Deploy the stack of the settings file with the pinned CDK command, which is printed first.

    What stands behind -- goes to CDK as it is, for example: tunestep deploy -- --require-approval never
    """
    file, settings = _settings(settings_file)
    node = _node()
    region = region or settings.region
    target = _target(settings, profile, region) if bootstrap or not dry_run else None
    region = target.region if target else region
    verb: deploying.Verb = "bootstrap" if bootstrap else "deploy"
    made = deploying.command(
        verb,
        _place(target) if bootstrap and target else settings.stack,
        settings_file=None if bootstrap else file,
        profile=profile,
        region=region,
        extra=cdk_options,
        root=deploying.REPOSITORY,
        node_path=node,
    )
    _run(made, dry_run)
    if target:
        following = "deploy, with the same options" if bootstrap else f"doctor {target.flag}"
        render.console().print(f"Next: tunestep {following}", soft_wrap=True)


@click.command()
@_with_options
@click.option("--stack", metavar="NAME", help="The stack (default: that of the settings).")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def destroy(
    *,
    profile: str | None,
    region: str | None,
    settings_file: Path | None,
    dry_run: bool,
    stack: str | None,
    yes: bool,
) -> None:
    """Delete a stack with the pinned CDK command; refuses while runs are under way.

    Tables and bucket stay: what they hold cannot be made again. How to remove them is printed.
    """
    file, settings = _settings(settings_file)
    if stack and stack != settings.stack:
        raise CliError(
            f"{file or 'the default settings'} are those of stack {settings.stack}, not of {stack}: name the "
            "file of that stage with --settings"
        )
    node = _node()
    target = _target(settings, profile, region or settings.region)
    _no_live_runs(target)
    made = deploying.command(
        "destroy",
        target.stack,
        settings_file=file,
        profile=profile,
        region=target.region,
        root=deploying.REPOSITORY,
        node_path=node,
    )
    _say_what_stays(target, settings)
    if not (yes or dry_run):
        _ask_for_the_name(target)
    _run(made, dry_run)
    render.console().print(f"{target.stack} is deleted; what stays is named above.", soft_wrap=True)


def _settings(named: Path | None) -> tuple[Path | None, Settings]:
    """The file that counts, and what is in it. Raises CliError with every fault of it."""
    file = named or Path(DEFAULT_FILE)
    if named is None and not file.is_file():
        return None, Settings()
    if not file.is_file():
        raise CliError(f"there is no settings file {file}")
    try:
        document = documents.read(file)
    except documents.DocumentInvalid as fault:
        raise CliError(str(fault)) from None
    if found := settings_faults.faults(document):
        raise CliError(
            f"{file} cannot be deployed; nothing was started. It is checked again with: "
            f"tunestep settings check {file}",
            findings=found,
        )
    return file, check({} if document is None else document)


def _node() -> str:
    """The program that runs CDK's command, which is the pinned one. Raises CliError where either lacks."""
    try:
        deploying.check_cdk(deploying.REPOSITORY)
        return deploying.node_program()
    except CannotDeploy as fault:
        raise CliError(str(fault), code=1) from None


def _place(target: Target) -> str:
    if not target.region:
        raise CliError("say which region is to be prepared: --region NAME")
    return f"aws://{target.account}/{target.region}"


def _target(settings: Settings, profile: str | None, region: str | None) -> Target:
    """Where it would be deployed. CDK says of missing credentials, after its synthesis, that it cannot
    "resolve AWS account", so they are looked for here. Raises CliError for another account than that of the
    settings."""
    target = open_target(
        local=False, stack=settings.stack, profile=profile, region=region, settings_file=None
    )
    if settings.account and target.account != settings.account:
        raise CliError(
            f"the settings are for account {settings.account}, and these credentials are of "
            f"{target.account}: choose another --profile or --settings"
        )
    return target


def _run(made: CdkCommand, dry_run: bool) -> None:
    """Print the command, and run it unless it is only to be seen; ends with CDK's exit code on failure."""
    print(made.shown(), flush=True)
    if dry_run:
        raise SystemExit(0)
    if code := made.run():
        raise CliError(f"CDK ended with exit code {code}; what it said stands above", code=1)


def _no_live_runs(target: Target) -> None:
    """Raises CliError while an execution is under way, or a run that the table has not seen ended."""
    live = list(dict.fromkeys([*_executions(target), *_unended(target)]))
    if live:
        shown = ", ".join(live[:_MOST_NAMED]) + (", ..." if len(live) > _MOST_NAMED else "")
        raise CliError(
            f"{len(live)} run{'s are' if len(live) > 1 else ' is'} under way: {shown}. Nothing was deleted. "
            f"Wait, or stop them: tunestep stop RUN {target.flag}",
            code=1,
        )


def _executions(target: Target) -> list[str]:
    """Names of the executions that run; none where a half-made stack has no machine."""
    with aws_errors(f"look for runs of stack {target.stack}"):
        try:
            listed = target.clients.stepfunctions.list_executions(
                stateMachineArn=target.machine_arn, statusFilter="RUNNING", maxResults=100
            )
        except ClientError as fault:
            if error_code(fault) == "StateMachineDoesNotExist":
                return []
            raise
    return [str(execution["name"]) for execution in listed["executions"]]


def _unended(target: Target) -> list[str]:
    """Ids of the runs that the table has not seen ended; none where there is no table."""
    try:
        return [
            str(item["run_id"])
            for item in runs.every_run(target)
            if list_runs.state_of(item) in ("running", "stopping")
        ]
    except CliError as fault:
        if "ResourceNotFoundException" in fault.message:
            return []
        raise


def _say_what_stays(target: Target, settings: Settings) -> None:
    out = render.console()
    out.print("What stays, and how it is removed for good:")
    for one in leftovers(target.stack, target.bucket, mlflow_app=settings.mlflow_app == CREATE):
        out.print(f"  {one.what}: {one.why}", soft_wrap=True)
        for line in one.commands:
            out.print(f"    {line}", soft_wrap=True)


def _ask_for_the_name(target: Target) -> None:
    try:
        asked = click.prompt(f"Type {target.stack} to delete it from {target.account} {target.region}")
    except click.Abort:
        raise CliError("the name was not typed; nothing was deleted. --yes asks nothing", code=1) from None
    if asked != target.stack:
        raise CliError("that is another name; nothing was deleted", code=1)
