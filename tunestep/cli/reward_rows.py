"""The rows that ``tunestep reward test`` tries a reward on: the head of JSON Lines, a sample of all else."""

from pathlib import Path

from tunestep import s3uri
from tunestep.certify import data
from tunestep.certify.data import Sampled
from tunestep.cli.failure import CliError
from tunestep.cli.target import Target
from tunestep.plan_model import Family

_JSON_LINES = (".jsonl", ".ndjson")
_MOST_SECONDS = 120.0
"""How long the data set reader may look for rows."""


def sampled(source: str, target: Target | None, count: int, family: Family) -> Sampled:
    """At most ``count`` rows of a file, a folder, an object or a prefix.

    Raises CliError for data that is not there or holds no question, TransientFault when S3 is busy.
    """
    in_s3 = source.startswith("s3://")
    if source.endswith(_JSON_LINES):
        found = _head_of_object(source, target, count) if in_s3 else _head_of_file(source, count)
    else:
        found = _read(source, target, count, family)
    if not found.questions:
        raise CliError(f"{source} cannot be used: {found.why}")
    return found


def _head_of_object(source: str, target: Target | None, count: int) -> Sampled:
    if target is None:
        raise CliError("say where the data is: --local or --stack NAME")
    try:
        return data.of_object(target.clients.s3, s3uri.parse(source), count)
    except s3uri.S3UriInvalid as fault:
        raise CliError(str(fault)) from None


def _head_of_file(source: str, count: int) -> Sampled:
    try:
        return data.of_file(Path(source), count)
    except OSError as fault:
        raise CliError(f"cannot read {source}: {fault.strerror}") from None


def _read(source: str, target: Target | None, count: int, family: Family) -> Sampled:
    """Rows in any format and number of files, by the reader that also checks them."""
    from tunestep import datasets  # noqa: PLC0415 - JSON Lines need none of it

    sample = datasets.RowSample()
    try:
        place = (
            datasets.in_s3(target.clients.s3, source)
            if target and source.startswith("s3://")
            else datasets.local(Path(source))
        )
        report = datasets.check(
            place,
            technique="RLVR",
            family=family,
            deadline_seconds=_MOST_SECONDS,
            statistics=False,
            sample=sample,
        )
    except datasets.Unreadable as fault:
        raise CliError(f"cannot read {source}: {fault}") from None
    lines = sample.lines()
    if not lines:
        why = next(
            (finding.message for finding in report.findings if finding.severity == "error"), "it is empty"
        )
        return Sampled([], why=why)
    return data.of_lines(lines.split(b"\n"), count)
