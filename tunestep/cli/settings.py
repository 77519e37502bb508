"""``tunestep settings``: look at a settings file before it is deployed."""

from pathlib import Path
from typing import Any

import click

from tunestep import documents, key_policy, settings_faults
from tunestep.cli import render
from tunestep.cli.failure import CliError
from tunestep.cli.target import json_option
from tunestep.settings import DEFAULT_FILE, check

_FILE = click.argument("file", default=DEFAULT_FILE, type=click.Path(path_type=Path))


@click.group()
def settings() -> None:
    """Look at a settings file; nothing is deployed and no AWS service is called."""


@settings.command("check")
@_FILE
@json_option
@click.pass_context
def check_(context: click.Context, file: Path, *, as_json: bool) -> None:
    """Say everything that is wrong with FILE (default: tunestep.yaml), and how to mend it."""
    defaults = file == Path(DEFAULT_FILE) and not file.exists()
    found = settings_faults.faults(None if defaults else _read(file))
    if as_json:
        render.print_json(
            {
                "file": str(file),
                "ok": not found,
                "faults": [
                    {"path": fault.where, "message": fault.message, "fix": fault.fix} for fault in found
                ],
            }
        )
    for fault in found if not as_json else ():
        render.console().print(
            f"{fault.where}: {fault.message} {fault.fix}".rstrip(), soft_wrap=True, markup=False
        )
    if not found and not as_json:
        what = f"There is no {file} here; the defaults" if defaults else str(file)
        render.console().print(f"{what} can be deployed.", soft_wrap=True, markup=False)
    context.exit(2 if found else 0)


@settings.command("key-policy")
@_FILE
def key_policy_(file: Path) -> None:
    """Print the statements that the policy of FILE's kms_key needs, as JSON."""
    document = _read(file)
    if found := settings_faults.faults(document):
        raise CliError(f"{file}: {found[0].where}: {found[0].message} {found[0].fix}".rstrip())
    chosen = check({} if document is None else document)
    if not chosen.kms_key:
        raise CliError(f"{file} names no key; give the ARN of a customer-managed key at $.kms_key")
    render.print_json(key_policy.statements(chosen.kms_key, chosen.stack))


def _read(file: Path) -> Any:
    if not file.is_file():
        raise CliError(f"there is no settings file {file}")
    try:
        return documents.read(file)
    except documents.DocumentInvalid as fault:
        raise CliError(str(fault)) from None
