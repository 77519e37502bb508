"""``tunestep doctor``: look a stack over; nothing is changed."""

from typing import Any

import click
import msgspec
from rich.text import Text

from tunestep.cli import render
from tunestep.cli.failure import CliError
from tunestep.cli.stack import looked_at
from tunestep.cli.target import json_option, open_target, target_options
from tunestep.operate.doctor import CHECKS, Check, examine
from tunestep.operate.stack import Stack
from tunestep.text import visible

_STYLES = {"ok": "green", "broken": "red", "warning": "yellow", "unknown": "yellow", "skipped": "dim"}


@click.command()
@target_options
@click.option(
    "--check",
    "chosen",
    multiple=True,
    metavar="NAME",
    help=f"Only this check (again for more): {', '.join(check.name for check in CHECKS)}.",
)
@json_option
def doctor(chosen: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Look whether everything is there that runs need, with what to do where it is not.

    Exit code 1 when something is broken.
    """
    checks = _checks(chosen)
    target = open_target(start=False, **options)
    stack = looked_at(target)
    found = _examined(stack, checks, quiet=as_json)
    counts = {state: sum(one["state"] == state for one in found) for state in _STYLES}
    if as_json:
        render.print_json(
            {"stack": stack.name, "ok": not counts["broken"], "counts": counts, "diagnoses": found}
        )
    else:
        said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        render.console().print(f"{target.stack} in {target.region}: {said}")
    raise SystemExit(1 if counts["broken"] else 0)


def _checks(chosen: tuple[str, ...]) -> tuple[Check, ...]:
    known = {check.name: check for check in CHECKS}
    for name in chosen:
        if name not in known:
            raise CliError(f"there is no check {name!r}; there are {', '.join(known)}")
    return tuple(known[name] for name in chosen) or CHECKS


def _examined(stack: Stack, checks: tuple[Check, ...], *, quiet: bool) -> list[dict[str, Any]]:
    """Every diagnosis, shown as it is found unless ``quiet``."""
    out, found = render.console(), []
    for one in examine(stack, checks):
        found.append(msgspec.to_builtins(one))
        if quiet:
            continue
        said = Text.assemble((f"{one.state:8}", _STYLES[one.state]), f"{one.check}: ")
        out.print(said.append(visible(f"{one.where}: {one.message}")))
        if one.fix and one.state != "ok":
            out.print(Text(f"{'':8}{visible(one.fix)}", style="bold" if one.state == "broken" else ""))
    return found
