"""The base model: found in the hub, offered in the region, with a recipe for what is asked."""

import re
from typing import NamedTuple

from tunestep import allowed, arns, groups, hub
from tunestep.checks.context import Inquiry
from tunestep.hub import Absence, HubModel, PackageBase
from tunestep.plan_model import ModelPlan, Technique

_WHERE = "$.base_model"
_PACKAGE = re.compile(r"model-package/([a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62})/[1-9]\d{0,8}")


class Model(NamedTuple):
    """The hub's model, what the plan says about it, and the package's group when going on from one."""

    content: HubModel
    plan: ModelPlan
    package_group: str = ""


def technique(inquiry: Inquiry, base: Model | None) -> Technique | None:
    """The technique that the API knows: RFT on Nova is RLVR, CPT is not offered; None after an error.

    Where the model was not found, its name tells the family.
    """
    asked, name = inquiry.request.technique, base.plan.name if base else inquiry.request.base_model
    if asked == "CPT":
        inquiry.error(
            "CPT_NOT_SERVERLESS",
            "$.technique",
            "Continued pre-training is not part of the serverless customization API (SFT, DPO, RLVR, RLAIF); "
            "SageMaker offers it on HyperPod only.",
            "Use SFT with the text as completions, or run continued pre-training on HyperPod.",
        )
        return None
    if asked != "RFT":
        return asked
    if hub.family(name) == "nova":
        inquiry.info(
            "RFT_IS_RLVR", "$.technique", "Reinforcement fine-tuning of a Nova model is the technique RLVR."
        )
        return "RLVR"
    inquiry.error(
        "TECHNIQUE_NOT_OFFERED",
        "$.technique",
        "RFT is the name for reinforcement fine-tuning of Nova models only.",
        "Write RLVR (a reward function) or RLAIF (a judge model).",
    )
    return None


def check(inquiry: Inquiry) -> Model | None:
    """Find the model, or the base of a model package; None after an error finding."""
    asked = inquiry.request.base_model
    if asked.startswith("arn:"):
        return _from_package(inquiry, asked)
    content = _describe(inquiry, hub.resolve_alias(asked))
    return None if content is None else Model(content, _plan(content))


def _describe(inquiry: Inquiry, name: str) -> HubModel | None:
    _check_region(inquiry, name)
    content: HubModel | Absence = Absence("absent")
    if hub.NAME_PATTERN.fullmatch(name):
        content = hub.describe_model(inquiry.clients.sagemaker, name)
    if isinstance(content, Absence):
        _not_described(inquiry, name, content)
        return None
    if content.deprecated:
        inquiry.warning(
            "MODEL_DEPRECATED",
            _WHERE,
            f"The hub marks {name} as deprecated.",
            "Plan to move to a newer model.",
        )
    return content


def _check_region(inquiry: Inquiry, name: str) -> None:
    offered = hub.regions(name)
    if inquiry.ctx.region not in offered:
        kind = "Nova" if hub.family(name) == "nova" else "open-weight"
        inquiry.error(
            "REGION_NOT_OFFERED",
            _WHERE,
            f"Serverless customization of {kind} models is not offered in {inquiry.ctx.region}.",
            f"Run it in one of {', '.join(offered)}.",
        )


def _not_described(inquiry: Inquiry, name: str, absence: Absence) -> None:
    match absence.problem:
        case "absent":
            known = [*hub.list_model_names(inquiry.clients.sagemaker), *hub.ALIASES]
            close = hub.nearest(name, known)
            inquiry.error(
                "MODEL_NOT_FOUND",
                _WHERE,
                f"The hub has no model {name!r} in {inquiry.ctx.region}.",
                f"Did you mean {' or '.join(close)}?" if close else "Take the name from the SageMaker hub.",
            )
        case "denied":
            inquiry.error(
                "MODEL_ACCESS_DENIED",
                _WHERE,
                f"The hub may not be read. {absence.message}".strip(),
                "Allow sagemaker:DescribeHubContent on the public hub to whoever makes the plan.",
            )
        case _:
            inquiry.error("MODEL_UNREADABLE", _WHERE, f"{name} cannot be read: {absence.message}.")


