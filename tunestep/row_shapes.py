"""What one row of training data looks like, per technique; this is about shape, never about content.

The shapes are those that the service's data sets are registered with (sagemaker-train 1.27.0,
ai_registry/schemas): conversations, prompt and completion, preferences, and reinforcement rows.
"""

from collections.abc import Callable
from typing import Any

from tunestep.plan_model import Family, Technique

_ROLES = ("system", "user", "assistant", "tool")


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _said(value: Any) -> bool:
    return _text(value) or (
        isinstance(value, list) and bool(value) and all(isinstance(chunk, dict) for chunk in value)
    )


def _messages(value: Any, where: str, *, least: int = 1) -> str:
    if not isinstance(value, list) or len(value) < least:
        return f"{where} must be a list of at least {least} message{'s' if least > 1 else ''}"
    for index, message in enumerate(value):
        if not isinstance(message, dict):
            return f"{where}[{index}] must be an object"
        if message.get("role") not in _ROLES:
            return f"{where}[{index}].role must be one of {', '.join(_ROLES)}"
    return ""


def _conversation(row: dict[str, Any]) -> str:
    wrong = _messages(row["messages"], "messages", least=2)
    if wrong:
        return wrong
    for index, message in enumerate(row["messages"]):
        if not _said(message.get("content")) and not message.get("tool_calls"):
            return f"messages[{index}].content must be a text or a list of content blocks"
    if not any(message["role"] == "assistant" for message in row["messages"]):
        return "messages must have an assistant message"
    return ""


def _sft(row: dict[str, Any]) -> str:
    if "messages" in row:
        return _conversation(row)
    for question, answer in (("prompt", "completion"), ("input", "output"), ("query", "response")):
        if question in row or answer in row:
            if not _said(row.get(question)):
                return f"{question} must be a text that is not empty"
            return "" if _said(row.get(answer)) else f"{answer} must be a text that is not empty"
    return "an SFT row has messages, or prompt and completion"


def _preference(row: dict[str, Any]) -> str:
    if "messages" in row:
        return _labelled(row)
    answers = [_answer(row.get(name), name) for name in ("chosen", "rejected")]
    if wrong := next(filter(None, answers), ""):
        return wrong
    if row["chosen"] == row["rejected"]:
        return "chosen and rejected are the same"
    if "prompt" in row and not _said(row["prompt"]):
        return "prompt must be a text or a list of messages"
    if "prompt" not in row and not isinstance(row["chosen"], list):
        return "a DPO row has prompt, chosen and rejected"
    return ""


def _answer(value: Any, name: str) -> str:
    if isinstance(value, list):
        return _messages(value, name)
    return "" if _text(value) else f"{name} must be a text or a list of messages"


def _labelled(row: dict[str, Any]) -> str:
    if wrong := _messages(row["messages"], "messages"):
        return wrong
    last = row["messages"][-1]
    candidates = last.get("candidates")
    if not isinstance(candidates, list) or len(candidates) < 2:
        return "the last message must have two candidates"
    labels = {entry.get("preferenceLabel") for entry in candidates if isinstance(entry, dict)}
    if not {"preferred", "non-preferred"} <= labels:
        return "the candidates must be labelled preferred and non-preferred"
    return ""


def _reinforcement(row: dict[str, Any]) -> str:
    question = "messages" if "messages" in row else "prompt"
    value = row.get(question)
    if isinstance(value, list):
        return _messages(value, question)
    return "" if _text(value) else "a reinforcement row has prompt (a text or messages) or messages"


def fault(row: Any, technique: Technique, family: Family) -> str:
    """The rule that a decoded row breaks, in words without any of its content; empty when it breaks none."""
    if not isinstance(row, dict):
        return "a row must be a JSON object"
    if family == "nova" and "messages" not in row:
        return "Nova rows have messages"
    checks: dict[Technique, Callable[[dict[str, Any]], str]] = {
        "SFT": _sft,
        "DPO": _preference,
        "RLVR": _reinforcement,
        "RLAIF": _reinforcement,
    }
    return checks[technique](row)
