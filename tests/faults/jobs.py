"""Training jobs in virtual time: the laptop's SageMaker, with jobs that a schedule decides about."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from tunestep.local.interpreter.clock import VirtualClock
from tunestep.local.sagemaker import job_state, job_view
from tunestep.local.sagemaker.job_state import Job, Transition, WorkerStatus
from tunestep.local.sagemaker.service import SageMakerService
from tunestep.local.world import World

Emit = Callable[[dict[str, Any]], None]


class Fate(NamedTuple):
    """What becomes of a job: seconds until it trains, seconds of training, and its last status."""

    waits: float = 60
    trains: float = 1800
    ends: str = "Completed"


class Jobs:
    """Stands where the service's supervisor stands; nothing moves but by ``advance``."""

    def __init__(self, service: "VirtualSageMaker", clock: VirtualClock, emit: Emit) -> None:
        self._service, self._clock, self._emit = service, clock, emit
        self._jobs: dict[str, Job] = {}
        self._due: dict[str, float] = {}
        self.fates: list[Fate] = []
        self.created: list[Job] = []

    def path(self, name: str) -> Path:
        return Path(name)

    def prepare(self, job: Job, source: str | None) -> None:
        """Jobs have no folder here."""

    def add(self, job: Job) -> None:
        self._jobs[job.name] = job
        self.created.append(job)
        self._due[job.name] = self._clock.now() + self._fate(job).waits

    def announce(self, job: Job) -> None:
        self._tell(job)

    def find(self, name: str) -> Job | None:
        return self._jobs.get(name)

    def jobs(self) -> list[Job]:
        return list(self._jobs.values())

    def stop(self, name: str) -> Job:
        job = self._jobs[name]
        self._change(job_state.stopping(job, "user", self._clock.now()))
        if not job.terminal:
            self._due[name] = self._clock.now() + 20
        return self._jobs[name]

    def close(self) -> None:
        """Nothing works in the background here."""

    def next_due(self) -> float | None:
        return min(self._due.values(), default=None)

    def advance(self) -> None:
        """Everything that is due by now happens."""
        for name in [name for name, due in self._due.items() if due <= self._clock.now()]:
            self._step(self._jobs[name])

    def end_from_outside(self, name: str) -> None:
        """Somebody stops the job in the SageMaker console."""
        if name in self._jobs and not self._jobs[name].terminal:
            self.stop(name)

    def _fate(self, job: Job) -> Fate:
        position = next(index for index, made in enumerate(self.created) if made.name == job.name)
        return self.fates[position] if position < len(self.fates) else Fate()

    def _step(self, job: Job) -> None:
        now, fate = self._clock.now(), self._fate(job)
        if job.stop_cause:
            del self._due[job.name]
            self._change(job_state.lost(job, "", now))
        elif job.secondary == "Starting":
            self._due[job.name] = now + fate.trains
            training = (Transition(Status="Training", StartTime=now),)
            self._change(job_state.absorb(job, WorkerStatus(transitions=training), now))
        else:
            del self._due[job.name]
            self._change(job_state.absorb(job, _last_report(job, fate), now))

    def _change(self, after: Job) -> None:
        before = self._jobs[after.name]
        if after.terminal and not before.terminal:
            after = replace(after, package_arn=self._service.register_package(after))
        self._jobs[after.name] = after
        if (before.status, before.secondary) != (after.status, after.secondary):
            self._tell(after)

    def _tell(self, job: Job) -> None:
        place = {"region": self._service.region, "account": self._service.account}
        self._emit(job_view.event(job, now=self._clock.now(), **place))


def _last_report(job: Job, fate: Fate) -> WorkerStatus:
    if fate.ends == "Failed":
        return WorkerStatus(status="Failed", failure_reason="ClientError: the data is not what it should be")
    uri = f"{job.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output/model"
    return WorkerStatus(status="Completed", model_s3_uri=uri, billable_tokens=1000)


class VirtualSageMaker(SageMakerService):
    """The laptop's SageMaker, whose jobs live in virtual time."""

    def __init__(self, world: World, clock: VirtualClock, emit: Emit) -> None:
        super().__init__(
            ":memory:",
            world=world,
            jobs_dir=None,
            emit=emit,
            launch=lambda _: 0,
            find_worker=lambda _: None,
            region=world.region,
            account=world.account,
            endpoint_url_getter=lambda: "",
            clock=clock.now,
            settle_seconds=0,
        )
        self.virtual_jobs = Jobs(self, clock, emit)
        self.supervisor = self.virtual_jobs  # type: ignore[assignment]
        self.folders = self.virtual_jobs  # type: ignore[assignment]
