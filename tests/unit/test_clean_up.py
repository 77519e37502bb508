"""Clean-up: finds the job through the table, does every step, may run any number of times."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.run_world import RUN_ID, World, described, execution_arn, job_request, world
from tunestep import runs
from tunestep.clean_up import StatusEvent, clean_up_after, clean_up_step
from tunestep.names import TAG_RUN


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


ERROR = {"Error": "TrainingJobFailed", "Cause": "It failed."}


def _job(w: World) -> dict[str, Any]:
    request = job_request(w.begin())
    name = request["TrainingJobName"]
    w.runs.put({"pk": runs.job_pk(name), "sk": "JOB", "run_id": RUN_ID})
    w.runs.update_run(RUN_ID, {"job_name": name})
    item = {"pk": f"RUN#{RUN_ID}", "sk": runs.PENDING_TRAINING, "kind": runs.KIND_TRAINING, "job_name": name}
    w.runs.put({**item, "created_at": w.context.timestamp(), "started_epoch": w.context.epoch()})
    return request


def _status(status: str = "ABORTED", **more: Any) -> StatusEvent:
    return StatusEvent(detail={"name": RUN_ID, "status": status, **more})


def test_a_running_job_is_stopped_and_the_run_ends_with_its_error(w: World) -> None:
    request = _job(w)
    w.runs.put({"pk": f"RUN#{RUN_ID}", "sk": runs.APPROVAL, "state": "PENDING"})
    w.sagemaker_stub.add_response("describe_training_job", described(request))
    w.sagemaker_stub.add_response("stop_training_job", {}, {"TrainingJobName": request["TrainingJobName"]})
    error = clean_up_step(w.context, w.event(error=ERROR))
    assert error["Error"] == "TrainingJobFailed"
    assert all(entry["ok"] for entry in error["cleaned"])
    run = w.runs.run(RUN_ID) or {}
    assert (run["status"], run["outcome"], run["error"]) == ("ENDED", "FAILED", "TrainingJobFailed")
    assert (w.runs.approval(RUN_ID) or {})["state"] == "EXPIRED"
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None
    record = msgspec.json.decode((w.files.get(RUN_ID, "record.json") or (b"{}", ""))[0])
    assert (record["outcome"], record["error"]["Error"]) == ("FAILED", "TrainingJobFailed")
    assert record["plan"]["technique"] == "SFT"
    w.done()


def test_it_never_stops_the_job_that_the_document_names(w: World) -> None:
    w.begin()
    w.sagemaker_stub.add_client_error(
        "describe_training_job", "ValidationException", "Requested resource not found."
    )
    clean_up_step(w.context, w.event(error=ERROR, training={"job_name": "somebody-elses-job"}))
    w.done()


def test_a_job_that_was_never_written_down_is_found_by_its_name_and_tag(w: World) -> None:
    request = job_request(w.begin())
    name = {"TrainingJobName": request["TrainingJobName"]}
    w.sagemaker_stub.add_response("describe_training_job", described(request), name)
    w.sagemaker_stub.add_response("list_tags", {"Tags": [{"Key": TAG_RUN, "Value": RUN_ID}]})
    w.sagemaker_stub.add_response("describe_training_job", described(request), name)
    w.sagemaker_stub.add_response("stop_training_job", {}, name)
    clean_up_after(w.context, _status())
    w.done()


def test_an_adopted_job_of_an_earlier_attempt_is_left_alone(w: World) -> None:
    w.begin()
    w.runs.put({"pk": runs.job_pk("old"), "sk": "JOB", "run_id": "earlier"})
    w.runs.update_run(RUN_ID, {"job_name": "old"})
    clean_up_after(w.context, _status())
    w.done()


def test_a_job_that_ends_while_it_is_stopped_is_a_success(w: World) -> None:
    request = _job(w)
    w.sagemaker_stub.add_response("describe_training_job", described(request))
    w.sagemaker_stub.add_client_error("stop_training_job", "ValidationException", "status Completed")
    error = clean_up_step(w.context, w.event(error=ERROR))
    assert error["cleaned"][0] == {
        "step": "stop the training job",
        "ok": True,
        "detail": f"{request['TrainingJobName']}: had just ended",
    }


def test_a_step_that_fails_is_said_and_the_others_are_done(w: World) -> None:
    _job(w)
    w.sagemaker_stub.add_client_error("describe_training_job", "AccessDeniedException", "no")
    error = clean_up_step(w.context, w.event(error=ERROR))
    assert error["cleaned"][0]["ok"] is False
    assert (w.runs.run(RUN_ID) or {})["status"] == "ENDED"
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING), "the reconciler has to find it"


def test_a_job_that_may_still_appear_keeps_its_pending_item_for_an_hour(w: World) -> None:
    _job(w)
    for _ in range(2):
        w.sagemaker_stub.add_client_error("describe_training_job", "ValidationException", "not found")
    clean_up_after(w.context, _status())
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING)
    w.clock.forward(3601)
    clean_up_after(w.context, _status())
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None


def test_the_event_after_the_machines_own_clean_up_keeps_the_first_error(w: World) -> None:
    request = _job(w)
    for _ in range(2):
        w.sagemaker_stub.add_response("describe_training_job", described(request, "Failed"))
    clean_up_step(w.context, w.event(error=ERROR))
    before = w.files.get(RUN_ID, "error.json")
    again = clean_up_after(w.context, _status("FAILED", error="TrainingJobFailed", cause="other"))
    assert again["Error"] == "TrainingJobFailed"
    assert again["Cause"].startswith("It failed.")
    assert w.files.get(RUN_ID, "error.json") == before


def test_an_aborted_run_that_was_being_stopped_says_by_whom(w: World) -> None:
    request = _job(w)
    w.runs.update_run(RUN_ID, {"status": "STOPPING", "stopped_by": "bob"})
    w.sagemaker_stub.add_response("describe_training_job", described(request, "Stopping"))
    error = clean_up_after(w.context, _status())
    assert (error["Error"], "bob" in error["Cause"]) == ("StoppedByUser", True)


def test_a_run_that_failed_before_it_was_written_down_is_listed_afterwards(w: World) -> None:
    error = clean_up_step(w.context, w.event(error={"Error": "ServiceFault", "Cause": "x"}))
    assert error["Error"] == "ServiceFault"
    run = w.runs.run(RUN_ID) or {}
    assert (run["status"], run["source"], run["execution_arn"]) == (
        "ENDED",
        "console",
        execution_arn(RUN_ID),
    )


@pytest.mark.parametrize("detail", [{}, {"name": ""}, {"name": "unknown", "status": "ABORTED"}])
def test_events_of_unknown_executions_change_nothing(w: World, detail: dict[str, str]) -> None:
    assert clean_up_after(w.context, StatusEvent(detail=detail))["detail"] == "no such run"
    w.done()
