"""``.csv`` files: each record becomes one JSON line with the header's names.

A cell of a field that holds structure in the known formats is read as JSON when it begins like JSON.
"""

import csv
import io
from collections.abc import Iterable, Iterator

import msgspec

from tunestep.datasets.blocks import MAX_LINE, READ, Unreadable, blocks

MAX_COLUMNS = 1000
_STRUCTURED = frozenset(
    ("messages", "prompt", "completion", "chosen", "rejected", "system", "reward_model", "extra_info")
)
NOT_UTF8 = b"\xff%d\n"
"""Stands for a record that is not UTF-8, so that it is found as such at its place and is like no other."""


class _Text:
    """Lines for the csv module, which reads on inside quotes: so what one record takes is counted."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        for block in blocks(self._pieces):
            if block.long:
                raise Unreadable("ROW_TOO_LONG", f"Line {block.first} has {block.long} bytes.")
            # Of all that Unicode calls a line end, CSV knows line feed and carriage return.
            for line in io.StringIO(block.data.decode("utf-8", "surrogateescape"), newline=""):
                self.taken += len(line)
                if self.taken > MAX_LINE:
                    raise Unreadable("ROW_TOO_LONG", "A record is longer than 4 MB; a quote may be open.")
                yield line


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One JSON line per record after the header, many at a time.

    Raises:
        Unreadable: no header, too many columns, or a record that does not end.
    """
    held: list[bytes] = []
    size = 0
    try:
        for line in _lines(pieces):
            held.append(line)
            size += len(line)
            if size >= READ:
                yield b"".join(held)
                held, size = [], 0
    except Unreadable:
        yield b"".join(held)
        raise
    yield b"".join(held)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    csv.field_size_limit(MAX_LINE)
    text = _Text(pieces)
    records = csv.reader(text, strict=True)
    try:
        header = _header(records)
        for record in records:
            text.taken = 0
            yield _line(header, record, records.line_num)
    except csv.Error:
        raise Unreadable(
            "CSV_BROKEN", f"The record that ends at line {records.line_num} is not CSV."
        ) from None


def _header(records: Iterator[list[str]]) -> list[str]:
    header = next(records, None)
    if not header:
        raise Unreadable("CSV_BROKEN", "There is no header.")
    if len(header) > MAX_COLUMNS:
        raise Unreadable("COLUMNS_TOO_MANY", f"It has {len(header)} columns.")
    if len(set(header)) < len(header):
        raise Unreadable("CSV_BROKEN", "The header has a name twice.")
    return header


def _line(header: list[str], record: list[str], number: int) -> bytes:
    if not record:
        return b"\n"
    if len(record) > len(header):
        # An array is no row, and its length tells how many cells there were.
        return msgspec.json.encode([None] * len(record)) + b"\n"
    try:
        row = {name: _cell(name, cell) for name, cell in zip(header, record, strict=False)}
        return msgspec.json.encode(row) + b"\n"
    except UnicodeEncodeError:
        return NOT_UTF8 % number


def _cell(name: str, cell: str) -> object:
    if name in _STRUCTURED and cell[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(cell)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return cell
    return cell
