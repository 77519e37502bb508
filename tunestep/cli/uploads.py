"""Local data files become S3 objects before a run: ``data/<sha256>/<name>`` in the stack's bucket."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tunestep import names
from tunestep.aws import status_code
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target

CHANNELS = ("training_data", "validation_data")
_NOT_LOCAL = ("s3://", "arn:")


@dataclass(frozen=True)
class Upload:
    """A local file and the S3 URI it gets; the URI holds the content's hash, so a second upload is none."""

    path: Path
    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def find(document: dict[str, Any], base: Path, bucket: str) -> tuple[dict[str, Any], list[Upload]]:
    """The request with local paths replaced by the URIs they will have, and the uploads to do.

    Paths are relative to the request file's folder. Raises CliError naming a file that is not there.
    """
    changed, uploads = dict(document), []
    for channel in CHANNELS:
        value = document.get(channel)
        if not isinstance(value, str) or value.startswith(_NOT_LOCAL) or not value:
            continue
        path = (base / value).expanduser()
        if not path.is_file():
            raise CliError(
                f"$.{channel}: there is no file {path}. "
                "Give a file beside the request, an S3 URI or a DataSet ARN."
            )
        upload = Upload(path, bucket, f"{names.PREFIX_DATA}{_sha256(path)}/{path.name}")
        changed[channel] = upload.uri
        uploads.append(upload)
    return changed, uploads


def send(target: Target, uploads: list[Upload], on_progress: Callable[[str], None]) -> None:
    """Upload what is not there yet."""
    for upload in uploads:
        if present(target, upload):
            continue
        on_progress(f"uploading {upload.path.name} ({upload.path.stat().st_size:,} bytes)")
        with aws_errors(f"upload {upload.path} to {upload.uri}"):
            target.clients.s3.upload_file(str(upload.path), upload.bucket, upload.key)


def present(target: Target, upload: Upload) -> bool:
    """Whether the content is in S3 already; raises CliError when that cannot be found out."""
    try:
        target.clients.s3.head_object(Bucket=upload.bucket, Key=upload.key)
    except ClientError as error:
        if status_code(error) in {403, 404}:
            return False
        raise CliError(f"could not look at {upload.uri}: {error}", code=1) from error
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
