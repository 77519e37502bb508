"""Samples scored in forked processes that can be killed: deadlines that hold whatever the code does.

A thread cannot be stopped, a signal handler waits for C code to return and works in the main thread only, and
multiprocessing's pools and queues need /dev/shm, which Lambda does not have. So: os.fork, one pipe per
worker for the results, and a parent that watches the clock. A fork costs about 3 ms and inherits the batch,
so that nothing is sent to a worker. It scores its shard in order and streams a frame per sample; a worker
that exceeds the deadline or dies costs the sample it was on, and a new one goes on with the next.
"""

import contextlib
import gc
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

START_SECONDS = 5.0
"""How long a fork may take to report that it runs; its first sample's deadline starts then."""

MAX_STARTS = 3
"""Workers started for one sample before that sample is given up."""

MAX_FRAME = 65_536
_LENGTH_BYTES = 4
_READ = 1 << 18
_KEPT_DESCRIPTORS = ("_LAMBDA_TELEMETRY_LOG_FD",)

Work = Callable[[int], bytes]


class Bounds(NamedTuple):
    """Seconds per sample, the batch's end on the monotonic clock, and bytes a worker may allocate."""

    sample_seconds: float
    batch_end: float
    memory_bytes: int


class Lost(NamedTuple):
    """A sample without a result: failure is "timeout" or "error"."""

    failure: str
    detail: str


def run(shards: Sequence[Sequence[int]], work: Work, bounds: Bounds) -> dict[int, bytes | Lost]:
    """Call ``work`` for every index of every shard, one process at a time per shard; all are answered."""
    results: dict[int, bytes | Lost] = {}
    workers = [_Worker(shard, work, bounds, results) for shard in shards if shard]
    try:
        active = [worker for worker in workers if worker.start()]
        while active:
            _wait(active)
            active = [worker for worker in active if worker.advance()]
    finally:
        for worker in workers:
            worker.kill()
    return results


def _wait(workers: list["_Worker"]) -> None:
    poll = select.poll()
    for worker in workers:
        poll.register(worker.reader, select.POLLIN)
    soonest = min(worker.deadline() for worker in workers)
    poll.poll(max(0.0, soonest - time.monotonic()) * 1000)


class _Worker:
    """One shard and the process that is working on it."""

    def __init__(
        self, shard: Sequence[int], work: Work, bounds: Bounds, results: dict[int, bytes | Lost]
    ) -> None:
        self.reader = -1
        self._shard, self._work, self._bounds, self._results = shard, work, bounds, results
        self._at = 0
        self._pid = 0
        self._starts = 0
        self._ready = False
        self._since = 0.0
        self._pending = bytearray()

    def deadline(self) -> float:
        allowed = self._bounds.sample_seconds if self._ready else START_SECONDS
        return min(self._since + allowed, self._bounds.batch_end)

    def start(self) -> bool:
        """Fork for what is left of the shard; False when nothing is left or no process can be had."""
        self.kill()
        while self._at < len(self._shard):
            if time.monotonic() >= self._bounds.batch_end:
                self._give_up(Lost("timeout", "the batch deadline passed"))
                return False
            if self._starts < MAX_STARTS:
                self._starts += 1
                if self._fork():
                    return True
            else:
                self._lose("error", "no worker process could be started")
        return False

    def advance(self) -> bool:
        """Take what the worker has written, and judge it; False when the shard is done."""
        ended = self._receive()
        if self._at == len(self._shard):
            return self.start()
        if ended:
            if self._ready:
                self._lose("error", f"the worker process ended ({self._reap()})")
            return self.start()
        if time.monotonic() < self.deadline():
            return True
        if self._ready and time.monotonic() < self._bounds.batch_end:
            self._lose("timeout", f"no result within {self._bounds.sample_seconds:g} s")
        return self.start()

    def kill(self) -> None:
        """End the process, if there is one, with what it may have started; idempotent."""
        if self._pid:
            for end in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    end(self._pid, signal.SIGKILL)
            self._reap()
        if self.reader >= 0:
            os.close(self.reader)
        self.reader = -1

    def _fork(self) -> bool:
        _flush()
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            return False
        if pid == 0:
            _become_worker(writer, self._shard[self._at :], self._work, self._bounds)
        os.close(writer)
        self._pid, self.reader = pid, reader
        self._ready, self._since = False, time.monotonic()
        self._pending.clear()
        return True

    def _receive(self) -> bool:
        """Read the frames at hand; True when the worker has closed its end or wrote nonsense."""
        try:
            data = os.read(self.reader, _READ)
        except BlockingIOError:
            return False
        self._pending += data
        while len(self._pending) >= _LENGTH_BYTES:
            size = int.from_bytes(self._pending[:_LENGTH_BYTES], "big")
            if size > MAX_FRAME:
                return True
            if len(self._pending) < _LENGTH_BYTES + size:
                break
            self._frame(bytes(self._pending[_LENGTH_BYTES : _LENGTH_BYTES + size]))
            del self._pending[: _LENGTH_BYTES + size]
        return not data

    def _frame(self, payload: bytes) -> None:
        self._since = time.monotonic()
        if not self._ready:
            self._ready = True
        elif self._at < len(self._shard):
            self._results[self._shard[self._at]] = payload
            self._next()

    def _lose(self, failure: str, detail: str) -> None:
        self._results[self._shard[self._at]] = Lost(failure, detail)
        self._next()

    def _next(self) -> None:
        self._at += 1
        self._starts = 0

    def _give_up(self, lost: Lost) -> None:
        while self._at < len(self._shard):
            self._results[self._shard[self._at]] = lost
            self._at += 1

    def _reap(self) -> str:
        pid, self._pid = self._pid, 0
        if not pid:
            return "already gone"
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        try:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:
            return "reaped elsewhere"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _become_worker(writer: int, indexes: Sequence[int], work: Work, bounds: Bounds) -> NoReturn:
    """The forked side: never returns, never unwinds into the caller's frames."""
    code = 1
    try:
        _prepare(writer, bounds)
        _write(writer, b"")
        for index in indexes:
            payload = work(index)
            _flush()
            _write(writer, payload)
        code = 0
    finally:
        os._exit(code)


def _prepare(writer: int, bounds: Bounds) -> None:
    os.setsid()
    gc.freeze()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _close_all_but(writer)
    seconds = max(1, int(bounds.batch_end - time.monotonic()) + 2)
    _limit(resource.RLIMIT_CPU, seconds)
    # Ends a worker whose parent is gone even while it sleeps or runs C code.
    signal.alarm(seconds)
    used = _address_space()
    if used:
        _limit(resource.RLIMIT_AS, used + bounds.memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)


def _close_all_but(writer: int) -> None:
    """Close what the parent had open: the runtime's sockets, and other workers' pipes."""
    kept = [writer]
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            kept.append(stream.fileno())
    for name in _KEPT_DESCRIPTORS:
        with contextlib.suppress(KeyError, ValueError):
            kept.append(int(os.environ[name]))
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = max(start, descriptor + 1)
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def _limit(kind: int, value: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, hard))


def _address_space() -> int:
    """Bytes mapped by this process; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - one small read in a fresh process
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _flush() -> None:
    """What a reward has printed is neither lost with a worker nor printed twice."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()


def _write(writer: int, payload: bytes) -> None:
    frame = memoryview(len(payload).to_bytes(_LENGTH_BYTES, "big") + payload)
    while frame:
        frame = frame[os.write(writer, frame) :]
