"""Training data from S3: which objects a channel names, and their lines, streamed and bounded."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from tunestep.aws import Client
from tunestep.local.training.data_rows import PARSERS, Example, RuleBroken
from tunestep.local.training.faults import BadRow, TrainingFault

MAX_FILES = 1000
"""Most objects of one channel."""
MAX_BYTES = 512 * 1024 * 1024
"""Most bytes of one channel."""
MAX_LINE = 4 * 1024 * 1024
"""Longest line, in bytes."""
MAX_ROWS = 50_000
"""Most rows that are trained on; what comes after is checked only."""

_BOM = b"\xef\xbb\xbf"


class Location(NamedTuple):
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Rows(NamedTuple):
    """The rows to train on, and how many there were (more only above ``MAX_ROWS``)."""

    examples: list[Example]
    total: int


def locate(uri: str) -> Location:
    """Bucket and key of an ``s3://`` URI; the key may be empty."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise TrainingFault(f"{uri} is not an S3 URI; give s3://bucket/key.")
    return Location(bucket, key)


def channel_location(channel: Mapping[str, Any], sagemaker: Callable[[], Client]) -> Location:
    """Where an ``InputDataConfig`` channel's data is; a registered dataset is looked up in its hub.

    ``sagemaker`` makes the client, which most jobs do without.
    """
    source = channel.get("DataSource", {})
    if "S3DataSource" in source:
        return locate(source["S3DataSource"]["S3Uri"])
    if "DatasetSource" in source:
        return _dataset_location(source["DatasetSource"]["DatasetArn"], sagemaker())
    raise TrainingFault(f"channel {channel.get('ChannelName')} has neither S3DataSource nor DatasetSource.")


def _dataset_location(arn: str, sagemaker: Client) -> Location:
    try:
        hub, kind, name, version = arn.split(":hub-content/", 1)[-1].split("/")
        content = sagemaker.describe_hub_content(
            HubName=hub, HubContentType=kind, HubContentName=name, HubContentVersion=version
        )
        document = json.loads(content["HubContentDocument"])
        return Location(document["DatasetS3Bucket"], document["DatasetS3Prefix"])
    except (BotoCoreError, ClientError, KeyError, TypeError, ValueError):
        raise TrainingFault(f"{arn} cannot be resolved to an S3 location.") from None


def files(s3: Client, location: Location) -> list[Location]:
    """The ``.jsonl`` objects at a location: itself, or all below it as a prefix, by key.

    Raises:
        TrainingFault: none there, unreadable, or more than the trainer takes.
    """
    found: list[Location] = []
    size = 0
    for item in _listing(s3, location):
        exact = item["Key"] == location.key
        if exact or (item["Key"].endswith(".jsonl") and _below(item["Key"], location.key)):
            found.append(Location(location.bucket, item["Key"]))
            size += item["Size"]
        if exact:
            break
    if not found:
        raise TrainingFault(f"no .jsonl data at {location}; check the URI.")
    if not found[0].key.endswith(".jsonl"):
        raise TrainingFault(f"{found[0]} is not a .jsonl file, the only kind the laptop's trainer reads.")
    if len(found) > MAX_FILES or size > MAX_BYTES:
        raise TrainingFault(
            f"{location} holds {len(found)} files with {size} bytes; the laptop's trainer takes "
            f"{MAX_FILES} files and {MAX_BYTES} bytes. Train on a part of the data."
        )
    return found


def _below(key: str, prefix: str) -> bool:
    return not prefix or prefix.endswith("/") or key.startswith(f"{prefix}/")


def _listing(s3: Client, location: Location) -> Iterator[Any]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=location.key)
    try:
        for page in pages:
            yield from page.get("Contents", ())
    except (BotoCoreError, ClientError) as error:
        raise TrainingFault(f"{location} cannot be listed: {type(error).__name__}.") from None


def read_rows(s3: Client, location: Location, technique: str) -> Rows:
    """Every row of a channel, checked.

    Raises:
        BadRow: the first line that breaks a rule, with file and line.
        TrainingFault: nothing there, or unreadable.
    """
    examples: list[Example] = []
    total = 0
    found = files(s3, location)
    for number, file in enumerate(found, 1):
        # Names of files below a prefix are the user's text, so files go by their number.
        label = str(location) if len(found) == 1 else f"{location} file {number} of {len(found)}"
        for example in parse_lines(label, _chunks(s3, file, label), technique):
            total += 1
            if total <= MAX_ROWS:
                examples.append(example)
    if not examples:
        raise TrainingFault(f"{location} has no rows.")
    return Rows(examples, total)


def _chunks(s3: Client, file: Location, label: str) -> Iterator[bytes]:
    try:
        yield from s3.get_object(Bucket=file.bucket, Key=file.key)["Body"].iter_chunks(64 * 1024)
    except (BotoCoreError, ClientError) as error:
        raise TrainingFault(f"{label} cannot be read: {type(error).__name__}.") from None


def parse_lines(file: str, chunks: Iterable[bytes], technique: str) -> Iterator[Example]:
    """The examples of one file; blank lines count but say nothing.

    Raises:
        BadRow: with ``file``, the 1-based line and the rule.
    """
    parse = PARSERS[technique]
    for number, line in enumerate(split_lines(chunks), 1):
        if len(line) > MAX_LINE:
            raise BadRow(file, number, f"is longer than {MAX_LINE} bytes.")
        text = line.removeprefix(_BOM) if number == 1 else line
        if not text.strip():
            continue
        try:
            yield parse(text)
        except RuleBroken as error:
            raise BadRow(file, number, str(error)) from None


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their end. A line beyond ``MAX_LINE`` comes out early, so that none fills memory."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield b"".join((*held, piece))
            held, size = [], 0
        held.append(rest)
        size += len(rest)
        if size > MAX_LINE:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)
