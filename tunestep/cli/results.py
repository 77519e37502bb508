"""``tunestep results``: what came out of a run, and where it is."""

import os
import re
from pathlib import Path
from typing import Any

import click
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from tunestep import data_summary, names
from tunestep.cli import render, runs, samples
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.status import print_next
from tunestep.cli.target import Target, json_option, open_target, target_options
from tunestep.run_files import DATASET_FINDINGS, SAMPLES, RunFiles
from tunestep.text import one_line

_MOST_COLUMNS = 4
_FILE = re.compile(r"[a-z0-9][a-z0-9_]{0,60}\.[a-z]{2,5}")
"""What a run's own files are called; anything else below its prefix is not copied."""


@click.command()
@click.argument("run_id", metavar="RUN", required=False)
@target_options
@json_option
def results(run_id: str | None, as_json: bool, **options: Any) -> None:
    """Metrics per epoch, model package and files of RUN (by default the latest)."""
    target = open_target(start=False, **options)
    seen = runs.view(target, runs.resolve(target, run_id))
    if seen.status != "SUCCEEDED":
        if not as_json:
            print_next(render.console(stderr=True), seen, target)
        told = f"{seen.error}: {seen.cause}" if seen.error else f"it is {seen.status} in {seen.state}"
        raise CliError(f"run {seen.run_id} has no results: {told}", code=1)
    show(target, seen, as_json=as_json)


def show(target: Target, seen: runs.RunView, *, as_json: bool) -> None:
    """Print the results of a run that succeeded; on the laptop its files are copied beside its state."""
    outcome = seen.document.get("results", {})
    folder = copy_files(target, seen.run_id) if target.home else None
    if as_json:
        render.print_json(
            {**render.as_dict(seen, target), "files": str(folder) if folder else _folder_uri(target, seen)}
        )
        return
    out = render.console()
    summary = outcome.get("summary", {})
    for line in _epochs(summary.get("epochs", [])):
        out.print(line)
    render.print_facts(out, _facts(target, seen, outcome, folder))
    for line in samples.lines(summary, _samples(target, seen.run_id)):
        out.print(line)
    for line in _data(seen.document.get("dataset", {})):
        out.print(line)
    for gap in outcome.get("gaps", []):
        out.print(Text(f"not known: {one_line(gap, 400)}", style="yellow"))


def _facts(
    target: Target, seen: runs.RunView, outcome: dict[str, Any], folder: Path | None
) -> list[tuple[str, str]]:
    summary = outcome.get("summary", {})
    facts = [
        ("model package", outcome.get("model_package_arn") or "unknown"),
        ("model artefacts", summary.get("model_artifacts", "")),
        ("training job", summary.get("job_name", "")),
        ("run record", str(folder / "record.json") if folder else outcome.get("record_uri", "")),
        ("metrics", str(folder / "metrics.json") if folder else outcome.get("metrics_uri", "")),
        ("report", str(folder / "report.html") if folder else outcome.get("report_uri", "")),
    ]
    facts[3:3] = samples.facts(summary)
    if "billable_tokens" in summary:
        facts.insert(3, ("billable tokens", f"{summary['billable_tokens']:,}"))
    if "billable_seconds" in summary:
        facts.insert(3, ("billable time", render.duration(summary["billable_seconds"])))
    return [fact for fact in facts if fact[1]]


def _samples(target: Target, run_id: str) -> list[dict[str, Any]]:
    """The answers that the run's samples.json shows; most runs have none."""
    try:
        found = RunFiles(target.clients.s3, target.bucket).get(run_id, SAMPLES)
        return list(msgspec.json.decode(found[0]).get("samples", [])) if found else []
    except (BotoCoreError, ClientError, msgspec.DecodeError):
        return []


def _data(part: dict[str, Any]) -> list[Text]:
    """What the data was like, and what was to be said against it."""
    told = [
        Text(one_line(line, 1000), style="dim") for line in data_summary.sentences(part.get("report", {}))
    ]
    warnings = [found for found in part.get("findings", []) if found.get("severity") == "warning"]
    return told + [
        Text(one_line(f"{found['code']} at {found['where']}: {found['message']}", 1000), style="yellow")
        for found in warnings
    ]


def _epochs(epochs: list[dict[str, Any]]) -> list[Text]:
    """A line per epoch, the technique's own metrics first (as the summary orders them)."""
    rows = [row for row in epochs if len(row) > 1]
    metrics = list(dict.fromkeys(key for row in rows for key in row if key != "epoch"))[:_MOST_COLUMNS]
    shown = [{one_line(key, 40): value for key, value in row.items()} for row in rows]
    return render.number_rows(["epoch", *(one_line(name, 40) for name in metrics)], shown) if rows else []


def _folder_uri(target: Target, seen: runs.RunView) -> str:
    return f"s3://{target.bucket}/{names.run_key(seen.run_id, '')}"


def copy_files(target: Target, run_id: str) -> Path:
    """Copy the run's files from the laptop's S3 to ``<home>/runs/<run id>/``, readable by the user alone.

    Not the one that quotes bad rows: the data stays where it is.
    """
    if target.home is None:
        raise ValueError("only the laptop cloud has a home")
    folder = target.home / "runs" / names.run_folder(run_id)
    for level in (folder.parent, folder):
        if level.is_symlink():
            raise CliError(f"{level} is a link, and nothing is written through it; remove it", code=1)
        level.mkdir(mode=0o700, exist_ok=True)
    prefix = names.run_key(run_id, "")
    with aws_errors(f"read the files of run {run_id}"):
        listing = target.clients.s3.list_objects_v2(Bucket=target.bucket, Prefix=prefix)
        for entry in listing.get("Contents", []):
            name = entry["Key"].removeprefix(prefix)
            if not _FILE.fullmatch(name) or name == DATASET_FINDINGS:
                continue
            body = target.clients.s3.get_object(Bucket=target.bucket, Key=entry["Key"])["Body"].read()
            path = folder / name
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(body)
    return folder
