"""A run that fails leaves as much as can still be found out, and what cannot is said."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.support.run_world import (
    REQUEST,
    RUN_ID,
    World,
    described,
    execution_arn,
    job_request,
    make_plan,
    world,
)
from tunestep import failed_run, hints
from tunestep.clean_up import StatusEvent, clean_up_after, clean_up_step
from tunestep.names import TRAINING_LOG_GROUP

ERROR = {"Error": "TrainingJobFailed", "Cause": "It broke.", "cleaned": []}


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def record(w: World, run_id: str = RUN_ID) -> dict[str, Any]:
    found = w.files.get(run_id, "record.json")
    assert found is not None
    decoded: dict[str, Any] = msgspec.json.decode(found[0])
    return decoded


def failed_job(w: World, **more: Any) -> dict[str, Any]:
    request = job_request(w.begin())
    w.runs.update_run(RUN_ID, {"job_name": request["TrainingJobName"]})
    return described(request, "Failed", **{"FailureReason": "AlgorithmError: out of memory", **more})


def write(w: World) -> dict[str, Any]:
    failed_run.write(w.context, RUN_ID, w.runs.run(RUN_ID) or {}, REQUEST, ERROR)
    return record(w)


def logged(w: World, job: str, *lines: str) -> None:
    logs = w.context.clients.logs
    logs.create_log_group(logGroupName=TRAINING_LOG_GROUP)
    for stream, said in ((f"{job}/algo-1", lines), (f"{job}-other/algo-1", ("somebody else's line",))):
        logs.create_log_stream(logGroupName=TRAINING_LOG_GROUP, logStreamName=stream)
        now = int(datetime.now(UTC).timestamp() * 1000)
        events = [{"timestamp": now + index, "message": line} for index, line in enumerate(said)]
        logs.put_log_events(logGroupName=TRAINING_LOG_GROUP, logStreamName=stream, logEvents=events)


def test_the_job_its_reason_its_bill_and_a_hint_are_in_the_record(w: World) -> None:
    job = failed_job(w, BillableTokenCount=77, OutputModelPackageArn="arn:package/1")
    w.sagemaker_stub.add_response("describe_training_job", job)
    made = write(w)
    assert (made["outcome"], made["error"]) == ("FAILED", ERROR)
    assert made["job"]["failure_reason"] == "AlgorithmError: out of memory"
    assert made["cost"]["billed"]["tokens"] == 77
    assert "global_batch_size" in made["hint"]
    assert made["model_package_arn"] == "", "a failed job may name a package as well; it is not one to use"
    html = (w.files.get(RUN_ID, "report.html") or (b"", ""))[0].decode()
    assert "out of memory" in html
    assert "global_batch_size" in html


def test_the_last_lines_of_the_jobs_own_log_are_kept_apart_from_the_record(w: World) -> None:
    job = failed_job(w)
    w.sagemaker_stub.add_response("describe_training_job", job)
    logged(
        w, job["TrainingJobName"], *[f"line {number}" for number in range(40)], "Traceback: boom" + "x" * 900
    )
    made = write(w)
    tail = (w.files.get(RUN_ID, "log_tail.txt") or (b"", ""))[0].decode().splitlines()
    assert len(tail) == failed_run.LOG_LINES
    assert tail[0] == "line 26"
    assert tail[-1].startswith("Traceback: boom")
    assert len(tail[-1]) == 300
    assert "boom" not in msgspec.json.encode(made).decode()
    assert "Traceback: boom" in (w.files.get(RUN_ID, "report.html") or (b"", ""))[0].decode()


def test_a_job_that_nobody_can_look_at_is_a_gap(w: World) -> None:
    failed_job(w)
    w.sagemaker_stub.add_client_error("describe_training_job", "AccessDeniedException", "no rights")
    made = write(w)
    assert made["job"] is None
    assert "no rights" in made["gaps"][0]


def test_a_job_that_is_still_stopping_is_a_gap_in_the_bill(w: World) -> None:
    w.sagemaker_stub.add_response("describe_training_job", failed_job(w) | {"TrainingJobStatus": "Stopping"})
    assert "had not ended" in write(w)["gaps"][0]


def test_the_machines_own_failure_path_leaves_record_and_report(w: World) -> None:
    w.begin()
    clean_up_step(w.context, w.event(error={"Error": "PlanChanged", "Cause": "Other data."}))
    made = record(w)
    assert (made["error"]["Error"], made["request"]) == ("PlanChanged", REQUEST)
    assert made["plan"]["technique"] == "SFT"
    assert w.files.get(RUN_ID, "report.html")
    assert w.files.get(RUN_ID, "report.md")


def status(name: str, **detail: Any) -> StatusEvent:
    return StatusEvent(
        detail={
            "name": name,
            "executionArn": execution_arn(name),
            "status": "FAILED",
            "error": "States.Runtime",
            "cause": "the path was not there",
            "startDate": 1_763_812_740_000,
            "input": '{"use_case": "X"}',
            **detail,
        }
    )


def test_a_machine_failure_that_ran_no_clean_up_leaves_a_record_even_of_a_console_start(w: World) -> None:
    clean_up_after(w.context, status("by-hand"))
    made = record(w, "by-hand")
    assert made["error"]["Error"] == "ServiceFault"
    assert "the path was not there" in made["error"]["Cause"]
    assert (made["request"], made["origin"]["source"]) == ({"use_case": "X"}, "console")
    assert made["origin"]["created_at"] == "2025-11-22T11:59:00Z"
    assert (w.runs.run("by-hand") or {})["status"] == "ENDED"


def test_a_record_that_could_not_be_written_is_written_when_the_event_comes(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.begin()
    with monkeypatch.context() as broken:
        broken.setattr(failed_run.outcome_files, "put_record", _denied)
        answer = clean_up_step(w.context, w.event(error={"Error": "PlanChanged", "Cause": "Other data."}))
    steps = {step["step"]: step["ok"] for step in answer["cleaned"]}
    assert steps["write record.json"] is False
    assert w.files.get(RUN_ID, "record.json") is None
    clean_up_after(w.context, status(RUN_ID, error="PlanChanged", cause="Other data."))
    assert record(w)["error"]["Error"] == "PlanChanged"
    before = w.files.get(RUN_ID, "record.json")
    w.clock.forward(60)
    clean_up_after(w.context, status(RUN_ID))
    assert w.files.get(RUN_ID, "record.json") == before


def _denied(*_: Any) -> Any:
    from tunestep.errors import ServiceFault  # noqa: PLC0415

    raise ServiceFault("S3 said no")


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("ClientError: CapacityError: insufficient capacity", "Run it again later"),
        ("Training job x waited for capacity longer than it may.", "Run it again later"),
        ("SageMaker interrupted training job x.", "Run it again later"),
        ("ResourceLimitExceeded: the account-level service limit", "Service Quotas"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory", "global_batch_size"),
        ("loss is NaN at step 12", "learning rate"),
        ("MaxRuntimeExceeded", "limits.max_runtime"),
        ("Reward Lambda timed out after 15 s", "tunestep reward test"),
        ("the evaluator answered with 500", "tunestep reward test"),
        ("AccessDenied: User is not authorized to perform s3:GetObject", "execution role"),
        ("NoSuchKey: The specified key does not exist", "tunestep plan"),
        ("KMS key is disabled, cannot decrypt", "KMS key"),
        ("EULA was not accepted", "accept it"),
        ("could not parse row 12 of train.jsonl", "tunestep data check"),
        ("InternalServerError", "Run it again"),
        ("something nobody has seen", ""),
    ],
)
def test_known_causes_have_a_hint_and_unknown_ones_none(reason: str, told: str) -> None:
    found = hints.hint("TrainingJobFailed", "Training job x failed.", reason)
    assert told in found
    assert bool(found) == bool(told)


@pytest.mark.parametrize(
    "error", ["PrerequisitesNotMet", "ApprovalDeclined", "StoppedByUser", "DuplicateRun"]
)
def test_errors_that_say_themselves_what_to_do_get_no_hint(error: str) -> None:
    assert hints.hint(error, "out of memory") == ""


def test_a_failed_run_with_metrics_keeps_them(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.test_metric_reading import Server  # noqa: PLC0415
    from tunestep import metric_reading  # noqa: PLC0415

    server = Server({"total_loss": [2.0, 1.0]})
    read = metric_reading.read
    monkeypatch.setattr(
        failed_run.metric_reading,
        "read",
        lambda context, plan, job, **options: read(context, plan, job, lambda *_: server, **options),
    )
    w.sagemaker_stub.add_response("describe_training_job", failed_job(w, MlflowDetails={"MlflowRunId": "r"}))
    made = write(w)
    assert made["metrics"]["overview"]["total_loss"]["last"] == 1.0
    assert b"total_loss,2,1.0" in (w.files.get(RUN_ID, "metrics.csv") or (b"", ""))[0]
    assert make_plan().mlflow
