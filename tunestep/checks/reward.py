"""The reward of an RLVR or RLAIF run: exactly one, that may be used, is there, and is pinned."""

import msgspec

from tunestep import evaluators
from tunestep.checks import reward_evaluator, reward_function, reward_prompt
from tunestep.checks.context import Inquiry
from tunestep.names import JUDGE_REGIONS
from tunestep.plan_model import Family, RewardPlan
from tunestep.request import Reward

__all__ = ["FORMS", "JUDGE_REGIONS", "check", "completed"]

FORMS = ("function", "lambda_arn", "evaluator_arn", "preset", "prompt")
"""Fields that a reward can come from; reading a request leaves exactly one, fit for the technique."""


def check(inquiry: Inquiry, family: Family) -> RewardPlan | None:
    """The reward of the plan; None when the request has none, or after an error finding."""
    reward = inquiry.request.reward
    if reward is None:
        return None
    _judge(inquiry, reward)
    given = [form for form in FORMS if getattr(reward, form)]
    if not given:
        return None
    plan = _plan(inquiry, given[0], getattr(reward, given[0]), family)
    if plan is None:
        return None
    plan = msgspec.structs.replace(plan, judge_model=reward.judge_model or "")
    wanted = evaluators.wanted(plan)
    if wanted:
        inquiry.info(
            "EVALUATOR_REGISTERED_LATER",
            f"$.reward.{given[0]}",
            f"The run registers it as evaluator {wanted.name}, after every check and decision; only then "
            "does its ARN have a version.",
        )
    return plan


def completed(reward: RewardPlan | None, values: dict[str, str], family: Family) -> RewardPlan | None:
    """The reward with the judge and the template that the resolved hyperparameters name.

    A function is called by the wire contract of the model's family.
    """
    if reward is None:
        return None
    return msgspec.structs.replace(
        reward,
        judge_model=values.get("judge_model_id", "").removeprefix("bedrock/"),
        judge_prompt_template=values.get("judge_prompt_template", ""),
        contract=family if reward.function_arn else "",
    )


def _plan(inquiry: Inquiry, form: str, value: str, family: Family) -> RewardPlan | None:
    where = f"$.reward.{form}"
    match form:
        case "function":
            return reward_function.by_name(inquiry, value, where, family)
        case "lambda_arn":
            return reward_function.pinned(inquiry, RewardPlan(kind="lambda_arn", value=value), value, where)
        case "evaluator_arn":
            return reward_evaluator.by_arn(inquiry, value, where)
        case "prompt" if value.startswith("s3://"):
            return reward_prompt.pinned(inquiry, RewardPlan(kind="prompt", value=value), value, where)
        case "prompt":
            return RewardPlan(kind="prompt", value=value)
        case _:
            return RewardPlan(kind="preset", value=value)


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
