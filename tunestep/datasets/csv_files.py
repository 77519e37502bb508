"""``.csv`` files: each record becomes one JSON line with the header's names.

A cell of a field that holds structure in the known formats is read as JSON when it begins like JSON.
"""

import csv
from collections.abc import Iterable, Iterator

import msgspec

from tunestep.datasets.blocks import MAX_LINE, Unreadable, blocks

MAX_COLUMNS = 1000
_STRUCTURED = frozenset(
    ("messages", "prompt", "completion", "chosen", "rejected", "system", "reward_model", "extra_info")
)
NOT_UTF8 = b"\xff\n"
"""Stands for a record that is not UTF-8, so that it is found as such at its place."""


class _Text:
    """Lines for the csv module, which reads on inside quotes: so what one record takes is counted."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        for block in blocks(self._pieces):
            if block.long:
                raise Unreadable("ROW_TOO_LONG", f"Line {block.first} has {block.long} bytes.")
            for line in block.data.decode("utf-8", "surrogateescape").splitlines(keepends=True):
                self.taken += len(line)
                if self.taken > MAX_LINE:
                    raise Unreadable("ROW_TOO_LONG", "A record is longer than 4 MB; a quote may be open.")
                yield line


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One JSON line per record after the header.

    Raises:
        Unreadable: no header, too many columns, or a record that does not end.
    """
    csv.field_size_limit(MAX_LINE)
    text = _Text(pieces)
    records = csv.reader(text, strict=True)
    try:
        header = next(records, None)
        if not header:
            raise Unreadable("CSV_BROKEN", "There is no header.")
        if len(header) > MAX_COLUMNS:
            raise Unreadable("COLUMNS_TOO_MANY", f"It has {len(header)} columns.")
        for record in records:
            text.taken = 0
            yield _line(header, record)
    except csv.Error:
        raise Unreadable(
            "CSV_BROKEN", f"The record that ends at line {records.line_num} is not CSV."
        ) from None


def _line(header: list[str], record: list[str]) -> bytes:
    if not record:
        return b"\n"
    if len(record) > len(header):
        # An array is no row, and its length tells how many cells there were.
        return msgspec.json.encode([None] * len(record)) + b"\n"
    try:
        row = {name: _cell(name, cell) for name, cell in zip(header, record, strict=False)}
        return msgspec.json.encode(row) + b"\n"
    except UnicodeEncodeError:
        return NOT_UTF8


def _cell(name: str, cell: str) -> object:
    if name in _STRUCTURED and cell[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(cell)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return cell
    return cell
