"""A reward that is registered already: its document is resolved and held to the same rule."""

import re

from tunestep import arns, evaluators
from tunestep.checks import reward_function, reward_prompt
from tunestep.checks.calls import Answer, ask
from tunestep.checks.context import Inquiry
from tunestep.evaluators import Content
from tunestep.plan_model import RewardPlan

_EVALUATOR = re.compile(r"hub-content/([^/]+)/JsonDoc/([^/]+)/(\d{1,4}\.\d{1,4}\.\d{1,4})")
_WANTED = {"RLVR": evaluators.FUNCTION, "RFT": evaluators.FUNCTION, "RLAIF": evaluators.PROMPT}


def by_arn(inquiry: Inquiry, text: str, where: str) -> RewardPlan | None:
    """A registered evaluator; None after an error finding."""
    which = _locate(inquiry, text, where)
    if which is None:
        return None
    answer = ask(inquiry.clients.sagemaker.describe_hub_content, **which._asdict())
    if not _is_usable(inquiry, text, answer, where):
        return None
    plan = RewardPlan(kind="evaluator_arn", value=text, evaluator_arn=text)
    content = evaluators.read(str(answer.data.get("HubContentDocument") or ""))
    if content is None:
        return _without_reference(inquiry, text, plan, where)
    wanted = _WANTED.get(inquiry.request.technique, content.kind)
    if content.kind != wanted:
        inquiry.warning(
            "EVALUATOR_TYPE",
            where,
            f"{text} is a {content.kind}; {inquiry.request.technique} works with a {wanted}.",
            "Name another evaluator, unless the service is known to take this one.",
        )
    return _with_reference(inquiry, plan, content, where)


def _with_reference(inquiry: Inquiry, plan: RewardPlan, content: Content, where: str) -> RewardPlan | None:
    if content.reference.startswith("s3://"):
        return reward_prompt.pinned(inquiry, plan, content.reference, where)
    before = len(inquiry.findings)
    found = reward_function.pinned(inquiry, plan, content.reference, where)
    lost = inquiry.findings[before:]
    if found is None and inquiry.ctx.open and [fault.code for fault in lost] == ["REWARD_NOT_FOUND"]:
        # A world may list an evaluator without the function behind it; there is nothing to protect here.
        inquiry.findings[before:] = []
        inquiry.warning(
            "EVALUATOR_REFERENCE_NOT_FOUND",
            where,
            f"There is no function {content.reference}, which the evaluator calls.",
            "Deploy it before the job starts.",
        )
        return plan
    return found


def _without_reference(inquiry: Inquiry, text: str, plan: RewardPlan, where: str) -> RewardPlan | None:
    add = inquiry.warning if inquiry.ctx.open else inquiry.error
    add(
        "EVALUATOR_REFERENCE_UNKNOWN",
        where,
        f"{text} does not say which function or prompt it stands for, so it can be neither compared with "
        "the settings nor certified.",
        "Register the evaluator again, or name its function or prompt.",
    )
    return plan if inquiry.ctx.open else None


def _locate(inquiry: Inquiry, text: str, where: str) -> evaluators.Place | None:
    ctx, arn = inquiry.ctx, arns.parse(text)
    match = _EVALUATOR.fullmatch(arn.resource) if arn and arn.service == "sagemaker" else None
    if arn is None or match is None:
        inquiry.error(
            "EVALUATOR_ARN_INVALID",
            where,
            f"{text} is not the ARN of an evaluator with its version.",
            "It reads arn:aws:sagemaker:REGION:ACCOUNT:hub-content/HUB/JsonDoc/NAME/1.0.0.",
        )
        return None
    if (arn.region, arn.account) != (ctx.region, ctx.account):
        inquiry.error(
            "EVALUATOR_ELSEWHERE",
            where,
            f"{text} is not in account {ctx.account} and region {ctx.region}.",
            "Register the evaluator there.",
        )
        return None
    return evaluators.Place.of(*match.groups())


def _is_usable(inquiry: Inquiry, text: str, answer: Answer, where: str) -> bool:
    if answer.problem == "denied":
        inquiry.error(
            "EVALUATOR_ACCESS_DENIED",
            where,
            f"{text} may not be read. {answer.message}".strip(),
            "Allow sagemaker:DescribeHubContent on it to whoever makes the plan.",
        )
    elif answer.problem:
        inquiry.error(
            "EVALUATOR_NOT_FOUND", where, f"There is no evaluator {text}.", "Register it or correct the ARN."
        )
    elif answer.data.get("HubContentStatus", evaluators.AVAILABLE) != evaluators.AVAILABLE:
        inquiry.error(
            "EVALUATOR_NOT_READY",
            where,
            f"The evaluator {text} is {answer.data['HubContentStatus']}.",
            "Wait until it is Available, or register it again.",
        )
    else:
        return True
    return False
