"""Clean-up: finds the job through the table, does every step, may run any number of times."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.run_world import RUN_ID, World, described, execution_arn, job_request, world
from tunestep import runs, tracking
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


def _record(w: World) -> dict[str, Any]:
    found = w.files.get(RUN_ID, "record.json")
    assert found is not None
    return dict(msgspec.json.decode(found[0]))


def _status(status: str = "ABORTED", **more: Any) -> StatusEvent:
    return StatusEvent(detail={"name": RUN_ID, "status": status, **more})


def test_a_running_job_is_stopped_and_the_run_ends_with_its_error(w: World) -> None:
    request = _job(w)
    w.runs.put({"pk": f"RUN#{RUN_ID}", "sk": runs.APPROVAL, "state": "PENDING"})
    w.sagemaker_stub.add_response("describe_training_job", described(request))
    w.sagemaker_stub.add_response("stop_training_job", {}, {"TrainingJobName": request["TrainingJobName"]})
    for _ in ("for the record", "whether it has ended"):
        w.sagemaker_stub.add_response("describe_training_job", described(request, "Stopped"))
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


@pytest.mark.parametrize(
    ("status", "stops"),
    [
        ("Quarantined", True),
        ("Deleting", False),
        ("Completed", False),
        ("Failed", False),
        ("Stopped", False),
    ],
)
def test_whatever_may_still_cost_money_is_stopped(w: World, status: str, stops: bool) -> None:
    request = _job(w)
    w.sagemaker.describe_training_job = lambda **_: described(request, status)
    if stops:
        w.sagemaker_stub.add_response(
            "stop_training_job", {}, {"TrainingJobName": request["TrainingJobName"]}
        )
    error = clean_up_step(w.context, w.event(error=ERROR))
    said = f"{status}, told to stop" if stops else status
    assert error["cleaned"][0]["detail"] == f"{request['TrainingJobName']}: {said}"
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None, "nothing is left to go round in circles"
    w.done()


def test_a_request_that_no_file_can_hold_as_it_is_still_leaves_a_record(w: World) -> None:
    w.begin()
    error = clean_up_step(w.context, w.event(error=ERROR, request={"use_case": "half\ud800", "\udfff": [1]}))
    assert next(entry for entry in error["cleaned"] if entry["step"] == "write record.json")["ok"]
    assert _record(w)["request"] == {"use_case": "half?", "?": [1]}
    assert w.files.get(RUN_ID, "report.html")


@pytest.mark.parametrize(("status", "stops"), [("InProgress", True), ("Stopping", False)])
def test_a_job_that_takes_its_time_to_stop_is_come_back_to_for_its_bill(
    w: World, status: str, stops: bool
) -> None:
    request = _job(w)
    w.runs.update(f"RUN#{RUN_ID}", runs.PENDING_TRAINING, {"token": "t"})
    seen = described(request, status)
    w.sagemaker.describe_training_job = lambda **_: seen
    if stops:
        w.sagemaker_stub.add_response(
            "stop_training_job", {}, {"TrainingJobName": request["TrainingJobName"]}
        )
    clean_up_step(w.context, w.event(error=ERROR))
    assert "token" not in (w.runs.pending(RUN_ID, runs.PENDING_TRAINING) or {"token": "none is there"})
    unbilled = _record(w)
    assert "what was billed" in unbilled["gaps"][0]
    w.clock.forward(90)
    seen = described(request, "Stopped", BillableTokenCount=77, SecondaryStatus="Stopped")
    event = {"TrainingJobName": request["TrainingJobName"], "TrainingJobStatus": "Stopped"}
    clean_up_after(w.context, StatusEvent(detail=event))
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None
    made = _record(w)
    assert (made["job"]["status"], made["cost"]["billed"]["tokens"]) == ("Stopped", 77)
    assert [gap for gap in made["gaps"] if "billed" in gap] == []
    same = ("outcome", "error", "request", "execution_arn")
    assert [made[key] for key in same] == [unbilled[key] for key in same]
    assert made["timeline"][-1] == unbilled["timeline"][-1], "the run ended when it ended"
    assert "77 tokens" in (w.files.get(RUN_ID, "report.md") or (b"", ""))[0].decode()
    w.done()


@pytest.mark.parametrize("woken", [False, True])
def test_the_reconciler_settles_a_bill_whose_event_was_lost(w: World, woken: bool) -> None:
    request = _job(w)
    if woken:
        # Whoever stops a run that waits takes the pending item with its token away.
        w.runs.delete_pending(RUN_ID, runs.PENDING_TRAINING)
    seen = described(request, "Stopping")
    w.sagemaker.describe_training_job = lambda **_: seen
    clean_up_step(w.context, w.event(error=ERROR))
    clean_up_after(w.context, _status("FAILED"))
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING), "it has not ended yet"
    seen = described(request, "Stopped", BillableTokenCount=5)
    clean_up_after(w.context, _status("FAILED"))
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None
    assert _record(w)["cost"]["billed"]["tokens"] == 5


@pytest.mark.parametrize(
    "detail", [{"TrainingJobName": "unknown"}, {"TrainingJobName": 7}, {"TrainingJobName": ""}]
)
def test_the_end_of_somebody_elses_job_changes_nothing(w: World, detail: dict[str, Any]) -> None:
    _job(w)
    assert clean_up_after(w.context, StatusEvent(detail=detail))["cleaned"] == []


def test_the_end_of_a_job_whose_run_goes_on_or_succeeded_changes_nothing(w: World) -> None:
    name = _job(w)["TrainingJobName"]
    event = StatusEvent(detail={"TrainingJobName": name, "TrainingJobStatus": "Completed"})
    assert clean_up_after(w.context, event)["cleaned"] == []
    w.runs.update_run(RUN_ID, {"status": "ENDED", "outcome": "SUCCEEDED"})
    assert clean_up_after(w.context, event)["cleaned"] == []
    assert w.files.get(RUN_ID, "record.json") is None
    w.done()


def test_an_unknown_job_that_cannot_be_stopped_is_a_matter_for_a_person(w: World) -> None:
    request = _job(w)
    w.sagemaker.describe_training_job = lambda **_: described(request, "Quarantined")
    w.sagemaker_stub.add_client_error("stop_training_job", "ValidationException", "in that status?")
    error = clean_up_step(w.context, w.event(error=ERROR))
    assert error["cleaned"][0]["detail"].endswith("Quarantined, cannot be stopped")
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None


def test_a_step_that_fails_is_said_and_the_others_are_done(w: World) -> None:
    _job(w)
    w.sagemaker_stub.add_client_error("describe_training_job", "AccessDeniedException", "no")
    error = clean_up_step(w.context, w.event(error=ERROR))
    assert error["cleaned"][0]["ok"] is False
    assert (w.runs.run(RUN_ID) or {})["status"] == "ENDED"
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING), "the reconciler has to find it"


def test_a_job_that_may_still_appear_keeps_its_pending_item_until_it_cannot(w: World) -> None:
    _job(w)
    for _ in range(3):
        w.sagemaker_stub.add_client_error("describe_training_job", "ValidationException", "not found")
    clean_up_after(w.context, _status())
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING)
    w.clock.forward(tracking.LATE_JOB_SECONDS)
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
