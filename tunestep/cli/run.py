"""``tunestep run`` and ``tunestep retry``."""

from pathlib import Path
from typing import Any

import click

from tunestep.cli import advice, duplicate, render, requests, results, runs, signed, uploads
from tunestep.cli.failure import CliError
from tunestep.cli.interrupts import HeldBack
from tunestep.cli.status import follow, print_next
from tunestep.cli.stop import stop_run
from tunestep.cli.target import Target, json_option, open_target, target_options, user_name

_force_option = click.option(
    "--force", is_flag=True, help="Train even if another run does the same or has done it."
)


@click.command()
@click.argument("request_file", metavar="REQUEST")
@target_options
@click.option("--world", type=click.Path(dir_okay=False), help="World file for the laptop cloud's hub.")
@click.option("--detach", is_flag=True, help="Start the run and return.")
@_force_option
@json_option
def run(
    request_file: str, *, world: str | None, detach: bool, force: bool, as_json: bool, **options: Any
) -> None:
    """Start the run that REQUEST (JSON or YAML) asks for, and follow it to its end.

    If another run does exactly this already, or has done it, that run is shown. Ctrl-C stops the run and
    waits for its clean-up; a second Ctrl-C leaves it to finish by itself.
    """
    progress = _progress(as_json)
    document = requests.read(request_file)
    target = open_target(world=world, on_progress=progress, **options)
    document, files = uploads.find(document, Path(request_file).parent, target.bucket)
    uploads.send(target, files, progress)
    _start(target, {"request": document, "force": force}, detach, as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@target_options
@click.option("--detach", is_flag=True, help="Start the run and return.")
@_force_option
@json_option
def retry(run_id: str, *, detach: bool, force: bool, as_json: bool, **options: Any) -> None:
    """Run the request of RUN again as a new execution; a training job that completed is adopted."""
    target = open_target(on_progress=_progress(as_json), **options)
    earlier = runs.resolve(target, run_id)
    _start(target, {"retry_of": earlier, "force": force}, detach, as_json)


def _start(target: Target, asked: dict[str, Any], detach: bool, as_json: bool) -> None:
    """Start a run and follow it; the first Ctrl-C stops it, wherever between the two it comes."""
    run_id = ""
    try:
        with HeldBack() as interrupt:
            run_id = _begin(target, asked)
            if not (detach or as_json):
                render.console().print(f"run {run_id}", style="bold")
        if interrupt.came:
            raise KeyboardInterrupt
        if detach:
            _detached(target, run_id, as_json)
            return
        seen = follow(target, run_id, quiet=as_json)
    except KeyboardInterrupt:
        seen = _stop(target, run_id, as_json)
    if seen.status == "SUCCEEDED":
        results.show(target, seen, as_json=as_json)
    elif advice.other_run(seen):
        raise SystemExit(duplicate.show(target, seen, as_json=as_json))
    else:
        _failed(target, seen, as_json)
        raise SystemExit(1)
    raise SystemExit(0)


def _failed(target: Target, seen: runs.RunView, as_json: bool) -> None:
    """What to do now; on the laptop record and report are copied beside its state, as after a success."""
    if target.home:
        results.copy_files(target, seen.run_id)
    if as_json:
        render.print_json(render.as_dict(seen, target))
    else:
        print_next(render.console(), seen, target)


def _begin(target: Target, asked: dict[str, Any]) -> str:
    """Nobody checks who asks on a laptop; on AWS the request is signed, and IAM knows."""
    if target.local:
        answer = target.call("start", {**asked, "source": "cli", "requester": user_name()})
    else:
        answer = signed.call(target, "POST", "/runs", asked)
    if fault := answer.get("error"):
        raise CliError(f"{fault['name']}: {fault['message']}")
    return str(answer["run_id"])


def _detached(target: Target, run_id: str, as_json: bool) -> None:
    if as_json:
        render.print_json({"run_id": run_id, "execution_arn": target.execution_arn(run_id)})
        return
    out = render.console()
    out.print(f"Started {run_id}.")
    out.print(f"Follow it: tunestep watch {run_id} {target.flag}")


def _stop(target: Target, run_id: str, as_json: bool) -> runs.RunView:
    """Stop the run and wait for its clean-up; another Ctrl-C leaves it to end by itself."""
    errors = render.console(stderr=True)
    try:
        errors.print(f"\nStopping {run_id} and its training job. Ctrl-C again leaves it to end by itself.")
        stop_run(target, run_id)
        seen = follow(target, run_id, quiet=as_json)
    except KeyboardInterrupt:
        errors.print(f"\nLeft {run_id} to end by itself. Come back: tunestep watch {run_id} {target.flag}")
        raise SystemExit(130) from None
    errors.print(
        "Stopped and cleaned up." if seen.error == "StoppedByUser" else f"It had ended: {seen.status}."
    )
    return seen


def _progress(as_json: bool) -> Any:
    errors = render.console(stderr=True)
    return (lambda _: None) if as_json else (lambda text: errors.print(text, style="dim"))
