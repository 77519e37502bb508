"""Any file of a data set as a stream of lines, one row each, whatever its type."""

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from tunestep.datasets.blocks import GZIP, Unreadable, chunks, inflated
from tunestep.datasets.sources import DataFile

KNOWN_TYPES = (".jsonl", ".json", ".csv", ".parquet")
"""The types that data sets can be registered with (sagemaker-train 1.27.0, air_constants.py)."""
_AHEAD = 8


class Opened(NamedTuple):
    """``unit`` is what a row's number counts; ``notes`` are finding codes about the file as a whole."""

    pieces: Iterator[bytes]
    unit: str
    notes: tuple[str, ...] = ()


class OutOfTime(Exception):  # noqa: N818 - ends the reading of a file, and is told as a finding
    """The deadline passed while a file was read."""


class Digest:
    """Size and SHA-256 of the bytes as stored, hashed beside the check: large blocks free the GIL.

    Without ``hashing`` only the size is counted.
    """

    def __init__(self, hashing: bool) -> None:
        self._hash = hashlib.sha256()
        self._hashing = hashing
        self._worker = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self.size = 0

    def over(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the pieces on, each hashed once."""
        for piece in pieces:
            self.size += len(piece)
            if self._hashing:
                self._waiting.append(self._worker.submit(self._hash.update, piece))
            if len(self._waiting) > _AHEAD:
                self._waiting.popleft().result()
            yield piece

    def close(self) -> str:
        """The digest, in hexadecimal; empty without hashing."""
        self._worker.shutdown()
        return self._hash.hexdigest() if self._hashing else ""


def _never() -> bool:
    return False


@contextlib.contextmanager
def opened(file: DataFile, digest: Digest, out_of_time: Callable[[], bool] = _never) -> Iterator[Opened]:
    """A file's rows. Raises Unreadable, OutOfTime and TransientFault, here or while the pieces are read."""
    stream = file.open()
    try:
        yield _opened(file, _in_time(digest.over(chunks(stream)), out_of_time))
    finally:
        close = getattr(stream, "close", None)
        if close:
            close()


def _in_time(pieces: Iterator[bytes], out_of_time: Callable[[], bool]) -> Iterator[bytes]:
    """Looks at the clock for every piece: a file may take long before it comes to its first row."""
    for piece in pieces:
        if out_of_time():
            raise OutOfTime
        yield piece


def _opened(file: DataFile, raw: Iterator[bytes]) -> Opened:
    name = file.name.lower()
    if name.endswith(".parquet"):
        return Opened(_parquet(file, raw), "row")
    first = next(raw, b"")
    pieces = _with(first, raw)
    notes: tuple[str, ...] = ()
    if first.startswith(GZIP):
        pieces, notes = inflated(pieces), ("GZIP_UNCONFIRMED",)
        name = name.removesuffix(".gz").removesuffix(".gzip")
    elif _is_wide(first[:4]):
        raise Unreadable("FILE_NOT_UTF8", "It begins as text in UTF-16 or UTF-32 does.")
    elif first and not name.endswith(KNOWN_TYPES):
        notes = ("FILE_TYPE_UNKNOWN",)
    if name.endswith(".csv"):
        from tunestep.datasets import csv_files  # noqa: PLC0415 - loaded when such a file is met

        return Opened(csv_files.lines(pieces), "row", notes)
    if name.endswith(".json"):
        from tunestep.datasets import json_files  # noqa: PLC0415

        return Opened(json_files.lines(pieces), "row", notes)
    return Opened(pieces, "line", notes)


def _is_wide(begin: bytes) -> bool:
    """A byte order mark of two bytes, or characters of which each has a byte that is zero."""
    return begin.startswith((b"\xff\xfe", b"\xfe\xff")) or (b"\0" in begin and bool(begin.strip(b"\0")))


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _parquet(file: DataFile, raw: Iterator[bytes]) -> Iterator[bytes]:
    from tunestep.datasets import parquet_files  # noqa: PLC0415

    if file.local is None:
        yield from parquet_files.fetched(raw, file.size, lambda path: parquet_files.lines(path, file.size))
        return
    for _ in raw:
        continue
    yield from parquet_files.lines(file.local, file.size)
