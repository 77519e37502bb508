"""Checks that train, and so cost: two tiny runs through the machine, and what SageMaker says of them."""

import json
import math
from typing import Any

from botocore.exceptions import ClientError

from tunestep import names
from tunestep.checks.calls import ask
from tunestep.metrics import MetricsUnavailable, Point
from tunestep.operate.probe import making
from tunestep.operate.probe.looking import mlflow_reader
from tunestep.operate.probe.trial import Outcome, Trial, confirmed, not_tried, refuted

STATE_CHANGE = "SageMaker Training Job State Change"
_POLL_SECONDS, _LAPTOP_POLL_SECONDS = 15.0, 0.2
_EVENT_SECONDS, _LAPTOP_EVENT_SECONDS = 300.0, 10.0
"""How long an event may come after the job's end; the reconciler looks after five minutes."""


def accepted(trial: Trial) -> Outcome:
    """CreateTrainingJob takes the request: the run has a job."""
    if "plan" not in trial.known:
        return not_tried("the request could not be planned")
    _listen(trial)
    run_id = _start(trial, "SFT")
    job = _job_of(trial, run_id)
    if job is None:
        ended = _execution(trial, run_id)
        return refuted(f"no job was started: {ended.get('error')}: {str(ended.get('cause'))[:600]}")
    trial.known["run"], trial.known["job"] = run_id, job
    return confirmed(f"job {job} was taken; the run is {run_id}")


def _start(trial: Trial, technique: str) -> str:
    """Start a tiny run as the console does; it is stopped in the end if it still runs."""
    run_id = f"tunestep-{trial.mark}-{technique.lower()}"
    states, machine = trial.clients.stepfunctions, trial.stack.machine
    if technique != "SFT":
        making.upload(trial, technique)
    trial.undo_later("delete the packages of the probe's runs", lambda: _delete_packages(trial))
    trial.undo_later(f"stop {run_id}", lambda: _stop(trial, run_id))
    states.start_execution(
        stateMachineArn=machine, name=run_id, input=json.dumps(making.request(trial, technique))
    )
    return run_id


def _stop(trial: Trial, run_id: str) -> None:
    if _execution(trial, run_id).get("status") != "RUNNING":
        return
    body, failed = trial.call("stop", json.dumps({"run": run_id, "actor": "tunestep probe"}).encode())
    if failed:
        raise RuntimeError(f"{run_id} may still run: {body[:300]!r}")
    _wait(trial, lambda: _execution(trial, run_id).get("status") != "RUNNING", 300)


def _delete_packages(trial: Trial) -> None:
    sagemaker, group = trial.clients.sagemaker, f"tunestep-{trial.mark}"
    try:
        listed = sagemaker.list_model_packages(ModelPackageGroupName=group, MaxResults=100)
        for package in listed["ModelPackageSummaryList"]:
            sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    except ClientError as fault:
        # A run that got nowhere made no group.
        if "not exist" not in str(fault) and "NotFound" not in str(fault):
            raise


def _execution(trial: Trial, run_id: str) -> dict[str, Any]:
    stack = trial.stack
    arn = names.execution_arn(stack.name, stack.account, stack.region, run_id, stack.partition)
    try:
        found: dict[str, Any] = trial.clients.stepfunctions.describe_execution(executionArn=arn)
    except ClientError as fault:
        if "ExecutionDoesNotExist" in str(fault):
            return {}
        raise
    return found


def _job_of(trial: Trial, run_id: str) -> str | None:
    """The run's training job once there is one; None when the run ends without, or waits for too long."""
    key = {"pk": {"S": f"RUN#{run_id}"}, "sk": {"S": "RUN"}}
    table = names.table_name(trial.stack.name)
    found: list[str] = []

    def looked() -> bool:
        over = _execution(trial, run_id).get("status") != "RUNNING"
        item = trial.clients.dynamodb.get_item(TableName=table, Key=key).get("Item", {})
        # The name is written down before the job is asked for.
        job = item.get("job_name", {}).get("S", "")
        if job and not ask(trial.clients.sagemaker.describe_training_job, TrainingJobName=job).problem:
            found.append(job)
        return bool(found) or over

    _wait(trial, looked, trial.max_wait_seconds)
    return found[0] if found else None


def _wait(trial: Trial, holds: Any, seconds: float) -> bool:
    """Look again until it holds or the time is over."""
    end = trial.clock() + seconds
    while not holds():
        if trial.clock() > end:
            return False
        trial.sleep(_LAPTOP_POLL_SECONDS if trial.stack.laptop else _POLL_SECONDS)
    return True


def _listen(trial: Trial) -> None:
    """A queue of the probe's own that is sent what SageMaker says of training jobs."""
    name = f"{trial.stack.name}-{trial.mark}"
    sqs, events = trial.clients.other("sqs"), trial.clients.other("events")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    trial.undo_later(f"delete queue {name}", lambda: sqs.delete_queue(QueueUrl=url))
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.sagemaker"], "detail-type": [STATE_CHANGE]}
    rule = events.put_rule(Name=name, EventPattern=json.dumps(pattern))["RuleArn"]

    def forget() -> None:
        events.remove_targets(Rule=name, Ids=["probe"])
        events.delete_rule(Name=name)

    trial.undo_later(f"delete rule {name}", forget)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_targets(Rule=name, Targets=[{"Id": "probe", "Arn": arn}])
    trial.known["queue"] = url


