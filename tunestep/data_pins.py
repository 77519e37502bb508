"""Data as it was when the plan was made: the same version, or said to be another."""

import hashlib
import json
from typing import Any

from tunestep import s3uri
from tunestep.aws import Client
from tunestep.checks.calls import ask
from tunestep.plan_model import DataPlan

Entry = tuple[str, str, int]
"""Key, ETag and size in bytes of an object."""


def fingerprint(entries: list[Entry]) -> str:
    """SHA-256 over the sorted entries of a prefix."""
    return hashlib.sha256(json.dumps(sorted(entries), separators=(",", ":")).encode()).hexdigest()


def change(s3: Client, data: DataPlan) -> str:
    """How the data differs from what the plan pinned, in words; empty when it does not.

    The version of a DataSet names where its rows lie, not what lies there, so they are compared as well.
    Data without a pin was not there yet when the plan was made, or could not be listed, so that there is
    nothing to compare. Raises TransientFault and ServiceFault as tunestep.checks.calls does.
    """
    if data.kind == "object" and data.etag:
        return _object_change(s3, data)
    return listing_change(listed(s3, data), data) if data.fingerprint else ""


def place(data: DataPlan) -> s3uri.S3Uri:
    """Where the rows of a channel lie."""
    return s3uri.parse(data.location if data.kind == "dataset" else data.uri)


def listed(s3: Client, data: DataPlan) -> list[Entry] | None:
    """What lies there now, as ``listing`` says; None when it cannot be listed."""
    return listing(s3, place(data), data.objects + 1000)


def _object_change(s3: Client, data: DataPlan) -> str:
    # The job reads the latest version whatever the plan pinned, so the latest one is looked at.
    uri = s3uri.parse(data.uri)
    answer = ask(s3.head_object, Bucket=uri.bucket, Key=uri.key)
    if answer.problem:
        return f"{data.uri} can no longer be read ({answer.problem})"
    etag = str(answer.data["ETag"]).strip('"')
    if etag != data.etag:
        return f"{data.uri} has other content (ETag {etag}, planned {data.etag})"
    version = str(answer.data.get("VersionId") or "")
    if data.version_id and version != data.version_id:
        return f"{data.uri} has another version ({version or 'none'}, planned {data.version_id})"
    return ""


def listing(s3: Client, uri: s3uri.S3Uri, most: int) -> list[Entry] | None:
    """Sorted (key, ETag, size) of a prefix without folder markers; None when it cannot be listed.

    Stops after more than ``most`` objects.
    """
    entries: list[Entry] = []
    token: dict[str, Any] = {}
    while len(entries) <= most:
        answer = ask(s3.list_objects_v2, Bucket=uri.bucket, Prefix=uri.key, **token)
        if answer.problem:
            return None
        entries += [
            (str(found["Key"]), str(found["ETag"]).strip('"'), int(found["Size"]))
            for found in answer.data.get("Contents", [])
        ]
        if not answer.data.get("NextContinuationToken"):
            break
        token = {"ContinuationToken": answer.data["NextContinuationToken"]}
    return sorted(entry for entry in entries if not (entry[0].endswith("/") and entry[2] == 0))


def listing_change(found: list[Entry] | None, data: DataPlan) -> str:
    """How a listing differs from the one that was planned, in words; empty when it does not."""
    if not data.fingerprint:
        return ""
    if found is None:
        return f"{data.uri} can no longer be listed"
    if fingerprint(found) != data.fingerprint:
        return f"{data.uri} holds other objects ({len(found)} now, {data.objects} planned)"
    return ""
