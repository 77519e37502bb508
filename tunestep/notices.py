"""Plain-text notices to the stack's topic: what happened, why, and what to do next."""

import unicodedata
from typing import Any

from tunestep.context import Context
from tunestep.text import visible

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
    """Tell people that a run waits for a decision, and how to decide, unless the settings say otherwise."""
    if "email" not in context.env.settings.notices.approval:
        return
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
