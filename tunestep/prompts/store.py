"""A prompt template in S3: small, and read whole."""

from typing import NamedTuple

from tunestep.aws import Client
from tunestep.checks.calls import ask
from tunestep.hub import Absence
from tunestep.s3uri import S3Uri

MAX_BYTES = 64 * 1024


class Stored(NamedTuple):
    """A template's bytes and its S3 version; the version is empty in a bucket that keeps none."""

    body: bytes
    version_id: str


def read(s3: Client, uri: S3Uri) -> Stored | Absence:
    """The template, unless it is larger than MAX_BYTES.

    Raises TransientFault and ServiceFault as tunestep.checks.calls does.
    """

    def fetch() -> dict[str, object]:
        answer = s3.get_object(Bucket=uri.bucket, Key=uri.key)
        return {"body": answer["Body"].read(MAX_BYTES + 1), "version": answer.get("VersionId")}

    answer = ask(fetch)
    if answer.problem:
        return Absence(answer.problem, answer.message)
    body, version = bytes(answer.data["body"]), str(answer.data["version"] or "")
    if len(body) > MAX_BYTES:
        return Absence("refused", f"it is larger than {MAX_BYTES // 1024} KB")
    return Stored(body, "" if version == "null" else version)
