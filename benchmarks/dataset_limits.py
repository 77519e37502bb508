"""What the data set check never takes more than: memory for large data, time and memory for hostile files."""

import functools
import json
import resource
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import dataset_files
from benchmarks.harness import Limit
from tunestep import datasets
from tunestep.datasets import blocks, sources

_FEW = 500
"""Rows that a generated stream repeats with other numbers: what it holds itself counts as memory, too."""
_PLANTED = 1000
"""Every so many rows one is wrong."""


def everything() -> list[Limit]:
    """All limits of the data set check."""
    return [_planted(), *_memory(), *_hostile()]


class _Made:
    """A file that is made while it is read."""

    def __init__(self, pieces: Iterator[bytes], name: str) -> None:
        self._pieces = pieces
        self._rest = b""
        self.name, self.size, self.local = name, 0, None

    def open(self) -> "_Made":
        return self

    def read(self, size: int, /) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def _source(pieces: Iterator[bytes], name: str = "rows.jsonl") -> sources.Source:
    return sources.Source("generated", (_Made(pieces, name),))


def planted(path: Path) -> list[int]:
    """The lines at which wrong rows are found in the file, each as often as it has faults."""
    found: list[int] = []

    def note(entry: bytes) -> None:
        found.append(int(json.loads(entry)["line"]))

    datasets.check(datasets.local(path), technique="SFT", family="open-weights", findings_sink=note)
    return found


@functools.cache
def _with_planted_rows() -> Path:
    wrong = (
        b"not json",
        b'{"messages": []}',
        b'{"prompt": "a"}',
        b'{"messages": [{"role": "user", "content": " "}, {"role": "assistant", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "a"}]}',
        b'{"messages": [{"role": "user", "content": "\xff"}, {"role": "assistant", "content": "b"}]}',
        b"[]",
    )
    path = dataset_files.path("chat").with_name("planted.jsonl")
    with path.open("wb") as file:
        for number, row in enumerate(dataset_files.path("chat").open("rb"), 1):
            file.write(wrong[number // _PLANTED % len(wrong)] + b"\n" if number % _PLANTED == 0 else row)
    return path


def _planted() -> Limit:
    def check(found: list[int]) -> None:
        rows = sum(1 for _ in _with_planted_rows().open("rb"))
        if found != list(range(_PLANTED, rows + 1, _PLANTED)):
            raise AssertionError(f"{len(found)} faults, the first at {found[:5]}")

    return Limit(
        f"data, one wrong row in {_PLANTED} of a whole file found at its line",
        10,
        lambda number: _with_planted_rows(),
        planted,
        check,
        once=True,
    )


def in_a_child(call: str) -> dict[str, Any]:
    """The peak memory (MB, with its largest child's) and result of ``call``, a function of this module."""
    code = (
        "import json; from benchmarks import dataset_limits as limits;"
        f"result = limits.{call}; print(json.dumps({{'mb': limits.peak_megabytes(), 'result': result}}))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def peak_megabytes() -> float:
    """The most memory this process held since it was started, and the most that one of its children did.

    Memory that both share counts twice. Its own peak is not getrusage's, which begins with that of the
    process that started it.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return (own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def many_rows(gigabytes: float, statistics: bool) -> int:
    """Rows of a generated stream that were checked. Raises AssertionError when a fault is found."""
    report = datasets.check(
        _source(dataset_files.stream("chat", int(gigabytes * 1e9), _FEW)),
        technique="SFT",
        family="open-weights",
        statistics=statistics,
    )
    if not report.ok:
        raise AssertionError([finding.code for finding in report.findings])
    return report.rows


def _memory() -> Iterator[Limit]:
    for what, call, megabytes, seconds in (
        ("row checks of 1 GB", "many_rows(1, False)", 100, 60),
        ("the whole check of 5 GB, with duplicates", "many_rows(5, True)", 300, 300),
    ):
        yield _within(f"data, {what}, within {megabytes} MB in two processes", call, megabytes, seconds)


def _within(name: str, call: str, megabytes: int, seconds: float) -> Limit:
    def check(answer: dict[str, Any]) -> None:
        if answer["mb"] > megabytes:
            raise AssertionError(f"{name}: {answer['mb']:.0f} MB")
        if not answer["result"]:
            raise AssertionError(f"{name}: nothing found")

    return Limit(name, seconds, lambda number: call, in_a_child, check, once=True)


def _found(source: sources.Source) -> list[str]:
    report = datasets.check(source, technique="SFT", family="open-weights")
    return [
        finding.code
        for finding in report.findings
        if finding.severity == "error" or not report.training.complete
    ]


@functools.cache
def _gzip_bomb() -> Path:
    """A gigabyte of rows in about a megabyte."""
    path = dataset_files.path("chat").with_name("bomb.jsonl.gz")
    packer = zlib.compressobj(9, wbits=31)
    piece = b'{"prompt": "a", "completion": "b"}\n' * 30_000
    path.write_bytes(b"".join(packer.compress(piece) for _ in range(1000)) + packer.flush())
    return path


def endless_line() -> list[str]:
    """One line of a gigabyte."""
    piece = b"x" * blocks.READ
    return _found(_source(piece for _ in range(4096)))


def of_file(path: str) -> list[str]:
    """What is found in one file."""
    return _found(datasets.local(Path(path)))


@functools.cache
def _parquet_bomb() -> Path:
    """Gigabytes of text in a Parquet file of a few hundred bytes."""
    folder = Path(tempfile.mkdtemp(dir=dataset_files.path("chat").parent))
    path = folder / "bomb.parquet"
    rows = "SELECT repeat('x', 1000000) AS prompt FROM range(3000)"
    making = f"COPY ({rows}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
    command = [sys.executable, "-c", "import duckdb, sys; duckdb.execute(sys.argv[1])", making]
    subprocess.run(command, check=True)  # noqa: S603
    return path


def many_columns() -> list[str]:
    """A row of ten thousand fields."""
    return _found(_source(iter([json.dumps({f"c{number}": 1 for number in range(10_000)}).encode()])))


def deep_brackets() -> list[str]:
    """A hundred thousand brackets in each other."""
    return _found(_source(iter([b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"])))


def _hostile() -> Iterator[Limit]:
    for what, call in (
        ("a line of a gigabyte", "endless_line()"),
        ("ten thousand columns", "many_columns()"),
        ("a hundred thousand brackets", "deep_brackets()"),
    ):
        yield _within(f"data, hostile: {what}, within 300 MB", call, 300, 10)
    for what, make in (("a gzip bomb", _gzip_bomb), ("a Parquet bomb", _parquet_bomb)):
        bomb = _within(f"data, hostile: {what}, within 300 MB", "", 300, 10)
        yield replace(bomb, prepare=lambda number, make=make: f"of_file({str(make())!r})")  # type: ignore[misc]
