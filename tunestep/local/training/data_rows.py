"""One line of training data to one example.

SFT: ``prompt`` and ``completion`` (or ``input`` and ``output``, ``query`` and ``response``); a chat
(``messages`` with role and content), whose last assistant message is learned; Nova's conversation
(``schemaVersion``, ``system``, ``messages`` whose content is a list of parts). DPO: ``prompt``,
``chosen``, ``rejected`` as strings or messages, or chosen and rejected as whole conversations; Nova's
conversation whose last message has ``candidates`` with a ``preferenceLabel``. (Amazon SageMaker AI and
Amazon Nova developer guides, data preparation.) RLVR and RLAIF: verl's rows, with the question in
``prompt`` or ``messages`` and the reference in ``reward_model.ground_truth`` or beside it.

Faults name the rule, never the content: a failure reason is read by more people than the data.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from tunestep.local.training.tokens import ROLE_TOKENS, Turn

Row = Mapping[str, Any]

_PAIRS = (("prompt", "completion"), ("input", "output"), ("query", "response"))


class RuleBroken(ValueError):  # noqa: N818 - the rule is the message
    """The row breaks a rule; the message is the rule."""


class Example(NamedTuple):
    """A prompt with its answer (SFT), or with its better and its worse answer (DPO).

    For reinforcement (RLVR, RLAIF) ``answers`` holds the row's worked solution if it has one, ``final``
    its reference answer as text (empty without one), ``row`` the row as it stands in the data and
    ``messages`` its question's messages, likewise.
    """

    prompt: tuple[Turn, ...]
    answers: tuple[str, ...]
    final: str = ""
    row: Row = MappingProxyType({})
    messages: tuple[Row, ...] = ()


def parse_sft(line: bytes) -> Example:
    """An SFT example.

    Raises:
        RuleBroken: with the rule, in words.
    """
    row = _object(line)
    if "messages" in row:
        turns = [_turn(message) for message in _messages(row["messages"], "messages")]
        prompt, answer = _last_answer(turns, "messages")
        return Example(_asked((*_system(row), *prompt)), (answer,))
    for question, answer_name in _PAIRS:
        if question in row and answer_name in row:
            prompt, answer = _said(row[answer_name], answer_name)
            return Example((*_prompt(row[question], question), *prompt), (answer,))
    raise RuleBroken('needs "prompt" and "completion", or "messages".')


def parse_dpo(line: bytes) -> Example:
    """A DPO example; its first answer is the better one.

    Raises:
        RuleBroken: with the rule, in words.
    """
    row = _object(line)
    if "messages" in row:
        return _candidates(row)
    if "chosen" not in row or "rejected" not in row:
        raise RuleBroken('needs "chosen" and "rejected", or "messages" that end with "candidates".')
    return _preference(row)


def parse_reinforcement(line: bytes) -> Example:
    """A reinforcement example: ``prompt`` (a text or messages) or ``messages``; an answer at their end is
    no part of the question. The reference is looked for where rewards look: ``reference_answer``,
    ``reward_model.ground_truth``, ``metadata.reference_answer``.

    Raises:
        RuleBroken: with the rule, in words.
    """
    row = _object(line)
    name = "messages" if "messages" in row else "prompt"
    if name not in row:
        raise RuleBroken('needs "prompt" (a text or messages) or "messages".')
    turns = (*_system(row), *_prompt(row[name], name))
    raw = [{"role": "user", "content": row[name]}] if isinstance(row[name], str) else row[name]
    said = turns[-1].text if len(turns) > 1 and turns[-1].role == "assistant" else ""
    if said:
        turns, raw = turns[:-1], raw[:-1]
    final = reference_text(reference(row))
    solution = _inner(row, "extra_info", "answer")
    worked = solution if isinstance(solution, str) and solution.strip() else said or final
    return Example(turns, (worked,) if worked else (), final, row, tuple(raw))


def reference(row: Row) -> Any:
    """The row's reference answer as it stands, None without one."""
    places = (row.get("reference_answer"), _inner(row, "reward_model", "ground_truth"))
    found = next((value for value in places if value is not None), None)
    return _inner(row, "metadata", "reference_answer") if found is None else found


def reference_text(value: Any) -> str:
    """A reference answer as a model would write it; JSON where it is no text."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    return msgspec.json.encode(value).decode()


def _inner(row: Row, outer: str, name: str) -> Any:
    held = row.get(outer)
    return held.get(name) if isinstance(held, dict) else None


PARSERS: Mapping[str, Callable[[bytes], Example]] = {
    "SFT": parse_sft,
    "DPO": parse_dpo,
    "RLVR": parse_reinforcement,
    "RLAIF": parse_reinforcement,
}
"""How a technique's rows are read."""


