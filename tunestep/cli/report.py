"""``tunestep report``: where a run's report is, a copy of it, or the page in a browser."""

import webbrowser
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError

from tunestep import names
from tunestep.aws import error_code
from tunestep.cli import render, results, runs
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target, json_option, open_target, target_options
from tunestep.run_files import REPORT

LINK_SECONDS = 300
"""How long the link that --open signs may be used."""


@click.command()
@click.argument("run_id", metavar="RUN", required=False)
@click.option("--open", "opens", is_flag=True, help="Show it in the browser.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, writable=True), help="Write a copy to this file."
)
@target_options
@json_option
def report(run_id: str | None, opens: bool, output: str | None, as_json: bool, **options: Any) -> None:
    """The report of RUN (by default the latest), which is one HTML file.

    On the laptop it is copied beside the run's other files. For a stack, --open signs a link with your own
    credentials that works for five minutes; the link is shown to the browser and to nobody else.
    """
    target = open_target(start=False, **options)
    chosen = runs.resolve(target, run_id)
    key = names.run_key(chosen, REPORT)
    with aws_errors(f"read the report of run {chosen}"):
        _there(target, chosen, key)
        where = _copy(target, chosen, key, output)
    if as_json:
        render.print_json({"run_id": chosen, "report": where})
    else:
        render.console().print(where)
    if opens:
        shown = Path(where).absolute().as_uri() if not where.startswith("s3://") else _link(target, key)
        if not webbrowser.open(shown):
            raise CliError("there is no browser to open it with; -o FILE writes a copy", code=1)


def _there(target: Target, run_id: str, key: str) -> None:
    try:
        target.clients.s3.head_object(Bucket=target.bucket, Key=key)
    except ClientError as fault:
        if error_code(fault) not in ("404", "NoSuchKey"):
            raise
        raise CliError(
            f"run {run_id} has no report, which is written at the end of a run: tunestep status {run_id} "
            f"{target.flag}",
            code=1,
        ) from None


def _copy(target: Target, run_id: str, key: str, output: str | None) -> str:
    """The path of the copy, or the S3 URI when none was made."""
    if output:
        body = target.clients.s3.get_object(Bucket=target.bucket, Key=key)["Body"].read()
        try:
            Path(output).write_bytes(body)
        except OSError as fault:
            raise CliError(f"could not write {output}: {fault.strerror}", code=1) from None
        return output
    if target.home:
        return str(results.copy_files(target, run_id) / REPORT)
    return f"s3://{target.bucket}/{key}"


def _link(target: Target, key: str) -> str:
    link: str = target.clients.s3.generate_presigned_url(
        "get_object", Params={"Bucket": target.bucket, "Key": key}, ExpiresIn=LINK_SECONDS
    )
    return link
