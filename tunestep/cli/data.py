"""``tunestep data``: check training data, and bring it from one format into another."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, get_args

import click
from rich.text import Text

from tunestep.cli import render
from tunestep.cli.failure import CliError, aws_errors
from tunestep.errors import TransientFault, TunestepError
from tunestep.plan_model import Family, Technique
from tunestep.text import visible

_SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "dim"}
_FORMATS = (
    "prompt_completion",
    "chat",
    "preference",
    "rl",
    "nova_conversation",
    "nova_preference",
    "nova_rl",
)


@click.group()
def data() -> None:
    """Check training data before a run, and convert it."""


@data.command()
@click.argument("source", metavar="PATH|S3_URI|ARN")
@click.option("--technique", type=click.Choice(get_args(Technique)), required=True, help="What it is for.")
@click.option("--model", required=True, help="The base model's name; its family decides the format.")
@click.option(
    "--validation", metavar="PATH|S3_URI|ARN", help="Validation data, to be checked and compared too."
)
@click.option("--sequence-length", type=click.IntRange(1), help="Tokens that the recipe takes of a row.")
@click.option("--findings", type=click.Path(dir_okay=False), help="Write every fault to this file.")
@click.option("--strict", is_flag=True, help="Rows that could not be checked are errors.")
@click.option(
    "--rows-only",
    is_flag=True,
    help="Faster: no duplicates, overlap, lengths, repeated keys or content hash.",
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def check(
    source: str, *, validation: str | None, sequence_length: int | None, findings: str | None, **options: Any
) -> None:
    """Check every row of a file, a folder, an object, a prefix or a registered DataSet.

    Exit code 2 when a row is wrong.

    The findings file (JSON lines) quotes up to 120 characters of each bad row; nothing else does.
    """
    from tunestep import datasets  # noqa: PLC0415 - the command's help needs none of it

    with _reading(), _findings_file(findings) as file:
        found = _source(source)
        report = datasets.check(
            found,
            technique=options["technique"],
            family=_family(options["model"]),
            model=options["model"],
            sequence_length_tokens=sequence_length or 0,
            validation=_source(validation) if validation else None,
            strict=options["strict"],
            statistics=not options["rows_only"],
            findings_sink=file.write if file else None,
        )
    document = report.to_document()
    if options["as_json"]:
        render.print_json(document)
    else:
        _show(document)
        _name_files(document["training"], found)
    if not report.ok:
        raise SystemExit(2)


@data.command()
@click.argument("source", metavar="PATH|S3_URI|ARN")
@click.argument("output", type=click.Path(dir_okay=False))
@click.option("--to", "target", type=click.Choice(_FORMATS), required=True, help="The format to write.")
@click.option("--skip", is_flag=True, help="Leave out rows that cannot be converted.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def convert(source: str, output: str, target: str, skip: bool, as_json: bool) -> None:
    """Write the rows of SOURCE to OUTPUT (JSON Lines) in another format.

    Without --skip nothing is written when a row cannot be converted. Exit code 2 then.
    """
    from tunestep.datasets import Unreadable, convert_files  # noqa: PLC0415

    place = Path(output)
    with _reading(), _written_beside(place) as file:
        try:
            result = convert_files.convert_source(_source(source), target, file.write)
        except Unreadable as fault:
            raise CliError(f"{source}: {fault}") from None
        if result.left and not skip:
            places = "; ".join(f"file {row.file} line {row.line}: {row.reason}" for row in result.first[:5])
            raise CliError(
                f"{result.left} rows of {source} cannot become {target}: {places}. "
                "Nothing was written. Correct them, or give --skip to leave them out."
            )
    outcome = {"output": output, "format": target, "rows": result.rows, "left_out": result.left}
    if as_json:
        render.print_json(outcome)
    else:
        render.print_facts(render.console(), [(name, str(value)) for name, value in outcome.items()])


def _family(model: str) -> Family:
    return "nova" if "nova" in model.lower() else "open-weights"


def _source(text: str) -> Any:
    from tunestep.datasets import Unreadable, in_s3, local  # noqa: PLC0415

    try:
        if text.startswith("arn:"):
            from tunestep import data_sources  # noqa: PLC0415
            from tunestep.aws import Clients  # noqa: PLC0415

            clients = Clients()
            place = data_sources.registered(clients.sagemaker, text)
            return in_s3(clients.s3, str(place))._replace(label=text)
        if text.startswith("s3://"):
            from tunestep.aws import Clients  # noqa: PLC0415

            return in_s3(Clients().s3, text)
        return local(Path(text))
    except Unreadable as fault:
        raise CliError(f"{text}: {fault}") from None


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        with aws_errors("read the data"):
            yield
    except TunestepError as fault:
        again = " Try again later." if isinstance(fault, TransientFault) else ""
        raise CliError(f"could not read the data: {fault}{again}", code=1) from None


@contextlib.contextmanager
def _findings_file(path: str | None) -> Iterator[IO[bytes] | None]:
    if path is None:
        yield None
        return
    with _written_beside(Path(path)) as file:
        yield file


@contextlib.contextmanager
def _written_beside(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place, readable by its owner alone, only when everything went well."""
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as fault:
        raise CliError(f"{path} cannot be written: {fault.strerror}") from None
    try:
        with os.fdopen(number, "wb") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _show(report: dict[str, Any]) -> None:
    out = render.console()
    for finding in report["findings"]:
        label = Text(f"{finding['severity']:8}", style=_SEVERITY_STYLES[finding["severity"]])
        text = f"{finding['code']} at {finding['where']}: {finding['message']} {finding.get('fix', '')}"
        out.print(label, Text(visible(text.rstrip())))
    for name in ("training", "validation"):
        if channel := report.get(name):
            render.print_facts(out, _facts(channel))
    verdict = "No row is wrong." if report["ok"] else "Mend the errors above."
    out.print(Text(verdict, style="green" if report["ok"] else "red"))


def _name_files(channel: dict[str, Any], source: Any) -> None:
    """Names for the numbers by which findings call files: only here, for the report is read by others too."""
    if len(source.files) == 1:
        return
    numbers = {place["file"] for group in channel.get("groups", []) for place in group["first"]}
    facts = [(f"file {number}", visible(source.files[number - 1].name)) for number in sorted(numbers)[:20]]
    render.print_facts(render.console(), facts)


def _facts(channel: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("data", channel["label"]),
        ("rows", f"{channel.get('rows', 0)} ({channel.get('rows_bad', 0)} wrong)"),
        ("bytes", str(channel.get("bytes", 0))),
        ("formats", ", ".join(entry["format"] for entry in channel.get("formats", [])) or "none known"),
    ]
    if lengths := channel.get("lengths"):
        spread = f"median {lengths['p50']}, 99% up to {lengths['p99']}, longest {lengths['longest']}"
        facts += [("tokens", f"{lengths['tokens']}; {spread}"), ("", lengths["how"])]
    if digest := channel.get("content_sha256"):
        facts.append(("SHA-256", digest))
    return facts
