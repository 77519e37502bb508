"""A reward that is a Lambda function: may be used, is there, and is pinned as it is now."""

import msgspec

from tunestep import allowed, lambda_functions, names
from tunestep.checks.calls import ask
from tunestep.checks.context import Inquiry
from tunestep.hub import Absence
from tunestep.lambda_functions import LATEST, Described, FunctionArn
from tunestep.plan_model import Family, RewardPlan
from tunestep.request_faults import nearest


def by_name(inquiry: Inquiry, name: str, where: str, family: Family) -> RewardPlan | None:
    """A reward that the stack deploys, its function for this family; None after an error finding."""
    ctx = inquiry.ctx
    if name not in ctx.rewards:
        near = nearest(name, ctx.rewards)
        known = f"It deploys {', '.join(sorted(ctx.rewards))}." if ctx.rewards else "It deploys none."
        inquiry.error(
            "REWARD_UNKNOWN",
            where,
            f"The stack {ctx.stack} has no reward function {name}.",
            f"Did you mean {near}? {known}" if near else known,
        )
        return None
    function = names.reward_function_name(ctx.stack, name, family)
    arn = f"arn:{ctx.partition}:lambda:{ctx.region}:{ctx.account}:function:{function}"
    return pinned(inquiry, RewardPlan(kind="function", value=name), arn, where)


def pinned(inquiry: Inquiry, reward: RewardPlan, text: str, where: str) -> RewardPlan | None:
    """The reward with the function of this ARN, held to the rule and only then looked up.

    None after an error finding.
    """
    function = lambda_functions.parse(text)
    if function is None:
        inquiry.error(
            "REWARD_ARN_INVALID",
            where,
            f"{text} is not the ARN of a Lambda function.",
            "It reads arn:aws:lambda:REGION:ACCOUNT:function:NAME.",
        )
        return None
    ctx = inquiry.ctx
    if not inquiry.allows(allowed.reward_function(ctx, function, where)):
        return None
    unlisted = allowed.is_stack_reward(ctx, function) and not allowed.is_listed_reward(ctx, function)
    if unlisted and not _is_tagged(inquiry, function, where):
        return None
    found = _described(inquiry, function, where)
    if found is None:
        return None
    if function.qualifier not in ("", LATEST):
        _warn_about_qualifier(inquiry, function, found, where)
    inquiry.warning(
        "REWARD_NOT_PINNED",
        where,
        f"The service calls {function.name} by its name, so it runs the code that is deployed at that time.",
        "The run ends as PlanChanged when it differs at the start; deploy no other code while a job trains.",
    )
    return msgspec.structs.replace(
        reward,
        reference=function.unqualified,
        function_arn=function.unqualified,
        code_sha256=found.code_sha256,
        configuration_sha256=found.configuration_sha256,
    )


def _is_tagged(inquiry: Inquiry, function: FunctionArn, where: str) -> bool:
    """Whether a function with the name of a stack's reward is one; the name alone proves nothing."""
    answer = ask(inquiry.clients.lambda_.list_tags, Resource=function.unqualified)
    if answer.problem:
        _unreadable(inquiry, function.unqualified, Absence(answer.problem, answer.message), where)
        return False
    if names.TAG_REWARD in answer.data.get("Tags", {}):
        return True
    inquiry.findings.append(allowed.refusal(where, function.unqualified, "reward_functions"))
    return False


def _described(inquiry: Inquiry, function: FunctionArn, where: str) -> Described | None:
    found = lambda_functions.describe(inquiry.clients.lambda_, function.unqualified)
    if isinstance(found, Absence):
        _unreadable(inquiry, function.unqualified, found, where)
        return None
    if found.state in ("Pending", "Failed"):
        inquiry.error(
            "REWARD_NOT_READY",
            where,
            f"The function {function.name} is {found.state}.",
            "Wait until it is Active, or deploy it again.",
        )
        return None
    return found


def _unreadable(inquiry: Inquiry, arn: str, absence: Absence, where: str) -> None:
    if absence.problem == "absent":
        inquiry.error(
            "REWARD_NOT_FOUND",
            where,
            f"There is no function {arn}.",
            "Deploy it or correct the name; `tunestep reward list` shows the stack's own.",
        )
        return
    inquiry.error(
        "REWARD_ACCESS_DENIED",
        where,
        f"{arn} may not be looked at. {absence.message}".strip(),
        "Allow lambda:GetFunctionConfiguration and lambda:ListTags on it to whoever makes the plan.",
    )


def _warn_about_qualifier(
    inquiry: Inquiry, function: FunctionArn, unqualified: Described, where: str
) -> None:
    """The service takes no version or alias; say so, and whether that makes a difference today."""
    arn = f"{function.unqualified}:{function.qualifier}"
    named = lambda_functions.describe(inquiry.clients.lambda_, arn)
    if isinstance(named, Absence):
        today = f"What {function.qualifier} stands for could not be looked at ({named.problem})."
    elif named.code_sha256 == unqualified.code_sha256:
        today = "Both are the same code now."
    else:
        today = f"That is other code than {function.qualifier}."
    inquiry.warning(
        "REWARD_REGISTERED_UNQUALIFIED",
        where,
        f"Evaluators take no version or alias: {function.name} is certified and registered without "
        f"{function.qualifier}. {today}",
        f"Publish to {LATEST} what the job is to call.",
    )
