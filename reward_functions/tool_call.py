"""Tool call: 1 when the calls are those of the reference, by name and arguments; else 0.

Formula: ``value = 1 if calls == expected else 0``; with ``partial``, the mean over the longer of both lists
of ``(1 + arguments right / arguments named by either) / 2`` for each call with the right name, 0 for the
others. Arguments are compared as JSON values (``1`` is ``1.0``, ``true`` is not ``1``), names exactly, keys
in any order.

Inputs: the calls of the last assistant turn (``tool_calls``, ``toolUse`` chunks), or else those in its text:
``<tool_call>{...}</tool_call>`` blocks, a fenced JSON block, or the whole text; a call is an object with
``name`` and ``arguments`` (or ``parameters``, ``input``), possibly under ``function``. The reference is a
call, a list of calls, or ``{"tool_calls": [...]}``; an empty list says that no call is right.
Configuration (REWARD_CONFIG, or ``metadata.reward`` of a row):
  any_order (false): the order of several calls does not matter;
  unordered ([]): names of arguments whose lists are compared without order, ``["*"]`` for all;
  ignore_case (false): for texts in arguments; ignore_extra (false): for arguments not in the reference;
  partial (false): part marks as above.

An unreadable call in the response scores 0. A reference without a readable call is an error, not a score of
0.

>>> from reward_functions.kit.try_out import sample
>>> wanted = {"name": "book", "arguments": {"city": "Rome", "nights": 2}}
>>> made = '<tool_call>{"name": "book", "arguments": {"nights": 2, "city": "Rome"}}</tool_call>'
>>> score(sample(made, wanted)).value
1.0
>>> score(sample('{"name": "book", "arguments": {"city": "Rome", "nights": 3}}', wanted)).value
0.0
"""

import json
from collections.abc import Hashable, Mapping
from typing import Any

from reward_functions.kit import RewardError, Sample, Score, ToolCall, options, serve
from reward_functions.kit.answers import visible
from reward_functions.kit.json_text import NotJson, documents, load, shallow

OPTIONS: Mapping[str, Any] = {
    "any_order": False,
    "unordered": [],
    "ignore_case": False,
    "ignore_extra": False,
    "partial": False,
}
MAX_CALLS = 64
_ARGUMENTS = ("arguments", "parameters", "input", "args")
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"

Frozen = Hashable
Comparable = tuple[str, dict[str, Frozen]]
_NO_CALL: Comparable = ("", {})


def score(sample: Sample) -> Score:
    """See the module's text."""
    chosen = options(sample, OPTIONS)
    wanted = [_comparable(call, chosen) for call in _expected(sample.reference)]
    try:
        made = [_comparable(call, chosen) for call in _made(sample)]
    except NotJson as fault:
        return Score(0.0, reason=f"no readable tool call: {fault}")
    count = len(made)
    if chosen["any_order"]:
        made = _aligned(made, wanted)
    if chosen["ignore_extra"]:
        made = [
            (name, {key: value for key, value in arguments.items() if key in expected[1]})
            for (name, arguments), expected in zip(made, wanted, strict=False)
        ] + made[len(wanted) :]
    value = _share(made, wanted) if chosen["partial"] else float(made == wanted)
    return Score(value, {"calls": float(count)}, "equal" if made == wanted else "different")


def _share(made: list[Comparable], wanted: list[Comparable]) -> float:
    if not made and not wanted:
        return 1.0
    marks = 0.0
    for (name, arguments), (wanted_name, wanted_arguments) in zip(made, wanted, strict=False):
        named = arguments.keys() | wanted_arguments.keys()
        right = sum(key in arguments and arguments[key] == wanted_arguments.get(key) for key in named)
        marks += (1 + (right / len(named) if named else 1)) / 2 if name == wanted_name else 0.0
    return marks / max(len(made), len(wanted))


