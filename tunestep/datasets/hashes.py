"""Duplicates and overlap by 64-bit hashes in compact arrays: 8 bytes per row, and 8 more while counting.

A row's hash is Python's keyed hash of its bytes, so that rows cannot be made to collide on purpose. Two
different rows among 20 million share one with a probability of 1 in 90,000.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise

MOST_EXACT = 20_000_000
"""Rows up to which every hash is kept; beyond it only those of one in ``2 ** n`` values."""
_BUCKETS = 256
_CHUNK = 1 << 16
_AT_ONCE = 5_000_000
_LOW, _SPAN = -(1 << 63), 1 << 64
_FIRST = 20


def hashed(lines: Iterable[bytes]) -> bytes:
    """The hashes of rows, packed; the same in this process and in those forked from it."""
    return array("q", map(hash, lines)).tobytes()


class RowHashes:
    """Hashes of rows in their order. ``step`` is 1 while exact, else one value in ``step`` is kept."""

    def __init__(self, most: int = MOST_EXACT) -> None:
        self.values = array("q")
        self.rows = 0
        self.step = 1
        self._most = most

    def add(self, lines: Iterable[bytes]) -> None:
        """Take rows in."""
        self.add_hashed(hashed(lines))

    def add_hashed(self, found: bytes) -> None:
        """Take in what ``hashed`` made; by value when sampled, so that equal rows are kept or left out
        together."""
        values = array("q", found)
        self.rows += len(values)
        self.values.extend(values if self.step == 1 else (x for x in values if not x % self.step))
        while len(self.values) > self._most:
            self.thin(self.step * 16)

    def thin(self, step: int) -> None:
        """Keep only the values that a coarser sample has."""
        self.step = step
        self.values = array("q", (value for value in self.values if not value % step))


def _bounds(count: int) -> list[int]:
    return [_LOW + _SPAN * index // count for index in range(1, count)]


def _buckets(values: "array[int]", passes: int, number: int) -> Iterator["array[int]"]:
    """The values of one of ``passes`` ranges in buckets by value; sorting goes chunk by chunk, in C."""
    bounds = [_LOW, *_bounds(passes), _LOW + _SPAN][number : number + 2]
    width = bounds[1] - bounds[0]
    edges = [bounds[0] + width * index // _BUCKETS for index in range(_BUCKETS + 1)]
    buckets = [array("q") for _ in range(_BUCKETS)]
    for start in range(0, len(values), _CHUNK):
        chunk = sorted(values[start : start + _CHUNK])
        places = [bisect_left(chunk, edge) for edge in edges]
        for index, bucket in enumerate(buckets):
            if places[index] < places[index + 1]:
                bucket.fromlist(chunk[places[index] : places[index + 1]])
    yield from buckets


def _passes(*counts: int) -> int:
    return max(1, -(-sum(counts) // _AT_ONCE))


def duplicates(hashes: RowHashes) -> tuple[int, list[int]]:
    """How many kept rows repeat an earlier one, and the values of some that do (at most 20)."""
    repeated = 0
    examples: list[int] = []
    passes = _passes(len(hashes.values))
    for number in range(passes):
        for bucket in _buckets(hashes.values, passes, number):
            distinct = set(bucket)
            repeated += len(bucket) - len(distinct)
            if len(bucket) > len(distinct) and len(examples) < _FIRST:
                examples += _twice(bucket)[: _FIRST - len(examples)]
    return repeated, examples


def _twice(bucket: "array[int]") -> list[int]:
    ordered = sorted(bucket)
    return sorted({first for first, second in pairwise(ordered) if first == second})


def overlap(one: RowHashes, other: RowHashes) -> tuple[int, list[int]]:
    """How many kept rows of ``other`` are in ``one`` too, and the values of some (at most 20).

    Both are brought to the coarser of their samples first.
    """
    step = max(one.step, other.step)
    for hashes in (one, other):
        if hashes.step < step:
            hashes.thin(step)
    shared = 0
    examples: list[int] = []
    passes = _passes(len(one.values), len(other.values))
    for number in range(passes):
        pairs = zip(_buckets(one.values, passes, number), _buckets(other.values, passes, number), strict=True)
        for first, second in pairs:
            common = set(first).intersection(second)
            shared += sum(value in common for value in second) if common else 0
            examples += sorted(common)[: _FIRST - len(examples)]
    return shared, examples


def rows_with(hashes: RowHashes, wanted: Iterable[int], skip_first: bool) -> list[int]:
    """Indices (from 0, at most 20) of rows with one of the values; after the first of each if asked.

    Empty for a sample, which does not know its rows' places.
    """
    values = set(wanted)
    if not values or hashes.step > 1:
        return []
    seen: set[int] = set()
    found: list[int] = []
    for index, value in enumerate(hashes.values):
        if value in values:
            if value in seen or not skip_first:
                found.append(index)
                if len(found) == _FIRST:
                    break
            seen.add(value)
    return found
