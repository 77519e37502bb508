"""The planned data of a run, opened for the check in exactly the version that was planned."""

from typing import NamedTuple

from tunestep import arns, data_pins, s3uri
from tunestep.aws import Client
from tunestep.checks.calls import ask
from tunestep.checks.data import DATASET, dataset_location
from tunestep.data_pins import Entry
from tunestep.datasets import Source, Unreadable
from tunestep.datasets.sources import S3File
from tunestep.errors import PlanChanged
from tunestep.plan_model import DataPlan


class Opened(NamedTuple):
    """One channel: its files, or in ``unread`` why there are none. A single object has its ``version_id``."""

    data: DataPlan
    source: Source | None = None
    unread: str = ""
    version_id: str = ""


def changed(run_id: str, difference: str) -> PlanChanged:
    """The error of a run whose data is no longer what was planned."""
    return PlanChanged(
        f"Since the request was checked: {difference}. Nothing was started. "
        f"Check what changed, then `tunestep retry {run_id}`."
    )


def opened(s3: Client, run_id: str, data: DataPlan) -> Opened:
    """One channel's files with the versions and ETags that are planned, so that no other is read.

    Raises PlanChanged when the data differs from the plan; TransientFault and ServiceFault as
    tunestep.checks.calls does.
    """
    if data.kind == "dataset" and not data.location:
        return Opened(data, unread="the registry does not say where its rows are")
    found = None if data.kind == "object" else data_pins.listed(s3, data)
    difference = (
        data_pins.change(s3, data) if data.kind == "object" else data_pins.listing_change(found, data)
    )
    if difference:
        raise changed(run_id, difference)
    if data.kind == "object":
        return _object(s3, data)
    if found is None:
        return Opened(data, unread="it may not be listed from here")
    return _several(s3, data, found)


def _object(s3: Client, data: DataPlan) -> Opened:
    place = data_pins.place(data)
    version = {"VersionId": data.version_id} if data.version_id else {}
    head = ask(s3.head_object, Bucket=place.bucket, Key=place.key, **version)
    if head.problem:
        return Opened(data, unread=f"it cannot be read ({head.problem})")
    file = S3File(
        s3, place, int(head.data["ContentLength"]), str(head.data["ETag"]).strip('"'), data.version_id
    )
    return Opened(data, Source(data.uri, (file,)), version_id=data.version_id)


def _several(s3: Client, data: DataPlan, found: list[Entry]) -> Opened:
    """The objects at or below a place; a single object is no prefix, whatever else begins like it."""
    place = data_pins.place(data)
    files = [
        S3File(s3, s3uri.S3Uri(place.bucket, key), size, etag)
        for key, etag, size in found
        if s3uri.is_within(s3uri.S3Uri(place.bucket, key), place)
    ]
    exact = tuple(file for file in files if file.uri.key == place.key)
    if not files:
        return Opened(data, unread="there is nothing at its place")
    return Opened(data, Source(data.uri, exact or tuple(files)))


def registered(sagemaker: Client, text: str) -> s3uri.S3Uri:
    """Where the registry says that the rows of a DataSet lie, given by its ARN.

    Raises Unreadable when it is no such ARN, may not be read, or names no place; TransientFault and
    ServiceFault as tunestep.checks.calls does.
    """
    arn = arns.parse(text)
    match = DATASET.fullmatch(arn.resource) if arn and arn.service == "sagemaker" else None
    if match is None:
        raise Unreadable("DATA_NOT_FOUND", "It is not the ARN of a registered DataSet with its version.")
    hub, name, version = match.groups()
    answer = ask(
        sagemaker.describe_hub_content,
        HubName=hub,
        HubContentType="DataSet",
        HubContentName=name,
        HubContentVersion=version,
    )
    place = None if answer.problem else dataset_location(answer)
    if place is None:
        why = f"cannot be read from the registry ({answer.problem})" if answer.problem else "names no place"
        raise Unreadable("DATA_NOT_FOUND", f"The DataSet {why}.")
    return place
