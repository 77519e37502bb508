"""The quickest path: texts are passed over instead of decoded, for checks that count nothing of them.

msgspec holds what it passes over to JSON's grammar, escapes and surrogates included, but not to UTF-8; the
caller has to. Rows accepted here are accepted by ``tunestep.datasets.shapes`` too; those refused may still
be right.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from tunestep.datasets.row_types import RewardAlone
from tunestep.datasets.shapes import ANSWERED, ASKED, any_absent, blank, roles
from tunestep.plan_model import Technique

_Texts = Sequence[msgspec.Raw]
_BEGIN = struct.Struct("2s").unpack_from
_SPACES = (0xC2, 0xE1, 0xE2, 0xE3)
"""First bytes of the characters beyond ASCII that are white space, and of many others."""
_LETTERS = frozenset(
    (bytes((ord('"'), byte)),)
    for byte in (*range(0x21, 0x7F), *range(0xC3, 0xF5))
    if byte not in (ord('"'), ord("\\"), *_SPACES)
)
"""Beginnings of texts that are neither empty nor blank, whatever follows."""
_START = struct.Struct("8s").unpack_from
_TEXT = msgspec.json.Decoder(str).decode


class Quick(NamedTuple):
    """A format's rows without other fields; ``good`` speaks for all rows at once."""

    decoder: msgspec.json.Decoder[Any]
    good: Callable[[Sequence[Any], Technique], bool]

    def passes(self, data: bytes, technique: Technique) -> Sequence[Any] | None:
        """The rows of whole lines when they break no rule, if ``data`` is UTF-8."""
        try:
            rows = self.decoder.decode_lines(data)
            return rows if self.good(rows, technique) else None
        except (msgspec.DecodeError, RecursionError, ValueError, struct.error):
            return None


class _Message(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant", "tool"]
    content: msgspec.Raw


class _Chat(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    messages: list[_Message]
    id: str | int | None = None


class _Pair(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    prompt: msgspec.Raw
    completion: msgspec.Raw
    id: str | int | None = None


class _Preference(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    prompt: msgspec.Raw
    chosen: msgspec.Raw
    rejected: msgspec.Raw
    id: str | int | None = None


class _Rl(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    prompt: list[_Message]
    reward_model: RewardAlone
    data_source: str = ""
    ability: str = ""
    extra_info: msgspec.Raw = msgspec.Raw()
    id: str | int | None = None


def _say_something(texts: _Texts) -> bool:
    """Whether all are texts that are not blank. Raises what decoding raises, and struct.error."""
    if _LETTERS.issuperset(map(_BEGIN, texts)):
        return True
    unusual = [_TEXT(text) for text in texts if _BEGIN(text) not in _LETTERS]
    return all(unusual) and not blank(unusual)


def _all_differ(ones: _Texts, others: _Texts) -> bool:
    """Whether the two texts of each pair differ. Raises what decoding raises, and struct.error."""
    for (begin,), (start,), one, other in zip(
        map(_START, ones), map(_START, others), ones, others, strict=True
    ):
        # The same text can be written in several ways, but not without an escape.
        if (begin == start or b"\\" in begin or b"\\" in start) and _TEXT(one) == _TEXT(other):
            return False
    return True


def _contents(conversations: Sequence[Sequence[_Message]]) -> _Texts:
    return [message.content for messages in conversations for message in messages]


def _chat_good(rows: Sequence[_Chat], _: Technique) -> bool:
    conversations = [row.messages for row in rows]
    return ANSWERED.all_right(roles(conversations)) and _say_something(_contents(conversations))


def _pair_good(rows: Sequence[_Pair], _: Technique) -> bool:
    return _say_something([row.prompt for row in rows]) and _say_something([row.completion for row in rows])


def _preference_good(rows: Sequence[_Preference], _: Technique) -> bool:
    chosen, rejected = [row.chosen for row in rows], [row.rejected for row in rows]
    if not (_say_something([row.prompt for row in rows]) and _say_something(chosen + rejected)):
        return False
    return _all_differ(chosen, rejected)


def _rl_good(rows: Sequence[_Rl], technique: Technique) -> bool:
    if technique == "RLVR" and any_absent([row.reward_model.ground_truth for row in rows]):
        return False
    conversations = [row.prompt for row in rows]
    return ASKED.all_right(roles(conversations)) and _say_something(_contents(conversations))


QUICK: dict[str, Quick] = {
    "chat": Quick(msgspec.json.Decoder(_Chat), _chat_good),
    "prompt_completion": Quick(msgspec.json.Decoder(_Pair), _pair_good),
    "preference": Quick(msgspec.json.Decoder(_Preference), _preference_good),
    "rl": Quick(msgspec.json.Decoder(_Rl), _rl_good),
}
