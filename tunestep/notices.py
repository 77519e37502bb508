"""Plain-text notices to the stack's topic: what happened, why, and what to do next."""

import unicodedata
from typing import Any

from tunestep.context import Context, StepEvent
from tunestep.text import one_line, visible

SUBJECT_LIMIT = 99
"""SNS takes subjects of fewer than 100 ASCII characters without line breaks (SNS API, Publish)."""


def subject(text: str) -> str:
    """The text as a subject line: ASCII, one line, short enough, never empty."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    line = " ".join("".join(c if c.isprintable() else " " for c in folded).split())
    return line[:SUBJECT_LIMIT].strip() or "Tunestep"


def publish(context: Context, title: str, lines: list[str]) -> None:
    """Send one notice; raises what the SNS client raises."""
    context.clients.sns.publish(
        TopicArn=context.env.topic_arn,
        Subject=subject(f"[{context.env.stack}] {title}"),
        Message=visible("\n".join(line for line in lines if line), 20_000) + "\n",
    )


def approval_needed(context: Context, run_id: str, question: dict[str, Any]) -> None:
    """Tell people that a run waits for a decision, and how to decide."""
    licence = question["licence"]
    publish(
        context,
        f"Decision needed: {run_id}",
        [
            f"Run {run_id} waits for a decision.",
            f"Why: {question['reason_needed']}",
            f"Model: {question['model_arn']}",
            f"Licence: {licence.get('name', '')} {licence.get('url', '')}".rstrip(),
            licence.get("statement", ""),
            _reward(question.get("reward") or {}),
            f"Certification: {verdict}" if (verdict := question.get("reward_verdict")) else "",
            *_dataset(question.get("dataset") or {}),
            f"Asked by: {question['requester']} (not verified)",
            f"Open until: {question['expires']}",
            f"To accept: tunestep approve {run_id}",
            f"To decline: tunestep decline {run_id} --reason TEXT",
        ],
    )


def _reward(pins: dict[str, str]) -> str:
    """The reward on one line, with the digest that a changed one would not have."""
    code, prompt = pins.get("code_sha256"), pins.get("prompt_sha256")
    digest = f" (CodeSha256 {code})" if code else f" (SHA-256 {prompt})" if prompt else ""
    return f"Reward: {pins['kind']} {pins['value']}{digest}" if pins else ""


def _dataset(facts: dict[str, Any]) -> list[str]:
    """What was found out about the data, and the hash of the report that says all of it."""
    if not facts:
        return []
    warnings = f"{facts['warnings']} warnings; " if facts["warnings"] else ""
    return [*facts["said"], f"Data report: {warnings}{facts['uri']} (SHA-256 {facts['sha256']})"]


def undelivered(context: Context, run_id: str, decision: str) -> None:
    """Tell people that a decision was stored but the run no longer waits for it."""
    publish(
        context,
        f"Decision not delivered: {run_id}",
        [
            f"The decision on run {run_id} ({decision}) is stored, but the run no longer waits for it.",
            f"To see how it ended: tunestep status {run_id}",
            f"To run it again: tunestep retry {run_id}",
        ],
    )


def _failure(run_id: str, error: dict[str, Any]) -> tuple[str, list[str]]:
    name = one_line(error.get("Error") or "ServiceFault", 60)
    cleaned = error.get("cleaned") or []
    left = [entry for entry in cleaned if isinstance(entry, dict) and not entry.get("ok", True)]
    return f"{name}: {run_id}", [
        f"Run {run_id} failed with {name}.",
        str(error.get("Cause") or "No cause was given."),
        *[f"Not cleaned up: {entry.get('step')}: {entry.get('detail')}" for entry in left],
        f"Details: tunestep status {run_id}",
        f"To run it again: tunestep retry {run_id}",
    ]


def _success(run_id: str, results: dict[str, Any]) -> tuple[str, list[str]]:
    return f"Succeeded: {run_id}", [
        f"Run {run_id} succeeded.",
        f"Model package: {results.get('model_package_arn') or 'unknown'}",
        f"Run record: {results.get('record_uri', '')}",
        *[f"Not known: {gap}" for gap in results.get("gaps", [])],
        f"Results: tunestep results {run_id}",
    ]


def notify(context: Context, event: StepEvent) -> dict[str, Any]:
    """Send the notice of a run's end.

    A failure is recorded in the run's item and raised: the machine goes on to the run's own end.
    """
    error = event.document.get("error")
    title, lines = (
        _failure(event.run_id, error)
        if isinstance(error, dict)
        else _success(event.run_id, event.part("results"))
    )
    try:
        publish(context, title, lines)
    except Exception as fault:
        context.runs.update_run(event.run_id, {"notice_error": one_line(fault, 500)})
        raise
    context.runs.update_run(event.run_id, {"notified_at": context.timestamp()}, remove=("notice_error",))
    return {"notified": True}
