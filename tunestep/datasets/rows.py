"""The rows of one channel: whole blocks on the fast path, single lines where a block is not plainly right."""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import msgspec

from tunestep.datasets.blocks import Block
from tunestep.datasets.faults import Collector, Fault
from tunestep.datasets.formats import expected
from tunestep.datasets.lengths import row_quarters
from tunestep.datasets.report import FormatCount
from tunestep.datasets.rules import diagnose
from tunestep.datasets.shapes import SHAPES, Lengths, Shape
from tunestep.datasets.statistics import Statistics
from tunestep.plan_model import Family, Technique

_SPACE = b" \t\r"
_UNDECODABLE = (msgspec.DecodeError, RecursionError, ValueError)
_FIRST, _LAST = itemgetter(0), itemgetter(-1)
_OPEN, _CLOSE = {ord("{")}, {ord("}")}
_BYTE = re.compile(r"\(byte (\d+)\)")


@contextmanager
def collector_paused() -> Iterator[None]:
    """Rows hold no cycles, so looking for them is time lost; without the pause, every block costs a look."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class RowChecker:
    """Checks blocks of lines; ``file`` and ``name`` are those of the file being read.

    ``statistics`` is None when only faults are asked for; keys that stand twice are then found only in
    rows that are looked at closely for another reason.
    """

    def __init__(
        self, technique: Technique, family: Family, collector: Collector, statistics: Statistics | None
    ) -> None:
        self.rows = self.expanded = 0
        self.formats: dict[str, FormatCount] = {}
        self.file, self.name = 0, ""
        self._technique = technique
        self._wanted = expected(technique, family)
        self._shapes = [SHAPES[name] for name in self._wanted]
        self._accompanied: set[str] = set()
        """Formats whose rows were seen with other fields."""
        self._collector = collector
        self._statistics = statistics

    def check(self, block: Block) -> None:
        """Check one block."""
        if block.long:
            self.rows += 1
            self.expanded += block.long
            fault = Fault("ROW_TOO_LONG", "$", f"a line of {block.long} bytes")
            self._collector.add(self.file, self.name, block.first, [fault], b"")
            if self._statistics is not None:
                # Its bytes are gone: something that no other row has keeps the later rows at their places.
                self._statistics.hashes.add((b"%d:%d" % (self.file, block.first),))
            return
        self.expanded += len(block.data)
        if not self._pass(self._shapes[0], block.data, block.lines, block.first):
            for number, line in enumerate(block.lines, block.first):
                if line.strip(_SPACE):
                    self._check_line(line, number)

    def _note(self, name: str, rows: int, line: int) -> None:
        before = self.formats.get(name) or FormatCount(name, 0, self.file, line)
        self.formats[name] = FormatCount(name, before.rows + rows, before.file, before.line)

    def _pass(self, shape: Shape, data: bytes, lines: list[bytes], first: int) -> bool:
        """Take in whole lines when all are rows of this shape, one on each, that break no rule."""
        rows = self._decode(shape, data)
        if rows is None:
            return False
        if not _one_per_line(lines):
            lines = [text for line in lines if (text := line.strip(_SPACE))]
            if not _one_per_line(lines):
                return False
        if len(lines) != len(rows) or not shape.good(rows, self._technique):
            return False
        if self._statistics is not None:
            if any(data.count(key) > len(rows) for key in shape.keys):
                return False
            self._statistics.add(shape.lengths(rows))
            self._statistics.hashes.add(lines)
        self.rows += len(rows)
        self._note(shape.name, len(rows), first)
        return True

    def _decode(self, shape: Shape, data: bytes) -> list[Any] | None:
        """Rows of this shape in UTF-8; None when there is anything else."""
        if shape.alone is not None and shape.name not in self._accompanied:
            try:
                return shape.alone.decode_lines(data)
            except _UNDECODABLE:
                pass
        try:
            rows = shape.decoder.decode_lines(data)
        except _UNDECODABLE:
            return None
        self._accompanied.add(shape.name)
        return rows if _in_utf8(data) else None

    def _check_line(self, line: bytes, number: int) -> None:
        for place, shape in enumerate(self._shapes):
            if self._pass(shape, line, [line], number):
                if place:
                    self._shapes.insert(0, self._shapes.pop(place))
                return
        self._look_closely(line, number)

    def _look_closely(self, line: bytes, number: int) -> None:
        row, faults = _decoded(line)
        if not faults:
            name, faults = diagnose(row, self._wanted, self._technique)
            faults = faults + _repeated_keys(line)
            if name:
                self._note(name, 1, number)
            if self._statistics is not None:
                self._statistics.add([Lengths(row_quarters(row))])
        self.rows += 1
        if self._statistics is not None:
            self._statistics.hashes.add((line.strip(_SPACE),))
        if faults:
            self._collector.add(self.file, self.name, number, faults, line)


def _in_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _one_per_line(lines: list[bytes]) -> bool:
    """Whether rows that were decoded from these lines begin and end with them.

    A line end between a closing and an opening brace can only stand between two rows. So when every line
    begins with the one and ends with the other, no row spans lines; one row on each then follows when
    there are as many rows as lines.
    """
    return all(lines) and set(map(_FIRST, lines)) == _OPEN and set(map(_LAST, lines)) == _CLOSE


def _decoded(line: bytes) -> tuple[Any, list[Fault]]:
    """A line's value, or the one fault that keeps it from having one."""
    try:
        line.decode()
        return msgspec.json.decode(line), []
    except UnicodeDecodeError as fault:
        return None, [Fault("ROW_NOT_UTF8", "$", f"byte {fault.start + 1} is not UTF-8")]
    except RecursionError:
        return None, [Fault("ROW_TOO_DEEP", "$", f"a line of {len(line)} bytes")]
    except (msgspec.DecodeError, ValueError) as fault:
        place = _BYTE.search(str(fault))
        found = f"malformed at byte {int(place[1]) + 1}" if place else f"a line of {len(line)} bytes"
        return None, [Fault("ROW_NOT_JSON", "$", found)]


class _Repeated(Exception):  # noqa: N818 - ends the reading of a row early, and nothing more
    pass


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _Repeated


def _repeated_keys(line: bytes) -> list[Fault]:
    try:
        json.loads(line, object_pairs_hook=_distinct)
    except _Repeated:
        return [Fault("DUPLICATE_KEY", "$", "a key that stands twice")]
    except (ValueError, RecursionError):
        return []
    return []
