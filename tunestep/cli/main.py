"""Entry point: finds the command, runs it, and turns what went wrong into one message and an exit code.

Exit codes: 0 done, 1 the run failed, 2 bad usage or request.
"""

import importlib
import os
import sys
from typing import Any

import click

from tunestep import __version__
from tunestep.cli.failure import CliError, show

DEBUG = "TUNESTEP_DEBUG"

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("tunestep.cli.run", "Start a run and follow it to its end."),
    "plan": ("tunestep.cli.plan", "Check a request and show what would be sent; changes nothing."),
    "runs": ("tunestep.cli.list_runs", "Every run, filtered by status, technique, use case and time."),
    "status": ("tunestep.cli.status", "Where a run stands; without a run, the latest ones."),
    "watch": ("tunestep.cli.status", "Follow a run live."),
    "results": ("tunestep.cli.results", "Metrics, model package and files of a run."),
    "report": ("tunestep.cli.report", "The report of a run as a page."),
    "lineage": ("tunestep.cli.lineage", "What a model package was made from, back to its base model."),
    "render": ("tunestep.cli.notebook", "A request or a run as a notebook or script of the SageMaker SDK."),
    "approvals": ("tunestep.cli.approvals", "What waits for a decision."),
    "approve": ("tunestep.cli.decide", "Accept what a run asks a person to decide."),
    "decline": ("tunestep.cli.decide", "Decline it, with a reason."),
    "approvers": ("tunestep.cli.approvers", "Who may decide and how they are reached; confirm an address."),
    "licences": ("tunestep.cli.licences", "Accepted licences and the runs that used them; revoke, verify."),
    "stop": ("tunestep.cli.stop", "Stop a run and its training job."),
    "retry": ("tunestep.cli.run", "Run a failed run's request again."),
    "reward": ("tunestep.cli.reward", "Try a reward on your data, list them, begin your own."),
    "data": ("tunestep.cli.data", "Check training data, and convert it."),
    "preset": ("tunestep.cli.preset", "Requests that wait for their data: add, list, remove."),
    "doctor": ("tunestep.cli.doctor", "Look a stack over, with what to do where something is missing."),
    "deploy": ("tunestep.cli.deploy", "Deploy the stack of a settings file with the pinned CDK command."),
    "destroy": ("tunestep.cli.deploy", "Delete a stack; refuses while runs are under way."),
    "probe": ("tunestep.cli.probe", "Try in an account what is only believed of AWS; the first owner does."),
    "settings": ("tunestep.cli.settings", "Check a settings file; the policy that its key needs."),
    "local": ("tunestep.cli.local", "The laptop cloud: start, stop, reset."),
}


class LazyGroup(click.Group):
    """Imports a command's module when it is used, so that ``--help`` and completion stay fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[name][0]), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise CliError(_unknown(args[0]))
        return super().resolve_command(ctx, args)


def _unknown(name: str) -> str:
    import difflib  # noqa: PLC0415 - only on the way to an error

    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f" Did you mean {near[0]}?" if near else " See tunestep --help."
    return f"there is no command {name!r}.{hint}"


def _with_hint(usage: click.ClickException) -> str:
    """What was wrong with the arguments, and where it says how they are used."""
    context = usage.ctx if isinstance(usage, click.UsageError) else None
    if context is None or context.command_path == "tunestep":
        return usage.format_message()
    missing = usage.param if isinstance(usage, click.MissingParameter) else None
    lists = (
        " `tunestep status --local` (or --stack NAME) lists the runs."
        if missing and missing.name == "run_id"
        else ""
    )
    return f"{usage.format_message()}{lists} See {context.command_path} --help."


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="tunestep %(version)s")
def cli() -> None:
    """Fine-tune foundation models as governed, repeatable runs.

    Every command works against this machine (--local) and against a deployed stack (--stack NAME).
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    args: list[Any] = sys.argv[1:] if arguments is None else arguments
    try:
        sys.exit(cli.main(args, prog_name="tunestep", standalone_mode=False) or 0)
    except CliError as failure:
        show(failure, as_json="--json" in args)
        sys.exit(failure.code)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.exceptions.NoArgsIsHelpError as usage:
        print(usage.format_message(), file=sys.stderr)
        sys.exit(2)
    except click.ClickException as usage:
        show(CliError(_with_hint(usage)), as_json="--json" in args)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        show(CliError("interrupted", code=130), as_json="--json" in args)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as fault:  # the last resort: whatever it is, a person reads one line
        if os.environ.get(DEBUG):
            raise
        text = (
            f"unexpected {type(fault).__name__}: {fault}. This is a fault of Tunestep; {DEBUG}=1 shows where"
        )
        show(CliError(text, code=1), as_json="--json" in args)
        sys.exit(1)
