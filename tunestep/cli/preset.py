"""``tunestep preset``: requests that are kept in the stack and run as soon as data for them arrives."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from tunestep import documents, names, presets
from tunestep.cli import render, uploads
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target, json_option, open_target, target_options
from tunestep.presets import Preset, PresetInvalid


@click.group()
def preset() -> None:
    """Requests that wait for their data: what lands under datasets/NAME/ is trained on."""


@preset.command()
@click.argument("name")
@click.argument("request_file", metavar="REQUEST")
@target_options
@click.option(
    "--continue",
    "go_on",
    is_flag=True,
    help="Each run goes on from the newest approved package of the request's model_package_group.",
)
@click.option("--replace", is_flag=True, help="Replace a preset of this name.")
@json_option
def add(name: str, request_file: str, *, go_on: bool, replace: bool, as_json: bool, **options: Any) -> None:
    """Keep REQUEST, whose training_data may be left out, as the preset NAME (a-z, 0-9 and hyphen).

    A file of this machine as validation_data is uploaded.
    """
    with _faults(request_file):
        presets.key(name)
        made = presets.check(_read(request_file, go_on))
    target = open_target(**options)
    with aws_errors(f"store the preset {name}"):
        if not replace and presets.exists(target.clients.s3, target.bucket, name):
            raise CliError(f"there is a preset {name} already; --replace puts this one in its place")
        document, files = uploads.find(made.request, Path(request_file).parent, target.bucket)
        uploads.send(target, files, render.console(stderr=True).print)
        made = msgspec.structs.replace(made, request=document)
        presets.save(target.clients.s3, target.bucket, name, made)
    folder = f"s3://{target.bucket}/{names.PREFIX_DATASETS}{name}/"
    if as_json:
        render.print_json({"preset": name, "datasets": folder})
    else:
        render.console().print(f"Added {name}. Data uploaded to {folder} starts a run.", soft_wrap=True)


@preset.command("list")
@target_options
@json_option
def list_(as_json: bool, **options: Any) -> None:
    """Show the presets."""
    target = open_target(**options)
    with aws_errors("read the presets"):
        found = {name: _stored(target, name) for name in presets.listed(target.clients.s3, target.bucket)}
    if as_json:
        render.print_json({"presets": found})
        return
    out = render.console()
    for name, document in found.items():
        request = document.get("request", {})
        said = [request.get("technique", "damaged"), request.get("base_model", "")]
        said += ["goes on from its group"] if document.get("continue_from_group") else []
        out.print(f"{name}  {'  '.join(said)}", soft_wrap=True)
    if not found:
        out.print("no preset yet; add one: tunestep preset add NAME REQUEST")


@preset.command()
@click.argument("name")
@target_options
@json_option
def remove(name: str, as_json: bool, **options: Any) -> None:
    """Remove a preset; data that arrives for it is then rejected."""
    with _faults(name):
        presets.key(name)
    target = open_target(**options)
    with aws_errors(f"remove the preset {name}"):
        there = presets.remove(target.clients.s3, target.bucket, name)
    if not there:
        raise CliError(f"there is no preset {name}; `tunestep preset list` shows them")
    if as_json:
        render.print_json({"removed": name})
    else:
        render.console().print(f"Removed {name}.")


def _read(path: str, go_on: bool) -> Preset:
    try:
        document = documents.read(Path(path))
    except documents.DocumentInvalid as fault:
        raise CliError(str(fault)) from None
    if not isinstance(document, dict):
        raise CliError(f"{path}: a request is an object")
    if _is_file(document.get("training_data")):
        render.console(stderr=True).print(
            "training_data is a file of this machine and was left out: the data comes with each run"
        )
        document = {name: value for name, value in document.items() if name != "training_data"}
    return Preset(request=document, continue_from_group=go_on)


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and not value.startswith(("s3://", "arn:"))


def _stored(target: Target, name: str) -> dict[str, Any]:
    try:
        found = presets.load(target.clients.s3, target.bucket, name)
    except PresetInvalid as fault:
        return {"damaged": str(fault)}
    return {"request": found.request, "continue_from_group": found.continue_from_group} if found else {}


@contextmanager
def _faults(what: str) -> Iterator[None]:
    try:
        yield
    except PresetInvalid as fault:
        count = len(fault.findings)
        raise CliError(
            f"{what} has {count} fault{'s' if count > 1 else ''}; nothing was changed",
            findings=fault.findings,
        ) from None
