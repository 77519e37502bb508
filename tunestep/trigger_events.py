"""The events that ask for a run, read without trusting them: what is asked for, by whom, and which once.

Three kinds reach the queue, told apart by what only their rule lets through: an object created in the
stack's bucket (nobody but S3 can put an event of ``aws.s3`` on a bus), a request on the stack's own bus, and
a schedule's entry.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tunestep import names
from tunestep.documents import Kind
from tunestep.environment import Environment
from tunestep.findings import Finding, error
from tunestep.source_settings import Source
from tunestep.text import one_line

REQUEST_KINDS: dict[str, Kind] = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
"""Endings of request files, in lower or upper case, and how they are read."""

LONGEST_KEY = 900
"""Bytes of a key that a request can name as its data."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An EventBridge event; a schedule's entry has the same members."""

    source: str
    detail_type: str = msgspec.field(name="detail-type")
    detail: dict[str, Any]
    id: str = ""
    account: str = ""
    time: str = ""


class Refused(Exception):  # noqa: N818 - reads like the other refusals
    """What asked cannot be started, however often it is delivered."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("\n".join(finding.line() for finding in findings))
        self.findings = list(findings)


class Trigger(NamedTuple):
    """What an event asks for.

    ``source`` is the name that the run shows, ``rules`` what settings say about it. ``subject`` names the
    trigger in ``rejected/``; ``identity`` is the same for every delivery of the same thing. Either ``key``
    (with ``version_id``) is a request file or a dataset in the stack's bucket, or ``detail`` says it all.
    """

    source: str
    rules: Source
    subject: str
    identity: str
    requester: str
    known: str
    key: str = ""
    version_id: str = ""
    detail: Mapping[str, Any] = {}


def read(event: Event, env: Environment) -> Trigger | None:
    """What the event asks for; None when it is not one that may start anything."""
    if (event.source, event.detail_type) == ("aws.s3", "Object Created"):
        return _object(event, env)
    if event.source.startswith("aws."):
        return None
    if event.detail_type == names.DETAIL_SCHEDULED:
        return _schedule(event, env)
    if event.detail_type == names.DETAIL_REQUESTED:
        return _custom(event, env)
    return None


def usable_key(key: str) -> None:
    """Raises Refused for a key that would not come back as it went in: other clients cut or fold it."""
    parts = key.split("/")
    folded = any(part in ("", ".", "..") for part in parts)
    if folded or not key.isprintable() or len(key.encode()) > LONGEST_KEY:
        raise Refused(
            error(
                "KEY_NOT_USABLE",
                "key",
                f"The key {one_line(key, 200)!r} has control characters, empty or dotted parts, or more than "
                f"{LONGEST_KEY} bytes.",
                "Upload it under a plain name.",
            )
        )


def request_kind(key: str) -> Kind:
    """How the request file of this key is read. Raises Refused for an ending that no request file has."""
    _, dot, ending = key.rpartition("/")[2].rpartition(".")
    kind = REQUEST_KINDS.get(dot + ending.lower())
    if kind is None:
        raise Refused(
            error(
                "REQUEST_UNREADABLE",
                "key",
                f"The name of a request file ends in {', '.join(REQUEST_KINDS)}; that of "
                f"{one_line(key, 200)!r} does not.",
                f"Upload a JSON or YAML request, and keep other files outside of {names.PREFIX_REQUESTS}.",
            )
        )
    return kind


def _identity(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _object(event: Event, env: Environment) -> Trigger | None:
    bucket, found = event.detail.get("bucket"), event.detail.get("object")
    if not isinstance(bucket, dict) or not isinstance(found, dict) or bucket.get("name") != env.bucket:
        return None
    key, version = found.get("key"), str(found.get("version-id") or "")
    # Consoles make folders by writing an object whose key ends in a slash.
    if not isinstance(key, str) or not key.startswith(names.TRIGGER_PREFIXES) or key.endswith("/"):
        return None
    is_request = key.startswith(names.PREFIX_REQUESTS)
    version = "" if version == "null" else version
    which = version or [found.get("etag") or found.get("eTag"), found.get("sequencer")]
    return Trigger(
        source="s3" if is_request else "preset",
        rules=env.settings.sources.s3_requests if is_request else env.settings.sources.presets,
        subject=key,
        identity=_identity("s3", env.bucket, key, which),
        requester=one_line(
            f"{event.detail.get('requester', 'unknown')} from {event.detail.get('source-ip-address', '?')}",
            200,
        ),
        known="S3 event",
        key=key,
        version_id=version,
    )


def _custom(event: Event, env: Environment) -> Trigger:
    return Trigger(
        source="event",
        rules=env.settings.sources.events,
        subject=f"events/{event.id}",
        identity=_identity("event", event.id),
        requester=one_line(f"{event.source} in account {event.account}", 200),
        known="EventBridge event",
        detail=event.detail,
    )


def _schedule(event: Event, env: Environment) -> Trigger:
    name = str(event.detail.get("schedule", ""))
    return Trigger(
        source="schedule",
        rules=env.settings.sources.schedules,
        subject=f"schedules/{name}/{event.time}",
        identity=_identity("schedule", name, event.time),
        requester=one_line(f"schedule {name}", 200),
        known="schedule of the stack",
        detail={member: value for member, value in event.detail.items() if member != "schedule"},
    )
