"""The fast path: each format as a type that msgspec decodes and checks in C, a block of lines at a time.

A row that decodes and passes ``good`` breaks no rule. A row that does not is looked at again by
``tunestep.datasets.rules``, which knows more: rare but correct rows (content parts, tool calls) are slow,
not wrong.
"""

from collections.abc import Callable, Sequence
from operator import eq
from typing import Any, NamedTuple

import msgspec

from tunestep.datasets.lengths import quarters
from tunestep.datasets.row_types import (
    ChatAlone,
    ChatRow,
    NovaConversationRow,
    NovaPreferenceRow,
    NovaRlRow,
    NovaTurn,
    PairAlone,
    PreferenceAlone,
    PreferenceRow,
    PromptCompletionRow,
    RlRow,
)
from tunestep.datasets.rules import absent, order_fault
from tunestep.plan_model import Technique

_MOST_ORDERS = 4096


class Lengths(NamedTuple):
    """What statistics need of a row: the measure of the whole text a model would see (the longer answer
    of a pair), those of both answers (0 where there are none), and its data source."""

    whole: int
    chosen: int = 0
    rejected: int = 0
    source: str = ""


class Shape(NamedTuple):
    """``keys`` are names that occur once in a row; ``good`` speaks for all rows at once.

    ``alone`` decodes rows without other fields than the format's: then every text was decoded, and nothing
    is left that might not be UTF-8.
    """

    name: str
    decoder: msgspec.json.Decoder[Any]
    keys: tuple[bytes, ...]
    good: Callable[[Sequence[Any], Technique], bool]
    lengths: Callable[[Sequence[Any]], list[Lengths]]
    alone: msgspec.json.Decoder[Any] | None = None


class _Orders:
    """Orders of roles that were seen and are right, so that each is worked out once."""

    def __init__(self, last: tuple[str, ...], least: int) -> None:
        self._last, self._least = last, least
        self._right: set[tuple[str, ...]] = set()

    def all_right(self, orders: set[tuple[str, ...]]) -> bool:
        return orders <= self._right or all(map(self._is_right, orders - self._right))

    def _is_right(self, roles: tuple[str, ...]) -> bool:
        right = len(roles) >= self._least and roles[-1] in self._last and order_fault(list(roles)) < 0
        if right and len(self._right) < _MOST_ORDERS:
            self._right.add(roles)
        return right


_ANSWERED = _Orders(("assistant",), 2)
_ASKED = _Orders(("user", "tool"), 1)


def _any_absent(truths: list[Any]) -> bool:
    if all(truths) and not _blank([truth for truth in truths if type(truth) is str]):
        return False
    return any(map(absent, truths))


def _blank(texts: list[str]) -> bool:
    return any(map(str.isspace, texts))


def _roles(conversations: Sequence[Sequence[Any]]) -> set[tuple[str, ...]]:
    return {tuple([message.role for message in messages]) for messages in conversations}


def _asked_well(prompts: list[Any]) -> bool:
    """Prompts that are texts, or messages that end with a question."""
    texts = [prompt for prompt in prompts if type(prompt) is str]
    if len(texts) < len(prompts):
        conversations = [prompt for prompt in prompts if type(prompt) is not str]
        if not _ASKED.all_right(_roles(conversations)):
            return False
        texts += [message.content for messages in conversations for message in messages]
    return not _blank(texts)


def _answered_well(answers: list[Any]) -> bool:
    texts = [answer for answer in answers if type(answer) is str]
    if len(texts) < len(answers):
        conversations = [answer for answer in answers if type(answer) is not str]
        if not all(messages and messages[-1].role == "assistant" for messages in conversations):
            return False
        texts += [message.content for messages in conversations for message in messages]
    return not _blank(texts)


def _measured(value: Any) -> int:
    return quarters(value) if type(value) is str else sum([quarters(message.content) for message in value])


def _chat_good(rows: Sequence[ChatRow], _: Technique) -> bool:
    conversations = [row.messages for row in rows]
    texts = [message.content for messages in conversations for message in messages]
    return not _blank(texts) and _ANSWERED.all_right(_roles(conversations))


def _chat_lengths(rows: Sequence[ChatRow]) -> list[Lengths]:
    return [Lengths(sum([quarters(message.content) for message in row.messages])) for row in rows]


def _pair_good(rows: Sequence[PromptCompletionRow], _: Technique) -> bool:
    return not _blank([row.prompt for row in rows]) and not _blank([row.completion for row in rows])


def _pair_lengths(rows: Sequence[PromptCompletionRow]) -> list[Lengths]:
    return [Lengths(quarters(row.prompt) + quarters(row.completion)) for row in rows]


