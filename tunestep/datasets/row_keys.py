"""How often the names of each format's fields stand in rows in which no key stands twice.

A block in which one stands more often may hold such a row; most such blocks do not, for other fields may hold
the same names.
"""

from collections.abc import Sequence
from typing import Any

Keys = tuple[tuple[bytes, int], ...]
"""Names in quotation marks, each with a number."""


def sorted_out(values: list[Any]) -> tuple[list[str], list[Any]]:
    """The texts among the values, and the others; usually all are of one kind."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return values, []
    if str not in kinds:
        return [], values
    return [value for value in values if type(value) is str], [
        value for value in values if type(value) is not str
    ]


def _messages_in(values: list[Any]) -> int:
    return sum(map(len, sorted_out(values)[1]))


def chat_keys(rows: Sequence[Any]) -> Keys:
    messages = sum([len(row.messages) for row in rows])
    return (b'"messages"', len(rows)), (b'"role"', messages), (b'"content"', messages)


def pair_keys(rows: Sequence[Any]) -> Keys:
    return (b'"prompt"', len(rows)), (b'"completion"', len(rows))


def preference_keys(rows: Sequence[Any]) -> Keys:
    messages = _messages_in([value for row in rows for value in (row.prompt, row.chosen, row.rejected)])
    names = (b'"prompt"', b'"chosen"', b'"rejected"')
    return (*((name, len(rows)) for name in names), (b'"role"', messages), (b'"content"', messages))


def rl_keys(rows: Sequence[Any]) -> Keys:
    messages = _messages_in([row.prompt for row in rows])
    names = (b'"prompt"', b'"data_source"', b'"ability"', b'"reward_model"', b'"ground_truth"')
    return (*((name, len(rows)) for name in names), (b'"role"', messages), (b'"content"', messages))


def conversation_keys(rows: Sequence[Any]) -> Keys:
    parts = sum([len(message.content) for row in rows for message in row.messages])
    parts += sum([len(row.system) for row in rows if row.system])
    return *chat_keys(rows), (b'"schemaVersion"', len(rows)), (b'"system"', len(rows)), (b'"text"', parts)


def nova_preference_keys(rows: Sequence[Any]) -> Keys:
    turns = [turn for row in rows for turn in row.messages]
    answers = [answer for turn in turns for answer in turn.candidates or ()]
    return (
        (b'"messages"', len(rows)),
        (b'"candidates"', len(rows)),
        (b'"schemaVersion"', len(rows)),
        (b'"role"', len(turns)),
        (b'"preferenceLabel"', len(answers)),
        (b'"content"', len(turns) - len(rows) + len(answers)),
    )


def nova_rl_keys(rows: Sequence[Any]) -> Keys:
    return *chat_keys(rows), (b'"reference_answer"', len(rows))
