"""Presets: requests that wait for their data, kept as ``presets/<name>.json`` in the stack's bucket."""

import re
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from tunestep import names
from tunestep.aws import Client, error_code
from tunestep.documents import MAX_BYTES, DocumentInvalid, loads
from tunestep.faults import not_found
from tunestep.findings import Finding, error
from tunestep.request import RequestInvalid, parse, to_document

PLACEHOLDER = "s3://data/of-the-trigger.jsonl"
"""Stands in for the data when a preset is checked without any."""

_NAME = re.compile(names.NAME_PATTERN)


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request, with or without ``training_data``.

    ``continue_from_group`` has each run go on from the newest approved package of the request's
    ``model_package_group``, and from the request's own ``base_model`` while there is none.
    """

    request: dict[str, Any]
    continue_from_group: bool = False


class PresetInvalid(ValueError):  # noqa: N818 - reads like the other refusals
    """The preset cannot be used; ``findings`` holds every fault."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("\n".join(finding.line() for finding in findings))
        self.findings = list(findings)


def key(name: str) -> str:
    """The preset's S3 key. Raises PresetInvalid for a name that is none."""
    if not _NAME.fullmatch(name):
        raise PresetInvalid(
            error(
                "PRESET_NAME_INVALID",
                "preset",
                f"{name[:80]!r} is no name of a preset.",
                "Names have 1 to 40 of the characters a-z, 0-9 and hyphen.",
            )
        )
    return f"{names.PREFIX_PRESETS}{name}.json"


def check(preset: Preset) -> Preset:
    """The preset with its request normalised. Raises PresetInvalid with every fault of the request."""
    try:
        request = to_document(parse(filled(preset, preset.request.get("training_data") or PLACEHOLDER)))
    except RequestInvalid as fault:
        raise PresetInvalid(*fault.findings) from None
    if request["training_data"] == PLACEHOLDER:
        del request["training_data"]
    if preset.continue_from_group and not request.get("model_package_group"):
        raise PresetInvalid(
            error(
                "PRESET_WITHOUT_GROUP",
                "$.model_package_group",
                "A preset that goes on from its group has to name the group.",
                "Add model_package_group to the request.",
            )
        )
    return msgspec.structs.replace(preset, request=request)


def filled(preset: Preset, training_data: str) -> dict[str, Any]:
    """The preset's request on this data, or on its own when that is empty; nothing else of it changes."""
    return {**preset.request, **({"training_data": training_data} if training_data else {})}


def load(s3: Client, bucket: str, name: str) -> Preset | None:
    """The preset of this name; None when there is none. Raises PresetInvalid for one that is damaged."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key(name))
    except ClientError as fault:
        if error_code(fault) not in ("NoSuchKey", "404"):
            raise
        return None
    try:
        document = loads(answer["Body"].read(MAX_BYTES + 1), "json", name=f"preset {name}")
        return msgspec.convert(document, Preset)
    except (DocumentInvalid, msgspec.ValidationError) as fault:
        raise PresetInvalid(
            error(
                "PRESET_UNREADABLE", f"preset {name}", f"It cannot be read: {fault}.", "Add the preset again."
            )
        ) from None


def save(s3: Client, bucket: str, name: str, preset: Preset) -> None:
    """Store a checked preset, in the place of one of the same name."""
    body = msgspec.json.encode(preset, order="sorted")
    s3.put_object(Bucket=bucket, Key=key(name), Body=body, ContentType="application/json")


def remove(s3: Client, bucket: str, name: str) -> bool:
    """Delete a preset; False when there was none."""
    there = exists(s3, bucket, name)
    if there:
        s3.delete_object(Bucket=bucket, Key=key(name))
    return there


def exists(s3: Client, bucket: str, name: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key(name))
    except ClientError as fault:
        if error_code(fault) not in ("NoSuchKey", "404", "NotFound"):
            raise
        return False
    return True


def listed(s3: Client, bucket: str) -> list[str]:
    """The names of all presets, sorted."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=names.PREFIX_PRESETS)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    found = [item.removeprefix(names.PREFIX_PRESETS).removesuffix(".json") for item in keys]
    return sorted(name for name in found if _NAME.fullmatch(name))


def newest_approved(sagemaker: Client, group: str) -> str:
    """ARN of the group's newest package that is approved and complete; empty when there is none."""
    try:
        answer = sagemaker.list_model_packages(
            ModelPackageGroupName=group,
            ModelApprovalStatus="Approved",
            SortBy="CreationTime",
            SortOrder="Descending",
            MaxResults=100,
        )
    except ClientError as fault:
        if not_found(fault):
            return ""
        raise
    for package in answer["ModelPackageSummaryList"]:
        if package["ModelPackageStatus"] == "Completed":
            return str(package["ModelPackageArn"])
    return ""


def resolved(sagemaker: Client, preset: Preset, training_data: str) -> dict[str, Any]:
    """The request of a run of this preset on this data."""
    document = filled(preset, training_data)
    if preset.continue_from_group:
        package = newest_approved(sagemaker, str(document.get("model_package_group", "")))
        document |= {"base_model": package} if package else {}
    return document
