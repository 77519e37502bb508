"""``.json`` files: one array of rows becomes lines, one row each, without ever being held whole."""

import re
from collections.abc import Iterable, Iterator

from tunestep.datasets.blocks import BOM, Unreadable

_OUTSIDE = re.compile(rb'["\[\]{},]')
_INSIDE = re.compile(rb'["\\\n]')
_SPACE = b" \t\r\n"


class _Array:
    """Where the reader is in an array: how deep, inside a string or not, begun and ended or not."""

    def __init__(self) -> None:
        self.depth = 0
        self.quoted = False
        self.escaped = False
        self._rows = 0
        self._bare = True
        """Whether nothing but space was seen of the present row."""

    def lines(self, piece: bytes) -> bytes:
        """The piece with the commas between rows turned into line ends and line ends into spaces."""
        text = piece.replace(b"\n", b" ")
        parts: list[bytes] = []
        start = place = 0
        if self.escaped and text:
            place, self.escaped = 1, False
        while match := (_INSIDE if self.quoted else _OUTSIDE).search(piece, place):
            place = match.end()
            sign = match.group()
            if sign == b"\\":
                self.escaped = place == len(text)
                place += 1
            elif sign == b"\n":
                raise Unreadable("JSON_BROKEN", f"A text in row {self._rows + 1} has a line end in it.")
            elif sign == b'"':
                self.quoted = not self.quoted
            elif self._separates(sign):
                self._end_row(text[start : match.start()], sign)
                parts += [text[start : match.start()], b"\n" if sign == b"," else b" "]
                start = place
            if self.depth == 0 and not self.quoted:
                if text[place:].strip():
                    raise Unreadable("JSON_BROKEN", "Something follows the array's end.")
                break
        parts.append(text[start:])
        self._bare = self._bare and not text[start:].strip(_SPACE)
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

    def _end_row(self, rest: bytes, sign: bytes) -> None:
        """Look at what stood before a comma between rows, or before a bracket around all of them."""
        bare = self._bare and not rest.strip(_SPACE)
        self._bare = True
        if sign == b"}":
            raise Unreadable("JSON_BROKEN", "The array ends with a brace.")
        if bare and (sign == b"," or (sign == b"]" and self._rows)):
            raise Unreadable("JSON_BROKEN", f"A comma or the end follows the comma after row {self._rows}.")
        self._rows += sign == b","


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
