"""Whole data sets from one format to another: read like a check reads, written as JSON Lines."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from tunestep.datasets.blocks import blocks
from tunestep.datasets.convert import Inconvertible, convert
from tunestep.datasets.faults import FIRST_LINES
from tunestep.datasets.formats import FORMATS
from tunestep.datasets.reading import Digest, opened
from tunestep.datasets.rules import diagnose
from tunestep.datasets.sources import Source

_UNDECODABLE = (msgspec.DecodeError, RecursionError, ValueError)


class Left(NamedTuple):
    """A row that was not converted: its file (from 1) and line, and the reason without content."""

    file: int
    line: int
    reason: str


class Converted(NamedTuple):
    """Rows written, rows left out, and the first of those."""

    rows: int
    left: int
    first: list[Left]


def convert_source(source: Source, target: str, write: Callable[[bytes], object]) -> Converted:
    """Write every row of a data set in the target format, one line each.

    Raises:
        Unreadable: a file cannot be read on.
    """
    rows = left = 0
    first: list[Left] = []
    for number, file in enumerate(source.files, 1):
        with opened(file, Digest(hashing=False)) as content:
            for block in blocks(content.pieces):
                for line, text in enumerate(block.lines, block.first):
                    if not text.strip():
                        continue
                    try:
                        write(msgspec.json.encode(_converted(text, target)) + b"\n")
                        rows += 1
                    except Inconvertible as reason:
                        left += 1
                        first.append(Left(number, line, str(reason)))
                if block.long:
                    left += 1
                    first.append(Left(number, block.first, "it is longer than 4 MB"))
                del first[FIRST_LINES:]
    return Converted(rows, left, first)


def _converted(text: bytes, target: str) -> dict[str, object]:
    try:
        row = msgspec.json.decode(text)
    except _UNDECODABLE:
        raise Inconvertible("it is not JSON in UTF-8") from None
    technique = FORMATS[target].techniques[0]
    source, faults = diagnose(row, tuple(FORMATS), technique)
    if not source or any(fault.rule not in _HARMLESS for fault in faults):
        rule = faults[0].rule if faults else "FORMAT_UNKNOWN"
        raise Inconvertible(f"it breaks the rule {rule}; tunestep data check says more")
    return convert(row, source, target)


_HARMLESS = frozenset(("GROUND_TRUTH_ABSENT", "SCHEMA_VERSION", "FORMAT_UNREGISTERED", "CONTENT_PARTS"))
