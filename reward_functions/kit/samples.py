"""From a row as the service sends it to a Sample, in every form that content and reference come in."""

import json
import math
from collections.abc import Mapping
from typing import Any

from reward_functions.kit.types import Message, Reference, RewardError, Sample, ToolCall

MAX_TEXT = 524_288
"""Longest response or reference that is scored, in characters."""

MAX_MESSAGES = 1_000
ASSISTANTS = ("assistant", "nova_assistant", "model")
_HIDDEN = ("reasoning", "reasoningContent", "thinking", "redacted_thinking")


def read(row: object, position: int) -> Sample:
    """The sample in a row; raises RewardError saying which field is missing or unreadable."""
    if not isinstance(row, Mapping):
        raise RewardError(f"the row is {_kind(row)}, not an object")
    turns = row.get("messages")
    if not isinstance(turns, list) or not turns:
        raise RewardError("messages is missing, empty or not a list")
    if len(turns) > MAX_MESSAGES:
        raise RewardError(f"messages has {len(turns)} turns; at most {MAX_MESSAGES}")
    messages = tuple(_message(turn, index) for index, turn in enumerate(turns))
    last = _last_assistant(messages)
    response = messages[last].content
    if len(response) > MAX_TEXT:
        raise RewardError(f"the response has {len(response)} characters; at most {MAX_TEXT}")
    return Sample(
        id=str(identity(row, position)),
        messages=messages,
        response=response,
        reference=_reference(row),
        row=row,
        tool_calls=_tool_calls(turns[last]),
        row_options=_row_options(row),
    )


def texts(row: object) -> tuple[str, str] | None:
    """Response and reference of a row in its commonest form, the very texts that ``read`` would find.

    None for any other form and for every fault: ``read`` then says what it is. It saves most of the time
    that reading a row takes, because nothing but the two texts is built.
    """
    if type(row) is not dict:
        return None
    turns, reference = row.get("messages"), row.get("reference_answer")
    if type(turns) is not list or not 0 < len(turns) <= MAX_MESSAGES or type(reference) is not str:
        return None
    role = content = ""
    for turn in turns:
        if type(turn) is not dict:
            return None
        role, content = turn.get("role", 0), turn.get("content", 0)
        if type(role) is not str or type(content) is not str:
            return None
    if role not in ASSISTANTS or "tool_calls" in turns[-1] or max(len(content), len(reference)) > MAX_TEXT:
        return None
    return None if not reference or reference.lstrip()[:1] == "{" else (content, reference)


def identity(row: object, position: int) -> str | int | float:
    """The id to answer with: the row's ``id`` as it is, or the position for a row without a usable one."""
    given = row.get("id") if type(row) is dict or isinstance(row, Mapping) else None
    if isinstance(given, str) or (isinstance(given, int) and not isinstance(given, bool)):
        return given
    if isinstance(given, float) and math.isfinite(given):
        return given
    return str(position)


def _message(turn: object, index: int) -> Message:
    if not isinstance(turn, Mapping) or not isinstance(turn.get("role"), str):
        raise RewardError(f"messages[{index}] is not an object with a role")
    return Message(turn["role"], _text(turn.get("content"), f"messages[{index}].content"))


def _text(content: object, where: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return _chunk(content, where)
    if isinstance(content, list):
        return "".join(
            chunk if isinstance(chunk, str) else _chunk(chunk, f"{where}[{index}]")
            for index, chunk in enumerate(content)
        )
    raise RewardError(f"{where} is {_kind(content)}, not text, an object or a list of chunks")


def _chunk(chunk: object, where: str) -> str:
    """A chunk's text; reasoning, images, documents and tool calls have none."""
    if not isinstance(chunk, Mapping):
        raise RewardError(f"{where} is {_kind(chunk)}, not text or an object")
    if chunk.get("type") in _HIDDEN:
        return ""
    text = chunk.get("text", chunk.get("content", ""))
    if isinstance(text, str):
        return text
    raise RewardError(f"{where} has text of type {_kind(text)}")


def _last_assistant(messages: tuple[Message, ...]) -> int:
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role in ASSISTANTS:
            return index
        if messages[index].role == "user":
            break
    raise RewardError("no assistant turn after the last user turn")


def _reference(row: Mapping[str, Any]) -> Reference:
    places = (
        row.get("reference_answer"),
        _inner(row.get("reward_model"), "ground_truth"),
        _inner(row.get("metadata"), "reference_answer"),
    )
    for value in places:
        if value is not None and value not in ("", [], {}):
            return _readable(value)
    # An empty list is a statement, of a row in which nothing is to be called; an empty text is none.
    return [] if [] in places else None


def _readable(value: object) -> Reference:
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise RewardError(f"the reference has {len(value)} characters; at most {MAX_TEXT}")
        return _object(value) or value
    if isinstance(value, dict | list):
        return value
    if isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float) and math.isfinite(value):
        return json.dumps(value)
    raise RewardError(f"the reference is {_kind(value)}")


def _tool_calls(turn: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    calls = []
    listed = turn.get("tool_calls")
    content = turn.get("content")
    for call in listed if isinstance(listed, list) else []:
        function = _inner(call, "function") or call
        calls.append((_inner(function, "name"), _inner(function, "arguments")))
    for chunk in content if isinstance(content, list) else []:
        used = _inner(chunk, "toolUse") or (chunk if _inner(chunk, "type") == "tool_use" else None)
        if used is not None:
            calls.append((_inner(used, "name"), _inner(used, "input")))
    return tuple(ToolCall(str(name), _arguments(arguments)) for name, arguments in calls)


def _arguments(value: object) -> dict[str, Any] | str:
    if isinstance(value, dict):
        return value
    if value is None or value == "":
        return {}
    return _object(value) or ({} if value == "{}" else value) if isinstance(value, str) else json.dumps(value)


def _row_options(row: Mapping[str, Any]) -> Mapping[str, Any]:
    for place in ("metadata", "extra_info"):
        found = _inner(row.get(place), "reward")
        if isinstance(found, dict):
            return found
    return {}


def _inner(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text consists of, None when it is anything else."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and document else None


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
