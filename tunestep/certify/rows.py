"""Rows of the user's data as questions, and as the service sends them to a reward function.

A row is verl's (``prompt`` with ``reward_model.ground_truth``) or Nova's (``messages`` with
``reference_answer``). Before it calls a reward, the service adds the model's answer as an assistant turn and
an ``id``; the same is done here, with answers that are known to be right or wrong.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

Row = Mapping[str, Any]

MAX_ROW_BYTES = 128 * 1024
"""Longest row that is sampled."""

_ASSISTANTS = ("assistant", "nova_assistant", "model")


class Question(NamedTuple):
    """One sampled row: the turns that ask, the reference answer (None without one), an answer of its own.

    ``own`` is the row's worked solution, if it has one: an assistant turn at its end, or
    ``extra_info.answer``.
    """

    row: Row
    turns: tuple[Row, ...]
    reference: Any = None
    own: str = ""

    @property
    def text(self) -> str:
        """What is asked: the text of the last turn."""
        return turn_text(self.turns[-1]) if self.turns else ""


def decode(lines: Iterable[bytes]) -> tuple[list[Question], int]:
    """The questions in lines of JSON, and how many lines were none."""
    questions, refused = [], 0
    for line in lines:
        if not line.strip():
            continue
        found = _question(line) if len(line) <= MAX_ROW_BYTES else None
        if found is None:
            refused += 1
        else:
            questions.append(found)
    return questions, refused


def _question(line: bytes) -> Question | None:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return question(row) if isinstance(row, dict) else None


def question(row: Row) -> Question | None:
    """The question that a row asks; None when it asks nothing."""
    asked = row.get("messages", row.get("prompt"))
    listed = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    if not isinstance(listed, list) or not listed or not all(isinstance(turn, dict) for turn in listed):
        return None
    own = ""
    if listed[-1].get("role") in _ASSISTANTS:
        own = turn_text(listed[-1])
        listed = listed[:-1]
    if not listed:
        return None
    solution = _inner(row, "extra_info", "answer")
    return Question(
        row, tuple(listed), reference(row), own or (solution if isinstance(solution, str) else "")
    )


def reference(row: Row) -> Any:
    """The reference answer, where rewards look for it; JSON in a text is read. None without one.

    An empty list is one: it says that nothing is to be called.
    """
    places = (
        row.get("reference_answer"),
        _inner(row, "reward_model", "ground_truth"),
        _inner(row, "metadata", "reference_answer"),
    )
    found = next((value for value in places if value is not None and value not in ("", [], {})), None)
    if found is None and [] in places:
        return []
    if isinstance(found, str) and found.lstrip().startswith(("{", "[")):
        try:
            document = json.loads(found)
        except (ValueError, RecursionError):
            return found
        return document if isinstance(document, dict) and document else found
    return found


def turn_text(turn: Row) -> str:
    """The text of a turn, whichever form its content has."""
    content = turn.get("content")
    if isinstance(content, str):
        return content
    chunks = content if isinstance(content, list) else [content]
    texts = (chunk.get("text") if isinstance(chunk, dict) else chunk for chunk in chunks)
    return "".join(text for text in texts if isinstance(text, str))


def sample(questions: Sequence[Question], count: int) -> list[Question]:
    """At most ``count`` questions, evenly spread over all; the same for the same data."""
    if len(questions) <= count:
        return list(questions)
    return [questions[index * len(questions) // count] for index in range(count)]


def sent(question: Question, row_id: str, response: str) -> dict[str, Any]:
    """The row as the service sends it: the model's answer as last turn, an id, the reference beside it."""
    raw = _inner(question.row, "reward_model", "ground_truth")
    added = {"reference_answer": raw} if raw is not None and "reference_answer" not in question.row else {}
    turns = [*question.turns, {"role": "assistant", "content": response}]
    return {**question.row, **added, "id": row_id, "messages": turns}


def _inner(row: Row, outer: str, name: str) -> Any:
    held = row.get(outer)
    return held.get(name) if isinstance(held, dict) else None
