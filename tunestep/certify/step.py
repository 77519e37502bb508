"""The reward of a plan, certified: a function is called, a prompt rendered, a preset passed through."""

import hashlib
from typing import Any

from tunestep import lambda_functions, s3uri
from tunestep.certify import certification, data, judging, verdict
from tunestep.certify.calls import FunctionRefused, LambdaFunction, guard
from tunestep.certify.certification import Certified
from tunestep.certify.data import Sampled
from tunestep.certify.outcomes import Thresholds
from tunestep.checks.calls import ask
from tunestep.context import Context
from tunestep.findings import Finding, error, info, warning
from tunestep.hub import Absence
from tunestep.plan_model import Plan, RewardPlan
from tunestep.prompts import store

GRACE_SECONDS = 5.0
"""How much longer than a function may run its answer is waited for."""

_DEFAULT_TIMEOUT = 3.0
_MAX_TIMEOUT = 900.0
_AGAIN = "Start again, so that the reward as it is now is planned and certified."


def certify(context: Context, run_id: str, plan: Plan, thresholds: Thresholds) -> Certified | None:
    """What can be said about the plan's reward; None when it has none.

    Raises TransientFault and ServiceFault as tunestep.checks.calls does.
    """
    reward = plan.reward
    if reward is None:
        return None
    where = f"$.reward.{reward.kind}"
    if not (reward.function_arn or reward.prompt_uri):
        return _passed_through(reward, where)
    sampled = data.of_run(context.files, context.clients.s3, run_id, plan.training_data, thresholds.sample)
    if reward.function_arn:
        return _function(context, reward, sampled, thresholds, where)
    return _prompt(context, reward, sampled, thresholds, where)


def _passed_through(reward: RewardPlan, where: str) -> Certified:
    if reward.kind == "evaluator_arn":
        text = f"{reward.value} does not lead to a function or prompt that could be tried."
        found: Finding = warning("REWARD_NOT_TRIED", where, text, "Register it with a reference.")
    else:
        text = f"{reward.value} is a preset of the service: it is not to be called from here, and not tried."
        found = info("REWARD_PRESET", where, text)
    return Certified([], [found], [], {"function": reward.value})


def _function(
    context: Context, reward: RewardPlan, sampled: Sampled, thresholds: Thresholds, where: str
) -> Certified:
    env, arn = context.env, reward.function_arn
    try:
        guard(arn, stack=env.stack, region=env.region, account=env.account)
    except FunctionRefused as fault:
        return _refused(error("REWARD_REFUSED", where, f"{fault}. It was not called.", kind="reward"))
    before = _described(context, reward, where)
    if isinstance(before, Finding):
        return _refused(before)
    timeout = _timeout(context, arn)
    wait = min(timeout, certification.WAIT_SECONDS)
    client = context.clients.lambda_once(wait + GRACE_SECONDS)
    certified = certification.of_function(
        LambdaFunction(client, arn, wait), reward.contract or "open-weights", sampled, thresholds, where
    )
    after = _described(context, reward, where)
    facts = certified.facts | {"arn": arn, "code_sha256": reward.code_sha256}
    changed = [after] if isinstance(after, Finding) else []
    return certified._replace(findings=[*changed, *certified.findings], facts=facts)


def _refused(found: Finding) -> Certified:
    return Certified([], [found], [], {})


def _described(context: Context, reward: RewardPlan, where: str) -> lambda_functions.Described | Finding:
    """The function, if it is still the planned one; else why it cannot be certified."""
    arn = reward.function_arn
    found = lambda_functions.describe(context.clients.lambda_, arn)
    if isinstance(found, Absence):
        text = f"The function {arn} can no longer be looked at ({found.problem}). {found.message}".strip()
        return error("REWARD_UNREADABLE", where, text, "Deploy it again, or allow it to be read.", "reward")
    if (found.code_sha256, found.configuration_sha256) != (reward.code_sha256, reward.configuration_sha256):
        text = (
            f"{arn} is not what was planned any more: its code is {found.code_sha256}, planned was "
            f"{reward.code_sha256}, or its configuration is another."
        )
        return error("REWARD_CHANGED", where, text, _AGAIN, kind="reward")
    return found


def _timeout(context: Context, arn: str) -> float:
    answer = ask(context.clients.lambda_.get_function_configuration, FunctionName=arn)
    return min(float(answer.data.get("Timeout") or _DEFAULT_TIMEOUT), _MAX_TIMEOUT)


def _prompt(
    context: Context, reward: RewardPlan, sampled: Sampled, thresholds: Thresholds, where: str
) -> Certified:
    found = store.read(context.clients.s3, s3uri.parse(reward.prompt_uri))
    if isinstance(found, Absence):
        text = f"The prompt {reward.prompt_uri} can no longer be read ({found.problem})."
        return _refused(error("PROMPT_UNREADABLE", where, text, "Allow s3:GetObject on it.", kind="reward"))
    if hashlib.sha256(found.body).hexdigest() != reward.prompt_sha256:
        text = f"The prompt {reward.prompt_uri} has other text than was planned."
        return _refused(error("REWARD_CHANGED", where, text, _AGAIN, kind="reward"))
    judged = judging.run(
        found.body.decode(),
        sampled.questions,
        where,
        judge=context.clients.bedrock_runtime if thresholds.judge_rows else None,
        model=reward.judge_model,
        judge_rows=thresholds.judge_rows,
    )
    unread = [] if sampled.questions else [certification.unread(sampled, where)]
    facts = {
        "prompt": reward.prompt_uri,
        "prompt_sha256": reward.prompt_sha256,
        "judge_model": reward.judge_model,
        "judge_tokens": judged.tokens,
        "rows": len(sampled.questions),
    }
    return Certified(judged.probes, [*judged.findings, *unread], judged.examples, facts)


def summary(certified: Certified) -> dict[str, Any]:
    """What the run's document carries about a certification: no content of rows."""
    kept = ("function", "arn", "code_sha256", "contract", "rows", "prompt", "prompt_sha256", "judge_model")
    facts = {name: certified.facts[name] for name in kept if certified.facts.get(name)}
    return {"certified": facts, "probes": verdict.table(certified.probes)}
