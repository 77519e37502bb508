"""What a plan says, under the names that the templates use."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tunestep import evaluators, metric_series, names, training_job
from tunestep.hyperparameters import template_name
from tunestep.notebooks.filling import Hyperparameter
from tunestep.plan_model import Plan

METRICS_TEMPLATE = "metrics"

_REWARD_SETS = {"RLVR": {"preset_reward_function"}, "RLAIF": {"judge_model_id", "judge_prompt_template"}}
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a rendering needs beside the plan.

    ``hyperparameters`` are the request's own; ``accepted`` is true only when this very run was approved, by a
    decision on it or by an earlier acceptance that it cites, and ``acceptance`` says by whom;
    ``evaluator_arn`` is the evaluator that the run registered, ``job_name`` its training job.
    ``origin`` says in words what was rendered.
    """

    hyperparameters: Mapping[str, Any] = {}
    origin: str
    accepted: bool = False
    acceptance: str = ""
    evaluator_arn: str = ""
    job_name: str = ""
    wait: bool = True


def template_of(plan: Plan) -> str:
    """The template for a plan: by technique, by kind of judge prompt, and one for going on from a package."""
    if plan.model.source_model_package_arn:
        return "continue"
    if plan.technique == "RLAIF":
        return "rlaif_builtin" if plan.reward and plan.reward.judge_prompt_template else "rlaif_custom_prompt"
    return plan.technique.lower()


def values_of(plan: Plan, facts: Facts) -> dict[str, Any]:
    """Every value that is there; a name without one is absent, and so are the lines that need it."""
    found = {
        **_terms(plan, facts),
        **_job(plan, facts),
        **_options(plan),
        **_reward(plan, facts),
        **_flags(plan, facts),
    }
    return {name: value for name, value in found.items() if value not in ("", None, [], ())}


def hyperparameters_of(plan: Plan, facts: Facts) -> list[Hyperparameter]:
    """One entry for each hyperparameter that is sent, and for each that the request takes away."""
    by_reward = _REWARD_SETS.get(plan.technique, set()) if plan.reward else set()
    found = []
    for name, value in facts.hyperparameters.items():
        found.append(Hyperparameter(name, value, "drop" if value is None else "set"))
    for name, text in plan.hyperparameters.items():
        if name in facts.hyperparameters or (name in by_reward and plan.technique == "RLAIF"):
            continue
        found.append(Hyperparameter(name, _literal(text), "set" if name in by_reward else "default"))
    return found


def _literal(text: str) -> Any:
    """The value whose str() was sent, where only one is likely."""
    if text in ("True", "False"):
        return text == "True"
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text) if any(character in text for character in ".eE") else int(text)
    return number if str(number) == text else text


def _terms(plan: Plan, facts: Facts) -> dict[str, Any]:
    return {
        "USE_CASE": plan.use_case,
        "ORIGIN": facts.origin,
        "LICENCE": plan.licence.statement or plan.licence.name,
        "METRICS": list(metric_series.PRIMARY[plan.technique]),
        "TRAINING_JOB_NAME": facts.job_name,
        "WAIT": facts.wait,
    }


def _job(plan: Plan, facts: Facts) -> dict[str, Any]:
    gated = plan.model.gated or not plan.model.base_established
    accepted = facts.accepted and plan.approval.needed
    return {
        "REGION": plan.region,
        "HUB_NAME": plan.model.hub if plan.model.hub != names.HUB else "",
        "BASE_MODEL": plan.model.name,
        "SOURCE_MODEL_PACKAGE": plan.model.source_model_package_arn,
        "MODEL_PACKAGE_GROUP_NAME": plan.group.name,
        "TRAINING_DATA": plan.training_data.uri,
        "VALIDATION_DATA": plan.validation_data.uri if plan.validation_data else "",
        "S3_OUTPUT_PATH": plan.output_uri,
        "ROLE_ARN": plan.execution_role_arn,
        "BASE_JOB_NAME": training_job.name_stem(plan.base_job_name),
        "ACCEPT_EULA": accepted if gated else None,
        "ACCEPTANCE": facts.acceptance if gated and accepted else "",
    }


def _options(plan: Plan) -> dict[str, Any]:
    return {
        "SEQUENCE_LENGTH": plan.sequence_length,
        "MLFLOW_APP_ARN": plan.mlflow.app_arn if plan.mlflow else "",
        "MLFLOW_EXPERIMENT_NAME": plan.mlflow.experiment if plan.mlflow else "",
        "MLFLOW_RUN_NAME": plan.mlflow.run if plan.mlflow else "",
        "KMS_KEY_ID": plan.kms_key,
        "SECURITY_GROUP_IDS": list(plan.vpc.security_group_ids) if plan.vpc else [],
        "SUBNETS": list(plan.vpc.subnets) if plan.vpc else [],
        "MAX_RUNTIME_SECONDS": plan.max_runtime_seconds or None,
        "TAGS": [{"key": key, "value": value} for key, value in plan.tags.items()],
    }


def _reward(plan: Plan, facts: Facts) -> dict[str, Any]:
    reward = plan.reward
    if reward is None:
        return {}
    arn = reward.evaluator_arn or facts.evaluator_arn
    wanted = None if arn else evaluators.wanted(reward)
    built_in = reward.judge_prompt_template
    return {
        "EVALUATOR_ARN": arn,
        "EVALUATOR_NAME": wanted.name if wanted else "",
        "EVALUATOR_TYPE": wanted.content.kind if wanted else "",
        "EVALUATOR_SOURCE": wanted.content.reference if wanted else "",
        "JUDGE_MODEL": reward.judge_model,
        # With this prefix the SDK never takes a name for that of a prompt of one's own.
        "REWARD_PROMPT": built_in and f"Builtin.{template_name(built_in)}",
    }


def _flags(plan: Plan, facts: Facts) -> dict[str, Any]:
    """Conditions without a value: present, or not there."""
    scored = plan.reward is not None and plan.reward.kind != "preset"
    built_in = plan.reward is not None and bool(plan.reward.judge_prompt_template)
    flags = {
        plan.technique: True,
        plan.recipe.peft or "FULL": True,
        "NO_VPC": plan.vpc is None,
        "NO_MLFLOW": plan.mlflow is None,
        "NO_JOB": not facts.job_name,
        "UNCOMPRESSED_OUTPUT": not plan.compress_output and plan.technique != "RLAIF",
        "CUSTOM_REWARD": plan.technique == "RLVR" and scored,
        "CUSTOM_PROMPT": plan.technique == "RLAIF" and not built_in,
        # The SDK tries a reward on the rows of one JSON Lines file, and fails on anything else.
        "SKIP_REWARD_VALIDATION": plan.technique == "RLVR"
        and scored
        and not (plan.training_data.kind == "object" and plan.training_data.uri.endswith(".jsonl")),
    }
    return {name: True for name, holds in flags.items() if holds}