def _plan(content: HubModel) -> ModelPlan:
    return ModelPlan(
        name=content.name,
        arn=content.arn,
        version=content.version,
        family=hub.family(content.name),
        gated=content.gated,
        document_sha256=content.sha256,
        eula_uri=content.eula_uri,
    )


def _from_package(inquiry: Inquiry, text: str) -> Model | None:
    group = _package_group(inquiry, text)
    if group is None or not _package_allowed(inquiry, text, group):
        return None
    base = hub.describe_package(inquiry.clients.sagemaker, text)
    if isinstance(base, Absence):
        _package_unreadable(inquiry, text, base)
        return None
    return _from_base(inquiry, text, base, base.group or group)


def _package_group(inquiry: Inquiry, text: str) -> str | None:
    arn, ctx = arns.parse(text), inquiry.ctx
    match = _PACKAGE.fullmatch(arn.resource) if arn and arn.service == "sagemaker" else None
    if arn is None or match is None:
        inquiry.error(
            "MODEL_ARN_INVALID",
            _WHERE,
            f"{text} is not the ARN of a model package.",
            "It reads arn:aws:sagemaker:REGION:ACCOUNT:model-package/GROUP/VERSION.",
        )
        return None
    if (arn.region, arn.account) != (ctx.region, ctx.account):
        inquiry.error(
            "MODEL_PACKAGE_ELSEWHERE",
            _WHERE,
            f"{text} is not in account {ctx.account} and region {ctx.region}.",
            "Go on from a package of this account and region.",
        )
        return None
    return match[1]


def _package_allowed(inquiry: Inquiry, text: str, group: str) -> bool:
    ctx = inquiry.ctx
    if allowed.group_is_listed(ctx, group) or groups.created_here(inquiry.clients.s3, ctx.bucket, group):
        return True
    return inquiry.allows(allowed.refusal(_WHERE, text, "model_package_groups"))


def _package_unreadable(inquiry: Inquiry, text: str, absence: Absence) -> None:
    if absence.problem == "denied":
        inquiry.error(
            "MODEL_PACKAGE_ACCESS_DENIED",
            _WHERE,
            f"{text} may not be read. {absence.message}".strip(),
            "Allow sagemaker:DescribeModelPackage on it to whoever makes the plan.",
        )
        return
    inquiry.error(
        "MODEL_PACKAGE_NOT_FOUND",
        _WHERE,
        f"There is no model package {text}.",
        "Correct its ARN (`tunestep results`).",
    )


def _from_base(inquiry: Inquiry, text: str, base: PackageBase, group: str) -> Model | None:
    if base.status not in ("", "Completed"):
        inquiry.error(
            "MODEL_PACKAGE_NOT_READY",
            _WHERE,
            f"The model package {text} is {base.status}.",
            "Use one that is Completed.",
        )
    if not base.model:
        inquiry.error(
            "MODEL_BASE_UNKNOWN",
            _WHERE,
            f"{text} does not say which hub model it was fine-tuned from, so no recipe can be chosen.",
            "Go on from a package that a serverless customization job made.",
        )
        return None
    content = _describe(inquiry, base.model)
    if content is None:
        return None
    established = bool(base.version)
    if not established:
        inquiry.warning(
            "MODEL_BASE_NOT_ESTABLISHED",
            _WHERE,
            f"{text} names {base.model} without a version, so it counts as gated.",
        )
    facts = _plan(content)
    return Model(
        content,
        ModelPlan(
            name=facts.name,
            arn=facts.arn,
            version=facts.version,
            family=facts.family,
            gated=facts.gated or not established,
            document_sha256=facts.document_sha256,
            eula_uri=facts.eula_uri,
            source_model_package_arn=text,
            base_established=established,
        ),
        group,
    )