def _object(line: bytes) -> Row:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RuleBroken("is not JSON in UTF-8.") from None
    if not isinstance(row, dict):
        raise RuleBroken("is not a JSON object.")
    return row


def _preference(row: Row) -> Example:
    (lead, chosen), (other, rejected) = (_said(row[name], name) for name in ("chosen", "rejected"))
    if lead != other:
        raise RuleBroken('"chosen" and "rejected" must be the same conversation up to their last message.')
    if "prompt" not in row:
        if not isinstance(row["chosen"], list):
            raise RuleBroken('needs "prompt" when "chosen" and "rejected" are strings.')
        return Example(_asked(lead), (chosen, rejected))
    prompt = _prompt(row["prompt"], "prompt")
    # Whole conversations repeat the prompt; bare answers do not.
    whole = lead if lead[: len(prompt)] == prompt else (*prompt, *lead)
    return Example(whole, (chosen, rejected))


def _candidates(row: Row) -> Example:
    messages = _messages(row["messages"], "messages")
    last = _mapping(messages[-1], "a message")
    if last.get("role") != "assistant" or not isinstance(last.get("candidates"), list):
        raise RuleBroken('the last of "messages" must be the assistant\'s, with "candidates".')
    labelled: dict[str, str] = {}
    for candidate in last["candidates"]:
        fields = _mapping(candidate, "a candidate")
        label = fields.get("preferenceLabel")
        if label not in {"preferred", "non-preferred"}:
            raise RuleBroken('a "preferenceLabel" must be "preferred" or "non-preferred".')
        labelled.setdefault(str(label), _text(fields.get("content"), "a candidate's content"))
    if len(labelled) != 2:
        raise RuleBroken('"candidates" must have one "preferred" and one "non-preferred".')
    turns = tuple(_turn(message) for message in messages[:-1])
    return Example(_asked((*_system(row), *turns)), (labelled["preferred"], labelled["non-preferred"]))


def _prompt(value: Any, name: str) -> tuple[Turn, ...]:
    if isinstance(value, str):
        return (Turn("user", _text(value, f'"{name}"')),)
    return tuple(_turn(message) for message in _messages(value, name))


def _said(value: Any, name: str) -> tuple[tuple[Turn, ...], str]:
    """An answer given as a string, or as messages of which the last is the answer."""
    if isinstance(value, str):
        return (), _text(value, f'"{name}"')
    turns = [_turn(message) for message in _messages(value, name)]
    if turns[-1].role != "assistant":
        raise RuleBroken(f'the last of "{name}" must be the assistant\'s.')
    return tuple(turns[:-1]), turns[-1].text


def _last_answer(turns: list[Turn], name: str) -> tuple[tuple[Turn, ...], str]:
    """The last assistant message and what came before; what follows it teaches nothing."""
    places = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
    if not places:
        raise RuleBroken(f'"{name}" must have an assistant message.')
    return tuple(turns[: places[-1]]), turns[places[-1]].text


def _asked(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    if not turns:
        raise RuleBroken("needs a message before the answer.")
    return turns


def _messages(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise RuleBroken(f'"{name}" must be a list with at least one message.')
    return value


def _turn(value: Any) -> Turn:
    message = _mapping(value, "a message")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLE_TOKENS:
        raise RuleBroken(f'a message\'s "role" must be one of {", ".join(ROLE_TOKENS)}.')
    calls = message.get("tool_calls")
    if calls and not message.get("content"):
        return Turn(role, msgspec.json.encode(calls).decode())
    return Turn(role, _text(message.get("content"), "a message's content"))


def _system(row: Row) -> tuple[Turn, ...]:
    if row.get("system") is None:
        return ()
    return (Turn("system", _text(row["system"], '"system"')),)


def _text(value: Any, what: str) -> str:
    """A string, or the joined texts of a list of parts; other parts (images, documents) have no bytes
    for a byte-level model and are passed over."""
    if isinstance(value, list):
        parts = [_mapping(part, f"a part of {what}").get("text", "") for part in value]
        if not all(isinstance(part, str) for part in parts):
            raise RuleBroken(f"the text of a part of {what} must be a string.")
        value = "\n".join(part for part in parts if part)
    if not isinstance(value, str):
        raise RuleBroken(f"{what} must be a string or a list of parts.")
    if not value.strip():
        raise RuleBroken(f"{what} has no text.")
    return value


def _mapping(value: Any, what: str) -> Row:
    if not isinstance(value, dict):
        raise RuleBroken(f"{what} must be a JSON object.")
    return value
