"""A byte stream cut into blocks of whole lines, however long its lines are and whatever it expands to."""

import io
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

READ = 256 * 1024
"""Bytes per read: large enough for S3, small enough for the processor's cache."""
MAX_LINE = 4 * 1024 * 1024
"""Longest row, in bytes: about a million tokens, more than any recipe's sequence length."""
MAX_RATIO = 200
"""Most bytes that one compressed byte may expand to, once ``FREE`` bytes have been expanded."""
FREE = 32 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"


class Unreadable(Exception):  # noqa: N818 - a fact about a file, reported as a finding
    """A file cannot be read on; ``code`` names the finding, the message holds no content."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Readable(Protocol):
    """Anything with ``read(n)`` that answers fewer than ``n`` bytes only towards its end."""

    def read(self, size: int, /) -> bytes: ...


class Cut(NamedTuple):
    """Whole lines: ``data`` ends with a newline.

    ``long`` is the length of a line beyond ``MAX_LINE``, whose bytes were dropped; there is then no data.
    """

    data: bytes
    long: int = 0

    def ended(self) -> list[bytes]:
        """The lines with their ends."""
        # Finds line ends with memchr; bytes.count and bytes.split of Python 3.11 and 3.12 go byte by byte.
        return io.BytesIO(self.data).readlines()


class Block(NamedTuple):
    """A cut with its lines without their ends, of which the first has the number ``first``."""

    data: bytes
    lines: list[bytes]
    first: int
    long: int = 0


def chunks(stream: Readable, size: int = READ) -> Iterator[bytes]:
    """The stream's bytes, ``size`` at a time."""
    while chunk := stream.read(size):
        yield chunk


def inflated(compressed: Iterable[bytes]) -> Iterator[bytes]:
    """The content of a gzip stream (of several members, too); declared sizes are not looked at.

    Raises:
        Unreadable: broken, cut short, or expanding beyond ``MAX_RATIO``.
    """
    taken = given = 0
    member = zlib.decompressobj(wbits=31)
    ended = False
    for chunk in compressed:
        taken += len(chunk)
        rest = chunk
        while rest:
            if ended:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                member, ended = zlib.decompressobj(wbits=31), False
            try:
                piece = member.decompress(rest, READ)
            except zlib.error:
                raise Unreadable("GZIP_BROKEN", "The gzip data is damaged.") from None
            given += len(piece)
            if given > FREE and given > taken * MAX_RATIO:
                raise Unreadable(
                    "EXPANDS_TOO_FAR", f"{taken} compressed bytes expand to more than {given} bytes."
                )
            yield piece
            ended = member.eof
            rest = member.unused_data if ended else member.unconsumed_tail
    if not ended:
        raise Unreadable("GZIP_BROKEN", "The gzip data ends too early.")


class _Lines:
    """The state of cutting: what is left of an unfinished line, and how long it is."""

    def __init__(self) -> None:
        self.held: list[bytes | memoryview] = []
        self.size = 0

    def hold(self, piece: bytes) -> None:
        """Keep a part of an unfinished line; of one that is too long only the length."""
        self.size += len(piece)
        if self.size > MAX_LINE:
            self.held.clear()
        elif piece:
            self.held.append(piece)

    def flush(self, ending: bytes | memoryview) -> Iterator[Cut]:
        """End the unfinished line with ``ending`` (whole lines): a cut, or a line that is too long."""
        if self.size > MAX_LINE - READ and self.size:
            first, _, rest = bytes(ending).partition(b"\n")
            if self.size + len(first) > MAX_LINE:
                yield Cut(b"", self.size + len(first))
                self.held, ending = [], rest
        self.held.append(ending)
        data = b"".join(self.held)
        self.held, self.size = [], 0
        if data:
            yield Cut(data)


def cuts(pieces: Iterable[bytes]) -> Iterator[Cut]:
    """Cuts of whole lines; a byte order mark is dropped and a missing last newline added."""
    lines = _Lines()
    start = True
    for raw in pieces:
        piece = raw.removeprefix(BOM) if start else raw
        start = False
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield from lines.flush(memoryview(piece)[:cut])
            piece = piece[cut:]
        lines.hold(piece)
    if lines.size:
        yield from lines.flush(b"\n")


def blocks(pieces: Iterable[bytes]) -> Iterator[Block]:
    """The same with numbered lines."""
    number = 1
    for data, long in cuts(pieces):
        lines = data.split(b"\n")
        lines.pop()
        yield Block(data, lines, number, long)
        number += 1 if long else len(lines)
