"""Runs that end otherwise (declined, expired, stopped, aborted, failed), what they leave, and retries."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.laptop import LLAMA, Laptop, line_with, sft_rows, until

ENDED = ("Completed", "Failed", "Stopped")


def check_nothing_runs(laptop: Laptop, run_id: str) -> None:
    """Neither the job, nor its worker, nor a pending token of the run is alive."""
    job = laptop.job(run_id)
    if job:
        until(lambda: laptop.job(run_id)["TrainingJobStatus"], lambda status: status in ENDED)
        until(lambda: job["TrainingJobName"] not in laptop.workers())
    until(lambda: not [key for key in laptop.pending() if f"RUN#{run_id} " in key])
    assert laptop.item(run_id)["status"] == "ENDED"


def failure(laptop: Laptop, run_id: str) -> tuple[str, str]:
    ended = laptop.ended(run_id)
    assert ended["status"] == "FAILED", ended
    return ended["error"], ended["cause"]


def gated(laptop: Laptop, name: str, **fields: Any) -> str:
    """A run that waits for a decision."""
    run_id = laptop.start(laptop.request(name, base_model=LLAMA, **fields))
    laptop.waits_in(run_id, "AwaitApproval")
    return run_id


# A person says no, or nothing


def test_declined_creates_nothing(laptop: Laptop) -> None:
    jobs, groups = laptop.jobs(), laptop.groups()
    run_id = gated(laptop, "declined")
    assert "--reason" in laptop("decline", run_id, "--local", code=2).stderr
    laptop("decline", run_id, "--local", "--reason", "not this licence")
    error, cause = failure(laptop, run_id)
    assert error == "ApprovalDeclined"
    assert 'tester declined: "not this licence" Nothing was created.' in cause
    assert f"tunestep retry {run_id}" in cause
    assert (laptop.jobs(), laptop.groups()) == (jobs, groups)
    assert not {"RegisterEvaluator", "PrepareRegistry", "StartTraining"} & set(laptop.states(run_id))
    again = laptop("approve", run_id, "--local", code=1)
    assert "DECLINED by tester" in again.stdout
    check_nothing_runs(laptop, run_id)


@pytest.mark.slow
def test_a_retry_of_a_declined_run_asks_again(laptop: Laptop) -> None:
    first = gated(laptop, "declined-again")
    laptop("decline", first, "--local", "--reason", "later")
    failure(laptop, first)
    second = str(laptop.json("retry", first, "--local", "--detach")["run_id"])
    laptop.waits_in(second, "AwaitApproval")
    assert laptop.item(second)["attempt"] == "2"
    laptop("stop", second, "--local")


@pytest.mark.slow
def test_a_decision_after_the_time_is_refused_and_the_timeout_ends_the_run(laptop: Laptop) -> None:
    jobs = laptop.jobs()
    run_id = gated(laptop, "expired", approval={"timeout": "1m"})
    # A minute is the shortest time that a request may ask for: this is how it looks once it is over.
    laptop.client("dynamodb").update_item(
        TableName="tunestep-runs",
        Key={"pk": {"S": f"RUN#{run_id}"}, "sk": {"S": "APPROVAL"}},
        UpdateExpression="SET expires_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    late = laptop("approve", run_id, "--local", code=1)
    assert "ApprovalExpired" in late.stderr
    # The reconciler would close the question now. Where it does not, the state's own time-out comes fifteen
    # minutes later: this is what it sends.
    token = laptop.item(run_id, "PENDING#approval")["token"]
    laptop.client("stepfunctions").send_task_failure(taskToken=token, error="States.Timeout", cause="")
    error, cause = failure(laptop, run_id)
    assert error == "ApprovalExpired"
    assert "tunestep retry" in cause
    assert laptop.item(run_id, "APPROVAL")["state"] == "EXPIRED"
    assert laptop.jobs() == jobs
    check_nothing_runs(laptop, run_id)


# Stopping


def test_stop_ends_the_job_and_the_run(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("stopped"))
    laptop.trains(run_id)
    answer = laptop("stop", run_id, "--local")
    assert "StoppedByUser" in answer.stdout
    error, cause = failure(laptop, run_id)
    assert error == "StoppedByUser"
    assert "Stopped by tester" in cause
    check_nothing_runs(laptop, run_id)
    assert laptop.job(run_id)["TrainingJobStatus"] == "Stopped"
    assert laptop.job(run_id)["ModelArtifacts"]["S3ModelArtifacts"]
    again = laptop("stop", run_id, "--local")
    assert "ended: FAILED StoppedByUser" in again.stdout


@pytest.mark.slow
def test_stop_at_the_approval_creates_nothing(laptop: Laptop) -> None:
    jobs = laptop.jobs()
    run_id = gated(laptop, "stopped-asking")
    laptop("stop", run_id, "--local")
    assert failure(laptop, run_id)[0] == "StoppedByUser"
    assert laptop.jobs() == jobs
    late = laptop("approve", run_id, "--local", code=1)
    assert "over" in late.stderr
    check_nothing_runs(laptop, run_id)


@pytest.mark.slow
def test_stop_right_after_the_start_leaves_nothing_running(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("stopped-early"))
    laptop("stop", run_id, "--local")
    error, _ = failure_or_abort(laptop, run_id)
    assert error == "StoppedByUser"
    check_nothing_runs(laptop, run_id)


def failure_or_abort(laptop: Laptop, run_id: str) -> tuple[str, str]:
    ended = laptop.ended(run_id)
    assert ended["status"] in {"FAILED", "ABORTED"}, ended
    return ended["error"], ended.get("cause", "")


def follow_until_training(laptop: Laptop, request: str) -> tuple[subprocess.Popen[str], str]:
    """`tunestep run` in the foreground, once its job trains; and the run's id."""
    process = laptop.popen("run", request, "--local")
    assert process.stdout is not None
    first = re.fullmatch(r"run (\S+)\n", process.stdout.readline())
    assert first is not None
    laptop.trains(first[1])
    return process, first[1]


