"""Estimated tokens: no model's tokenizer is at hand where data is checked, so text is measured in quarters.

An ASCII character counts as a quarter of a token; others count more, by their bytes in UTF-8 (Cyrillic five
eighths, Japanese and Chinese one). Each row adds eight tokens for the template around it. Real tokenizers
differ by about a fifth for English prose, more for code and numbers; ``SAID`` is what reports say.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

SAID = "estimated: 4 ASCII characters or 1 to 2 other characters per token, and 8 tokens per row"
_TEMPLATE = 8
_COARSE = 65_536
_TEXT_FIELDS = frozenset(
    (
        "messages",
        "content",
        "text",
        "prompt",
        "completion",
        "chosen",
        "rejected",
        "system",
        "candidates",
        "input",
        "output",
        "query",
        "response",
    )
)
_DEEPEST = 8


class LengthReport(msgspec.Struct, kw_only=True, frozen=True):
    """Tokens per row, estimated. ``cut``: rows longer than ``sequence_length`` (0: unknown)."""

    tokens: int
    p50: int
    p90: int
    p99: int
    longest: int
    sequence_length: int
    cut: int
    how: str = SAID


def quarters(text: str) -> int:
    """The measure of a text, in quarter tokens: one per character, and more for those beyond ASCII."""
    characters = len(text)
    if text.isascii():
        return characters
    return characters + (len(text.encode(errors="replace")) - characters) * 3 // 2


def row_quarters(value: Any, depth: int = _DEEPEST) -> int:
    """The measure of all text in a decoded row's known fields; for rows that no fast shape fits."""
    if isinstance(value, str):
        return quarters(value)
    if depth == 0:
        return 0
    if isinstance(value, list):
        return sum(row_quarters(entry, depth - 1) for entry in value)
    if isinstance(value, dict):
        return sum(row_quarters(entry, depth - 1) for name, entry in value.items() if name in _TEXT_FIELDS)
    return 0


class LengthCounter:
    """A histogram of row lengths: exact to 65,536 tokens, in steps of 256 above."""

    def __init__(self, sequence_length: int) -> None:
        self._limit = sequence_length
        self._counts: Counter[int] = Counter()
        self._tokens = self._cut = self._longest = 0

    def add(self, measures: Iterable[int]) -> None:
        """Take in the measures (quarter tokens) of rows."""
        tokens = [(measure + 3 >> 2) + _TEMPLATE for measure in measures]
        if not tokens:
            return
        self._tokens += sum(tokens)
        longest = max(tokens)
        self._longest = max(self._longest, longest)
        if self._limit and longest > self._limit:
            self._cut += sum(count > self._limit for count in tokens)
        if longest > _COARSE:
            tokens = [count if count <= _COARSE else count & ~255 for count in tokens]
        self._counts.update(tokens)

    def report(self) -> LengthReport:
        """Percentiles by nearest rank; all 0 without rows."""
        ranks = self._percentiles((50, 90, 99))
        return LengthReport(
            tokens=self._tokens,
            p50=ranks[0],
            p90=ranks[1],
            p99=ranks[2],
            longest=self._longest,
            sequence_length=self._limit,
            cut=self._cut,
        )

    def _percentiles(self, wanted: tuple[int, ...]) -> list[int]:
        ordered = sorted(self._counts.items())
        total = sum(self._counts.values())
        found: list[int] = []
        for percent in wanted:
            rank, passed = -(-total * percent // 100), 0
            for value, count in ordered:
                passed += count
                if passed >= rank:
                    found.append(value)
                    break
            else:
                found.append(0)
        return found
