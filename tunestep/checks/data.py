"""Training and validation data: there, readable, in the run's region, and pinned as found."""

import json
import re
from typing import Any, NamedTuple

import msgspec

from tunestep import allowed, arns, data_pins, s3uri
from tunestep.checks import buckets
from tunestep.checks.calls import Answer, ask
from tunestep.checks.context import Inquiry
from tunestep.plan_model import DataPlan
from tunestep.s3uri import S3Uri, S3UriInvalid

MOST_OBJECTS = 10_000
"""Largest number of objects under one prefix that a plan pins."""

DATASET = re.compile(r"hub-content/([^/]+)/DataSet/([^/]+)/(\d{1,4}\.\d{1,4}\.\d{1,4})")


class Data(NamedTuple):
    training: DataPlan | None
    validation: DataPlan | None


def check(inquiry: Inquiry) -> Data:
    """Both channels; a channel with an error, or that the request lacks, is None."""
    request = inquiry.request
    training = resolve(inquiry, request.training_data, "$.training_data")
    if not request.validation_data:
        return Data(training, None)
    if request.validation_data == request.training_data:
        inquiry.warning(
            "VALIDATION_IS_TRAINING_DATA",
            "$.validation_data",
            "Validation data and training data are the same, so the validation loss will say nothing.",
            "Hold some rows back, or leave validation_data out.",
        )
    return Data(training, resolve(inquiry, request.validation_data, "$.validation_data"))


def resolve(inquiry: Inquiry, source: str, where: str) -> DataPlan | None:
    """Look up one channel's data; None after an error finding."""
    return (_dataset if source.startswith("arn:") else _location)(inquiry, source, where)


def _location(inquiry: Inquiry, source: str, where: str) -> DataPlan | None:
    try:
        uri = s3uri.parse(source)
    except S3UriInvalid as fault:
        inquiry.error(
            "DATA_URI_INVALID",
            where,
            f"Data must be an S3 URI or the ARN of a registered DataSet: {fault}.",
            "Write s3://bucket/key. The command uploads a local file that exists.",
        )
        return None
    if not inquiry.allows(allowed.location(inquiry.ctx, uri, where)):
        return None
    if source in inquiry.ctx.uploads:
        return DataPlan(uri=source, kind="object")
    if buckets.locate(inquiry, uri.bucket, where, must_read=True):
        return None
    return (_prefix if uri.is_folder else _object)(inquiry, uri, source, where)


def _object(inquiry: Inquiry, uri: S3Uri, source: str, where: str) -> DataPlan | None:
    answer = ask(inquiry.clients.s3.head_object, Bucket=uri.bucket, Key=uri.key)
    if answer.problem == "absent" and _first_keys(inquiry, uri, uri.key + "/"):
        inquiry.error(
            "DATA_IS_FOLDER",
            where,
            f"{uri} is a folder; without a closing slash the service would also read every key that only "
            "begins like it.",
            f"Write {uri}/ instead.",
        )
        return None
    if answer.problem:
        _unreadable(inquiry, uri, answer, where)
        return None
    if answer.data["ContentLength"] == 0:
        inquiry.error("DATA_EMPTY", where, f"{uri} is empty.", "Upload the data again.")
        return None
    others = [key for key in _first_keys(inquiry, uri, uri.key) if key != uri.key]
    if others:
        inquiry.warning(
            "DATA_NAME_IS_PREFIX",
            where,
            f"The service reads every object whose key begins with {uri.key}, and there are others than it.",
            "Move the data to a folder of its own.",
        )
    version = str(answer.data.get("VersionId") or "")
    return DataPlan(
        uri=source,
        kind="object",
        etag=str(answer.data["ETag"]).strip('"'),
        version_id="" if version == "null" else version,
        size=int(answer.data["ContentLength"]),
        objects=1,
    )


def _prefix(inquiry: Inquiry, uri: S3Uri, source: str, where: str) -> DataPlan | None:
    entries: list[tuple[str, str, int]] = []
    token: dict[str, str] = {}
    while True:
        answer = ask(inquiry.clients.s3.list_objects_v2, Bucket=uri.bucket, Prefix=uri.key, **token)
        if answer.problem:
            _unreadable(inquiry, uri, answer, where)
            return None
        entries += [_entry(listed) for listed in answer.data.get("Contents", [])]
        if len(entries) > MOST_OBJECTS:
            inquiry.error(
                "DATA_TOO_MANY_OBJECTS",
                where,
                f"{uri} holds more than {MOST_OBJECTS} objects.",
                "Put the rows into fewer files.",
            )
            return None
        if not answer.data.get("NextContinuationToken"):
            break
        token = {"ContinuationToken": answer.data["NextContinuationToken"]}
    files = sorted(entry for entry in entries if not (entry[0].endswith("/") and entry[2] == 0))
    size = sum(entry[2] for entry in files)
    if not size:
        code, what = ("DATA_EMPTY", "only empty objects") if files else ("DATA_NOT_FOUND", "nothing")
        inquiry.error(code, where, f"There is {what} below {uri}.", "Upload the data or correct the URI.")
        return None
    return DataPlan(
        uri=source,
        kind="prefix",
        fingerprint=data_pins.fingerprint(files),
        size=size,
        objects=len(files),
    )


