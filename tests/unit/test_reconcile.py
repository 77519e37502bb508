"""The reconciler repairs what lost events left, and is idle when nothing is pending."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.run_world import RUN_ID, World, described, execution_arn, job_request, world
from tunestep import runs
from tunestep.reconcile import reconcile


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _execution(w: World, status: str, run_id: str = RUN_ID) -> None:
    arn = execution_arn(run_id)
    w.sfn_stub.add_response(
        "describe_execution",
        {
            "executionArn": arn,
            "stateMachineArn": w.context.env.machine_arn,
            "name": run_id,
            "status": status,
            "startDate": w.clock(),
        },
        {"executionArn": arn},
    )


def _waiting(w: World, run_id: str = RUN_ID, *, waiter: str | None = "t1") -> dict[str, Any]:
    request = job_request(w.begin(run_id=run_id), run_id)
    name = request["TrainingJobName"]
    w.runs.put({"pk": runs.job_pk(name), "sk": "JOB", "run_id": run_id})
    w.runs.update_run(run_id, {"job_name": name})
    w.runs.put(
        {
            "pk": f"RUN#{run_id}",
            "sk": runs.PENDING_TRAINING,
            "kind": runs.KIND_TRAINING,
            "token": waiter,
            "job_name": name,
            "execution_arn": execution_arn(run_id),
            "created_at": w.context.timestamp(),
        }
    )
    return request


def test_nothing_pending_costs_four_queries_and_nothing_else(w: World) -> None:
    w.begin()
    calls: list[str] = []
    w.dynamodb.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    assert reconcile(w.context) == {"looked_at": 0, "states": {}, "failed": []}
    assert calls == ["Query"] * 4


def test_a_lost_event_is_made_up_for(w: World) -> None:
    request = _waiting(w)
    _execution(w, "RUNNING")
    w.sagemaker_stub.add_response("describe_training_job", described(request, "Completed"))
    w.sfn_stub.add_response("send_task_success", {})
    assert reconcile(w.context)["states"] == {"delivered": 1}
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None
    w.done()


def test_a_running_job_is_left_alone(w: World) -> None:
    request = _waiting(w)
    _execution(w, "RUNNING")
    w.sagemaker_stub.add_response("describe_training_job", described(request))
    assert reconcile(w.context)["states"] == {"waiting": 1}


def test_a_job_whose_execution_is_gone_is_stopped(w: World) -> None:
    request = _waiting(w)
    _execution(w, "ABORTED")
    w.sagemaker_stub.add_response("describe_training_job", described(request))
    w.sagemaker_stub.add_response("stop_training_job", {})
    assert reconcile(w.context)["states"] == {"cleaned up": 1}
    assert (w.runs.run(RUN_ID) or {})["status"] == "ENDED"
    w.done()


def test_an_execution_that_does_not_exist_counts_as_gone(w: World) -> None:
    request = _waiting(w)
    w.sfn_stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
    w.sagemaker_stub.add_response("describe_training_job", described(request, "Completed"))
    assert reconcile(w.context)["states"] == {"cleaned up": 1}


@pytest.mark.parametrize(("age", "state"), [(60, "missing"), (901, "delivered")])
def test_a_job_that_nobody_knows_ends_the_wait_after_a_while(w: World, age: int, state: str) -> None:
    _waiting(w)
    w.clock.forward(age)
    _execution(w, "RUNNING")
    w.sagemaker_stub.add_client_error("describe_training_job", "ValidationException", "not found")
    if state == "delivered":
        w.sfn_stub.add_response("send_task_success", {})
    assert reconcile(w.context)["states"] == {state: 1}
    w.done()


def test_a_start_in_flight_is_not_disturbed(w: World) -> None:
    _waiting(w, waiter=None)
    _execution(w, "RUNNING")
    assert reconcile(w.context)["states"] == {"starting": 1}


def _begun(w: World) -> None:
    w.begin()
    arn = w.context.execution_arn(RUN_ID)
    w.runs.put(runs.pending_run(RUN_ID, arn, w.context.timestamp()))


def test_a_run_that_ended_between_two_waits_with_its_event_lost_is_ended(w: World) -> None:
    _begun(w)
    _execution(w, "ABORTED")
    assert reconcile(w.context)["states"] == {"cleaned up": 1}
    run = w.runs.run(RUN_ID) or {}
    assert (run["status"], run["outcome"]) == ("ENDED", "FAILED")
    assert reconcile(w.context)["looked_at"] == 0


@pytest.mark.parametrize(
    ("status", "state", "left"), [("RUNNING", "running", 1), ("SUCCEEDED", "cleared", 0)]
)
def test_a_run_is_looked_after_until_it_is_over(w: World, status: str, state: str, left: int) -> None:
    _begun(w)
    _execution(w, status)
    assert reconcile(w.context)["states"] == {state: 1}
    assert len(list(w.runs.by_kind("pending_run"))) == left
    assert (w.runs.run(RUN_ID) or {})["status"] == "STARTED"


def test_a_name_that_was_given_back_is_not_looked_after_for_ever(w: World) -> None:
    arn = w.context.execution_arn(RUN_ID)
    w.runs.put(runs.pending_run(RUN_ID, arn, w.context.timestamp()))
    _execution(w, "FAILED")
    assert reconcile(w.context)["states"] == {"cleaned up": 1}
    assert list(w.runs.by_kind("pending_run")) == []


def test_a_stored_decision_that_was_not_delivered_is_delivered(w: World) -> None:
    w.begin()
    key = {"pk": f"RUN#{RUN_ID}", "created_at": w.context.timestamp()}
    w.runs.put({**key, "sk": runs.APPROVAL, "state": "APPROVED", "actor": "ann", "delivered": False})
    pending = {"sk": runs.PENDING_APPROVAL, "kind": runs.KIND_APPROVAL, "token": "t"}
    w.runs.put({**key, **pending, "execution_arn": execution_arn(RUN_ID)})
    _execution(w, "RUNNING")
    w.sfn_stub.add_response("send_task_success", {})
    assert reconcile(w.context)["states"] == {"delivered": 1}
    assert (w.runs.approval(RUN_ID) or {})["delivered"] is True


def test_a_run_that_waits_is_asked_about_once_a_turn(w: World) -> None:
    """The wait and the run are two pending items of one execution; a second question has no answer here."""
    for _ in range(2):
        request = _waiting(w)
        w.runs.put(runs.pending_run(RUN_ID, w.context.execution_arn(RUN_ID), w.context.timestamp()))
        _execution(w, "RUNNING")
        w.sagemaker_stub.add_response("describe_training_job", described(request))
        assert reconcile(w.context) == {
            "looked_at": 2,
            "states": {"waiting": 1, "running": 1},
            "failed": [],
        }
        w.done()


def test_one_runs_failure_never_keeps_the_others_waiting(w: World) -> None:
    _waiting(w)
    w.clock.forward(1)
    request = _waiting(w, "other-1")
    w.sfn_stub.add_client_error("describe_execution", "AccessDeniedException")
    _execution(w, "RUNNING", "other-1")
    w.sagemaker_stub.add_response("describe_training_job", described(request, "Completed"))
    w.sfn_stub.add_response("send_task_success", {})
    assert reconcile(w.context) == {"looked_at": 2, "states": {"delivered": 1}, "failed": [RUN_ID]}


def test_a_stop_that_was_cut_off_is_finished(w: World) -> None:
    w.begin(status="STOPPING", stopped_by="bob")
    key = {"pk": f"RUN#{RUN_ID}", "created_at": w.context.timestamp()}
    stop = {"sk": runs.PENDING_STOP, "kind": runs.KIND_STOP, "execution_arn": execution_arn(RUN_ID)}
    w.runs.put({**key, **stop})
    assert reconcile(w.context)["states"] == {"stopping": 1}
    w.clock.forward(301)
    _execution(w, "ABORTED")
    w.sagemaker_stub.add_client_error("describe_training_job", "ValidationException", "not found")
    assert reconcile(w.context)["states"] == {"cleaned up": 1}
    run = w.runs.run(RUN_ID) or {}
    assert (run["status"], run["error"]) == ("ENDED", "StoppedByUser")
    assert reconcile(w.context)["looked_at"] == 0
