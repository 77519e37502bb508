"""What people are told about a run: that it began, that it waits, how it ended, what to do next.

Each channel (mail, Slack) is told each thing once: what was sent is noted on the run's item, so that a
repeated event or a retry sends only what is missing. A notice that fails never changes a run.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from tunestep import notices, runs
from tunestep.context import Context, StepEvent
from tunestep.errors import TransientFault
from tunestep.next_step import NextStep, after_failure
from tunestep.record_model import RunRecord
from tunestep.reports import chat, markdown
from tunestep.run_files import LOG_TAIL, RECORD
from tunestep.runs import Item
from tunestep.settings import NoticeChannel
from tunestep.text import one_line

Event = Literal["start", "waits", "success", "failure"]

_RULES: dict[Event, str] = {"start": "start", "waits": "failure", "success": "success", "failure": "failure"}
"""The rule of the settings that says on which channels each is told."""

_HOSTS = {"aws": "console.aws.amazon.com", "aws-us-gov": "console.amazonaws-us-gov.com"}


class Message(NamedTuple):
    """One notice: ``title`` for a subject line, ``text`` for a mail, ``blocks`` for Slack."""

    title: str
    text: str
    blocks: list[chat.Block]


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True):
    """EventBridge's "Step Functions Execution Status Change" of this stack's machine."""

    detail: dict[str, Any]


def console_url(context: Context, execution_arn: str) -> str:
    """The execution in the console; empty on a laptop, which has none, and in partitions not known here."""
    host = _HOSTS.get(context.partition)
    if context.env.laptop or not host:
        return ""
    region = context.env.region
    return (
        f"https://{region}.{host}/states/home?region={region}#/v2/executions/details/{execution_arn}"
        if execution_arn.isascii() and " " not in execution_arn
        else ""
    )


def started(context: Context, event: StatusEvent) -> dict[str, Any]:
    """Tell people that an execution began. One that the console started gets its item here.

    Raises what a channel raises, after the others were tried.
    """
    run_id = str(event.detail.get("name") or "")
    arn = context.execution_arn(run_id)
    if not run_id or event.detail.get("executionArn") != arn:
        return {"notified": False}
    run = context.runs.run(run_id) or _from_console(context, run_id, arn)
    return _tell(context, "start", run_id, run, lambda: _beginning(context, run_id, run))


def _from_console(context: Context, run_id: str, execution_arn: str) -> Item:
    now = context.timestamp()
    context.runs.put_new(runs.pending_run(run_id, execution_arn, now))
    context.runs.put_new(runs.console_run(run_id, execution_arn, now))
    return context.runs.run(run_id) or {}


def notify(context: Context, event: StepEvent) -> dict[str, Any]:
    """Tell people how a run ended.

    What a channel raises is recorded in the run's item and raised: the machine goes on to the run's own end.
    """
    run = context.runs.run(event.run_id) or {}
    failed = isinstance(event.document.get("error"), dict)
    kind: Event = "failure" if failed else "success"
    return _tell(context, kind, event.run_id, run, lambda: _ending(context, event, failed))


def waits(context: Context, event: StepEvent) -> dict[str, Any]:
    """Tell people that a run waits for something that they may do something about."""
    run = context.runs.run(event.run_id) or {}
    return _tell(context, "waits", event.run_id, run, lambda: _waiting(context, event))


def _tell(
    context: Context, event: Event, run_id: str, run: runs.Item, compose: Callable[[], Message]
) -> dict[str, Any]:
    wanted: Sequence[NoticeChannel] = getattr(context.env.settings.notices, _RULES[event])
    missing = [
        channel
        for channel in wanted
        if not run.get(f"told_{event}_{channel}") and (channel != "slack" or context.env.settings.slack)
    ]
    message = compose() if missing else None
    faults: list[Exception] = []
    for channel in missing if message else ():
        try:
            _SEND[channel](context, run_id, message)
        except Exception as fault:
            faults.append(fault)
            continue
        context.runs.update_run(run_id, {f"told_{event}_{channel}": context.timestamp()})
    if faults:
        context.runs.update_run(run_id, {"notice_error": one_line(faults[0], 500)})
        raise faults[0]
    if event in ("success", "failure"):
        context.runs.update_run(run_id, {"notified_at": context.timestamp()}, remove=("notice_error",))
    return {"notified": bool(missing)}


def _mail(context: Context, _run_id: str, message: Message) -> None:
    notices.publish(context, message.title, [message.text])


def _slack(context: Context, run_id: str, message: Message) -> None:
    from tunestep.gate import slack  # noqa: PLC0415 - only a stack with Slack pays for it
    from tunestep.gate.slack_secret import SlackFault  # noqa: PLC0415

    try:
        slack.post(context, run_id, message.title, message.blocks)
    except SlackFault as fault:
        if fault.transient:
            raise TransientFault(f"Slack: {fault}") from None
        raise


_SEND: dict[NoticeChannel, Callable[[Context, str, Any], None]] = {"email": _mail, "slack": _slack}


def _beginning(context: Context, run_id: str, run: runs.Item) -> Message:
    facts = [
        ("Use case", run.get("use_case")),
        ("Technique", run.get("technique")),
        ("Model", run.get("base_model")),
        ("Asked by", f"{run.get('requester', 'unknown')} ({run.get('requester_assurance', 'unverified')})"),
        ("Started by", run.get("source")),
        ("Again after", run.get("retry_of")),
    ]
    lines = [f"{label}: {one_line(value, 300)}" for label, value in facts if value]
    console = console_url(context, context.execution_arn(run_id))
    command = f"tunestep watch {run_id} {_flag(context)}".strip()
    text = [
        f"**Run {markdown.code(run_id)} has begun.**",
        "",
        *[f"- {markdown.text(line)}" for line in lines],
        *(["", f"Console: <{console}>"] if console else []),
        "",
        f"Next: {markdown.code(command)}",
    ]
    title = f"Started: {run_id}"
    blocks = [chat.header(title), chat.section("\n".join(lines)), chat.ending(command, console)]
    return Message(title, "\n".join(text), blocks)


def _waiting(context: Context, event: StepEvent) -> Message:
    run_id, console = event.run_id, console_url(context, event.execution.arn)
    command = f"tunestep watch {run_id} {_flag(context)}"
    lines = [
        f"Run {run_id} has not started its training job yet.",
        one_line(event.document.get("waits") or "It waits.", 2100),
        "It tries again by itself for up to two hours and then fails; `tunestep stop` gives up at once.",
    ]
    text = [
        *[markdown.text(line, 2200) for line in lines],
        *(["", f"Console: <{console}>"] if console else []),
        "",
        f"Next: {markdown.code(command)}",
    ]
    title = f"Waiting for quota: {run_id}"
    blocks = [chat.header(title), chat.section("\n".join(lines)), chat.ending(command, console)]
    return Message(title, "\n".join(text), blocks)


def _ending(context: Context, event: StepEvent, failed: bool) -> Message:
    record = _record(context, event.run_id)
    title = f"{_error_name(event)}: {event.run_id}" if failed else f"Succeeded: {event.run_id}"
    console = console_url(context, event.execution.arn)
    if record is None:
        return _without_record(context, event, title, failed)
    tail = _log_tail(context, event.run_id)
    return Message(
        title,
        markdown.summary(record, log_tail=tail, console=console),
        chat.notice(record, log_tail=tail, console=console),
    )


def _flag(context: Context) -> str:
    """What leads a command to this stack: on a laptop there is only one."""
    return "--local" if context.env.laptop else f"--stack {context.env.stack}"


def _error_name(event: StepEvent) -> str:
    return one_line(event.part("error").get("Error") or "ServiceFault", 60)


def _without_record(context: Context, event: StepEvent, title: str, failed: bool) -> Message:
    """What the document alone says, of a run whose record could not be written or read."""
    run_id, console = event.run_id, console_url(context, event.execution.arn)
    if failed:
        step = after_failure(_error_name(event), run_id)
        error = event.part("error")
        left = [entry for entry in error.get("cleaned") or [] if not entry.get("ok", True)]
        lines = [
            f"Run {run_id} failed with {_error_name(event)}.",
            one_line(error.get("Cause") or "No cause was given.", 2100),
            *[f"Not cleaned up: {entry.get('step')}: {entry.get('detail')}" for entry in left],
        ]
    else:
        step = NextStep(f"tunestep results {run_id}")
        results = event.part("results")
        lines = [
            f"Run {run_id} succeeded.",
            f"Model package: {results.get('model_package_arn') or 'unknown'}",
            *[f"Not known: {gap}" for gap in results.get("gaps", [])],
        ]
    flag = _flag(context)
    text = [
        *[markdown.text(line, 2200) for line in lines],
        *(["", f"Console: <{console}>"] if console else []),
        "",
        markdown.following(step, flag),
    ]
    ending = chat.ending(f"{step.command} {flag}", console, first=step.first)
    return Message(title, "\n".join(text), [chat.header(title), chat.section("\n".join(lines)), ending])


def _record(context: Context, run_id: str) -> RunRecord | None:
    found = context.files.get(run_id, RECORD)
    try:
        return msgspec.json.decode(found[0], type=RunRecord) if found else None
    except msgspec.DecodeError:
        return None


def _log_tail(context: Context, run_id: str) -> list[str]:
    found = context.files.get(run_id, LOG_TAIL)
    return found[0].decode("utf-8", "replace").splitlines() if found else []
