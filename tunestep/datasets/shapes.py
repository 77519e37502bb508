"""The fast path: each format as a type that msgspec decodes and checks in C, a block of lines at a time.

A row that decodes and passes ``good`` breaks no rule. A row that does not is looked at again by
``tunestep.datasets.rules``, which knows more: rare but correct rows (content parts, tool calls) are slow,
not wrong.
"""

from collections.abc import Callable, Sequence
from operator import eq
from typing import Any, NamedTuple

import msgspec

from tunestep.datasets import row_keys
from tunestep.datasets.lengths import quarters
from tunestep.datasets.row_keys import Keys, sorted_out
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
    RlAlone,
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


def _nothing(_: Sequence[Any]) -> bytes:
    return b""


class Shape(NamedTuple):
    """``keys`` says of names how often they occur in rows without one that stands twice; ``good`` speaks for
    all rows at once.

    ``alone`` decodes rows without other fields than the format's: then every text was decoded, and nothing
    is left that might not be UTF-8 but ``passed_over``.
    """

    name: str
    decoder: msgspec.json.Decoder[Any]
    keys: Callable[[Sequence[Any]], Keys]
    good: Callable[[Sequence[Any], Technique], bool]
    lengths: Callable[[Sequence[Any]], list[Lengths]]
    alone: msgspec.json.Decoder[Any] | None = None
    passed_over: Callable[[Sequence[Any]], bytes] = _nothing


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


ANSWERED = _Orders(("assistant",), 2)
ASKED = _Orders(("user", "tool"), 1)


def any_absent(truths: list[Any]) -> bool:
    """Whether one of the ground truths says nothing."""
    texts, others = sorted_out(truths)
    if all(truths) and not blank(texts):
        return False
    return any(map(absent, texts + others))


def blank(texts: list[str]) -> bool:
    """Whether one of the texts is nothing but white space; an empty one is not."""
    return any(map(str.isspace, texts))


def roles(conversations: Sequence[Sequence[Any]]) -> set[tuple[str, ...]]:
    """The different orders of roles."""
    return {tuple([message.role for message in messages]) for messages in conversations}


def _contents(conversations: Sequence[Sequence[Any]]) -> list[Any]:
    return [message.content for messages in conversations for message in messages]


def _asked_well(prompts: list[Any]) -> bool:
    """Prompts that are texts, or messages that end with a question."""
    texts, conversations = sorted_out(prompts)
    return not (blank(texts) or blank(_contents(conversations))) and ASKED.all_right(roles(conversations))


def _answered_well(answers: list[Any]) -> bool:
    texts, conversations = sorted_out(answers)
    if not all(messages and messages[-1].role == "assistant" for messages in conversations):
        return False
    return not (blank(texts) or blank(_contents(conversations)))


def _measured(value: Any) -> int:
    return quarters(value) if type(value) is str else sum([quarters(message.content) for message in value])


def _chat_good(rows: Sequence[ChatRow], _: Technique) -> bool:
    conversations = [row.messages for row in rows]
    return not blank(_contents(conversations)) and ANSWERED.all_right(roles(conversations))


def _chat_lengths(rows: Sequence[ChatRow]) -> list[Lengths]:
    return [Lengths(sum([quarters(message.content) for message in row.messages])) for row in rows]


def _pair_good(rows: Sequence[PromptCompletionRow], _: Technique) -> bool:
    return not blank([row.prompt for row in rows]) and not blank([row.completion for row in rows])


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
    if technique == "RLVR" and any_absent([row.reward_model.ground_truth for row in rows]):
        return False
    return _asked_well([row.prompt for row in rows])


def _rl_passed_over(rows: Sequence[RlAlone]) -> bytes:
    return b"".join([row.extra_info for row in rows])


def _rl_lengths(rows: Sequence[RlRow]) -> list[Lengths]:
    return [Lengths(_measured(row.prompt), source=row.data_source) for row in rows]


def _part_texts(rows: Sequence[Any]) -> list[str]:
    return [part.text for row in rows for part in row.system or ()]


def _conversation_good(rows: Sequence[NovaConversationRow], _: Technique) -> bool:
    conversations = [row.messages for row in rows]
    texts = [part.text for messages in conversations for message in messages for part in message.content]
    return not blank(texts + _part_texts(rows)) and ANSWERED.all_right(roles(conversations))


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
    if not ANSWERED.all_right(roles([row.messages for row in rows])):
        return False
    texts = _part_texts(rows)
    for row in rows:
        *before, last = row.messages
        if not _candidates_good(last) or not all(turn.content and not turn.candidates for turn in before):
            return False
        texts += [part.text for turn in before for part in turn.content or ()]
        texts += [part.text for candidate in last.candidates or () for part in candidate.content]
    return not blank(texts)


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
    if technique == "RLVR" and any_absent([row.reference_answer for row in rows]):
        return False
    return _asked_well([row.messages for row in rows])


SHAPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape(
            "chat",
            msgspec.json.Decoder(ChatRow),
            row_keys.chat_keys,
            _chat_good,
            _chat_lengths,
            msgspec.json.Decoder(ChatAlone),
        ),
        Shape(
            "prompt_completion",
            msgspec.json.Decoder(PromptCompletionRow),
            row_keys.pair_keys,
            _pair_good,
            _pair_lengths,
            msgspec.json.Decoder(PairAlone),
        ),
        Shape(
            "preference",
            msgspec.json.Decoder(PreferenceRow),
            row_keys.preference_keys,
            _preference_good,
            _preference_lengths,
            msgspec.json.Decoder(PreferenceAlone),
        ),
        Shape(
            "rl",
            msgspec.json.Decoder(RlRow),
            row_keys.rl_keys,
            _rl_good,
            _rl_lengths,
            msgspec.json.Decoder(RlAlone),
            _rl_passed_over,
        ),
        Shape(
            "nova_conversation",
            msgspec.json.Decoder(NovaConversationRow),
            row_keys.conversation_keys,
            _conversation_good,
            _conversation_lengths,
        ),
        Shape(
            "nova_preference",
            msgspec.json.Decoder(NovaPreferenceRow),
            row_keys.nova_preference_keys,
            _nova_preference_good,
            _nova_preference_lengths,
        ),
        Shape(
            "nova_rl",
            msgspec.json.Decoder(NovaRlRow),
            row_keys.nova_rl_keys,
            _nova_rl_good,
            _chat_lengths,
        ),
    )
}
