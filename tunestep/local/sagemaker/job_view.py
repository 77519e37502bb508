"""A training job as DescribeTrainingJob answers it, and as its state-change event tells it."""

import datetime
import uuid
from typing import Any

import msgspec

from tunestep.local.sagemaker.job_state import Job

_ECHOED = (
    "HyperParameters",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "VpcConfig",
    "Environment",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
)
_PROGRESS = ("TotalStepCountPerEpoch", "CurrentStep", "CurrentEpoch", "MaxEpoch")
_TIMES = ("CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime")
_NOT_PUBLISHED = ("OutputModelPackageArn", "MlflowDetails", "ProgressInfo")


def describe(job: Job, now: float) -> dict[str, Any]:
    """The members of DescribeTrainingJob's answer; times in epoch seconds.

    A serverless job has neither AlgorithmSpecification nor ResourceConfig. Jobs metered by token report
    BillableTokenCount, the others BillableTimeInSeconds, both only once they have ended.
    """
    answer: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "ModelArtifacts": {"S3ModelArtifacts": job.model_s3_uri},
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.secondary,
        "FailureReason": job.failure_reason or None,
        **{member: job.request[member] for member in _ECHOED if member in job.request},
        "StoppingCondition": {"MaxRuntimeInSeconds": job.max_runtime}
        | job.request.get("StoppingCondition", {}),
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "SecondaryStatusTransitions": [msgspec.to_builtins(t) for t in job.transitions],
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        "OutputModelPackageArn": job.package_arn or None,
    }
    if job.progress:
        answer["ProgressInfo"] = {name: job.progress[name] for name in _PROGRESS if name in job.progress}
    if job.mlflow:
        answer["MlflowDetails"] = {
            "MlflowExperimentId": job.mlflow["experiment_id"],
            "MlflowRunId": job.mlflow["run_id"],
        }
    return answer | _durations(job, now)


def _durations(job: Job, now: float) -> dict[str, Any]:
    started = job.training_started
    if started is None:
        return {}
    seconds = max(1, round((job.ended or now) - started))
    times: dict[str, Any] = {"TrainingStartTime": started, "TrainingTimeInSeconds": seconds}
    if job.terminal:
        times["TrainingEndTime"] = job.ended
        if job.metering == "Hourly":
            times["BillableTimeInSeconds"] = seconds
        else:
            times["BillableTokenCount"] = job.billable_tokens
    return times


def event(job: Job, *, region: str, account: str, now: float) -> dict[str, Any]:
    """The EventBridge event of a state change.

    ``detail`` mirrors DescribeTrainingJob with times in epoch milliseconds (SageMaker developer guide,
    "Events that SageMaker sends to EventBridge"); it carries no package ARN and no MLflow details.
    """
    detail = {k: v for k, v in describe(job, now).items() if v is not None and k not in _NOT_PUBLISHED}
    for member in _TIMES:
        if member in detail:
            detail[member] = round(detail[member] * 1000)
    detail["SecondaryStatusTransitions"] = [
        {k: round(v * 1000) if k in ("StartTime", "EndTime") else v for k, v in entry.items()}
        for entry in detail["SecondaryStatusTransitions"]
    ]
    detail["Tags"] = {tag["Key"]: tag["Value"] for tag in job.request.get("Tags", [])}
    at = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "account": account,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [job.arn],
        "detail": detail,
    }


def package_members(job: Job) -> dict[str, Any]:
    """The model package that a job leaves in its group.

    ``Logged`` with the weights and the base model, as recorded of serverless jobs. A job that did not
    complete has one too, and its status tells that nobody should use it.
    """
    container: dict[str, Any] = {
        "IsCheckpoint": bool(job.request["ServerlessJobConfig"].get("Peft")),
        "BaseModel": {
            "HubContentName": job.base_model,
            "HubContentVersion": job.base_version,
            "RecipeName": job.recipe,
        },
    }
    if job.model_s3_uri:
        container["ModelDataSource"] = {
            "S3DataSource": {
                "S3Uri": job.model_s3_uri.rstrip("/") + "/",
                "S3DataType": "S3Prefix",
                "CompressionType": "None",
            }
        }
    return {
        "ModelPackageRegistrationType": "Logged",
        "ModelPackageStatus": "Completed" if job.status == "Completed" else "Failed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "InferenceSpecification": {"Containers": [container]},
    }
