"""The model package group: the one named, the package's own, or one made from the use case."""

from tunestep import allowed, arns, groups, hub
from tunestep.checks import use_case as use_cases
from tunestep.checks.calls import ask
from tunestep.checks.context import Inquiry
from tunestep.plan_model import GroupPlan

_WHERE = "$.model_package_group"


def check(inquiry: Inquiry, use_case: str | None, package_group: str) -> GroupPlan | None:
    """The group of the plan; None after an error finding, or when nothing is left to make a name from."""
    asked = inquiry.request.model_package_group
    if asked:
        return _named(inquiry, asked, package_group)
    if package_group:
        return _announced(inquiry, _look_up(inquiry, package_group))
    return _generated(inquiry, use_cases.group_name(use_case)) if use_case else None


def _named(inquiry: Inquiry, asked: str, package_group: str) -> GroupPlan | None:
    name = _name(inquiry, asked)
    if name is None:
        return None
    if package_group and name != package_group:
        inquiry.warning(
            "GROUP_DIFFERS",
            _WHERE,
            f"The run goes on from a package of {package_group}, and the new one goes to {name}.",
            f"Name {package_group}, or leave the field out, to keep the versions together.",
        )
    ctx = inquiry.ctx
    if not (allowed.group_is_listed(ctx, name) or groups.created_here(inquiry.clients.s3, ctx.bucket, name)):
        inquiry.allows(allowed.refusal(_WHERE, asked, "model_package_groups"))
        return None
    group = _look_up(inquiry, name)
    if group is not None and not group.exists and asked.startswith("arn:"):
        inquiry.error(
            "GROUP_NOT_FOUND",
            _WHERE,
            f"There is no model package group {asked}.",
            "Correct the ARN, or give the name alone to have the group created.",
        )
        return None
    return _announced(inquiry, group)


def _announced(inquiry: Inquiry, group: GroupPlan | None) -> GroupPlan | None:
    if group is not None and not group.exists:
        text = f"The model package group {group.name} will be created."
        inquiry.info("GROUP_WILL_BE_CREATED", _WHERE, text)
    return group


def _name(inquiry: Inquiry, asked: str) -> str | None:
    ctx, name = inquiry.ctx, asked
    if asked.startswith("arn:"):
        arn = arns.parse(asked)
        if arn and (arn.region, arn.account) != (ctx.region, ctx.account):
            inquiry.error(
                "GROUP_ELSEWHERE",
                _WHERE,
                f"{asked} is not in account {ctx.account} and region {ctx.region}.",
                "Name a group of this account and region.",
            )
            return None
        name = arn.name if arn and arn.service == "sagemaker" and arn.kind == "model-package-group" else ""
    if not hub.NAME_PATTERN.fullmatch(name):
        inquiry.error(
            "GROUP_NAME_INVALID",
            _WHERE,
            f"{asked!r} is neither a name nor the ARN of a model package group.",
            "Names have at most 63 letters, digits and hyphens, and no hyphen at either end.",
        )
        return None
    return name


def _generated(inquiry: Inquiry, name: str) -> GroupPlan | None:
    """A group named after the use case is the stack's own unless somebody else already has that name."""
    group, ctx = _look_up(inquiry, name), inquiry.ctx
    if group is None or not group.exists or allowed.group_is_listed(ctx, name):
        return _announced(inquiry, group)
    if groups.created_here(inquiry.clients.s3, ctx.bucket, name):
        return group
    inquiry.allows(allowed.refusal(_WHERE, name, "model_package_groups"))
    return None


def _look_up(inquiry: Inquiry, name: str) -> GroupPlan | None:
    ctx = inquiry.ctx
    constructed = f"arn:{ctx.partition}:sagemaker:{ctx.region}:{ctx.account}:model-package-group/{name}"
    answer = ask(inquiry.clients.sagemaker.describe_model_package_group, ModelPackageGroupName=name)
    match answer.problem:
        case "":
            return GroupPlan(name=name, arn=str(answer.data["ModelPackageGroupArn"]), exists=True)
        case "absent":
            return GroupPlan(name=name, arn=constructed, exists=False)
        case "denied":
            inquiry.error(
                "GROUP_ACCESS_DENIED",
                _WHERE,
                f"The model package group {name} may not be read. {answer.message}".strip(),
                "Allow sagemaker:DescribeModelPackageGroup on it to whoever makes the plan.",
            )
        case _:
            inquiry.error(
                "GROUP_UNREADABLE",
                _WHERE,
                f"The model package group {name} cannot be read: {answer.message}.",
            )
    return None