def test_ctrl_c_stops_the_run_waits_for_the_clean_up_and_says_so(laptop: Laptop) -> None:
    process, run_id = follow_until_training(laptop, laptop.long_request("interrupted"))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert f"Stopping {run_id}" in err
    assert "Stopped and cleaned up." in err
    assert f"tunestep retry {run_id} --local" in out
    assert "Traceback" not in out + err
    assert failure(laptop, run_id)[0] == "StoppedByUser"
    check_nothing_runs(laptop, run_id)


@pytest.mark.slow
def test_a_second_ctrl_c_leaves_and_says_how_to_come_back(laptop: Laptop) -> None:
    process, run_id = follow_until_training(laptop, laptop.long_request("interrupted-twice"))
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    line_with(process.stderr, "Ctrl-C again")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode == 130
    assert f"tunestep watch {run_id} --local" in err
    laptop("stop", run_id, "--local")
    check_nothing_runs(laptop, run_id)


@pytest.mark.slow
def test_watch_leaves_the_run_alone(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("watched"))
    laptop.trains(run_id)
    process = laptop.popen("watch", run_id, "--local")
    assert process.stdout is not None
    line_with(process.stdout, "Training")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"Left running. Come back: tunestep watch {run_id} --local" in err
    assert laptop.execution(run_id)["status"] == "RUNNING"
    laptop("stop", run_id, "--local")
    check_nothing_runs(laptop, run_id)


@pytest.mark.slow
def test_an_execution_aborted_from_outside_is_cleaned_up_by_the_rule(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("aborted"))
    laptop.trains(run_id)
    laptop.client("stepfunctions").stop_execution(executionArn=laptop.execution_arn(run_id))
    assert laptop.execution(run_id)["status"] == "ABORTED"
    check_nothing_runs(laptop, run_id)
    assert laptop.job(run_id)["TrainingJobStatus"] == "Stopped"
    assert laptop.run_file(run_id, "error.json")["Error"] == "StoppedByUser"
    assert f"tunestep retry {run_id}" in laptop("status", run_id, "--local").stdout


@pytest.mark.slow
def test_a_job_stopped_outside_ends_the_run_as_such(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("job-stopped"))
    name = laptop.trains(run_id)["TrainingJobName"]
    laptop.client("sagemaker").stop_training_job(TrainingJobName=name)
    error, cause = failure(laptop, run_id)
    assert error == "TrainingJobStopped"
    assert "not through Tunestep" in cause
    check_nothing_runs(laptop, run_id)


@pytest.mark.slow
def test_a_job_that_reaches_its_time_limit_says_which_limit(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("too-long", limits={"max_runtime": "1s"}))
    error, cause = failure(laptop, run_id)
    assert error == "TrainingJobStopped"
    assert "limits.max_runtime" in cause
    check_nothing_runs(laptop, run_id)


# Failing


