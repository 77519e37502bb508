"""Waiting for the job: whoever sees an ended job and a token delivers, exactly once."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import msgspec
import pytest

from tests.support.run_world import RUN_ID, World, described, execution_arn, job_request, world
from tunestep import runs, tracking
from tunestep.errors import StoppedByUser
from tunestep.tracking import TrainingEvent, track_training, training_event
from tunestep.training_job import ENDING, TERMINAL


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _job(w: World) -> tuple[dict[str, Any], str]:
    plan = w.begin()
    request = job_request(plan)
    name = request["TrainingJobName"]
    w.runs.put({"pk": runs.job_pk(name), "sk": "JOB", "run_id": RUN_ID})
    w.runs.update_run(RUN_ID, {"job_name": name})
    return request, name


def _describe(w: World, request: dict[str, Any], status: str, **more: Any) -> None:
    name = request["TrainingJobName"]
    w.sagemaker_stub.add_response(
        "describe_training_job", described(request, status, **more), {"TrainingJobName": name}
    )


def _sent(w: World, output: Any) -> None:
    w.sfn_stub.add_response("send_task_success", {}, {"taskToken": "t1", "output": output})


def _event(name: object) -> TrainingEvent:
    return TrainingEvent(detail={"TrainingJobName": name, "TrainingJobStatus": "Completed"})


class Output:
    """Matches the output of SendTaskSuccess by some of its members."""

    def __init__(self, **members: Any) -> None:
        self.members, self.seen = members, ""

    def __eq__(self, other: object) -> bool:
        self.seen = str(other)
        value = msgspec.json.decode(self.seen)
        return all(value.get(key) == wanted for key, wanted in self.members.items())

    __hash__ = None  # type: ignore[assignment]


def test_a_job_that_still_runs_leaves_the_token_stored(w: World) -> None:
    request, _ = _job(w)
    _describe(w, request, "InProgress")
    track_training(w.context, w.event(token="t1", training={"wait_seconds": 60, "adopted": True}))
    item = w.runs.pending(RUN_ID, runs.PENDING_TRAINING) or {}
    assert (item["token"], item["kind"], item["wait_seconds"], item["adopted"]) == (
        "t1",
        "pending_training",
        60,
        True,
    )
    assert item["execution_arn"] == execution_arn(RUN_ID)
    w.done()


def test_a_job_that_ended_before_the_state_waited_is_answered_at_once(w: World) -> None:
    request, name = _job(w)
    _describe(w, request, "Completed")
    _sent(w, Output(job_name=name, status="Completed", adopted=True, wait_seconds=60, cause=""))
    track_training(w.context, w.event(token="t1", training={"wait_seconds": 60, "adopted": True}))
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None
    w.done()


def test_a_describe_that_fails_after_the_token_is_stored_does_not_fail_the_run(w: World) -> None:
    _job(w)
    w.sagemaker_stub.add_client_error("describe_training_job", "ThrottlingException", http_status_code=400)
    assert track_training(w.context, w.event(token="t1"))["state"] == "waiting"
    assert (w.runs.pending(RUN_ID, runs.PENDING_TRAINING) or {})["token"] == "t1"


def test_the_newest_token_wins(w: World) -> None:
    request, _ = _job(w)
    for token in ("t0", "t1"):
        _describe(w, request, "InProgress")
        track_training(w.context, w.event(token=token))
    assert (w.runs.pending(RUN_ID, runs.PENDING_TRAINING) or {})["token"] == "t1"


def test_a_stop_that_came_before_the_token_ends_the_wait(w: World) -> None:
    _job(w)
    w.runs.update_run(RUN_ID, {"status": "STOPPING", "stopped_by": "bob"})
    with pytest.raises(StoppedByUser, match="Stopped by bob"):
        track_training(w.context, w.event(token="t1"))


def test_a_repeated_event_delivers_once_and_then_finds_nobody(w: World) -> None:
    request, name = _job(w)
    _describe(w, request, "InProgress")
    track_training(w.context, w.event(token="t1"))
    _describe(w, request, "Failed", FailureReason="AlgorithmError: bad row 7")
    _sent(w, Output(status="Failed", failure_reason="AlgorithmError: bad row 7"))
    assert training_event(w.context, _event(name)) == {"state": "delivered"}
    assert training_event(w.context, _event(name)) == {"state": "nobody waits"}
    w.done()


def test_an_event_that_lies_about_the_status_changes_nothing(w: World) -> None:
    request, name = _job(w)
    for _ in range(2):
        _describe(w, request, "InProgress")
    track_training(w.context, w.event(token="t1"))
    assert training_event(w.context, _event(name)) == {"state": "waiting"}
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING)


@pytest.mark.parametrize("name", ["somebody-elses-job", "", None, 7, {"a": 1}])
def test_events_of_unknown_jobs_are_ignored(w: World, name: object) -> None:
    assert training_event(w.context, _event(name)) == {"state": "unknown"}


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_token_that_is_gone_is_forgotten(w: World, code: str) -> None:
    request, _ = _job(w)
    _describe(w, request, "Completed")
    w.sfn_stub.add_client_error("send_task_success", code)
    assert track_training(w.context, w.event(token="t1"))["state"] == "gone"
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None


def test_a_job_that_was_stopped_on_request_ends_the_run_as_stopped_by_user(w: World) -> None:
    request, name = _job(w)
    _describe(w, request, "InProgress")
    track_training(w.context, w.event(token="t1"))
    w.runs.update_run(RUN_ID, {"status": "STOPPING", "stopped_by": "bob"})
    _describe(w, request, "Stopped")
    cause = f"Stopped by bob. Run it again with `tunestep retry {RUN_ID}`."
    w.sfn_stub.add_response(
        "send_task_failure", {}, {"taskToken": "t1", "error": "StoppedByUser", "cause": cause}
    )
    assert training_event(w.context, _event(name)) == {"state": "delivered"}
    w.done()


@pytest.mark.parametrize(
    ("status", "more", "said"),
    [
        ("Completed", {}, ""),
        ("Failed", {"FailureReason": "no memory"}, "failed: no memory"),
        ("Failed", {}, "gave no reason"),
        ("Stopped", {"SecondaryStatus": "Stopped"}, "not through Tunestep"),
        ("Stopped", {"SecondaryStatus": "MaxRuntimeExceeded"}, "time limit"),
        ("Stopped", {"SecondaryStatus": "MaxWaitTimeExceeded"}, "waited for capacity"),
        ("Stopped", {"SecondaryStatus": "Interrupted"}, "interrupted"),
        ("Stopped", {"SecondaryStatus": "SomethingNew"}, "not through Tunestep"),
        ("Deleting", {}, "is being deleted"),
        ("Quarantined", {"FailureReason": "why"}, "status Quarantined"),
        ("Quarantined", {}, "SageMaker console"),
        (tracking.MISSING, {}, "does not know"),
        ("Failed", {"FailureReason": "x" * 5000}, "xxx"),
    ],
)
def test_every_end_has_a_cause_that_names_the_next_command(
    status: str, more: dict[str, str], said: str
) -> None:
    description = {"TrainingJobName": "j", "TrainingJobStatus": status, **more}
    value = tracking.training_value(description, {}, RUN_ID)
    assert value["status"] == status
    assert said in value["cause"]
    assert len(value["cause"]) <= 2048
    assert (not value["cause"]) == (status == "Completed")
    assert status == "Completed" or f"tunestep retry {RUN_ID}" in value["cause"]


SAGEMAKER = botocore.session.get_session().get_service_model("sagemaker")
STATUSES = SAGEMAKER.shape_for("TrainingJobStatus").enum
SECONDARY = SAGEMAKER.shape_for("SecondaryStatus").enum


def test_every_status_that_sagemaker_knows_is_known_here() -> None:
    assert set(STATUSES) == tracking.IN_FLIGHT | TERMINAL | ENDING


@pytest.mark.parametrize("status", [*STATUSES, "Quarantined"])
def test_every_status_is_waited_for_or_told_to_the_run(w: World, status: str) -> None:
    request, name = _job(w)
    ends = status not in ("InProgress", "Stopping")
    for secondary in (*SECONDARY, "SomethingNew", None):
        w.runs.put(
            {
                "pk": runs.run_pk(RUN_ID),
                "sk": runs.PENDING_TRAINING,
                "kind": runs.KIND_TRAINING,
                "token": "t1",
                "job_name": name,
            }
        )
        answer = described(request, status) | {"SecondaryStatus": secondary}
        w.sagemaker.describe_training_job = lambda answer=answer, **_: answer
        if ends:
            _sent(w, Output(status=status, job_name=name))
        assert training_event(w.context, _event(name)) == {"state": "delivered" if ends else "waiting"}
        assert bool(w.runs.pending(RUN_ID, runs.PENDING_TRAINING)) != ends, "nobody is asked for twice"
        w.done()
