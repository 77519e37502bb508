"""The rules of each format, applied to one decoded row: slow, complete, and the only authority.

``tunestep.datasets.shapes`` passes the rows that are evidently right; every other row comes here.
"""

from collections.abc import Callable
from typing import Any

from tunestep.datasets.faults import Fault, kind
from tunestep.datasets.formats import FORMATS, Row, detect
from tunestep.plan_model import Technique

SCHEMA_VERSION = "bedrock-conversation-2024"
NOVA_ROLES = ("user", "assistant")
ROLES = ("system", "user", "assistant", "tool")
PAIRS = (("prompt", "completion"), ("input", "output"), ("query", "response"))
_PART_KINDS = ("text", "image", "video", "document", "toolUse", "toolResult", "reasoningContent")

_Faults = list[Fault]


def diagnose(row: Any, wanted: tuple[str, ...], technique: Technique) -> tuple[str, _Faults]:
    """The format of a decoded row and every rule it breaks; ``wanted`` are the formats of this run."""
    if not isinstance(row, dict):
        return "", [Fault("ROW_NOT_OBJECT", "$", kind(row))]
    name = detect(row, wanted)
    if not name:
        return "", [Fault("FORMAT_UNKNOWN", "$", kind(row))]
    if name not in wanted:
        return name, [Fault("FORMAT_OTHER", "$", FORMATS[name].title, name)]
    return name, _RULES[name](row, technique)


def _text(value: Any, path: str) -> _Faults:
    if not isinstance(value, str):
        return [Fault("FIELD_TYPE", path, kind(value))]
    return [] if value.strip() else [Fault("TEXT_EMPTY", path, kind(value))]


def _field(row: Row, name: str, path: str, check: Callable[[Any, str], _Faults]) -> _Faults:
    where = f"{path}.{name}"
    return check(row[name], where) if name in row else [Fault("FIELD_MISSING", where, "nothing")]


def _content(message: Row, path: str) -> _Faults:
    """An open-weights message's content: a text, or parts (a warning), or nothing beside tool calls."""
    value = message.get("content")
    if message.get("tool_calls") and value in (None, ""):
        return []
    if not isinstance(value, list):
        return _field(message, "content", path, _text)
    where = f"{path}.content"
    if not any(isinstance(part, dict) and part for part in value):
        return [Fault("TEXT_EMPTY", where, kind(value))]
    return [Fault("CONTENT_PARTS", where, kind(value))]


def _role(message: Row, path: str, roles: tuple[str, ...]) -> _Faults:
    if "role" not in message:
        return [Fault("FIELD_MISSING", f"{path}.role", "nothing")]
    return [] if message["role"] in roles else [Fault("ROLE_UNKNOWN", f"{path}.role", kind(message["role"]))]


def _messages(
    value: Any, path: str, roles: tuple[str, ...], content: Callable[[Row, str], _Faults]
) -> tuple[_Faults, list[str]]:
    """Faults of the single messages, and their roles when those are all known."""
    if not isinstance(value, list):
        return [Fault("FIELD_TYPE", path, kind(value))], []
    if not value:
        return [Fault("NO_MESSAGES", path, kind(value))], []
    faults: _Faults = []
    for index, message in enumerate(value):
        where = f"{path}[{index}]"
        if not isinstance(message, dict):
            faults.append(Fault("FIELD_TYPE", where, kind(message)))
            continue
        faults += _role(message, where, roles) + content(message, where)
    known = [entry["role"] for entry in value if isinstance(entry, dict) and entry.get("role") in roles]
    return faults, known if len(known) == len(value) else []


def order_fault(roles: list[str]) -> int:
    """The index of the first message that is out of order, or -1."""
    before = ""
    for index, role in enumerate(roles):
        allowed = {
            "": ("system", "user"),
            "system": ("user",),
            "user": ("assistant",),
            "assistant": ("user", "tool"),
            "tool": ("assistant", "tool", "user"),
        }[before]
        if role not in allowed:
            return index
        before = role
    return -1


def _order(roles: list[str], path: str) -> _Faults:
    wrong = order_fault(roles)
    if wrong < 0:
        return []
    return [Fault("ROLE_ORDER", f"{path}[{wrong}].role", f"message {wrong + 1} of {len(roles)}")]