def completed(trial: Trial) -> Outcome:
    """The job ends as Completed, says what it used, and names its package."""
    if "job" not in trial.known:
        return not_tried("there is no job")
    run_id, job = trial.known["run"], trial.known["job"]
    if not _wait(trial, lambda: _execution(trial, run_id)["status"] != "RUNNING", trial.max_wait_seconds):
        return refuted(f"the run did not end within {trial.max_wait_seconds:.0f} s")
    found = trial.clients.sagemaker.describe_training_job(TrainingJobName=job)
    trial.known["described"] = found
    if found["TrainingJobStatus"] != "Completed":
        return refuted(f"it is {found['TrainingJobStatus']}: {found.get('FailureReason', '')[:400]}")
    missing = [name for name in ("OutputModelPackageArn",) if not found.get(name)]
    used = {name: found[name] for name in ("BillableTokenCount", "BillableTimeInSeconds") if name in found}
    if missing or not used:
        return refuted(f"a completed job has no {', '.join(missing) or 'billable tokens or seconds'}")
    status = _execution(trial, run_id)["status"]
    return confirmed(f"it used {json.dumps(used)}; the run is {status}")


def event_seen(trial: Trial) -> Outcome:
    """The event of the job's end comes, with the members that the rules match on."""
    if "described" not in trial.known:
        return not_tried("there is no job that ended")
    sqs, url, job = trial.clients.other("sqs"), trial.known["queue"], trial.known["job"]
    seen: list[dict[str, Any]] = []

    def ended() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            event = json.loads(message["Body"])
            if event.get("detail", {}).get("TrainingJobName") == job:
                seen.append(event)
        return any(event["detail"].get("TrainingJobStatus") == "Completed" for event in seen)

    patience = _LAPTOP_EVENT_SECONDS if trial.stack.laptop else _EVENT_SECONDS
    if not _wait(trial, ended, patience):
        return refuted(f"{len(seen)} events came, and none that says Completed")
    states = [
        event["detail"].get("SecondaryStatus") or event["detail"]["TrainingJobStatus"] for event in seen
    ]
    return confirmed(f"{len(seen)} events came: {', '.join(map(str, states))[:200]}")


def package(trial: Trial) -> Outcome:
    """The package names its base model, from which a later run goes on."""
    arn = trial.known.get("described", {}).get("OutputModelPackageArn")
    if not arn:
        return not_tried("there is no package")
    found = trial.clients.sagemaker.describe_model_package(ModelPackageName=arn)
    containers = found.get("InferenceSpecification", {}).get("Containers") or [{}]
    base = containers[0].get("BaseModel") or {}
    if base.get("HubContentName") != trial.model:
        return refuted(f"its base model is {json.dumps(base)}, not {trial.model}")
    return confirmed(
        f"{base['HubContentName']} {base.get('HubContentVersion')}, {found['ModelPackageStatus']}"
    )


def metrics(trial: Trial) -> Outcome:
    """The job's MLflow run has a finite loss by step."""
    described = trial.known.get("described", {})
    app = described.get("MlflowConfig", {}).get("MlflowResourceArn")
    if not described or not app:
        return not_tried("the job has no MLflow app")
    run = described.get("MlflowDetails", {}).get("MlflowRunId")
    if not run:
        return refuted("the job names no MLflow run")
    try:
        found = _series(trial, app, run, "loss")
    except MetricsUnavailable as fault:
        return refuted(str(fault))
    if not found:
        return refuted("its run has no metric with 'loss' in its name")
    if not all(math.isfinite(point.value) for points in found.values() for point in points):
        return refuted(f"a loss is not finite: {', '.join(found)}")
    return confirmed(", ".join(f"{name}: {len(points)} points" for name, points in found.items()))


def _series(trial: Trial, app: str, run: str, part: str) -> dict[str, list[Point]]:
    """Histories of the run's metrics with this in their name."""
    reader = mlflow_reader(trial, app)
    known = [str(one["key"]) for one in reader.run(run).get("data", {}).get("metrics", [])]
    return {name: reader.history(run, name) for name in known if part in name.lower()}


def rewarded(trial: Trial) -> Outcome:
    """The service calls the deployed reward while it trains, and takes its answer for a reward."""
    if "described" not in trial.known:
        return not_tried("no job ended before")
    if making.REWARD not in trial.stack.rewards:
        return not_tried(f"the stack deploys no reward {making.REWARD}")
    run_id = _start(trial, "RLVR")
    job = _job_of(trial, run_id)
    ended = _wait(trial, lambda: _execution(trial, run_id).get("status") != "RUNNING", trial.max_wait_seconds)
    run = _execution(trial, run_id)
    if job is None or not ended or run.get("status") != "SUCCEEDED":
        return refuted(f"the run is {run.get('status')}: {run.get('error')}: {str(run.get('cause'))[:600]}")
    found = trial.clients.sagemaker.describe_training_job(TrainingJobName=job)
    app, mlflow_run = (
        found.get("MlflowConfig", {}).get("MlflowResourceArn"),
        found.get("MlflowDetails", {}).get("MlflowRunId"),
    )
    if not app or not mlflow_run:
        return confirmed(
            "the job Completed with the reward; without MLflow nothing says how often it was called"
        )
    try:
        seen = _series(trial, app, mlflow_run, "reward")
    except MetricsUnavailable as fault:
        return refuted(str(fault))
    return (
        confirmed(f"the job Completed; metrics: {', '.join(sorted(seen))}")
        if seen
        else refuted("no reward metric")
    )
