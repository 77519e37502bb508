r"""Unions of intervals, "(-\infty, 2) \cup [3, \infty)", and matrices, "\begin{pmatrix}1&2\end{pmatrix}"."""

import math
import re
from collections.abc import Callable
from fractions import Fraction

from reward_functions._math.kinds import Bound, Group, Intervals, Item, Number

_MAX_PARTS = 12
_MAX_ENTRIES = 64
_MEMBER = re.compile(r"[a-z]\s?\\in(?![A-Za-z])\s?")
_ENDLESS = re.compile(r"([-+]?)\s?\\infty\s?")
_MATRIX = re.compile(
    r"[\s$]*(?:\\left)?\s?\\begin\{([pbB]?matrix)\}(.{1,2000}?)\\end\{\1\}[\s$.]*", re.DOTALL
)

ReadNumber = Callable[[str], Number | None]
ReadItem = Callable[[str], Item | None]


def intervals(text: str, read: ReadNumber) -> Intervals | None:
    """The set that a union of intervals is; None for any other text.

    A single pair of numbers is not read: "(1, 2)" may be a point.
    """
    if "\\infty" not in text and "\\cup" not in text:
        return None
    member = _MEMBER.match(text)
    parts = text[member.end() if member else 0 :].split("\\cup")
    if len(parts) > _MAX_PARTS:
        return None
    found = [_interval(part.strip(), read) for part in parts]
    if any(one is None for one in found):
        return None
    rounded = any(bound[2] for one in found if one for bound in one)
    return Intervals(_merged([one for one in found if one]), rounded)


def of_group(group: Group) -> Intervals | None:
    """The interval that a pair of numbers in brackets may be; None for any other group."""
    if len(group.kind) != 2 or "{" in group.kind or len(group.items) != 2:
        return None
    low, high = group.items
    if not isinstance(low, Number) or not isinstance(high, Number) or low.value >= high.value:
        return None
    pair = (
        (low.value, group.kind[0] == "[", bool(low.decimals)),
        (high.value, group.kind[1] == "]", bool(high.decimals)),
    )
    return Intervals(_merged([pair]), bool(low.decimals or high.decimals))


def matrix(text: str, read: ReadItem) -> Group | None:
    """A matrix in round or square brackets, as a group of rows; None for any other text."""
    found = _MATRIX.fullmatch(text)
    if found is None:
        return None
    rows = [row.split("&") for row in found[2].split("\\\\") if row.strip()]
    if sum(map(len, rows)) > _MAX_ENTRIES or len({len(row) for row in rows}) != 1:
        return None
    items = [[read(entry.strip()) if entry.strip() else None for entry in row] for row in rows]
    if any(item is None for row in items for item in row):
        return None
    return Group("matrix", tuple(Group("row", tuple(item for item in row if item)) for row in items))


def _interval(text: str, read: ReadNumber) -> tuple[Bound, Bound] | None:
    if len(text) < 3 or text[0] not in "([" or text[-1] not in ")]" or text.count(",") != 1:
        return None
    left, right = text[1:-1].split(",")
    low, high = _bound(left.strip(), text[0] == "[", read), _bound(right.strip(), text[-1] == "]", read)
    return (low, high) if low and high and low[0] < high[0] else None


def _bound(text: str, closed: bool, read: ReadNumber) -> Bound | None:
    endless = _ENDLESS.fullmatch(text)
    if endless is not None:
        return None if closed else (-math.inf if endless[1] == "-" else math.inf, False, False)
    number = read(text) if text else None
    if number is None or number.percent or number.unit is not None:
        return None
    return Fraction(number.value), closed, bool(number.decimals)


def _merged(parts: list[tuple[Bound, Bound]]) -> tuple[tuple[Bound, Bound], ...]:
    """The same set as intervals that do not touch, from the left."""
    result: list[tuple[Bound, Bound]] = []
    for low, high in sorted(
        ((_exact(a), _exact(b)) for a, b in parts), key=lambda one: (one[0][0], not one[0][1])
    ):
        if result and (
            low[0] < result[-1][1][0] or (low[0] == result[-1][1][0] and (low[1] or result[-1][1][1]))
        ):
            before = result.pop()
            end = max(before[1], high, key=lambda bound: (bound[0], bound[1]))
            result.append((before[0], end))
        else:
            result.append((low, high))
    return tuple(result)


def _exact(bound: Bound) -> Bound:
    return bound[0], bound[1], False