def _answered(roles: list[str], path: str) -> _Faults:
    if roles and roles[-1] != "assistant":
        return [Fault("LAST_NOT_ASSISTANT", f"{path}[{len(roles) - 1}].role", f"the {roles[-1]}'s message")]
    if len(roles) == 1:
        return [Fault("ROLE_ORDER", f"{path}[0].role", "an answer without a question")]
    return []


def _asked(roles: list[str], path: str) -> _Faults:
    if roles and roles[-1] not in ("user", "tool"):
        return [Fault("LAST_NOT_USER", f"{path}[{len(roles) - 1}].role", f"the {roles[-1]}'s message")]
    return []


def _chat(row: Row, _: Technique) -> _Faults:
    faults, roles = _messages(row["messages"], "$.messages", ROLES, _content)
    return faults + (_order(roles, "$.messages") or _answered(roles, "$.messages"))


def _open_messages(value: Any, path: str) -> _Faults:
    """A prompt given as messages, which ends with a question."""
    faults, roles = _messages(value, path, ROLES, _content)
    return faults + (_order(roles, path) or _asked(roles, path))


def _prompt(value: Any, path: str) -> _Faults:
    return _open_messages(value, path) if isinstance(value, list) else _text(value, path)


def _answer(value: Any, path: str) -> _Faults:
    if not isinstance(value, list):
        return _text(value, path)
    faults, roles = _messages(value, path, ROLES, _content)
    if roles and roles[-1] != "assistant":
        place = f"{path}[{len(roles) - 1}].role"
        faults.append(Fault("LAST_NOT_ASSISTANT", place, f"the {roles[-1]}'s message"))
    return faults


def _prompt_completion(row: Row, _: Technique) -> _Faults:
    asked, answered = next(
        (pair for pair in PAIRS if row.get(pair[0]) is not None and row.get(pair[1]) is not None), PAIRS[0]
    )
    faults = _field(row, asked, "$", _prompt) + _field(row, answered, "$", _answer)
    if asked != "prompt" and not faults:
        faults = [Fault("FORMAT_UNREGISTERED", f"$.{asked}", f"{asked} and {answered}")]
    return faults


def _preference(row: Row, _: Technique) -> _Faults:
    faults = _field(row, "chosen", "$", _answer) + _field(row, "rejected", "$", _answer)
    if "prompt" in row:
        faults += _prompt(row["prompt"], "$.prompt")
    elif "input" in row:
        faults += _prompt(row["input"], "$.input")
    elif not faults:
        faults += _implicit(row["chosen"], row["rejected"])
    if not faults and row["chosen"] == row["rejected"]:
        faults.append(Fault("ANSWERS_EQUAL", "$.rejected", kind(row["rejected"])))
    return faults


def _implicit(chosen: Any, rejected: Any) -> _Faults:
    """Without a prompt, both answers are whole conversations with the same beginning."""
    if not (isinstance(chosen, list) and isinstance(rejected, list) and len(chosen) > 1):
        return [Fault("FIELD_MISSING", "$.prompt", "nothing")]
    if chosen[:-1] != rejected[:-1]:
        return [Fault("PROMPTS_DIFFER", "$.rejected", kind(rejected))]
    return []


def _rl(row: Row, technique: Technique) -> _Faults:
    faults = _field(row, "prompt", "$", _prompt)
    for name in ("data_source", "ability"):
        if name in row and not isinstance(row[name], str):
            faults.append(Fault("FIELD_TYPE", f"$.{name}", kind(row[name])))
    reward = row.get("reward_model", {})
    if not isinstance(reward, dict):
        return [*faults, Fault("FIELD_TYPE", "$.reward_model", kind(reward))]
    truth = reward.get("ground_truth")
    if technique == "RLVR" and absent(truth):
        faults.append(Fault("GROUND_TRUTH_ABSENT", "$.reward_model.ground_truth", kind(truth)))
    return faults


def absent(value: Any) -> bool:
    """Whether a ground truth says nothing: null, or an empty text, list or object. Zero is an answer."""
    return value is None or value in ("", [], {}) or (isinstance(value, str) and not value.strip())


