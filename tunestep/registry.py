"""What has to exist before the job: the reward's evaluator and the model package group."""

import time
from typing import Any

from botocore.exceptions import ClientError

from tunestep import approvals, evaluators, groups, reward_pins
from tunestep.context import Context, StepEvent, plan_of
from tunestep.errors import PlanChanged, ServiceFault
from tunestep.faults import describe, not_found, transient
from tunestep.names import TAG_REQUEST_HASH, TAG_RUN
from tunestep.plan_model import Plan


def register_evaluator(
    context: Context, event: StepEvent, *, sleep: evaluators.Sleep = time.sleep
) -> dict[str, Any]:
    """The document's ``evaluator``: registered for a function or a prompt, else that of the request.

    Empty for presets and for SFT and DPO. StartTraining believes the run's item, never the document.
    Raises PlanChanged when the reward is no longer what was certified, else as evaluators.register does.
    """
    plan = _decided_plan(context, event)
    reward = plan.reward
    if reward is None:
        return {"evaluator_arn": "", "kind": "none"}
    if said := reward_pins.changes(context.clients, reward, reward.evaluator_arn):
        raise PlanChanged(
            f"Since the request was checked: {'; '.join(said)}. Nothing was registered. "
            f"Check what changed, then `tunestep retry {event.run_id}`."
        )
    value = {"evaluator_arn": reward.evaluator_arn, "kind": reward.kind}
    wanted = evaluators.wanted(reward)
    if wanted is None:
        return value
    registered = evaluators.register(
        context.clients.sagemaker, wanted, region=plan.region, account=plan.account, sleep=sleep
    )
    remember_evaluator(context, event.run_id, registered.arn)
    return value | {
        "evaluator_arn": registered.arn,
        "name": registered.name,
        "version": registered.version,
        "reused": registered.reused,
    }


def _decided_plan(context: Context, event: StepEvent) -> Plan:
    """The calling run's plan, once a stored decision allows it: whoever holds a token can claim one.

    Raises what context.plan_of and approvals.require_approval raise.
    """
    plan = plan_of(context, event)
    if approvals.needs_decision(context, event.run_id, plan):
        approvals.require_approval(context, event, plan)
    return plan


def remember_evaluator(context: Context, run_id: str, arn: str) -> None:
    """Write down which evaluator belongs to the plan that the run has now."""
    run = context.runs.run(run_id) or {}
    fact = {"arn": arn, "plan_sha256": run.get("plan_sha256", "")}
    context.runs.update_run(run_id, {"evaluator": fact})


def evaluator_of(context: Context, run_id: str, plan: Plan) -> str:
    """ARN of the evaluator that the job has to name, from the plan or from the run's item; may be empty.

    Raises ServiceFault when the plan needs one that was not registered for it.
    """
    reward = plan.reward
    if reward is None or evaluators.wanted(reward) is None:
        return reward.evaluator_arn if reward else ""
    run = context.runs.run(run_id) or {}
    fact = run.get("evaluator") or {}
    if not fact.get("arn") or fact.get("plan_sha256") != run.get("plan_sha256"):
        raise ServiceFault(
            f"No evaluator was registered for the plan of run {run_id}. "
            f"Start again with `tunestep retry {run_id}`."
        )
    return str(fact["arn"])


def prepare_registry(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``registry``: the model package group, made when it was not there.

    Raises PlanChanged when a group that the plan found is gone or one it did not find now belongs to
    somebody else, ServiceFault when it cannot be made.
    """
    plan = _decided_plan(context, event)
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
