"""``tunestep render``: a request or a run as a notebook or a script of the SageMaker SDK."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
from botocore.exceptions import ClientError
from rich.text import Text

from tunestep import names, notebooks
from tunestep.aws import error_code
from tunestep.cli import notebook_files as files
from tunestep.cli import requests, runs, uploads
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.render import console, print_facts, print_json
from tunestep.cli.target import Target, json_option, open_target, target_options
from tunestep.findings import Finding
from tunestep.plan_model import Plan
from tunestep.run_files import PLAN, RunFiles

_REQUEST_SUFFIXES = (".json", ".yaml", ".yml")


class _Source(NamedTuple):
    """What is rendered, and the data files of it that are on this machine alone."""

    plan: Plan
    facts: notebooks.Facts
    missing: list[uploads.Upload]


@click.command()
@click.argument("source", metavar="REQUEST|RUN", required=False)
@click.option("--notebook", "as_notebook", is_flag=True, help="A Jupyter notebook.")
@click.option("--script", "as_script", is_flag=True, help="A numbered Python script.")
@click.option("-o", "--output", metavar="DIR", default=".", help="Folder for the files (default: this one).")
@click.option("--append", metavar="FILE", help="Add the cells to this notebook instead of making a new one.")
@click.option("--wait/--no-wait", default=True, help="Whether the code waits for the job (default: it does).")
@target_options
@json_option
def render(
    source: str | None,
    *,
    as_notebook: bool,
    as_script: bool,
    output: str,
    append: str | None,
    wait: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write REQUEST or RUN (by default the latest) as code that sends its training job with SageMaker's SDK.

    A script for its metrics is written beside it. No file that is there is replaced, and nothing is started.
    """
    as_notebook = as_notebook or bool(append)
    if not (as_notebook or as_script):
        raise CliError("say what to write: --notebook, --script or both")
    request = source if source and Path(source).is_file() else None
    if source and not request and source.endswith(_REQUEST_SUFFIXES):
        raise CliError(f"there is no request file {source}")
    # Only a request is worth starting a laptop cloud for: where none runs, there is no run to render.
    target = open_target(start=bool(request), **options)
    rendered = _of_request(target, request, wait) if request else _of_run(target, source, wait)
    folder = Path(append).parent if append and output == "." else Path(output)
    try:
        written = _write(rendered, folder, as_notebook, as_script, append)
    except (files.NotWritten, notebooks.RenderingFailed) as fault:
        raise CliError(str(fault)) from None
    _show(written, rendered, as_json)


def _of_request(target: Target, path: str, wait: bool) -> _Source:
    document, local = uploads.find(requests.read(path), Path(path).parent, target.bucket)
    answer = target.call(
        "validate",
        {"document": {"request": document}, "dry_run": True, "uploads": [upload.uri for upload in local]},
    )
    if fault := answer.get("error"):
        raise CliError(f"{fault['name']}: {fault['message']}")
    found = [msgspec.convert(finding, Finding) for finding in answer["findings"]]
    if not answer["plan"]:
        errors = [finding for finding in found if finding.severity == "error"]
        raise CliError(f"{path} cannot be run, so there is nothing to render", findings=errors)
    facts = notebooks.Facts(
        hyperparameters=document.get("hyperparameters", {}), origin=Path(path).name, wait=wait
    )
    missing = [upload for upload in local if not uploads.present(target, upload)]
    return _Source(msgspec.convert(answer["plan"], Plan), facts, missing)


def _of_run(target: Target, name: str | None, wait: bool) -> _Source:
    run_id = runs.resolve(target, name)
    seen = runs.view(target, run_id)
    recorded = seen.document.get("plan", {}).get("sha256")
    stored = _stored(target, run_id) if recorded else None
    if stored is None:
        raise CliError(f"run {run_id} has no plan to render; it is {seen.status} in {seen.state}", code=1)
    data, sha256 = stored
    if sha256 != recorded:
        uri = f"s3://{target.bucket}/{names.run_key(run_id, PLAN)}"
        raise CliError(f"{uri} is not the plan that was checked, so it is not rendered", code=1)
    facts = notebooks.facts_of_run(run_id, seen.document, wait=wait)
    return _Source(msgspec.json.decode(data, type=Plan), facts, [])


def _stored(target: Target, run_id: str) -> tuple[bytes, str] | None:
    with aws_errors(f"read the plan of run {run_id}"):
        try:
            return RunFiles(target.clients.s3, target.bucket).get(run_id, PLAN)
        except ClientError as fault:
            if error_code(fault) == "NoSuchBucket":
                return None
            raise


def _write(
    source: _Source, folder: Path, as_notebook: bool, as_script: bool, append: str | None
) -> dict[str, Path]:
    """Everything is rendered before the first file is touched. Kind of file -> where it is."""
    stem, number = notebooks.file_stem(source.plan), files.next_number(folder)
    steps: list[tuple[str, Path, Callable[[Path], None]]] = []

    def new(kind: str, name: str, text: str) -> None:
        steps.append((kind, folder / name, lambda path: files.create(path, text)))

    if append:
        cells = notebooks.cells(source.plan, source.facts, "notebook")
        steps.append(("notebook", Path(append), lambda path: files.append(path, cells)))
    elif as_notebook:
        text = notebooks.notebook(source.plan, source.facts)
        files.check(text)
        new("notebook", f"{stem}.ipynb", text)
    if as_script:
        new("script", f"{number:02}_{stem}.py", notebooks.script(source.plan, source.facts))
        number += 1
    new("metrics", f"{number:02}_{stem}_metrics.py", notebooks.metrics_script(source.plan, source.facts))
    for _, path, write in steps:
        write(path)
    return {kind: path for kind, path, _ in steps}


def _show(written: dict[str, Path], source: _Source, as_json: bool) -> None:
    if as_json:
        uploads_left = {str(upload.path): upload.uri for upload in source.missing}
        print_json({**{kind: str(path) for kind, path in written.items()}, "not_uploaded": uploads_left})
        return
    out = console()
    print_facts(out, [(kind, str(path)) for kind, path in written.items()])
    out.print(Text(f"needs: pip install {notebooks.SDK}", style="dim"))
    for upload in source.missing:
        out.print(Text(f"not in S3 yet: aws s3 cp {upload.path} {upload.uri}", style="yellow"))