@pytest.mark.slow
def test_a_dead_worker_fails_the_run_with_a_reason(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("killed"))
    name = laptop.trains(run_id)["TrainingJobName"]
    os.kill(laptop.workers()[name], signal.SIGKILL)
    error, cause = failure(laptop, run_id)
    assert error == "TrainingJobFailed"
    assert "ended without a result" in cause
    assert f"tunestep retry {run_id}" in cause
    check_nothing_runs(laptop, run_id)


@pytest.mark.parametrize("good", [0, 600])
def test_a_bad_row_ends_the_run_before_a_job_is_made(laptop: Laptop, good: int) -> None:
    jobs = laptop.jobs()
    rows = [*sft_rows(good), {"prompt": "not to be quoted"}]
    run = laptop("run", laptop.request(f"bad-row-{good}", rows), "--local", code=1)
    assert "PrerequisitesNotMet" in run.stdout
    assert re.search(rf"bad-row-{good}\.jsonl line {good + 1}\b", run.stdout), run.stdout
    assert "not to be quoted" not in run.stdout
    assert laptop.jobs() == jobs


# Running again


@pytest.mark.slow
def test_a_retry_trains_again_when_the_job_failed(laptop: Laptop) -> None:
    first = laptop.start(laptop.request("retried", sft_rows(150), hyperparameters={"max_epochs": 10}))
    name = laptop.trains(first)["TrainingJobName"]
    os.kill(laptop.workers()[name], signal.SIGKILL)
    failure(laptop, first)
    again = laptop("retry", first, "--local")
    assert "SUCCEEDED" in again.stdout
    second = first.removesuffix("1") + "2"
    assert laptop.item(second)["retry_of"] == first
    assert laptop.job(second)["TrainingJobName"] != name


def test_a_retry_of_a_running_run_is_refused(laptop: Laptop) -> None:
    run_id = gated(laptop, "retried-early")
    assert "still running" in laptop("retry", run_id, "--local", code=2).stderr
    laptop("stop", run_id, "--local")


@pytest.mark.slow
def test_a_retry_adopts_the_job_that_had_completed(laptop: Laptop) -> None:
    first = laptop.start(laptop.request("adopted", sft_rows(60), hyperparameters={"max_epochs": 10}))
    laptop.trains(first)
    # CollectResults finds another plan than the one that was checked, after the job has completed.
    key = f"runs/{first}/plan.json"
    s3 = laptop.client("s3")
    good = s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=laptop.bucket, Key=key, Body=good.replace(b"{", b"{ ", 1))
    assert failure(laptop, first)[0] == "PlanChanged"
    assert laptop.job(first)["TrainingJobStatus"] == "Completed"
    s3.put_object(Bucket=laptop.bucket, Key=key, Body=good)
    jobs = laptop.jobs()
    second = str(laptop.json("retry", first, "--local", "--detach")["run_id"])
    assert laptop.ended(second)["status"] == "SUCCEEDED"
    assert laptop.jobs() == jobs
    record = laptop.run_file(second, "record.json")
    assert record["training"]["adopted"] is True
    assert record["results"]["summary"]["job_name"] == laptop.job(first)["TrainingJobName"]
    assert record["results"]["model_package_arn"]


@pytest.mark.slow
def test_a_retry_of_an_approved_run_needs_no_second_decision(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    first = gated(
        laptop,
        "approved-once",
        rows=sft_rows(150),
        hyperparameters={"max_epochs": 10},
        approval={"require": "licence"},
    )
    laptop("approve", first, "--local")
    name = laptop.trains(first)["TrainingJobName"]
    os.kill(laptop.workers()[name], signal.SIGKILL)
    assert failure(laptop, first)[0] == "TrainingJobFailed"
    second = str(laptop.json("retry", first, "--local", "--detach")["run_id"])
    assert laptop.ended(second)["status"] == "SUCCEEDED"
    assert laptop.run_file(second, "record.json")["approval"]["decided_in_run"] == first


@pytest.mark.parametrize("command", ["status", "watch", "results"])
def test_the_commands_tell_a_failed_run_by_its_error(laptop: Laptop, command: str) -> None:
    run_id = laptop.start(laptop.request("told", [{"question": "?"}]))
    failure(laptop, run_id)
    answer = laptop(command, run_id, "--local", code=0 if command == "status" else 1)
    told = answer.stdout + answer.stderr
    assert "PrerequisitesNotMet" in told
    assert "mend the request" in told