def _parts(message: Row, path: str) -> _Faults:
    return _field(message, "content", path, _part_list)


def _part_list(value: Any, path: str) -> _Faults:
    if not isinstance(value, list):
        return [Fault("FIELD_TYPE", path, kind(value))]
    if not value:
        return [Fault("TEXT_EMPTY", path, kind(value))]
    faults: _Faults = []
    for index, part in enumerate(value):
        where = f"{path}[{index}]"
        if not isinstance(part, dict):
            faults.append(Fault("FIELD_TYPE", where, kind(part)))
        elif "text" in part:
            faults += _text(part["text"], f"{where}.text")
        elif not any(name in part for name in _PART_KINDS):
            faults.append(Fault("FIELD_MISSING", f"{where}.text", "nothing"))
    return faults


def _nova_head(row: Row) -> _Faults:
    faults: _Faults = []
    if row.get("schemaVersion") != SCHEMA_VERSION:
        faults.append(Fault("SCHEMA_VERSION", "$.schemaVersion", kind(row.get("schemaVersion"))))
    if "system" in row:
        faults += _part_list(row["system"], "$.system")
    return faults


def _nova_conversation(row: Row, _: Technique) -> _Faults:
    faults, roles = _messages(row["messages"], "$.messages", NOVA_ROLES, _parts)
    return _nova_head(row) + faults + (_order(roles, "$.messages") or _answered(roles, "$.messages"))


def _candidate_faults(value: Any, path: str) -> _Faults:
    if not isinstance(value, list):
        return [Fault("FIELD_TYPE", path, kind(value))]
    faults: _Faults = []
    for index, entry in enumerate(value):
        where = f"{path}[{index}]"
        if not isinstance(entry, dict):
            faults.append(Fault("FIELD_TYPE", where, kind(entry)))
            continue
        faults += _parts(entry, where)
        label = entry.get("preferenceLabel")
        if label not in ("preferred", "non-preferred"):
            faults.append(Fault("LABEL_UNKNOWN", f"{where}.preferenceLabel", kind(label)))
    return faults or _labels(value, path)


def _labels(candidates: list[Row], path: str) -> _Faults:
    by_label = {entry["preferenceLabel"]: entry["content"] for entry in candidates}
    if len(by_label) < 2:
        return [Fault("LABEL_MISSING", path, f"{len(candidates)} candidates")]
    if by_label["preferred"] == by_label["non-preferred"]:
        return [Fault("ANSWERS_EQUAL", path, f"{len(candidates)} candidates")]
    return []


def _said(message: Row, path: str) -> _Faults:
    if "candidates" in message:
        return _candidate_faults(message["candidates"], f"{path}.candidates")
    return _parts(message, path)


def _nova_preference(row: Row, _: Technique) -> _Faults:
    value = row["messages"]
    faults, roles = _messages(value, "$.messages", NOVA_ROLES, _said)
    faults = _nova_head(row) + faults + (_order(roles, "$.messages") or _answered(roles, "$.messages"))
    for index, message in enumerate(value):
        last = index == len(value) - 1
        if isinstance(message, dict) and ("candidates" in message) != last:
            rule = "FIELD_MISSING" if last else "FIELD_TYPE"
            faults.append(Fault(rule, f"$.messages[{index}].candidates", "nothing" if last else "candidates"))
    return faults


def _either(message: Row, path: str) -> _Faults:
    return _parts(message, path) if isinstance(message.get("content"), list) else _content(message, path)


def _nova_rl(row: Row, technique: Technique) -> _Faults:
    faults, roles = _messages(row["messages"], "$.messages", ROLES, _either)
    faults += _order(roles, "$.messages") or _asked(roles, "$.messages")
    if technique == "RLVR" and absent(row.get("reference_answer")):
        faults.append(Fault("GROUND_TRUTH_ABSENT", "$.reference_answer", kind(row.get("reference_answer"))))
    return faults


_RULES: dict[str, Callable[[Row, Technique], _Faults]] = {
    "prompt_completion": _prompt_completion,
    "chat": _chat,
    "preference": _preference,
    "rl": _rl,
    "nova_conversation": _nova_conversation,
    "nova_preference": _nova_preference,
    "nova_rl": _nova_rl,
}
