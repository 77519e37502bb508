"""Blocks shared between two processes, and taken in in their order as if there were one.

The second process only says which blocks are plainly right. Everything else, and all that is counted, stays
here: the report does not depend on who looked at a block.
"""

from collections import deque
from typing import NamedTuple

from tunestep.datasets.blocks import Cut
from tunestep.datasets.partner import Partner, cores, one_is_free
from tunestep.datasets.rows import Passed, RowChecker

ALONE = 32
"""Blocks (8 MB) before a second process is worth its start, and between looks whether it is."""
_MOST_WAITING = 32
"""Blocks held (8 MB) while the second process waits for a processor; then this one does its work, too."""


_PATIENCE = 2
"""Milliseconds that an answer may take that is needed now; a block takes half of one."""


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
                self._alone = ALONE
            return
        if not cut.long and self._partner.send(self._checker.number, cut.data):
            self._waiting.append(_Waiting(cut, asked=True))
        else:
            self._waiting.append(_Waiting(cut, asked=False, passed=self._checker.inspect(cut)))
        self._take(_MOST_WAITING)

    def _start(self) -> None:
        """Have a second process from now on, unless it would only take turns with this one for now."""
        if not one_is_free():
            return
        try:
            self._partner = Partner(self._checker.answer)
        except OSError:
            self._two = False

    def _take(self, most: int) -> None:
        """Take in what is known. While more than ``most`` blocks are held, find out here what is not.

        The second process is hardly waited for: on a busy machine it may get no processor for long.
        """
        while self._waiting:
            cut, asked, passed = self._waiting[0]
            if asked and self._partner is not None:
                if self._partner.ready(_PATIENCE if len(self._waiting) > most else 0):
                    passed = self._answered(cut, self._partner.receive())
                elif len(self._waiting) > most:
                    self._partner.give_up()
                    passed = self._checker.inspect(cut)
                else:
                    return
            self._waiting.popleft()
            self._checker.take(cut, passed)

    def _answered(self, cut: Cut, answer: bytes | None) -> Passed | None:
        if answer is None:
            return self._checker.inspect(cut)
        return Passed.read(answer) if answer else None

    def settle(self) -> None:
        """Take in every block that was given."""
        self._take(0)

    def close(self) -> None:
        if self._partner is not None:
            self._partner.close()
            self._partner = None
