"""Plan to CreateTrainingJob request: pure, and equal to what the SageMaker SDK sends.

The request shape is that of sagemaker-train 1.27.0; ``tests/conformance`` holds requests captured from it.
"""

import hashlib
from typing import Any

from tunestep.plan_model import DataPlan, Plan

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
"""Values of TrainingJobStatus that never change again."""

ENDING = frozenset({"Stopping", "Deleting"})
"""Values of TrainingJobStatus on the way to an end, which nobody has to stop any more."""

MAX_NAME = 63
_MAX_BASE = 48
_SUFFIX = MAX_NAME - _MAX_BASE - 1


def job_name(base: str, seed: str) -> str:
    """A name that is the same for the same seed: the base cut to 48, a hyphen, 14 digits of its SHA-256.

    ``base`` is letters and digits with hyphens or underscores between them; underscores become hyphens,
    as in the SDK. The result fits the service's pattern (at most 63, no hyphen at either end).
    """
    return f"{name_stem(base)}-{hashlib.sha256(seed.encode()).hexdigest()[:_SUFFIX]}"


def name_stem(base: str) -> str:
    """The part of a job's name before its suffix; the SDK's suffix fits behind it as well."""
    return base.replace("_", "-")[:_MAX_BASE].strip("-")


def needs_accept_eula(plan: Plan) -> bool:
    """Whether the job has to say that the licence is accepted: a gated model, or any model package."""
    return plan.model.gated or bool(plan.model.source_model_package_arn)


def build_request(plan: Plan, *, job_name: str, accept_eula: bool, evaluator_arn: str = "") -> dict[str, Any]:
    """The parameters of CreateTrainingJob.

    ``accept_eula`` is the caller's proven decision, never read from the plan; false sends nothing.
    ``evaluator_arn`` is the evaluator registered for the plan's function or prompt.
    """
    request: dict[str, Any] = {
        "TrainingJobName": job_name,
        "HyperParameters": dict(plan.hyperparameters),
        "RoleArn": plan.execution_role_arn,
        "InputDataConfig": _channels(plan),
        "OutputDataConfig": _output(plan),
        "Tags": _tags(plan),
        "ServerlessJobConfig": _serverless(plan, accept_eula, evaluator_arn),
        "ModelPackageConfig": {"ModelPackageGroupArn": plan.group.arn},
    }
    if plan.model.source_model_package_arn:
        request["ModelPackageConfig"]["SourceModelPackageArn"] = plan.model.source_model_package_arn
    if plan.mlflow:
        names = {"MlflowExperimentName": plan.mlflow.experiment, "MlflowRunName": plan.mlflow.run}
        request["MlflowConfig"] = {"MlflowResourceArn": plan.mlflow.app_arn} | {
            key: name for key, name in names.items() if name
        }
    if plan.vpc:
        request["VpcConfig"] = {
            "SecurityGroupIds": list(plan.vpc.security_group_ids),
            "Subnets": list(plan.vpc.subnets),
        }
    if plan.max_runtime_seconds:
        request["StoppingCondition"] = {"MaxRuntimeInSeconds": plan.max_runtime_seconds}
    return request


def _channels(plan: Plan) -> list[dict[str, Any]]:
    # Nova reads SFT and DPO conversations itself, so that images in them are fetched for the job.
    converse = plan.model.family == "nova" and plan.technique in ("SFT", "DPO")
    data = {"train": plan.training_data, "validation": plan.validation_data}
    return [
        {"ChannelName": name, "DataSource": _source(part, "Converse" if converse else "S3Prefix")}
        for name, part in data.items()
        if part is not None
    ]


def _source(data: DataPlan, s3_type: str) -> dict[str, Any]:
    if data.kind == "dataset":
        return {"DatasetSource": {"DatasetArn": data.uri}}
    return {
        "S3DataSource": {
            "S3DataType": s3_type,
            "S3Uri": data.uri,
            "S3DataDistributionType": "FullyReplicated",
        }
    }


def _output(plan: Plan) -> dict[str, str]:
    output = {"S3OutputPath": plan.output_uri}
    if plan.kms_key:
        output["KmsKeyId"] = plan.kms_key
    # The SDK's RLAIF trainer takes no such wish, so nobody knows whether the service does.
    if not plan.compress_output and plan.technique != "RLAIF":
        output["CompressionType"] = "NONE"
    return output


def _serverless(plan: Plan, accept_eula: bool, evaluator_arn: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "BaseModelArn": plan.model.arn,
        "JobType": "FineTuning",
        "CustomizationTechnique": plan.technique,
    }
    if accept_eula:
        config["AcceptEula"] = True
    if plan.recipe.peft:
        config["Peft"] = plan.recipe.peft
    evaluator = (plan.reward.evaluator_arn if plan.reward else "") or evaluator_arn
    if evaluator:
        config["EvaluatorArn"] = evaluator
    if plan.sequence_length:
        config["SequenceLength"] = plan.sequence_length
    return config


def _tags(plan: Plan) -> list[dict[str, str]]:
    tags = {
        "sagemaker-sdk:jumpstart-model-id": plan.model.name,
        "sagemaker-sdk:jumpstart-hub-name": plan.model.hub,
        **plan.tags,
    }
    return [{"Key": key, "Value": value} for key, value in tags.items()]
