"""Parquet files: read by a child process whose memory and time are bounded, as lines of JSON."""

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

import tunestep
from tunestep.datasets import parquet_child
from tunestep.datasets.blocks import FREE, MAX_RATIO, READ, Unreadable

MOST_RESIDENT = 224 * 1024 * 1024
"""Most memory, in bytes, that the child may hold before it is ended."""
_SILENCE = 60.0
_LOOK = 0.1
_KEPT_FREE = 64 * 1024 * 1024
_MEANINGS = {
    parquet_child.ABSENT: ("ROWS_NOT_CHECKED", "The Parquet library (duckdb) is not installed here."),
    parquet_child.BROKEN: ("PARQUET_BROKEN", "The file is damaged or no Parquet file."),
    parquet_child.MEMORY: ("PARQUET_MEMORY", "Its rows do not fit into the memory kept for reading them."),
    parquet_child.COLUMNS: ("COLUMNS_TOO_MANY", f"It has more than {parquet_child.MAX_COLUMNS} columns."),
}


def lines(path: Path, size: int) -> Iterator[bytes]:
    """The rows of a local file, as JSON lines.

    Raises:
        Unreadable: damaged, too wide, or beyond what the child may use.
    """
    with path.open("rb") as file:
        # By its number, not its name, in which DuckDB would see patterns and partitions.
        place = f"/dev/fd/{file.fileno()}"
        child = subprocess.Popen(  # noqa: S603 - the interpreter itself, with a module of this package
            [sys.executable, "-m", parquet_child.__name__, place],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(file.fileno(),),
            env={"PYTHONPATH": _python_path(), "HOME": tempfile.gettempdir(), "PYTHONDONTWRITEBYTECODE": "1"},
        )
    given = 0
    try:
        with cast(BinaryIO, child.stdout) as output:
            while piece := _read(child.pid, output):
                given += len(piece)
                if given > FREE and given > size * MAX_RATIO:
                    raise Unreadable("EXPANDS_TOO_FAR", f"{size} bytes expand to more than {given} bytes.")
                yield piece
        code = child.wait(_SILENCE)
    finally:
        child.kill()
        child.wait()
    if code:
        raise Unreadable(*_MEANINGS.get(code, ("PARQUET_BROKEN", "Reading it ended abruptly.")))


def _python_path() -> str:
    """The child imports what this process imports, wherever the packages lie."""
    root = str(Path(tunestep.__file__).parents[1])
    return os.pathsep.join([root, *(entry for entry in sys.path if entry)])


def _read(pid: int, output: BinaryIO) -> bytes:
    end = time.monotonic() + _SILENCE
    while not select.select([output], [], [], _LOOK)[0]:
        if _resident(pid) > MOST_RESIDENT:
            raise Unreadable(*_MEANINGS[parquet_child.MEMORY])
        if time.monotonic() > end:
            raise Unreadable("ROWS_NOT_CHECKED", f"Nothing was read for {_SILENCE:.0f} seconds.")
    if _resident(pid) > MOST_RESIDENT:
        raise Unreadable(*_MEANINGS[parquet_child.MEMORY])
    return os.read(output.fileno(), READ)


def _resident(pid: int) -> int:
    """Bytes of memory a process holds; 0 where that cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def fetched(raw: Iterable[bytes], size: int, use: Callable[[Path], Iterator[bytes]]) -> Iterator[bytes]:
    """A file copied to a temporary file, which the reader needs to jump about in, and then read.

    Raises:
        Unreadable: there is not enough room on the temporary disk.
    """
    room = shutil.disk_usage(tempfile.gettempdir()).free - _KEPT_FREE
    if size > room:
        raise Unreadable("ROWS_NOT_CHECKED", f"{size} bytes do not fit on the temporary disk.")
    with tempfile.NamedTemporaryFile(suffix=".parquet", buffering=0) as copy:
        for piece in raw:
            _write(copy, piece)
        yield from use(Path(copy.name))


def _write(copy: IO[bytes], piece: bytes) -> None:
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[copy.write(rest) :]
    except OSError:
        raise Unreadable("ROWS_NOT_CHECKED", "The temporary disk is full.") from None
