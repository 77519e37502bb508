"""Limits, encryption, network: what a request sets without anything having to be looked up."""

import re

from tunestep import allowed, arns, durations, pots
from tunestep.checks.context import Inquiry
from tunestep.plan_model import VpcPlan

SERVICE_DEFAULT_SECONDS = 86_400
"""How long the service lets a job run when the request does not say."""

_KMS_ALIAS_OR_ID = re.compile(r"(alias/)?[a-zA-Z0-9/_-]{1,256}")


def max_runtime_seconds(inquiry: Inquiry) -> int:
    """The job's limit in seconds; 0 leaves the service's default.

    A ceiling below the service's default is sent even when the request is silent, or it would not hold.
    """
    limits = inquiry.request.limits
    asked = durations.seconds(limits.max_runtime) if limits.max_runtime else 0
    if inquiry.ctx.open:
        return asked
    settings = inquiry.ctx.settings
    longest = [settings.max_runtime]
    longest += [
        found.max_runtime
        for found in pots.of_run(settings.budgets, inquiry.request.tags)
        if found.max_runtime
    ]
    ceiling = min(map(durations.seconds, longest))
    if asked > ceiling:
        inquiry.error(
            "MAX_RUNTIME_ABOVE_SETTINGS",
            "$.limits.max_runtime",
            f"{limits.max_runtime} is more than the settings allow ({durations.text(ceiling)}).",
            "Ask for less, or for `max_runtime` (the stack's or the tag's) to be raised in tunestep.yaml.",
        )
    return asked or (ceiling if ceiling < SERVICE_DEFAULT_SECONDS else 0)


def kms_key(inquiry: Inquiry) -> str:
    """The key that encrypts the output, as given; empty when the bucket's default applies."""
    key, where = inquiry.request.kms_key or "", "$.kms_key"
    if not key or not inquiry.allows(allowed.kms_key(inquiry.ctx, key, where)):
        return ""
    if not key.startswith("arn:") and _KMS_ALIAS_OR_ID.fullmatch(key):
        return key
    arn = arns.parse(key)
    if arn is None or arn.service != "kms" or arn.kind not in ("key", "alias"):
        inquiry.error("KMS_KEY_INVALID", where, f"{key!r} is not a KMS key.", "Give the ARN of the key.")
        return ""
    if arn.region != inquiry.ctx.region:
        inquiry.error(
            "KMS_KEY_ELSEWHERE",
            where,
            f"The key is in {arn.region}; the run is in {inquiry.ctx.region}.",
            f"Use a key of {inquiry.ctx.region}.",
        )
        return ""
    return key


def vpc(inquiry: Inquiry) -> VpcPlan | None:
    """The network of the job; None when the request has none, or after an error finding."""
    asked, ctx = inquiry.request.vpc, inquiry.ctx
    if asked is None:
        return None
    refused = [
        *(
            allowed.security_group(ctx, group, f"$.vpc.security_group_ids[{index}]")
            for index, group in enumerate(asked.security_group_ids)
        ),
        *(
            allowed.subnet(ctx, subnet, f"$.vpc.subnets[{index}]")
            for index, subnet in enumerate(asked.subnets)
        ),
    ]
    if any(refused):
        inquiry.findings.extend(finding for finding in refused if finding)
        return None
    return VpcPlan(security_group_ids=asked.security_group_ids, subnets=asked.subnets)


def client_knows_sequence_length(inquiry: Inquiry) -> None:
    """The bundled botocore must know the member; an older one would refuse or drop it."""
    model = inquiry.clients.sagemaker.meta.service_model
    if "SequenceLength" not in model.shape_for("ServerlessJobConfig").members:
        inquiry.error(
            "BOTOCORE_TOO_OLD",
            "$.sequence_length",
            "The installed botocore does not know ServerlessJobConfig.SequenceLength.",
            "Deploy again with the pinned dependencies, or run `make setup`.",
        )
