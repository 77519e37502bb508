"""What has to exist before the job: the reward's evaluator and the model package group."""

from typing import Any

from botocore.exceptions import ClientError

from tunestep import groups
from tunestep.context import Context, StepEvent, plan_of
from tunestep.errors import PlanChanged, ServiceFault
from tunestep.faults import describe, not_found, transient
from tunestep.names import TAG_REQUEST_HASH, TAG_RUN


def register_evaluator(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``evaluator``: the evaluator ARN of the request, or none for presets and SFT/DPO."""
    reward = plan_of(context, event).reward
    if reward is None:
        return {"evaluator_arn": "", "kind": "none"}
    return {"evaluator_arn": reward.evaluator_arn, "kind": reward.kind}


def prepare_registry(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``registry``: the model package group, made when it was not there.

    Raises PlanChanged when a group that the plan found is gone or one it did not find now belongs to
    somebody else, ServiceFault when it cannot be made.
    """
    plan = plan_of(context, event)
    name = plan.group.name
    arn = _existing(context, name)
    if arn:
        if not plan.group.exists:
            _claim(context, event.run_id, name, arn)
        return {"model_package_group_arn": arn, "created": False}
    if plan.group.exists:
        raise PlanChanged(
            f"The model package group {name} existed when the request was checked and is gone. "
            f"Make it again or name another, then `tunestep retry {event.run_id}`."
        )
    try:
        answer = context.clients.sagemaker.create_model_package_group(
            ModelPackageGroupName=name,
            ModelPackageGroupDescription=f"Models of {context.env.stack}, made for run {event.run_id}",
            Tags=[
                {"Key": TAG_RUN, "Value": event.run_id},
                {"Key": TAG_REQUEST_HASH, "Value": plan.request_hash},
            ],
        )
    except ClientError as fault:
        # Two runs with a new group may get here together: the one that loses uses what the other made.
        arn = _existing(context, name)
        if arn is None:
            raise transient(fault) or ServiceFault(
                f"The model package group {name} cannot be made. {describe(fault)}"
            ) from fault
        _claim(context, event.run_id, name, arn)
        return {"model_package_group_arn": arn, "created": False}
    arn = str(answer["ModelPackageGroupArn"])
    groups.remember(context.clients.s3, context.env.bucket, name, arn)
    return {"model_package_group_arn": arn, "created": True}


def _existing(context: Context, name: str) -> str | None:
    try:
        answer = context.clients.sagemaker.describe_model_package_group(ModelPackageGroupName=name)
    except ClientError as fault:
        if not_found(fault):
            return None
        raise transient(fault) or ServiceFault(
            f"The model package group {name} cannot be read. {describe(fault)}"
        ) from fault
    return str(answer["ModelPackageGroupArn"])


def _claim(context: Context, run_id: str, name: str, arn: str) -> None:
    """A group that appeared since the request was checked has to be this stack's, or an allowed one.

    An earlier try of this very step may have made the group and not lived to record it; the tag tells.
    """
    env, s3 = context.env, context.clients.s3
    if env.open or name in env.settings.allowed.model_package_groups:
        return
    if groups.created_here(s3, env.bucket, name):
        return
    tags = context.clients.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    if {"Key": TAG_RUN, "Value": run_id} not in tags:
        raise PlanChanged(
            f"The model package group {name} did not exist when the request was checked and was then made "
            f"by somebody else. Name another, or list it under allowed.model_package_groups."
        )
    groups.remember(s3, env.bucket, name, arn)
