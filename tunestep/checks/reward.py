"""The reward of an RLVR or RLAIF run: exactly one, of a form that this version can run."""

import re

from tunestep import arns
from tunestep.checks.calls import ask
from tunestep.checks.context import Inquiry
from tunestep.plan_model import RewardPlan
from tunestep.request import Reward

_EVALUATOR = re.compile(r"hub-content/([^/]+)/JsonDoc/([^/]+)/(\d{1,4}\.\d{1,4}\.\d{1,4})")

_EVERYWHERE = ("us-west-2", "us-east-1", "ap-northeast-1", "eu-west-1")
_LARGE = ("us-west-2", "ap-northeast-1")

JUDGE_REGIONS: dict[str, tuple[str, ...]] = {
    "openai.gpt-oss-120b-1:0": _EVERYWHERE,
    "openai.gpt-oss-20b-1:0": _EVERYWHERE,
    "qwen.qwen3-32b-v1:0": _EVERYWHERE,
    "qwen.qwen3-coder-30b-a3b-v1:0": _EVERYWHERE,
    "qwen.qwen3-coder-480b-a35b-v1:0": _LARGE,
    "qwen.qwen3-235b-a22b-2507-v1:0": _LARGE,
}
"""Judge models that RLAIF takes, by region (SageMaker Python SDK 3.27)."""

FORMS = ("function", "lambda_arn", "evaluator_arn", "preset", "prompt")
"""Fields that a reward can come from; reading a request leaves exactly one, fit for the technique."""

_RUNNABLE = "a preset or an evaluator_arn for RLVR, a preset prompt or an evaluator_arn for RLAIF"


def check(inquiry: Inquiry) -> RewardPlan | None:
    """The reward of the plan; None when the request has none, or after an error finding."""
    reward = inquiry.request.reward
    if reward is None:
        return None
    _judge(inquiry, reward)
    if reward.certify is not None:
        inquiry.warning(
            "NOT_YET_SUPPORTED",
            "$.reward.certify",
            "This version does not certify rewards; none of this is applied.",
        )
    given = [form for form in FORMS if getattr(reward, form)]
    return _plan(inquiry, given[0], getattr(reward, given[0]), reward.judge_model or "") if given else None


def with_judge(reward: RewardPlan | None, values: dict[str, str]) -> RewardPlan | None:
    """The reward with the judge model and the prompt template that the resolved hyperparameters name."""
    if reward is None:
        return None
    return RewardPlan(
        kind=reward.kind,
        value=reward.value,
        evaluator_arn=reward.evaluator_arn,
        judge_model=values.get("judge_model_id", "").removeprefix("bedrock/"),
        judge_prompt_template=values.get("judge_prompt_template", ""),
    )


def _plan(inquiry: Inquiry, form: str, value: str, judge: str) -> RewardPlan | None:
    where = f"$.reward.{form}"
    match form:
        case "evaluator_arn":
            if not _evaluator_exists(inquiry, value, where):
                return None
            return RewardPlan(kind="evaluator_arn", value=value, evaluator_arn=value, judge_model=judge)
        case "preset":
            return RewardPlan(kind="preset", value=value)
        case "prompt" if not value.startswith("s3://"):
            return RewardPlan(kind="prompt", value=value, judge_model=judge)
        case _:
            what = "a prompt of your own" if form == "prompt" else f"reward.{form}"
            inquiry.error(
                "NOT_YET_SUPPORTED", where, f"This version cannot run {what} yet.", f"Use {_RUNNABLE}."
            )
            return None


def _judge(inquiry: Inquiry, reward: Reward) -> None:
    region = inquiry.ctx.region
    if not reward.judge_model or region in JUDGE_REGIONS.get(reward.judge_model, ()):
        return
    here = sorted(model for model, places in JUDGE_REGIONS.items() if region in places)
    inquiry.error(
        "JUDGE_NOT_OFFERED",
        "$.reward.judge_model",
        f"{reward.judge_model} cannot be a judge in {region}.",
        f"Use one of {', '.join(here)}." if here else "Run it in a region with judge models.",
    )


def _evaluator_exists(inquiry: Inquiry, text: str, where: str) -> bool:
    ctx, arn = inquiry.ctx, arns.parse(text)
    match = _EVALUATOR.fullmatch(arn.resource) if arn and arn.service == "sagemaker" else None
    if arn is None or match is None:
        inquiry.error(
            "EVALUATOR_ARN_INVALID",
            where,
            f"{text} is not the ARN of an evaluator with its version.",
            "It reads arn:aws:sagemaker:REGION:ACCOUNT:hub-content/HUB/JsonDoc/NAME/1.0.0.",
        )
        return False
    if (arn.region, arn.account) != (ctx.region, ctx.account):
        inquiry.error(
            "EVALUATOR_ELSEWHERE",
            where,
            f"{text} is not in account {ctx.account} and region {ctx.region}.",
            "Register the evaluator there.",
        )
        return False
    hub_name, name, version = match.groups()
    answer = ask(
        inquiry.clients.sagemaker.describe_hub_content,
        HubName=hub_name,
        HubContentType="JsonDoc",
        HubContentName=name,
        HubContentVersion=version,
    )
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
    elif answer.data.get("HubContentStatus", "Available") != "Available":
        inquiry.error(
            "EVALUATOR_NOT_READY",
            where,
            f"The evaluator {text} is {answer.data['HubContentStatus']}.",
            "Wait until it is Available, or register it again.",
        )
    else:
        return True
    return False
