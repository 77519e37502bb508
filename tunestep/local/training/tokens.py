"""Text as tokens: one per UTF-8 byte, plus five that mark padding, ends and turns."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

PAD, END, USER, ASSISTANT, SYSTEM = range(5)
_MARKS = 5
VOCABULARY = 256 + _MARKS
"""Number of distinct tokens: 256 bytes and the five marks."""

PROMPT_LIMIT, ANSWER_LIMIT = 160, 64
"""Most bytes of a prompt (its tail) and tokens of an answer (its start) that the model sees."""

ROLE_TOKENS = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT, "tool": USER}
"""The mark before a turn. A tool's answer is one more thing that the assistant reacts to."""

NOTE = (
    "One token per UTF-8 byte: byte b is token b + 5. Tokens 0 to 4 are padding, end of answer, and the "
    "starts of a user, assistant and system turn. A prompt is each turn's mark and bytes, then the "
    "assistant mark; the answer is its bytes and the end token. No tokenizer file is needed or shipped."
)
"""How to feed the saved model, as written next to its weights."""


class Turn(NamedTuple):
    """One message: ``role`` is a key of ``ROLE_TOKENS``."""

    role: str
    text: str


def encode(text: str) -> list[int]:
    """Tokens of ``text``, which must be encodable as UTF-8."""
    return [byte + _MARKS for byte in text.encode()]


def decode(tokens: Iterable[int]) -> str:
    """Text of the byte tokens among ``tokens``; broken UTF-8 becomes replacement characters."""
    return bytes(token - _MARKS for token in tokens if token >= _MARKS).decode(errors="replace")


def prompt_tokens(turns: Sequence[Turn], limit: int) -> list[int]:
    """A conversation up to the assistant's mark, in at most ``limit + 2`` tokens.

    A longer one keeps its tail, behind a user mark: the question stands at the end.
    """
    tokens = [token for turn in turns for token in (ROLE_TOKENS[turn.role], *encode(turn.text))]
    if len(tokens) > limit:
        tokens = [USER, *tokens[-limit:]]
    return [*tokens, ASSISTANT]


def answer_tokens(text: str, limit: int) -> list[int]:
    """An answer and its end, cut to ``limit`` tokens (a cut answer has no end)."""
    return [*encode(text), END][:limit]
