"""Blocks shared between two processes, and taken in in their order as if there were one.

The second process only says which blocks are plainly right. Everything else, and all that is counted, stays
here: the report does not depend on who looked at a block.
"""

from collections import deque
from typing import NamedTuple

from tunestep.datasets.blocks import Cut
from tunestep.datasets.partner import Partner, cores
from tunestep.datasets.rows import Passed, RowChecker

ALONE = 32
"""Blocks (8 MB) before a second process is worth its start."""
_MOST_WAITING = 64
"""Blocks held (16 MB): on a busy machine this process goes on while the other waits for a processor."""


class _Waiting(NamedTuple):
    """A block whose turn has not come; ``asked`` says that the second process looks at it."""

    cut: Cut
    asked: bool
    passed: Passed | None = None


class Pairing:
    """Checks blocks with a ``RowChecker``, on two processors where there are two and much to read."""

    def __init__(self, checker: RowChecker, alone: int = ALONE, processors: int | None = None) -> None:
        self._checker = checker
        self._two = (cores() if processors is None else processors) > 1
        self._alone = alone
        self._partner: Partner | None = None
        self._waiting: deque[_Waiting] = deque()

    def check(self, cut: Cut) -> None:
        """Check a block, now or soon; after ``settle`` all blocks have been."""
        if self._partner is None:
            self._checker.take(cut, self._checker.inspect(cut))
            self._alone -= 1
            if self._two and self._alone <= 0:
                self._start()
            return
        if not cut.long and self._partner.send(self._checker.number, cut.data):
            self._waiting.append(_Waiting(cut, asked=True))
        else:
            self._waiting.append(_Waiting(cut, asked=False, passed=self._checker.inspect(cut)))
        self._take(_MOST_WAITING)

    def _start(self) -> None:
        try:
            self._partner = Partner(self._checker.answer)
        except OSError:
            self._two = False

    def _take(self, most: int) -> None:
        """Take in what is known, and wait for what is not while more than ``most`` blocks are held."""
        while self._waiting:
            cut, asked, passed = self._waiting[0]
            if asked and self._partner is not None:
                if len(self._waiting) <= most and not self._partner.ready():
                    return
                answer = self._partner.receive()
                if answer is None:
                    passed = self._checker.inspect(cut)
                elif answer:
                    passed = Passed.read(answer)
            self._waiting.popleft()
            self._checker.take(cut, passed)

    def settle(self) -> None:
        """Take in every block that was given."""
        self._take(0)

    def close(self) -> None:
        if self._partner is not None:
            self._partner.close()
            self._partner = None