def _preference_good(rows: Sequence[PreferenceRow], _: Technique) -> bool:
    chosen, rejected = [row.chosen for row in rows], [row.rejected for row in rows]
    if any(map(eq, chosen, rejected)):
        return False
    return _asked_well([row.prompt for row in rows]) and _answered_well(chosen) and _answered_well(rejected)


def _preference_lengths(rows: Sequence[PreferenceRow]) -> list[Lengths]:
    result = []
    for row in rows:
        chosen, rejected = _measured(row.chosen), _measured(row.rejected)
        result.append(Lengths(_measured(row.prompt) + max(chosen, rejected), chosen, rejected))
    return result


def _rl_good(rows: Sequence[RlRow], technique: Technique) -> bool:
    if technique == "RLVR" and _any_absent([row.reward_model.ground_truth for row in rows]):
        return False
    return _asked_well([row.prompt for row in rows])


def _rl_lengths(rows: Sequence[RlRow]) -> list[Lengths]:
    return [Lengths(_measured(row.prompt), source=row.data_source) for row in rows]


def _part_texts(rows: Sequence[Any]) -> list[str]:
    return [part.text for row in rows for part in row.system or ()]


def _conversation_good(rows: Sequence[NovaConversationRow], _: Technique) -> bool:
    conversations = [row.messages for row in rows]
    texts = [part.text for messages in conversations for message in messages for part in message.content]
    return not _blank(texts + _part_texts(rows)) and _ANSWERED.all_right(_roles(conversations))


def _parts_measured(parts: Any) -> int:
    return sum([quarters(part.text) for part in parts or ()])


def _conversation_lengths(rows: Sequence[NovaConversationRow]) -> list[Lengths]:
    return [
        Lengths(
            _parts_measured(row.system) + sum([_parts_measured(message.content) for message in row.messages])
        )
        for row in rows
    ]


def _candidates_good(message: NovaTurn) -> bool:
    if not message.candidates or message.content:
        return False
    labels = {candidate.preferenceLabel: candidate.content for candidate in message.candidates}
    return len(labels) == 2 and labels["preferred"] != labels["non-preferred"]


def _nova_preference_good(rows: Sequence[NovaPreferenceRow], _: Technique) -> bool:
    if not _ANSWERED.all_right(_roles([row.messages for row in rows])):
        return False
    texts = _part_texts(rows)
    for row in rows:
        *before, last = row.messages
        if not _candidates_good(last) or not all(turn.content and not turn.candidates for turn in before):
            return False
        texts += [part.text for turn in before for part in turn.content or ()]
        texts += [part.text for candidate in last.candidates or () for part in candidate.content]
    return not _blank(texts)


def _nova_preference_lengths(rows: Sequence[NovaPreferenceRow]) -> list[Lengths]:
    result = []
    for row in rows:
        *before, last = row.messages
        answers = {entry.preferenceLabel: _parts_measured(entry.content) for entry in last.candidates or ()}
        chosen, rejected = answers["preferred"], answers["non-preferred"]
        asked = sum([_parts_measured(turn.content) for turn in before])
        whole = _parts_measured(row.system) + asked + max(chosen, rejected)
        result.append(Lengths(whole, chosen, rejected))
    return result


def _nova_rl_good(rows: Sequence[NovaRlRow], technique: Technique) -> bool:
    if technique == "RLVR" and _any_absent([row.reference_answer for row in rows]):
        return False
    return _asked_well([row.messages for row in rows])


SHAPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape(
            "chat",
            msgspec.json.Decoder(ChatRow),
            (b'"messages"',),
            _chat_good,
            _chat_lengths,
            msgspec.json.Decoder(ChatAlone),
        ),
        Shape(
            "prompt_completion",
            msgspec.json.Decoder(PromptCompletionRow),
            (b'"prompt"', b'"completion"'),
            _pair_good,
            _pair_lengths,
            msgspec.json.Decoder(PairAlone),
        ),
        Shape(
            "preference",
            msgspec.json.Decoder(PreferenceRow),
            (b'"prompt"', b'"chosen"', b'"rejected"'),
            _preference_good,
            _preference_lengths,
            msgspec.json.Decoder(PreferenceAlone),
        ),
        Shape("rl", msgspec.json.Decoder(RlRow), (b'"prompt"', b'"ground_truth"'), _rl_good, _rl_lengths),
        Shape(
            "nova_conversation",
            msgspec.json.Decoder(NovaConversationRow),
            (b'"messages"',),
            _conversation_good,
            _conversation_lengths,
        ),
        Shape(
            "nova_preference",
            msgspec.json.Decoder(NovaPreferenceRow),
            (b'"messages"', b'"candidates"'),
            _nova_preference_good,
            _nova_preference_lengths,
        ),
        Shape(
            "nova_rl",
            msgspec.json.Decoder(NovaRlRow),
            (b'"messages"', b'"reference_answer"'),
            _nova_rl_good,
            _chat_lengths,
        ),
    )
}
