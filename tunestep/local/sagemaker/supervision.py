"""Runs the workers of training jobs and keeps the jobs' states true to them."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from tunestep.local import processes
from tunestep.local.sagemaker import job_state, job_view
from tunestep.local.sagemaker.delivery import Courier
from tunestep.local.sagemaker.job_folder import StatusReader
from tunestep.local.sagemaker.job_state import Job
from tunestep.local.sagemaker.records import Records

_log = logging.getLogger(__name__)
_KIND = "job"


class Folders(Protocol):
    def path(self, name: str) -> Path: ...


class _Leaving(NamedTuple):
    """A process whose job has ended; it is given until the deadline (monotonic seconds) to go."""

    pid: int
    identity: str
    deadline: float


class Supervisor:
    """One thread that starts, watches, stops and buries workers.

    A job's state changes only through ``_change``: stored first, told second. ``launch`` starts a worker
    for a job folder and returns its process number; ``find_worker`` returns that of one which is running,
    or None; ``register`` makes the model package of a job that ended and returns its ARN.
    """

    def __init__(
        self,
        records: Records,
        courier: Courier,
        *,
        folders: Folders | None,
        launch: Callable[[Path], int],
        find_worker: Callable[[Path], int | None],
        register: Callable[[Job], str],
        region: str,
        account: str,
        clock: Callable[[], float],
        poll_seconds: float,
        stop_grace_seconds: float,
    ) -> None:
        self._records, self._courier = records, courier
        self._folders, self._launch, self._register = folders, launch, register
        self._find_worker = find_worker
        self._place = {"region": region, "account": account}
        self._clock, self._poll, self._grace = clock, poll_seconds, stop_grace_seconds
        self._reader = StatusReader()
        self._live: set[str] = set()
        self._asked: set[str] = set()
        self._leaving: list[_Leaving] = []
        self._changing = threading.RLock()
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take up the jobs that had not ended when the service last did."""
        with self._changing:
            unfinished = [job for job in self.jobs() if not job.terminal]
            self._live |= {job.name for job in unfinished}
        for job in unfinished:
            if job.launched is not None and job.pid is None:
                self._recover(job.name)
        self._thread = threading.Thread(target=self._run, name="sagemaker-jobs", daemon=True)
        self._thread.start()

    def _recover(self, name: str) -> None:
        """The service died between starting a worker and writing down its number: it may be at work, may have
        been, or was never started."""
        folder = self._folders.path(name) if self._folders else None
        pid = self._find_worker(folder) if folder else None
        if pid is not None:
            known = processes.identity(pid)
            self._change(name, lambda found: job_state.running(found, pid, known))
            return
        report = self._reader.read(folder) if folder else None
        if report is None:
            self._change(name, job_state.not_launched)
            return
        self._change(name, lambda found: job_state.absorb(found, report, self._clock()))
        self._change(name, self._lost("the training process ended while the service was not there"))

    def close(self) -> None:
        """Stop watching. Workers go on; the next start finds them again."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def add(self, job: Job) -> None:
        """Store a new job, inside the caller's transaction."""
        self._records.add(_KIND, job.name, msgspec.to_builtins(job))

    def announce(self, job: Job) -> None:
        """Tell of a stored job and run it."""
        with self._changing:
            self._courier.send(self._event(job))
            self._live.add(job.name)
        self._wake.set()

    def find(self, name: str) -> Job | None:
        document = self._records.get(_KIND, name)
        return None if document is None else msgspec.convert(document, Job)

    def jobs(self) -> list[Job]:
        return [msgspec.convert(document, Job) for document in self._records.all(_KIND)]

    def stop(self, name: str) -> Job:
        """Ask a job to end; returns it as it is then (ended jobs stay as they are)."""
        job = self._change(name, lambda found: job_state.stopping(found, "user", self._clock()))
        self._wake.set()
        return job

    def _run(self) -> None:
        while not self._closed:
            self._wake.clear()
            for name in sorted(self._live):
                try:
                    self._attend(name)
                except Exception:
                    _log.exception("training job %s could not be attended to", name)
            self._leaving = [process for process in self._leaving if not _gone(process)]
            self._wake.wait(self._poll if self._live or self._leaving else None)

    def _attend(self, name: str) -> None:
        job = self.find(name)
        if job is None or job.terminal:
            self._retire(name, job)
        elif job.launched is None:
            self._begin(job)
        elif job.pid is not None:
            self._watch(job, job.pid)

    def _begin(self, job: Job) -> None:
        if job.stop_cause or self._folders is None:
            self._change(job.name, self._lost("nothing here can run it"))
            return
        self._change(job.name, lambda found: job_state.launching(found, self._clock()))
        try:
            pid = self._launch(self._folders.path(job.name))
        except Exception as fault:
            _log.exception("the worker of %s did not start", job.name)
            reason = f"the training process did not start ({type(fault).__name__}: {fault})"
            self._change(job.name, self._lost(reason))
            return
        known = processes.identity(pid)
        self._change(job.name, lambda found: job_state.running(found, pid, known))

    def _watch(self, job: Job, pid: int) -> None:
        if self._folders is None:
            return
        # Looked at before the report is read: a worker that reports its end and then exits is not lost.
        living = processes.alive(pid, job.pid_identity)
        folder = self._folders.path(job.name)
        report = self._reader.read(folder)
        if report is not None:
            job = self._change(job.name, lambda found: job_state.absorb(found, report, self._clock()))
        if job.terminal:
            return
        if not living:
            reason = f"the training process ended without a result; its output is in jobs/{job.name}/"
            self._change(job.name, self._lost(reason))
            return
        self._press(job, pid)

    def _press(self, job: Job, pid: int) -> None:
        """Enforce the time limit and a stop: first a signal to end at the next step, later one to end now."""
        now = self._clock()
        if not job.stop_cause and job.launched is not None and now - job.launched > job.max_runtime:
            job = self._change(job.name, lambda found: job_state.stopping(found, "runtime", now))
        if job.stop_at is None:
            return
        if now - job.stop_at > self._grace:
            processes.send(pid, job.pid_identity, signal.SIGKILL)
        elif job.name not in self._asked:
            self._asked.add(job.name)
            processes.send(pid, job.pid_identity, signal.SIGTERM)

    def _retire(self, name: str, job: Job | None) -> None:
        self._live.discard(name)
        self._asked.discard(name)
        if job is not None and job.pid is not None:
            self._leaving.append(_Leaving(job.pid, job.pid_identity, time.monotonic() + self._grace))
            if self._folders is not None:
                self._reader.forget(self._folders.path(name))

    def _lost(self, reason: str) -> Callable[[Job], Job]:
        return lambda found: job_state.lost(found, reason, self._clock())

    def _change(self, name: str, step: Callable[[Job], Job]) -> Job:
        with self._changing:
            with self._records.transaction():
                before = self.find(name)
                if before is None:
                    raise LookupError(name)
                after = step(before)
                if after == before:
                    return before
                if after.terminal and not before.terminal:
                    after = replace(after, package_arn=self._register(after))
                self._records.put(_KIND, name, msgspec.to_builtins(after))
            for passed in job_state.steps(before, after):
                self._courier.send(self._event(passed))
        return after

    def _event(self, job: Job) -> dict[str, Any]:
        return job_view.event(job, now=self._clock(), **self._place)


def _gone(process: _Leaving) -> bool:
    processes.reap(process.pid)
    if not processes.alive(process.pid, process.identity):
        return True
    if time.monotonic() > process.deadline:
        processes.send(process.pid, process.identity, signal.SIGKILL)
    return False
