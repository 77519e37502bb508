"""A few rows of a data set for whoever tries something on them: evenly spread, the same for the same data."""

from tunestep.datasets.blocks import Cut

MOST_ROWS = 1000
"""Most rows that are kept: as many as a request may ask to certify a reward with."""
MOST_BYTES = 8 * 1024 * 1024
MOST_LINE = 128 * 1024
"""Longest row that is kept, in bytes; a longer one leaves its place empty."""
_SPACE = b" \t\r\n"


class RowSample:
    """Every ``step``-th row, counted from the first, as the line of JSON that it is or became.

    ``step`` doubles when more than ``most_rows`` rows or ``most_bytes`` bytes would be held.
    """

    def __init__(self, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES) -> None:
        self.step = 1
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._rows: dict[int, bytes] = {}
        self._bytes = 0

    def take(self, cut: Cut, first: int, rows: int) -> None:
        """Look at a cut of ``rows`` rows, of which the first has the number ``first`` (from 0)."""
        wanted = range(first + -first % self.step, first + rows, self.step)
        if cut.long or not wanted:
            return
        texts = [text for line in cut.ended() if (text := line.strip(_SPACE))]
        for number in wanted:
            text = texts[number - first]
            if len(text) <= MOST_LINE:
                self._rows[number] = text
                self._bytes += len(text)
        while len(self._rows) > self._most_rows or (self._bytes > self._most_bytes and len(self._rows) > 1):
            self._thin()

    def _thin(self) -> None:
        self.step *= 2
        self._rows = {number: text for number, text in self._rows.items() if not number % self.step}
        self._bytes = sum(map(len, self._rows.values()))

    def lines(self) -> bytes:
        """The rows in their order, one per line."""
        return b"".join([text + b"\n" for text in self._rows.values()])
