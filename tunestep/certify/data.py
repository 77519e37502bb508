"""The beginning of the training data, from S3 or from a file: a bounded read, whole lines only."""

from pathlib import Path
from typing import NamedTuple

from tunestep import data_pins, s3uri
from tunestep.aws import Client
from tunestep.certify import rows
from tunestep.certify.rows import Question
from tunestep.checks.calls import ask
from tunestep.plan_model import DataPlan
from tunestep.run_files import REWARD_ROWS, RunFiles

HEAD_BYTES = 1024 * 1024
_MOST_LISTED = 1000
_OTHER_FORMATS = (".csv", ".parquet")


class Sampled(NamedTuple):
    """Questions of the data; ``why`` says what stood in the way when there are none."""

    questions: list[Question]
    refused: int = 0
    why: str = ""


def of_run(files: RunFiles, s3: Client, run_id: str, data: DataPlan, count: int) -> Sampled:
    """Rows that CheckDataset kept of the training data, in whichever format it is; else its first rows.

    Raises as of_plan does.
    """
    kept = files.get(run_id, REWARD_ROWS)
    if kept is None:
        return of_plan(s3, data, count)
    return of_lines(kept[0].split(b"\n"), count)


def of_plan(s3: Client, data: DataPlan, count: int) -> Sampled:
    """Rows of a planned channel. Raises TransientFault and ServiceFault as tunestep.checks.calls does."""
    if data.kind == "dataset":
        return Sampled([], why="the rows of a registered DataSet are not read")
    uri = s3uri.parse(data.uri)
    if data.kind == "prefix":
        listed = data_pins.listing(s3, uri, _MOST_LISTED) or []
        keys = [key for key, _, size in listed if size]
        if not keys:
            return Sampled([], why=f"there is nothing below {data.uri}")
        uri = s3uri.S3Uri(uri.bucket, keys[0])
    return of_object(s3, uri, count, data.version_id, data.uri)


def of_object(s3: Client, uri: s3uri.S3Uri, count: int, version_id: str = "", label: str = "") -> Sampled:
    """Rows of one object; of the given version if there is one. Raises as of_plan does.

    ``label`` is what is said in place of its name: names of files below a prefix are the user's data too.
    """
    if uri.key.endswith(_OTHER_FORMATS):
        return Sampled([], why="rows are read from JSON Lines only")
    version = {"VersionId": version_id} if version_id else {}

    def fetch() -> dict[str, bytes]:
        answer = s3.get_object(Bucket=uri.bucket, Key=uri.key, Range=f"bytes=0-{HEAD_BYTES}", **version)
        return {"body": answer["Body"].read(HEAD_BYTES + 1)}

    answer = ask(fetch)
    if answer.problem:
        return Sampled([], why=f"{label or uri} cannot be read ({answer.message or answer.problem})")
    return of_bytes(answer.data["body"], count)


def of_file(path: Path, count: int) -> Sampled:
    """Rows of a file on this machine; raises OSError."""
    with path.open("rb") as file:
        return of_bytes(file.read(HEAD_BYTES + 1), count)


def of_bytes(body: bytes, count: int) -> Sampled:
    """Rows of the beginning of a file; a last line that was cut off is left out."""
    lines = body.split(b"\n")
    return of_lines(lines[:-1] if len(body) > HEAD_BYTES else lines, count)


def of_lines(lines: list[bytes], count: int) -> Sampled:
    """Rows of whole lines of JSON."""
    questions, refused = rows.decode(lines)
    why = "" if questions else "no row asks a question (prompt or messages)"
    return Sampled(rows.sample(questions, count), refused, why)
