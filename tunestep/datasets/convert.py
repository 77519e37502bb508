"""From one format to another, row by row.

What a format has no place for is refused rather than dropped where it carries text (tool calls, images);
other fields than those of the format are left out, but those of reinforcement rows are kept, because
reward functions see them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tunestep.datasets.formats import FORMATS, Row
from tunestep.datasets.rules import PAIRS, SCHEMA_VERSION


class Inconvertible(ValueError):  # noqa: N818 - a fact about one row
    """The row cannot be put into the other format; the message says why, without content."""


class _Turn(NamedTuple):
    role: str
    text: str


class _Talk(NamedTuple):
    """A conversation without its answer, and its answers: one, or the better and the worse."""

    turns: tuple[_Turn, ...]
    answers: tuple[str, ...]


def convert(row: Row, source: str, target: str) -> Row:
    """A row of one format as a row of another. The row must break no rule of its format.

    Raises:
        Inconvertible: the formats do not convert, or this row holds what the other has no place for.
    """
    if source == target:
        return row
    if target not in FORMATS[source].convertible:
        raise Inconvertible(f"{FORMATS[source].title} cannot become {FORMATS[target].title}")
    if source == "rl":
        return _to_nova_rl(row)
    if source == "nova_rl":
        return _from_nova_rl(row)
    return _WRITERS[target](_READERS[source](row))


def _text(content: Any) -> str:
    """A content's text; several text parts become paragraphs."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    if not texts or len(texts) < len(parts):
        raise Inconvertible("a message holds something other than text")
    return "\n\n".join(texts)


def _turns(messages: Any) -> tuple[_Turn, ...]:
    if isinstance(messages, str):
        return (_Turn("user", messages),)
    turns = tuple(_Turn(message["role"], _text(message.get("content"))) for message in messages)
    if any(turn.role not in ("system", "user", "assistant") for turn in turns):
        raise Inconvertible("it holds a tool's message")
    return turns


def _answer(value: Any) -> str:
    turns = (_Turn("assistant", value),) if isinstance(value, str) else _turns(value)
    if len(turns) != 1:
        raise Inconvertible("an answer is more than one message")
    return turns[0].text


def _read_pair(row: Row) -> _Talk:
    asked, answered = next(pair for pair in PAIRS if row.get(pair[0]) is not None and pair[1] in row)
    return _Talk(_turns(row[asked]), (_answer(row[answered]),))


def _read_chat(row: Row) -> _Talk:
    *before, last = _turns(row["messages"])
    return _Talk(tuple(before), (last.text,))


def _read_preference(row: Row) -> _Talk:
    prompt = row.get("prompt") or row.get("input")
    if prompt is not None:
        return _Talk(_turns(prompt), (_answer(row["chosen"]), _answer(row["rejected"])))
    *before, better = _turns(row["chosen"])
    return _Talk(tuple(before), (better.text, _turns(row["rejected"])[-1].text))


def _nova_turns(row: Row, messages: list[Row]) -> tuple[_Turn, ...]:
    system = (_Turn("system", _text(row["system"])),) if row.get("system") else ()
    return system + _turns(messages)


def _read_conversation(row: Row) -> _Talk:
    *before, last = _nova_turns(row, row["messages"])
    return _Talk(tuple(before), (last.text,))


def _read_nova_preference(row: Row) -> _Talk:
    *before, last = row["messages"]
    by_label = {entry["preferenceLabel"]: _text(entry["content"]) for entry in reversed(last["candidates"])}
    return _Talk(_nova_turns(row, before), (by_label["preferred"], by_label["non-preferred"]))


def _messages(turns: tuple[_Turn, ...]) -> list[Row]:
    return [{"role": turn.role, "content": turn.text} for turn in turns]


def _plain(turns: tuple[_Turn, ...]) -> bool:
    return len(turns) == 1 and turns[0].role == "user"


def _write_pair(talk: _Talk) -> Row:
    if _plain(talk.turns):
        return {"prompt": talk.turns[0].text, "completion": talk.answers[0]}
    answer = _messages((_Turn("assistant", talk.answers[0]),))
    return {"prompt": _messages(talk.turns), "completion": answer}


def _write_chat(talk: _Talk) -> Row:
    return {"messages": _messages((*talk.turns, _Turn("assistant", talk.answers[0])))}


def _write_preference(talk: _Talk) -> Row:
    if _plain(talk.turns):
        return {"prompt": talk.turns[0].text, "chosen": talk.answers[0], "rejected": talk.answers[1]}
    better, worse = (_messages((_Turn("assistant", text),)) for text in talk.answers)
    return {"prompt": _messages(talk.turns), "chosen": better, "rejected": worse}


def _nova(turns: tuple[_Turn, ...], last: Row) -> Row:
    row: Row = {"schemaVersion": SCHEMA_VERSION}
    if turns[0].role == "system":
        row["system"] = [{"text": turns[0].text}]
        turns = turns[1:]
    row["messages"] = [*({"role": turn.role, "content": [{"text": turn.text}]} for turn in turns), last]
    return row


def _write_conversation(talk: _Talk) -> Row:
    return _nova(talk.turns, {"role": "assistant", "content": [{"text": talk.answers[0]}]})


def _write_nova_preference(talk: _Talk) -> Row:
    labelled = zip(("preferred", "non-preferred"), talk.answers, strict=True)
    candidates = [{"content": [{"text": text}], "preferenceLabel": label} for label, text in labelled]
    return _nova(talk.turns, {"role": "assistant", "candidates": candidates})


_RL_OWN = ("prompt", "reward_model")


def _to_nova_rl(row: Row) -> Row:
    prompt = row["prompt"]
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    converted: Row = {"messages": messages}
    reward = dict(row.get("reward_model") or {})
    if "ground_truth" in reward:
        converted["reference_answer"] = reward.pop("ground_truth")
    others = {name: value for name, value in row.items() if name not in _RL_OWN}
    return converted | ({"reward_model": reward} if reward else {}) | others


def _from_nova_rl(row: Row) -> Row:
    messages = [
        message | {"content": _text(message["content"])} if "content" in message else message
        for message in row["messages"]
    ]
    reward = dict(row.get("reward_model") or {})
    if "reference_answer" in row:
        reward["ground_truth"] = row["reference_answer"]
    own = ("messages", "reference_answer", "reward_model")
    others = {name: value for name, value in row.items() if name not in own}
    return {"prompt": messages} | ({"reward_model": reward} if reward else {}) | others


_READERS: dict[str, Callable[[Row], _Talk]] = {
    "prompt_completion": _read_pair,
    "chat": _read_chat,
    "preference": _read_preference,
    "nova_conversation": _read_conversation,
    "nova_preference": _read_nova_preference,
}
_WRITERS: dict[str, Callable[[_Talk], Row]] = {
    "prompt_completion": _write_pair,
    "chat": _write_chat,
    "preference": _write_preference,
    "nova_conversation": _write_conversation,
    "nova_preference": _write_nova_preference,
}
