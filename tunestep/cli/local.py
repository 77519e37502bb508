"""``tunestep local start|stop|reset|slack``."""

from pathlib import Path
from typing import Any

import click

from tunestep.cli import render
from tunestep.cli.failure import CliError
from tunestep.cli.slack import slack
from tunestep.cli.target import home_folder, isolate_from_aws, json_option, read_settings


@click.group()
def local() -> None:
    """The laptop cloud of this folder (./.tunestep, or TUNESTEP_HOME)."""
    isolate_from_aws()


@local.command()
@click.option("--settings", "settings_file", type=click.Path(dir_okay=False), help="Settings file.")
@click.option("--world", type=click.Path(dir_okay=False), help="World file for the hub.")
@json_option
def start(settings_file: str | None, world: str | None, as_json: bool) -> None:
    """Start it and deploy the template; does nothing when it already runs."""
    from tunestep.local import control  # noqa: PLC0415 - slow to import, and `--help` does not need it

    read_settings(settings_file)
    errors = render.console(stderr=True)
    try:
        endpoint = control.ensure(
            home_folder(),
            settings_file=Path(settings_file) if settings_file else None,
            world_file=Path(world) if world else None,
            on_progress=lambda text: None if as_json else errors.print(text, style="dim"),
        )
    except control.ControlError as fault:
        raise CliError(str(fault), code=1) from None
    _report({"url": endpoint.url, "region": endpoint.region, "account": endpoint.account}, as_json)


@local.command()
@json_option
def stop(as_json: bool) -> None:
    """Stop it. Runs go on from where they were at the next start."""
    from tunestep.local import control  # noqa: PLC0415

    stopped = control.stop(home_folder())
    _report({"stopped": stopped}, as_json)


@local.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def reset(yes: bool, as_json: bool) -> None:
    """Stop it and delete everything it holds: runs, models, metrics."""
    from tunestep.local import control  # noqa: PLC0415

    home = home_folder()
    if not yes:
        click.confirm(f"Delete {home} with every run, model and metric in it?", abort=True)
    control.reset(home)
    _report({"deleted": str(home)}, as_json)


local.add_command(slack)


def _report(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        render.print_json(facts)
        return
    for key, value in facts.items():
        render.console().print(f"{key}: {value}")
