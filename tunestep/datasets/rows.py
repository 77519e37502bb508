"""The rows of one channel: whole blocks on the fast path, single lines where a block is not plainly right."""

import functools
import gc
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import msgspec

from tunestep.datasets.blocks import Cut
from tunestep.datasets.faults import Collector, Fault
from tunestep.datasets.formats import expected
from tunestep.datasets.hashes import hashed
from tunestep.datasets.lengths import row_quarters
from tunestep.datasets.quick import QUICK
from tunestep.datasets.report import FormatCount
from tunestep.datasets.rules import diagnose
from tunestep.datasets.sampling import RowSample
from tunestep.datasets.shapes import SHAPES, Lengths, Shape
from tunestep.datasets.statistics import Statistics
from tunestep.plan_model import Family, Technique

_SPACE = b" \t\r\n"
_UNDECODABLE = (msgspec.DecodeError, RecursionError, ValueError)
_FIRST, _LAST, _END = itemgetter(0), itemgetter(-1), itemgetter(slice(-2, None))
_FIRSTS, _LASTS, _ENDS = {ord("{")}, {ord("}")}, {b"}\n"}
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")
_BYTE = re.compile(r"\(byte (\d+)\)")


_KEPT = 16 * 1024 * 1024


@functools.cache
def _keep_memory() -> None:
    """Have glibc keep the memory of a block for the next one, instead of giving it back page by page.

    It keeps up to twice the size of the largest piece that was ever given back (mallopt(3),
    M_MMAP_THRESHOLD). This piece is the first of its size, so that it comes zeroed and is never touched.
    """
    bytes(_KEPT)


@contextmanager
def memory_held() -> Iterator[None]:
    """Blocks of rows come and go, all alike and without cycles: nothing is collected in between."""
    was_on = gc.isenabled()
    gc.disable()
    _keep_memory()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Passed(msgspec.Struct, array_like=True, frozen=True):
    """Lines whose rows are of one format and break no rule.

    ``hashes`` and ``lengths`` are empty where no statistics are asked for.
    """

    name: str
    lines: int
    rows: int
    hashes: bytes = b""
    lengths: list[Lengths] = []

    @staticmethod
    def read(answer: bytes) -> "Passed":
        """From what ``RowChecker.answer`` gave."""
        return _DECODE(answer)


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Passed).decode


