"""A second process beside this one: bytes go to it through shared memory, answers come back in order.

Lambda has neither ``/dev/shm`` nor POSIX semaphores, so that ``multiprocessing`` does not start there; an
anonymous mapping, a fork and two pipes need neither. The pipes carry a few bytes per piece, so that neither
side can wait for the other with a full pipe.
"""

import contextlib
import mmap
import os
import select
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from typing import NoReturn

SLOTS = 8
"""Pieces under way at once: enough for the second process to go on while this one has no processor."""
SLOT = 512 * 1024
"""Largest piece in bytes: a read and the line before it, if that is not very long."""
_PIECE = Struct("<qqq")
_ANSWER = Struct("<q")
_NONE = -1

Work = Callable[[int, bytes], bytes]
"""From a number of the caller's choice and a piece to an answer; it must depend on nothing else."""


def cores() -> int:
    """Processors this process may use; 1 where forking a process with threads is not known to be safe."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def one_is_free() -> bool:
    """Whether no more than this many programs, this one among them, want a processor just now."""
    try:
        running = Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0]
    except (OSError, IndexError):
        return True
    return int(running) <= cores()


class Partner:
    """The second process. It ends with ``close``, and by itself when this process is gone.

    Raises:
        OSError: no memory or no process is to be had.
    """

    def __init__(self, work: Work) -> None:
        self._memory = mmap.mmap(-1, SLOTS * SLOT)
        self._sent = self._received = self._given_up = 0
        asked, self._ask = os.pipe()
        self._answered, answer = os.pipe()
        try:
            with warnings.catch_warnings():
                # From Python 3.12 on, forking beside other threads warns. The child takes no lock of theirs.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._process = os.fork()
        except OSError:
            for end in (asked, self._ask, self._answered, answer):
                os.close(end)
            raise
        if not self._process:
            os.close(self._ask)
            os.close(self._answered)
            _serve(work, self._memory, asked, answer)
        os.close(asked)
        os.close(answer)
        self._ready = select.poll()
        self._ready.register(self._answered, select.POLLIN)
        self._alive = True

    def send(self, number: int, data: bytes) -> bool:
        """Hand a piece over; False when the other process has enough to do, is gone, or cannot take it."""
        self._forget()
        if not self._alive or self._sent - self._received == SLOTS or len(data) > SLOT:
            return False
        start = self._sent % SLOTS * SLOT
        self._memory[start : start + len(data)] = data
        try:
            os.write(self._ask, _PIECE.pack(number, start, len(data)))
        except OSError:
            self._alive = False
            return False
        self._sent += 1
        return True

    def ready(self, milliseconds: int = 0) -> bool:
        """Whether ``receive`` would not wait, at least after so long."""
        self._forget(milliseconds)
        return not self._alive or (not self._given_up and bool(self._ready.poll(milliseconds)))

    def give_up(self) -> None:
        """Do without the answer to the oldest piece: it will be dropped when it comes."""
        self._given_up += 1

    def _forget(self, milliseconds: int = 0) -> None:
        """Drop the answers that nobody waits for any more and that have come, or come so soon."""
        while self._given_up and self._alive and self._ready.poll(milliseconds):
            self._given_up -= 1
            self._next()

    def receive(self) -> bytes | None:
        """The answer to the oldest piece without one; None when it will never come."""
        while self._given_up and self._alive:
            self._given_up -= 1
            self._next()
        return self._next()

    def _next(self) -> bytes | None:
        start = self._received % SLOTS * SLOT
        self._received += 1
        said = os.read(self._answered, _ANSWER.size) if self._alive else b""
        if len(said) < _ANSWER.size:
            self._alive = False
            return None
        (size,) = _ANSWER.unpack(said)
        return None if size == _NONE else self._memory[start : start + size]

    def close(self) -> None:
        """End the process; pieces without an answer are given up."""
        # Another partner may have been forked since, and hold this pipe open: its end cannot be waited for.
        with contextlib.suppress(OSError):
            os.kill(self._process, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(self._process, 0)
        os.close(self._ask)
        os.close(self._answered)
        self._memory.close()


def _serve(work: Work, memory: mmap.mmap, asked: int, answer: int) -> NoReturn:
    """Answer until nobody asks; whatever goes wrong, nothing of the forked process's state is touched."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while len(piece := os.read(asked, _PIECE.size)) == _PIECE.size:
            number, start, size = _PIECE.unpack(piece)
            found = work(number, memory[start : start + size])
            fits = len(found) <= SLOT
            if fits:
                memory[start : start + len(found)] = found
            os.write(answer, _ANSWER.pack(len(found) if fits else _NONE))
    finally:
        os._exit(0)
