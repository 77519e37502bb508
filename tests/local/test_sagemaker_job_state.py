"""The life of a training job as pure functions: whatever happens in whatever order."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunestep.local.sagemaker import job_state, job_view
from tunestep.local.sagemaker.job_state import Job, Transition, WorkerStatus
from tunestep.local.sagemaker.records import Records, Taken

_PHASES = ("Starting", "Downloading", "Training", "Uploading")


def new_job() -> Job:
    return Job(
        name="job",
        arn="arn:aws:sagemaker:us-west-2:123456789012:training-job/job",
        request={"ServerlessJobConfig": {}, "OutputDataConfig": {}},
        created=100.0,
        modified=100.0,
        base_model="m",
        base_version="1.0.0",
        recipe="r",
        transitions=(Transition(Status="Starting", StartTime=100.0),),
    )


def report(count: int, status: str, now: float) -> WorkerStatus:
    """What a worker has written when it has been through so many phases."""
    entries = [
        Transition(Status=phase, StartTime=now - 1 + n / 10) for n, phase in enumerate(_PHASES[:count])
    ]
    if status != "InProgress":
        entries.append(Transition(Status=status, StartTime=now))
    return WorkerStatus(
        status=status,  # type: ignore[arg-type]
        transitions=tuple(entries),
        failure_reason="ClientError: x" if status == "Failed" else None,
    )


_steps = st.lists(
    st.sampled_from(["launch", "user", "runtime", "lost", "report", "Completed", "Failed", "Stopped"]),
    max_size=8,
)


@given(_steps, st.integers(1, 4))
def test_a_job_ends_once_and_its_history_is_whole(steps: list[str], phases: int) -> None:
    job, now = new_job(), 100.0
    for step in steps:
        now += 10
        before = job
        match step:
            case "launch":
                job = job if job.launched or job.terminal else job_state.launching(job, now)
            case "user" | "runtime":
                job = job_state.stopping(job, step, now)  # type: ignore[arg-type]
            case "lost":
                job = job_state.lost(job, "gone", now)
            case "report":
                job = job_state.absorb(job, report(phases, "InProgress", now), now)
            case _:
                job = job_state.absorb(job, report(phases, step, now), now)
        if before.terminal:
            assert job == before
        history = job.transitions
        assert all(a.StartTime <= b.StartTime and a.EndTime == b.StartTime for a, b in pairwise(history))
        assert len({entry.Status for entry in history}) == len(history)
        assert history[0].Status == "Starting"
        assert job.terminal == (history[-1].EndTime is not None) == (job.ended is not None)
        assert not job.terminal or history[-1].Status == job.secondary
        assert bool(job.failure_reason) == (job.status == "Failed")
        assert job.status != "Stopping" or job.stop_cause
        assert msgspec.convert(msgspec.to_builtins(job), Job) == job
        job_view.event(job, region="us-west-2", account="123456789012", now=now)


@pytest.mark.parametrize(("cause", "secondary"), [("user", "Stopped"), ("runtime", "MaxRuntimeExceeded")])
@pytest.mark.parametrize("last_word", [True, False])
def test_what_asked_first_names_the_end(cause: str, secondary: str, last_word: bool) -> None:
    job = job_state.stopping(job_state.launching(new_job(), 101), cause, 102)  # type: ignore[arg-type]
    job = job_state.stopping(job, "runtime" if cause == "user" else "user", 103)
    ended = (
        job_state.absorb(job, report(3, "Stopped", 104), 104)
        if last_word
        else job_state.lost(job, "gone", 104)
    )
    assert (ended.status, ended.secondary) == ("Stopped", secondary)


def test_a_worker_that_completes_while_being_stopped_has_completed() -> None:
    job = job_state.stopping(new_job(), "user", 102)
    ended = job_state.absorb(job, report(4, "Completed", 103), 103)
    assert (ended.status, ended.secondary) == ("Completed", "Completed")


def test_a_failure_reason_is_cut_to_what_the_api_carries() -> None:
    long = WorkerStatus(status="Failed", failure_reason="x" * 5000)
    assert len(job_state.absorb(new_job(), long, 101).failure_reason) == 1024


def test_a_transaction_that_fails_leaves_no_trace_and_a_key_is_taken_once(tmp_path: Path) -> None:
    records = Records(tmp_path / "r.sqlite")
    with pytest.raises(Taken), records.transaction():
        records.add("kind", "a", {"n": 1})
        with records.transaction():
            records.add("kind", "a", {"n": 2})
    assert records.get("kind", "a") is None
    records.close()
