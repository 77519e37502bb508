"""Request -> plan: every prerequisite checked, everything resolved. Reads like the checklist it is.

Nothing is created, written or started here, and nothing hides behind the first fault.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from tunestep.checks import (
    approval,
    budget,
    data,
    group,
    limits,
    mlflow,
    model,
    output,
    recipe,
    reward,
    role,
    use_case,
)
from tunestep.checks.context import Inquiry, PlanContext
from tunestep.checks.role import Need
from tunestep.findings import Finding
from tunestep.plan_model import DataPlan, Plan, RewardPlan
from tunestep.request import Request, request_hash
from tunestep.s3uri import S3Uri, parse

__all__ = ["PlanContext", "PlanOutcome", "make_plan"]


class PlanOutcome(msgspec.Struct, frozen=True):
    """The plan, when no error finding stands in its way, and all findings in the order of the checks."""

    plan: Plan | None
    findings: list[Finding]


def make_plan(request: Request, ctx: PlanContext, clients: Any) -> PlanOutcome:
    """Check and resolve a request.

    ``clients`` has boto3 clients as attributes (see tunestep.aws.Clients). Faults of the request or the
    account become findings. Raises TransientFault when AWS is busy or cannot be reached, ServiceFault
    when it refuses the caller's own credentials.
    """
    inquiry = Inquiry(request=request, ctx=ctx, clients=clients)
    digest = request_hash(request)

    limits.client_knows_sequence_length(inquiry)
    purpose = use_case.check(inquiry)
    base = model.check(inquiry)
    technique = model.technique(inquiry, base)
    chosen_reward = reward.check(inquiry, base.plan.family if base else "open-weights")
    chosen = recipe.check(inquiry, base.content, technique) if base and technique else None
    found_data = data.check(inquiry)
    output_uri = output.check(inquiry, ctx.run_id or digest[:16])
    execution_role = role.check(inquiry)
    kms_key = limits.kms_key(inquiry)
    vpc = limits.vpc(inquiry)
    if execution_role:
        needs = _needs(ctx, (found_data.training, found_data.validation), output_uri, kms_key, chosen_reward)
        role.simulate(inquiry, execution_role, needs)
    package_group = group.check(inquiry, purpose, base.package_group if base else "")
    app = mlflow.check(inquiry)
    runtime = limits.max_runtime_seconds(inquiry)
    _later_features(inquiry)
    terms = approval.licence(inquiry, base.plan) if base else None
    decision = approval.check(inquiry, base.plan, terms) if base and terms else None
    spending = budget.check(inquiry, base.plan.name if base else "", chosen.plan if chosen else None)
    budget.month(inquiry, runtime)

    blocked = any(finding.severity == "error" for finding in inquiry.findings)
    if (
        blocked
        or base is None
        or technique is None
        or chosen is None
        or found_data.training is None
        or output_uri is None
        or execution_role is None
        or package_group is None
        or terms is None
        or decision is None
    ):
        return PlanOutcome(None, inquiry.findings)
    plan = Plan(
        request_hash=digest,
        region=ctx.region,
        account=ctx.account,
        technique=technique,
        use_case=request.use_case,
        model=base.plan,
        recipe=chosen.plan,
        hyperparameters=chosen.hyperparameters,
        training_data=found_data.training,
        validation_data=found_data.validation,
        execution_role_arn=execution_role,
        output_uri=output_uri,
        group=package_group,
        mlflow=app,
        reward=reward.completed(chosen_reward, chosen.hyperparameters, base.plan.family),
        licence=terms,
        approval=decision,
        base_job_name=request.base_job_name or f"{base.plan.name}-{technique.lower()}",
        vpc=vpc,
        kms_key=kms_key,
        compress_output=request.compress_output,
        sequence_length=request.sequence_length or "",
        max_runtime_seconds=runtime,
        budget=spending,
        tags=dict(request.tags),
    )
    return PlanOutcome(plan, inquiry.findings)


def _needs(
    ctx: PlanContext,
    sources: Iterable[DataPlan | None],
    output_uri: str | None,
    kms_key: str,
    chosen_reward: RewardPlan | None,
) -> list[Need]:
    """What the execution role has to be allowed, as far as the request tells."""
    needs = []
    for source in sources:
        if source is not None and source.kind != "dataset":
            uri = parse(source.uri)
            needs.append(Need(("s3:GetObject",), (_object_arn(ctx, uri),)))
            needs.append(Need(("s3:ListBucket",), (_bucket_arn(ctx, uri),)))
    if output_uri:
        needs.append(Need(("s3:PutObject",), (_object_arn(ctx, parse(output_uri)),)))
    if kms_key.startswith("arn:"):
        needs.append(Need(("kms:GenerateDataKey",), (kms_key,)))
    if chosen_reward is not None and chosen_reward.judge_model:
        judge = f"arn:{ctx.partition}:bedrock:{ctx.region}::foundation-model/{chosen_reward.judge_model}"
        needs.append(Need(("bedrock:InvokeModel",), (judge,)))
    if chosen_reward is not None and chosen_reward.function_arn:
        needs.append(Need(("lambda:InvokeFunction",), (chosen_reward.function_arn,)))
    if chosen_reward is not None and chosen_reward.prompt_uri:
        needs.append(Need(("s3:GetObject",), (_object_arn(ctx, parse(chosen_reward.prompt_uri)),)))
    return list(dict.fromkeys(needs))


def _bucket_arn(ctx: PlanContext, uri: S3Uri) -> str:
    return uri.bucket if uri.bucket.startswith("arn:") else f"arn:{ctx.partition}:s3:::{uri.bucket}"


def _object_arn(ctx: PlanContext, uri: S3Uri) -> str:
    joint = "/object/" if uri.bucket.startswith("arn:") else "/"
    return _bucket_arn(ctx, uri) + joint + (f"{uri.key}*" if uri.is_folder else uri.key)


def _later_features(inquiry: Inquiry) -> None:
    """Fields that are understood and have no effect in this version, so that nobody relies on them."""
    request = inquiry.request
    if request.technique == "RLAIF" and not request.compress_output:
        inquiry.warning(
            "COMPRESSION_STAYS",
            "$.compress_output",
            "For RLAIF the service's own client never sends this setting, and neither does this one.",
        )
