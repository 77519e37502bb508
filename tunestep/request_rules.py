"""Rules that no single field can state: impossible combinations, reserved names, sizes.

They read the raw document, so that they speak up together with the faults of shape; a part that is
already at fault is passed over.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from tunestep import durations
from tunestep.findings import Finding, error
from tunestep.request_faults import MAX_FINDINGS, member

MAX_USER_TAGS = 40
"""A job takes 50 tags; the others are the service's and the product's own."""

MAX_HYPERPARAMETERS = 100
MAX_HYPERPARAMETER_NAME = 256
MAX_HYPERPARAMETER_VALUE = 2500
"""Limits of CreateTrainingJob's HyperParameters (botocore's service model)."""

MAX_REQUEST_BYTES = 28 * 1024
"""Longest request as JSON. A run's document carries it through all its states and stays below 64 KB; the
names of 100 hyperparameters at their longest fit."""

MAX_RUNTIME_SECONDS = 28 * 86400
"""Longest training (API reference, StoppingCondition.MaxRuntimeInSeconds)."""

MIN_APPROVAL_SECONDS = 60
MAX_APPROVAL_SECONDS = 180 * 86400
"""A standard execution lives at most a year (Step Functions quotas), waits and training included."""

RESERVED_TAG_PREFIXES = ("aws:", "sagemaker-sdk:", "tunestep:")

RESERVED_HYPERPARAMETERS = {
    "preset_reward_function": "reward.preset",
    "judge_model_id": "reward.judge_model",
    "judge_prompt_template": "reward.prompt",
    "reward_lambda_arn": "reward.lambda_arn",
}
"""Hyperparameters that a field of the request sets, and the field."""

_REWARD_SOURCES = {
    "RLVR": ("function", "lambda_arn", "evaluator_arn", "preset"),
    "RFT": ("function", "lambda_arn", "evaluator_arn", "preset"),
    "RLAIF": ("prompt", "evaluator_arn"),
}
_ALL_SOURCES = ("function", "lambda_arn", "evaluator_arn", "preset", "prompt")
_MODEL_PACKAGE = re.compile(
    r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}(/[0-9]{1,9})?"
)

Document = Mapping[str, Any]


def rule_faults(document: Document, at_fault: Collection[str]) -> list[Finding]:
    """Findings of every rule, at most MAX_FINDINGS; ``at_fault`` holds the paths already reported."""
    rules: tuple[Callable[[Document], Iterator[Finding]], ...] = (
        _size,
        _base_model,
        _reward,
        _hyperparameters,
        _tags,
        _mlflow,
        _durations,
    )
    found = [finding for rule in rules for finding in rule(document) if finding.where not in at_fault]
    return found[:MAX_FINDINGS]


def _size(document: Document) -> Iterator[Finding]:
    try:
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str)
    except ValueError:  # a number with thousands of digits, which is a fault of its own
        return
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_REQUEST_BYTES:
        yield error(
            "REQUEST_TOO_LARGE",
            "$",
            f"has {size:,} bytes as JSON, and a run carries {MAX_REQUEST_BYTES:,} at most.",
            "Shorten the longest values, of hyperparameters or tags for example.",
        )


def _base_model(document: Document) -> Iterator[Finding]:
    name = document.get("base_model")
    if not isinstance(name, str):
        return
    if name.startswith("s3://"):
        yield error(
            "INVALID_VALUE",
            "$.base_model",
            "weights in S3 cannot be trained further by a serverless job.",
            "Give a model name of the hub or a model package ARN.",
        )
    elif name.startswith("arn:") and not _MODEL_PACKAGE.fullmatch(name):
        yield error(
            "INVALID_VALUE",
            "$.base_model",
            "an ARN must be that of a model package (...:model-package/GROUP/VERSION).",
            "For a base model give its name in the hub.",
        )


def _reward(document: Document) -> Iterator[Finding]:
    technique, reward = document.get("technique"), document.get("reward")
    sources = _REWARD_SOURCES.get(technique) if isinstance(technique, str) else None
    if sources is None:
        if technique in ("SFT", "DPO") and reward is not None:
            yield error(
                "CONFLICT",
                "$.reward",
                f"{technique} learns from its data alone and takes no reward.",
                "Remove it.",
            )
        return
    if reward is None:
        yield error(
            "MISSING_FIELD", "$.reward", f"{technique} needs a reward.", f"Give one of: {', '.join(sources)}."
        )
    elif isinstance(reward, Mapping):
        yield from _reward_parts(str(technique), reward, sources)


def _reward_parts(technique: str, reward: Document, sources: tuple[str, ...]) -> Iterator[Finding]:
    given = [name for name in _ALL_SOURCES if reward.get(name) is not None]
    for name in given:
        if name not in sources:
            yield error(
                "CONFLICT",
                f"$.reward.{name}",
                f"is not for {technique}.",
                f"Give one of: {', '.join(sources)}.",
            )
    if len(given) > 1:
        yield error("CONFLICT", "$.reward", f"names {len(given)} rewards ({', '.join(given)}).", "Keep one.")
    if not given:
        yield error("MISSING_FIELD", "$.reward", "names no reward.", f"Give one of: {', '.join(sources)}.")
    judge = reward.get("judge_model")
    if technique == "RLAIF" and given and judge is None:
        yield error(
            "MISSING_FIELD",
            "$.reward.judge_model",
            "RLAIF needs the model that judges.",
            "Give a Bedrock model id such as openai.gpt-oss-120b-1:0.",
        )
    if technique != "RLAIF" and judge is not None:
        yield error("CONFLICT", "$.reward.judge_model", f"{technique} has no judge.", "Remove it.")


def _hyperparameters(document: Document) -> Iterator[Finding]:
    values = document.get("hyperparameters")
    if not isinstance(values, Mapping):
        return
    if len(values) > MAX_HYPERPARAMETERS:
        yield error(
            "INVALID_VALUE",
            "$.hyperparameters",
            f"has {len(values)} entries; a job takes {MAX_HYPERPARAMETERS}.",
        )
    for name, value in values.items():
        where = member("$.hyperparameters", str(name))
        if name in RESERVED_HYPERPARAMETERS:
            field = RESERVED_HYPERPARAMETERS[name]
            yield error("CONFLICT", where, f"is set by {field}.", f"Remove it and give {field}.")
        elif not 1 <= len(str(name)) <= MAX_HYPERPARAMETER_NAME:
            yield error(
                "INVALID_VALUE", where, f"the name must have 1 to {MAX_HYPERPARAMETER_NAME} characters."
            )
        if isinstance(value, str | list) and len(str(value)) > MAX_HYPERPARAMETER_VALUE:
            yield error("INVALID_VALUE", where, f"has more than {MAX_HYPERPARAMETER_VALUE} characters.")


def _tags(document: Document) -> Iterator[Finding]:
    tags = document.get("tags")
    if not isinstance(tags, Mapping):
        return
    if len(tags) > MAX_USER_TAGS:
        yield error("INVALID_VALUE", "$.tags", f"has {len(tags)} tags, and {MAX_USER_TAGS} are taken.")
    for key, value in tags.items():
        if isinstance(key, str) and isinstance(value, str):
            yield from _tag(key, value, member("$.tags", key))


def _tag(key: str, value: str, where: str) -> Iterator[Finding]:
    plain = key.strip().lower()
    if reserved := next((item for item in RESERVED_TAG_PREFIXES if plain.startswith(item)), None):
        yield error(
            "INVALID_VALUE", where, f"tags that begin with {reserved} are reserved.", "Rename the tag."
        )
    if not 1 <= len(key) <= 128:
        yield error("INVALID_VALUE", where, "the key of a tag has 1 to 128 characters.")
    if len(value) > 256:
        yield error("INVALID_VALUE", where, "the value of a tag has at most 256 characters.")
    if not all(unicodedata.category(char)[0] in "LZN" or char in "_.:/=+-@" for char in key + value):
        yield error("INVALID_VALUE", where, "a tag takes letters, digits, spaces and _ . : / = + - @.")


def _mlflow(document: Document) -> Iterator[Finding]:
    if document.get("mlflow") is True:
        yield error(
            "INVALID_VALUE",
            "$.mlflow",
            "must be false (no tracking) or an object, got true.",
            "Leave it out for the account's default app, or give app_arn.",
        )


def _durations(document: Document) -> Iterator[Finding]:
    bounds = (
        ("limits", "max_runtime", 1, MAX_RUNTIME_SECONDS),
        ("approval", "timeout", MIN_APPROVAL_SECONDS, MAX_APPROVAL_SECONDS),
    )
    for part, field, low, high in bounds:
        parent = document.get(part)
        value = parent.get(field) if isinstance(parent, Mapping) else None
        if not isinstance(value, str):
            continue
        try:
            seconds = durations.seconds(value)
        except durations.DurationInvalid:
            continue
        if not low <= seconds <= high:
            yield error(
                "INVALID_VALUE",
                f"$.{part}.{field}",
                f"must be between {durations.text(low)} and {durations.text(high)}, got {value}.",
            )