def _entry(listed: dict[str, Any]) -> tuple[str, str, int]:
    return str(listed["Key"]), str(listed["ETag"]).strip('"'), int(listed["Size"])


def _first_keys(inquiry: Inquiry, uri: S3Uri, prefix: str) -> list[str]:
    answer = ask(inquiry.clients.s3.list_objects_v2, Bucket=uri.bucket, Prefix=prefix, MaxKeys=3)
    return [str(listed["Key"]) for listed in answer.data.get("Contents", [])]


def _unreadable(inquiry: Inquiry, uri: S3Uri, answer: Answer, where: str) -> None:
    if answer.problem == "absent":
        inquiry.error(
            "DATA_NOT_FOUND", where, f"There is no object {uri}.", "Upload the data or correct the URI."
        )
        return
    permission = "s3:ListBucket" if uri.is_folder else "s3:GetObject"
    inquiry.error(
        "DATA_ACCESS_DENIED",
        where,
        f"{uri} may not be read. {answer.message}".strip(),
        f"Allow {permission} on it to whoever makes the plan and to the execution role.",
    )


def _dataset(inquiry: Inquiry, text: str, where: str) -> DataPlan | None:
    ctx, arn = inquiry.ctx, arns.parse(text)
    match = DATASET.fullmatch(arn.resource) if arn and arn.service == "sagemaker" else None
    if arn is None or match is None:
        inquiry.error(
            "DATASET_ARN_INVALID",
            where,
            f"{text} is not the ARN of a registered DataSet with its version.",
            "It reads arn:aws:sagemaker:REGION:ACCOUNT:hub-content/HUB/DataSet/NAME/1.0.0.",
        )
        return None
    if (arn.region, arn.account) != (ctx.region, ctx.account):
        inquiry.error(
            "DATASET_ELSEWHERE",
            where,
            f"{text} is not in account {ctx.account} and region {ctx.region}.",
            "Register the DataSet there, or name its files by S3 URI.",
        )
        return None
    hub, name, version = match.groups()
    answer = ask(
        inquiry.clients.sagemaker.describe_hub_content,
        HubName=hub,
        HubContentType="DataSet",
        HubContentName=name,
        HubContentVersion=version,
    )
    if answer.problem:
        _dataset_unreadable(inquiry, text, answer, where)
        return None
    place = dataset_location(answer)
    if not _dataset_location_allowed(inquiry, text, place, where):
        return None
    return _pinned(inquiry, DataPlan(uri=text, kind="dataset", location=str(place or "")))


def _pinned(inquiry: Inquiry, data: DataPlan) -> DataPlan:
    """The DataSet with what lies at its location; without, when that cannot be listed from here."""
    found = data.location and data_pins.listing(inquiry.clients.s3, s3uri.parse(data.location), MOST_OBJECTS)
    if not found or len(found) > MOST_OBJECTS:
        return data
    return msgspec.structs.replace(
        data,
        fingerprint=data_pins.fingerprint(found),
        size=sum(entry[2] for entry in found),
        objects=len(found),
    )


def _dataset_unreadable(inquiry: Inquiry, text: str, answer: Answer, where: str) -> None:
    if answer.problem == "denied":
        inquiry.error(
            "DATASET_ACCESS_DENIED",
            where,
            f"{text} may not be read. {answer.message}".strip(),
            "Allow sagemaker:DescribeHubContent on it to whoever makes the plan.",
        )
        return
    inquiry.error(
        "DATASET_NOT_FOUND", where, f"There is no DataSet {text}.", "Register it or correct the ARN."
    )


def dataset_location(answer: Answer) -> S3Uri | None:
    """Where the registry says that the rows are."""
    try:
        document = json.loads(answer.data.get("HubContentDocument") or "{}")
        bucket, prefix = document.get("DatasetS3Bucket"), document.get("DatasetS3Prefix", "")
        return s3uri.parse(f"s3://{bucket}/{prefix}") if bucket else None
    except (ValueError, AttributeError):
        return None


def _dataset_location_allowed(inquiry: Inquiry, text: str, place: S3Uri | None, where: str) -> bool:
    if place is not None:
        return inquiry.allows(allowed.location(inquiry.ctx, place, where))
    if not inquiry.ctx.open:
        inquiry.error(
            "DATASET_LOCATION_UNKNOWN",
            where,
            f"{text} does not say where in S3 its rows are, so they cannot be compared with the settings.",
            "Register the DataSet again, or name its files by S3 URI.",
        )
    return inquiry.ctx.open