class RowChecker:
    """Checks cuts of lines: what ``inspect`` says of them (anywhere, in any order), ``take`` counts in order.

    ``statistics`` is None when only faults are asked for; keys that stand twice are then found only in
    rows that are looked at closely for another reason. ``sample`` is shown every row that was counted.
    """

    def __init__(
        self,
        technique: Technique,
        family: Family,
        collector: Collector,
        statistics: Statistics | None,
        sample: RowSample | None = None,
    ) -> None:
        self.rows = self.expanded = 0
        self.formats: dict[str, FormatCount] = {}
        self._file, self._name, self._line = 0, "", 1
        self._technique = technique
        self._wanted = expected(technique, family)
        self._shapes = [SHAPES[name] for name in self._wanted]
        self._accompanied: set[str] = set()
        """Formats whose rows were seen with other fields."""
        self._collector = collector
        self._statistics = statistics
        self._sample = sample

    @property
    def number(self) -> int:
        """Which of the formats the last rows were in; for ``answer``."""
        return self._wanted.index(self._shapes[0].name)

    def answer(self, number: int, data: bytes) -> bytes:
        """What ``inspect`` finds, for another process: to be read by ``Passed.read``, empty for None."""
        passed = self._passed(SHAPES[self._wanted[number]], data, Cut(data).ended())
        return b"" if passed is None else _ENCODE(passed)

    def inspect(self, cut: Cut) -> Passed | None:
        """What there is to count when all rows of a cut are plainly right. Changes nothing."""
        return None if cut.long else self._passed(self._shapes[0], cut.data, cut.ended())

    def open(self, file: int, name: str) -> None:
        """Begin with a file; ``file`` counts from 1."""
        self._file, self._name, self._line = file, name, 1

    def take(self, cut: Cut, passed: Passed | None) -> None:
        """Count the file's next lines, or look at each of them when they are not plainly right."""
        before = self.rows
        self.expanded += cut.long or len(cut.data)
        if cut.long:
            self._take_long(cut.long)
            self._line += 1
        elif passed is not None:
            self._count(passed)
            self._line += passed.lines
        else:
            for line in cut.ended():
                text = line.removesuffix(b"\n")
                if text.strip(_SPACE):
                    self._check_line(text)
                self._line += 1
        if self._sample is not None:
            self._sample.take(cut, before, self.rows - before)

    def _take_long(self, size: int) -> None:
        self.rows += 1
        fault = Fault("ROW_TOO_LONG", "$", f"a line of {size} bytes")
        self._collector.add(self._file, self._name, self._line, [fault], b"")
        if self._statistics is not None:
            # Its bytes are gone: something that no other row has keeps the later rows at their places.
            self._statistics.hashes.add((b"%d:%d" % (self._file, self._line),))

    def _note(self, name: str, rows: int) -> None:
        before = self.formats.get(name) or FormatCount(name, 0, self._file, self._line)
        self.formats[name] = FormatCount(name, before.rows + rows, before.file, before.line)

    def _passed(self, shape: Shape, data: bytes, ended: list[bytes]) -> Passed | None:
        """Whole lines when all are rows of this shape, one on each, that break no rule."""
        rows = self._right(shape, data)
        if rows is None:
            return None
        lines = ended
        if not _one_per_line(ended, _END, _ENDS):
            lines = [text for line in ended if (text := line.strip(_SPACE))]
            if not _one_per_line(lines, _LAST, _LASTS):
                return None
        if len(lines) != len(rows):
            return None
        if self._statistics is None:
            return Passed(shape.name, len(ended), len(rows))
        if _may_repeat(shape, rows, data) and any(map(_repeated_keys, lines)):
            return None
        bare = [line.removesuffix(b"\n") for line in lines]
        return Passed(shape.name, len(ended), len(rows), hashed(bare), shape.lengths(rows))

    def _count(self, passed: Passed) -> None:
        if self._statistics is not None:
            self._statistics.add(passed.lengths)
            self._statistics.hashes.add_hashed(passed.hashes)
        self.rows += passed.rows
        self._note(passed.name, passed.rows)

    def _right(self, shape: Shape, data: bytes) -> Sequence[Any] | None:
        """Rows of this shape in UTF-8 that break no rule; None when there is anything else."""
        if self._statistics is None and shape.name in QUICK and shape.name not in self._accompanied:
            rows = QUICK[shape.name].passes(data, self._technique)
            if rows is not None:
                return rows if _in_utf8(data) else None
        decoded = self._decode(shape, data)
        return decoded if decoded is not None and shape.good(decoded, self._technique) else None

    def _decode(self, shape: Shape, data: bytes) -> list[Any] | None:
        """Rows of this shape in UTF-8; None when there is anything else."""
        if self._statistics is not None and shape.alone is not None and shape.name not in self._accompanied:
            try:
                rows = shape.alone.decode_lines(data)
            except _UNDECODABLE:
                pass
            else:
                return rows if _in_utf8(shape.passed_over(rows)) else None
        try:
            rows = shape.decoder.decode_lines(data)
        except _UNDECODABLE:
            return None
        self._accompanied.add(shape.name)
        return rows if _in_utf8(data) else None

    def _check_line(self, line: bytes) -> None:
        if not line.lstrip(_SPACE).startswith(b"{"):
            self._look_closely(line)
            return
        for place, shape in enumerate(self._shapes):
            passed = self._passed(shape, line, [line])
            if passed is not None:
                self._count(passed)
                if place:
                    self._shapes.insert(0, self._shapes.pop(place))
                return
        self._look_closely(line)

    def _look_closely(self, line: bytes) -> None:
        row, faults = _decoded(line)
        if not faults:
            name, faults = diagnose(row, self._wanted, self._technique)
            faults = faults + _repeated_keys(line)
            if name:
                self._note(name, 1)
            if self._statistics is not None:
                self._statistics.add([Lengths(row_quarters(row))])
        self.rows += 1
        if self._statistics is not None:
            self._statistics.hashes.add((line.strip(_SPACE),))
        if faults:
            self._collector.add(self._file, self._name, self._line, faults, line)


def _in_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _one_per_line(lines: list[bytes], end: Callable[[bytes], Any], ends: set[Any]) -> bool:
    """Whether rows that were decoded from these lines begin and end with them; ``end`` is one of ``ends``.

    A line end between a closing and an opening brace can only stand between two rows. So when every line
    begins with the one and ends with the other, no row spans lines; one row on each then follows when
    there are as many rows as lines.
    """
    return set(map(_FIRST, lines)) == _FIRSTS and set(map(end, lines)) == ends


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


def _may_repeat(shape: Shape, rows: Sequence[Any], data: bytes) -> bool:
    """Whether some key could stand twice: a name occurs too often, or is written with escapes."""
    if any(data.count(name) > most for name, most in shape.keys(rows)):
        return True
    return b"\\u00" in data and _ESCAPED_ASCII.search(data) is not None


class _Repeated(Exception):  # noqa: N818 - ends the reading of a row early, and nothing more
    pass


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _Repeated


_UNREPEATED = json.JSONDecoder(object_pairs_hook=_distinct).decode


def _repeated_keys(line: bytes) -> list[Fault]:
    try:
        _UNREPEATED(line.decode())
    except _Repeated:
        return [Fault("DUPLICATE_KEY", "$", "a key that stands twice")]
    except (ValueError, RecursionError):
        return []
    return []
