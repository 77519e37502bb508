"""From an event in the queue to one run, or to one file that says why there is none.

A delivery may be repeated, late or in parts. What an event came to is written down before anything is
started, so that every delivery of it comes to the same request and the same execution name.
"""

from typing import Any, NamedTuple

import msgspec
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from tunestep import presets, rejections
from tunestep.aws import error_code
from tunestep.context import Context
from tunestep.documents import MAX_BYTES, DocumentInvalid, Kind, loads
from tunestep.findings import error
from tunestep.names import FORGET_AT, PREFIX_DATASETS, PREFIX_REQUESTS
from tunestep.request import Request, RequestInvalid, parse, to_document
from tunestep.runs import Item
from tunestep.sources import tightened
from tunestep.start import InvalidRequest, Origin, StartEvent, free_attempt, start
from tunestep.trigger_events import Event, Refused, Trigger, read, request_kind, usable_key

START = "START"
"""Sort key of what an event came to, below ``EVENT#<identity>``."""

_KEPT_SECONDS = 60 * 86_400
"""How long it is known what an event came to: far longer than a queue or its dead letters keep the event."""

logger = Logger(child=True)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the queue; its body is the event."""

    message_id: str = msgspec.field(name="messageId")
    body: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What Lambda hands over from the queue."""

    records: list[Record] = msgspec.field(name="Records")


class Outcome(NamedTuple):
    """What became of a batch: ids of runs, URIs of rejections, ids of messages to deliver again."""

    started: list[str]
    rejected: list[str]
    again: list[str]


def receive(context: Context, batch: Batch) -> Outcome:
    """Start what the messages ask for.

    A message that cannot be understood, or that AWS keeps from being started, is left to be delivered
    again; after a few times the queue moves it to the dead letters.
    """
    outcome = Outcome([], [], [])
    for record in batch.records:
        try:
            _receive_one(context, record, outcome)
        except Exception:  # one message, whatever is wrong with it, never holds up the others
            logger.exception("message left in the queue", extra={"message_id": record.message_id})
            outcome.again.append(record.message_id)
    return outcome


def _receive_one(context: Context, record: Record, outcome: Outcome) -> None:
    trigger = read(msgspec.json.decode(record.body, type=Event), context.env)
    if trigger is None:
        logger.info("not a trigger", extra={"message_id": record.message_id})
        return
    try:
        outcome.started.append(_start(context, trigger))
    except Refused as fault:
        uri = rejections.reject(context, trigger.subject, trigger.source, fault.findings)
        logger.warning("rejected", extra={"rejection": uri})
        outcome.rejected.append(uri)


def _start(context: Context, trigger: Trigger) -> str:
    if not trigger.rules.enabled:
        raise Refused(
            error("SOURCE_SWITCHED_OFF", trigger.source, "The settings switch this source of runs off.")
        )
    settled = _settled(context, trigger)
    document = msgspec.json.decode(settled["request"])
    event = StartEvent(request=document, source=trigger.source, requester=trigger.requester)
    origin = Origin(known=trigger.known, event=trigger.identity, first=int(settled.get("attempt", 1)))
    try:
        return str(start(context, event, origin)["run_id"])
    except InvalidRequest as fault:
        raise Refused(*fault.findings) from None


def _settled(context: Context, trigger: Trigger) -> Item:
    """The ``request`` that this event came to the first time, and the first ``attempt`` that was free then;
    a preset or a group may have changed since, and others may have started the same."""
    pk = f"EVENT#{trigger.identity}"
    if item := context.runs.get(pk, START):
        return item
    request = _request(context, trigger)
    item = {
        "pk": pk,
        "sk": START,
        "request": msgspec.json.encode(to_document(request)).decode(),
        "attempt": free_attempt(context, request),
        "created_at": context.timestamp(),
        FORGET_AT: context.epoch() + _KEPT_SECONDS,
    }
    return item if context.runs.put_new(item) else context.runs.get(pk, START) or item


def _request(context: Context, trigger: Trigger) -> Request:
    """The request that the trigger asks for, under the rules of its source. Raises Refused."""
    try:
        asked = parse(_asked(context, trigger))
        return parse(tightened(asked, trigger.rules, context.env.settings.limits))
    except (RequestInvalid, presets.PresetInvalid) as fault:
        raise Refused(*fault.findings) from None


def _asked(context: Context, trigger: Trigger) -> Any:
    if trigger.key:
        usable_key(trigger.key)
    if trigger.key.startswith(PREFIX_REQUESTS):
        return _request_file(context, trigger)
    if trigger.key:
        name, _, file = trigger.key.removeprefix(PREFIX_DATASETS).partition("/")
        if not file:
            raise Refused(
                error(
                    "PRESET_NAME_INVALID",
                    "key",
                    f"{trigger.key} lies in no preset's folder.",
                    f"Upload it to {PREFIX_DATASETS}PRESET/; `tunestep preset list` shows the presets.",
                )
            )
        return _of_preset(context, name, f"s3://{context.env.bucket}/{trigger.key}")
    return _of_detail(context, trigger)


def _of_detail(context: Context, trigger: Trigger) -> Any:
    """The request of an event or a schedule: its own, or that of a preset, whose data it may name."""
    detail, given = trigger.detail, set(trigger.detail)
    if given == {"request"}:
        return _loads(msgspec.json.encode(detail["request"]), "json", "$.detail.request")
    name, data = detail.get("preset"), detail.get("training_data") or ""
    fitting = {"preset"} <= given <= {"preset", "training_data"}
    if fitting and isinstance(name, str) and isinstance(data, str):
        return _of_preset(context, name, data)
    raise Refused(
        error(
            "EVENT_INVALID",
            "$.detail",
            f"It has to hold either request, or preset with or without training_data; it holds "
            f"{', '.join(sorted(given))[:200] or 'nothing'}.",
            'Send {"request": {...}} or {"preset": "name", "training_data": "s3://..."}.',
        )
    )


def _of_preset(context: Context, name: str, training_data: str) -> dict[str, Any]:
    preset = presets.load(context.clients.s3, context.env.bucket, name)
    if preset is None:
        raise Refused(
            error(
                "PRESET_NOT_FOUND",
                "preset",
                f"There is no preset {name!r}.",
                "Add it: `tunestep preset add NAME REQUEST`. `tunestep preset list` shows what there is.",
            )
        )
    return presets.resolved(context.clients.sagemaker, preset, training_data)


def _request_file(context: Context, trigger: Trigger) -> Any:
    """The value of the uploaded file, in the version that the event is about."""
    kind = request_kind(trigger.key)
    version = {"VersionId": trigger.version_id} if trigger.version_id else {}
    where = f"s3://{context.env.bucket}/{trigger.key}"
    try:
        answer = context.clients.s3.get_object(Bucket=context.env.bucket, Key=trigger.key, **version)
    except ClientError as fault:
        if error_code(fault) not in ("NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"):
            raise
        raise _unreadable(where, "It was deleted before it was read.") from None
    # One byte more than may be read is enough for the reader to refuse it; the rest stays in S3.
    data = answer["Body"].read(MAX_BYTES + 1)
    return _loads(data, kind, where)


def _loads(data: bytes, kind: Kind, where: str) -> Any:
    try:
        return loads(data, kind, name=where)
    except DocumentInvalid as fault:
        raise _unreadable(where, str(fault)) from None


def _unreadable(where: str, message: str) -> Refused:
    return Refused(error("REQUEST_UNREADABLE", where, message, "Upload a JSON or YAML request."))
