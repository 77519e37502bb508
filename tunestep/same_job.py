"""When a training job that is there already is the very one that a run would make."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tunestep import tracking, training_job
from tunestep.context import Context, stored_plan
from tunestep.errors import TunestepError
from tunestep.names import TAG_REQUEST_HASH
from tunestep.plan_model import Plan
from tunestep.registry import evaluator_of

_LONGEST_CHAIN = 20


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Names of what a described job has otherwise than the request for it.

    Only members of the request are compared: the service adds defaults of its own.
    """
    return [
        name
        for name in (
            "RoleArn",
            "ServerlessJobConfig",
            "InputDataConfig",
            "OutputDataConfig",
            "HyperParameters",
            "ModelPackageConfig",
        )
        if not _within(wanted.get(name), found.get(name))
    ]


def _within(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_within(v, found.get(k)) for k, v in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(_within(left, right) for left, right in zip(wanted, found, strict=True))
        )
    if isinstance(wanted, str) and wanted.startswith("s3://"):
        return isinstance(found, str) and wanted.rstrip("/") == found.rstrip("/")
    return bool(wanted == found)


def finished_before(context: Context, run_id: str, plan: Plan, accepted: bool) -> dict[str, Any] | None:
    """The completed job of an earlier attempt at exactly this: paid for once, used again."""
    seen: set[str] = set()
    earlier_id = (context.runs.run(run_id) or {}).get("retry_of")
    while earlier_id and earlier_id not in seen and len(seen) < _LONGEST_CHAIN:
        seen.add(earlier_id)
        earlier = context.runs.run(earlier_id) or {}
        if earlier.get("job_name") and earlier.get("request_hash") == plan.request_hash:
            found = _completed(context, earlier_id, earlier, plan, accepted)
            if found:
                return found
        earlier_id = earlier.get("retry_of")
    return None


def _completed(
    context: Context, earlier_id: str, earlier: Mapping[str, Any], plan: Plan, accepted: bool
) -> dict[str, Any] | None:
    found = tracking.describe_job(context, earlier["job_name"])
    if found is None or found["TrainingJobStatus"] != "Completed":
        return None
    try:
        before = stored_plan(context, earlier_id, dict(earlier))
        evaluator_arn = evaluator_of(context, earlier_id, before)
    except TunestepError:
        return None
    # What may differ and trains the same: the output folder, a group that is new only once, the prices.
    own = {"output_uri": plan.output_uri, "group": plan.group, "budget": plan.budget}
    if msgspec.structs.replace(before, **own) != plan:
        return None
    wanted = training_job.build_request(
        before,
        job_name=earlier["job_name"],
        accept_eula=accepted,
        evaluator_arn=evaluator_arn,
    )
    tags = context.clients.sagemaker.list_tags(ResourceArn=found["TrainingJobArn"])["Tags"]
    same_hash = {"Key": TAG_REQUEST_HASH, "Value": plan.request_hash} in tags
    return found if same_hash and not differences(wanted, found) else None