def _aligned(made: list[Comparable], wanted: list[Comparable]) -> list[Comparable]:
    """The calls made, each moved to the place of an equal one, then of one with its name."""
    left = list(made)
    placed: dict[int, Comparable] = {}
    for by_name in (False, True):
        for index, expected in enumerate(wanted):
            alike = (call for call in left if call == expected or (by_name and call[0] == expected[0]))
            found = None if index in placed else next(alike, None)
            if found is not None:
                left.remove(found)
                placed[index] = found
    for index in range(len(wanted)):
        if index not in placed:
            placed[index] = left.pop(0) if left else _NO_CALL
    return [placed[index] for index in range(len(wanted))] + left


def _expected(reference: object) -> list[ToolCall]:
    try:
        document = load(reference) if isinstance(reference, str) else reference
        if document is None:
            raise NotJson("missing")
        return _calls(document)
    except NotJson as fault:
        raise RewardError(f"the reference is no tool call: {fault}") from None


def _made(sample: Sample) -> list[ToolCall]:
    if sample.tool_calls:
        return list(sample.tool_calls[: MAX_CALLS + 1])
    text = visible(sample.response)
    calls: list[ToolCall] = []
    start = text.find(_OPEN)
    if start < 0:
        return _calls_in_text(text)
    while start >= 0:
        end = text.find(_CLOSE, start)
        if end < 0 or len(calls) > MAX_CALLS:
            raise NotJson("a call is not closed")
        calls += _calls(load(text[start + len(_OPEN) : end]))
        start = text.find(_OPEN, end)
    return calls


def _calls_in_text(text: str) -> list[ToolCall]:
    """Calls stated as JSON; a text that holds no JSON makes no call."""
    if "{" not in text:
        return []
    try:
        found = documents(text)
    except NotJson:
        if '"name"' in text:
            raise
        return []
    if len(found) > 1:
        raise NotJson("two different JSON documents")
    return _calls(found[0])


def _calls(document: object) -> list[ToolCall]:
    if isinstance(document, Mapping) and isinstance(document.get("tool_calls"), list):
        document = document["tool_calls"]
    listed = document if isinstance(document, list) else [document]
    if len(listed) > MAX_CALLS:
        raise NotJson(f"more than {MAX_CALLS} calls")
    return [_call(item) for item in listed]


def _call(item: object) -> ToolCall:
    if isinstance(item, Mapping) and isinstance(item.get("function"), Mapping):
        item = item["function"]
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise NotJson("a call has no name")
    arguments: object = next((item[key] for key in _ARGUMENTS if item.get(key) is not None), {})
    return ToolCall(item["name"], _object(arguments))


def _object(arguments: object) -> dict[str, Any]:
    """Arguments as an object of bounded depth; raises NotJson for anything else."""
    if isinstance(arguments, str):
        arguments = load(arguments) if arguments.strip() else {}
    if not isinstance(arguments, dict) or not shallow(arguments):
        raise NotJson("a call's arguments are no object, or nested too deep")
    return arguments


def _comparable(call: ToolCall, chosen: Mapping[str, Any]) -> Comparable:
    arguments = _object(call.arguments)
    return call.name, {key: _freeze(value, key, chosen) for key, value in arguments.items()}


def _freeze(value: object, key: str, chosen: Mapping[str, Any]) -> Frozen:
    """A hashable form in which equal JSON values, and only these, are equal."""
    if isinstance(value, dict):
        return "object", frozenset((name, _freeze(item, name, chosen)) for name, item in value.items())
    if isinstance(value, list):
        items = [_freeze(item, key, chosen) for item in value]
        unordered = key in chosen["unordered"] or "*" in chosen["unordered"]
        return "list", tuple(sorted(items, key=repr) if unordered else items)
    if isinstance(value, str):
        return "text", value.strip().casefold() if chosen["ignore_case"] else value
    if isinstance(value, bool) or value is None:
        return "constant", json.dumps(value)
    return "number", value


handler = serve(score)
