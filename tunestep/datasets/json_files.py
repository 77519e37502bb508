"""``.json`` files: one array of rows becomes lines, one row each, without ever being held whole."""

import re
from collections.abc import Iterable, Iterator

from tunestep.datasets.blocks import BOM, Unreadable

_OUTSIDE = re.compile(rb'["\[\]{},]')
_INSIDE = re.compile(rb'["\\]')
_SPACE = b" \t\r\n"


class _Array:
    """Where the reader is in an array: how deep, inside a string or not, begun and ended or not."""

    def __init__(self) -> None:
        self.depth = 0
        self.quoted = False
        self.escaped = False

    def lines(self, piece: bytes) -> bytes:
        """The piece with the commas between rows turned into line ends and line ends into spaces."""
        text = piece.replace(b"\n", b" ")
        parts: list[bytes] = []
        start = place = 0
        if self.escaped and text:
            place, self.escaped = 1, False
        while match := (_INSIDE if self.quoted else _OUTSIDE).search(text, place):
            place = match.end()
            sign = match.group()
            if sign == b"\\":
                self.escaped = place == len(text)
                place += 1
            elif sign == b'"':
                self.quoted = not self.quoted
            elif self._separates(sign):
                parts += [text[start : match.start()], b"\n" if sign == b"," else b" "]
                start = place
            if self.depth == 0 and not self.quoted:
                if text[place:].strip():
                    raise Unreadable("JSON_BROKEN", "Something follows the array's end.")
                break
        parts.append(text[start:])
        return b"".join(parts)

    def _separates(self, sign: bytes) -> bool:
        """Whether a bracket or comma belongs to the array itself and not to one of its rows."""
        if sign in (b"[", b"{"):
            self.depth += 1
            return self.depth == 1
        if sign == b",":
            return self.depth == 1
        self.depth -= 1
        return self.depth == 0


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """JSON Lines as they are; an array as one line per row.

    Raises:
        Unreadable: the array does not end, or something follows its end.
    """
    array: _Array | None = None
    begun = False
    for raw in pieces:
        piece = raw
        if not begun:
            piece = piece.removeprefix(BOM).lstrip(_SPACE)
            if not piece:
                continue
            begun = True
            if piece.startswith(b"["):
                array = _Array()
        if array is None:
            yield piece
        elif begun and array.depth == 0 and not piece.startswith(b"[") and piece.strip():
            raise Unreadable("JSON_BROKEN", "Something follows the array's end.")
        else:
            yield array.lines(piece)
    if array is not None and array.depth:
        raise Unreadable("JSON_BROKEN", "The array does not end.")
