"""``tunestep stop``."""

from typing import Any

import click

from tunestep.cli import render, runs
from tunestep.cli.failure import CliError
from tunestep.cli.status import follow, print_next
from tunestep.cli.target import Target, json_option, open_target, target_options, user_name


@click.command()
@click.argument("run_id", metavar="RUN")
@target_options
@json_option
def stop(run_id: str, as_json: bool, **options: Any) -> None:
    """Stop RUN: its training job first, then the run, which cleans up and ends as StoppedByUser."""
    target = open_target(start=False, **options)
    resolved = runs.resolve(target, run_id)
    seen = runs.view(target, resolved)
    live = seen.live
    answer = stop_run(target, resolved) if live else {}
    if live:
        seen = follow(target, resolved, quiet=as_json)
    if as_json:
        render.print_json({**render.as_dict(seen, target), "stop": answer or None})
        return
    out = render.console()
    ended = "ended" if live else "had already ended"
    out.print(f"{resolved} {ended}: {seen.status} {seen.error}".rstrip())
    print_next(out, seen, target)


def stop_run(target: Target, run_id: str) -> dict[str, Any]:
    """Ask for the stop; raises CliError with the reason when it is refused."""
    answer = target.call("stop", {"run": run_id, "actor": user_name()})
    if fault := answer.get("error"):
        raise CliError(f"{fault['name']}: {fault['message']}", code=1)
    return answer
