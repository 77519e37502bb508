"""Override spec and user values to the HyperParameters of a job, as the SageMaker SDK makes them.

Every default of the spec is merged with the user's values, what other arguments of the job set is taken
out, null is dropped and ``str()`` applied (sagemaker-train 1.27.0, ``FineTuningOptions``). One difference
is on purpose: empty text is dropped too, because the service refuses some of it
(aws/sagemaker-python-sdk pull request 5889) and jobs that it accepted carried none.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from tunestep.findings import Finding, error, warning
from tunestep.patterns import Pattern, PatternUnsupported
from tunestep.request import Reward
from tunestep.request_faults import kind_of, member, nearest, show
from tunestep.request_rules import (
    MAX_HYPERPARAMETER_NAME,
    MAX_HYPERPARAMETER_VALUE,
    MAX_HYPERPARAMETERS,
)

_ROOT = "$.hyperparameters"
_SUPERVISED = frozenset(
    {
        "data_path",
        "output_path",
        "data_s3_path",
        "output_s3_path",
        "training_data_name",
        "validation_data_name",
        "validation_data_path",
    }
)
_STRIPPED: Mapping[str, frozenset[str]] = {
    "SFT": _SUPERVISED,
    "DPO": _SUPERVISED,
    "RLVR": frozenset(
        {"data_s3_path", "reward_lambda_arn", "data_path", "validation_data_path", "output_path"}
    ),
    "RLAIF": frozenset({"output_path", "data_path", "validation_data_path"}),
}
_ALLOWED_TEXT = re.compile(r"[a-zA-Z0-9/_.:,\-\s'\"\[\]]*")
# Names that the documentation uses for templates that the specs call otherwise.
_PROMPT_ALIASES = {"chainofthought": "cot", "evaluation": "evaluate"}

Spec = Mapping[str, Any]


def merge_subscription(spec: Spec, subscription: Spec) -> dict[str, Any]:
    """The chosen spec with what a subscription recipe adds: settable, never sent unless it is set."""
    added = {
        name: {**entry, "default": None} if isinstance(entry, Mapping) else entry
        for name, entry in subscription.items()
        if name not in spec
    }
    return {**spec, **added}


def resolve(
    spec: Spec,
    values: Mapping[str, Any],
    *,
    technique: str,
    peft: str,
    sequence_length: str = "",
    reward: Reward | None = None,
) -> tuple[dict[str, str], list[Finding]]:
    """The strings that are sent, in the spec's order, and findings on the user's values.

    ``sequence_length`` is the chosen recipe's ("4K"); RL recipes must fit prompt and response in it.
    ``reward`` sets ``preset_reward_function`` (RLVR) or the judge and its template (RLAIF).
    """
    options = {name: entry for name, entry in spec.items() if name not in _STRIPPED[technique]}
    findings: list[Finding] = []
    chosen: dict[str, Any] = {}
    for name, value in values.items():
        where = member(_ROOT, name)
        if name not in options:
            findings.append(_unknown(name, where, options, spec, f"{peft} {technique}".strip()))
        else:
            chosen[name] = value
            findings += value_faults(value, options[name], where)
    if reward is not None:
        options, set_by_reward, faults = _reward_values(options, reward, technique)
        chosen |= set_by_reward
        findings += faults
    merged = {name: chosen.get(name, default(entry)) for name, entry in options.items()}
    if technique in ("RLVR", "RLAIF"):
        findings += _length_faults(merged, sequence_length)
    sent = {name: text for name, value in merged.items() if value is not None and (text := str(value))}
    return sent, findings + _request_faults(sent)


def default(entry: Any) -> Any:
    """A spec entry's default; an entry that is no object is its own."""
    return entry.get("default") if isinstance(entry, Mapping) else entry


def _unknown(name: str, where: str, options: Spec, spec: Spec, recipe: str) -> Finding:
    if name in spec:
        return error(
            "UNKNOWN_HYPERPARAMETER", where, "is set from other fields of the request.", "Remove it."
        )
    near = nearest(name, options)
    fix = (f"Did you mean {near}? " if near else "") + f"Known: {', '.join(options) or 'none'}."
    return error("UNKNOWN_HYPERPARAMETER", where, f"is not a hyperparameter of the {recipe} recipe.", fix)


def value_faults(value: Any, entry: Any, where: str) -> list[Finding]:
    """Findings on one value against its spec entry: type, enum, range, then expression."""
    if value is None or not isinstance(entry, Mapping):
        return []
    if expected := _type_fault(value, str(entry.get("type", ""))):
        return [error("INVALID_VALUE", where, f"must be {expected}, got {show(value)} ({kind_of(value)}).")]
    choices = entry.get("enum")
    if isinstance(choices, list) and value not in choices:
        listed = ", ".join(show(item) for item in choices)
        return [error("INVALID_VALUE", where, f"must be one of {listed}, got {show(value)}.")]
    return _range_faults(value, entry, where) + _pattern_faults(value, entry, where)


def _type_fault(value: Any, kind: str) -> str:
    """What is expected, or "" when the value is of the kind that the spec names."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    fits = {
        "float": (number, "a number"),
        "integer": (number and isinstance(value, int), "a whole number"),
        "string": (isinstance(value, str), "text"),
        "boolean": (isinstance(value, bool) or value in ("True", "False"), "true or false"),
        "array": (isinstance(value, list) or (isinstance(value, str) and value.startswith("[")), "a list"),
    }
    fit, expected = fits.get(kind, (True, ""))
    return "" if fit else expected


def _range_faults(value: Any, entry: Spec, where: str) -> list[Finding]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return []
    low, high = entry.get("min"), entry.get("max")
    too_low = isinstance(low, int | float) and value < low
    too_high = isinstance(high, int | float) and value > high
    if not too_low and not too_high:
        return []
    rule = " and ".join(
        f"at {word} {bound}"
        for word, bound in (("least", low), ("most", high))
        if isinstance(bound, int | float)
    )
    return [error("INVALID_VALUE", where, f"must be {rule}, got {value}.")]


def _pattern_faults(value: Any, entry: Spec, where: str) -> list[Finding]:
    pattern = entry.get("regex_pattern")
    if not isinstance(pattern, str) or not pattern or not isinstance(value, str):
        return []
    if len(value) > MAX_HYPERPARAMETER_VALUE:
        return []
    try:
        matches = Pattern(pattern).matches(value)
    except PatternUnsupported as fault:
        reason = f"was not checked against {show(pattern)}: {fault}."
        return [warning("HYPERPARAMETER_NOT_CHECKED", where, reason)]
    return (
        [] if matches else [error("INVALID_VALUE", where, f"must match {show(pattern)}, got {show(value)}.")]
    )


def _reward_values(
    options: Spec, reward: Reward, technique: str
) -> tuple[dict[str, Any], dict[str, Any], list[Finding]]:
    """The options left, the values that the reward sets, and findings on them."""
    left, values, findings = dict(options), {}, []
    wanted = {}
    if technique == "RLVR" and reward.preset:
        wanted["preset_reward_function"] = (reward.preset, "$.reward.preset")
    if technique == "RLAIF":
        if reward.judge_model:
            wanted["judge_model_id"] = (f"bedrock/{reward.judge_model}", "$.reward.judge_model")
        if reward.evaluator_arn or (reward.prompt and reward.prompt.startswith("s3://")):
            left.pop("judge_prompt_template", None)
        elif reward.prompt:
            template, faults = _template(left.get("judge_prompt_template"), reward.prompt)
            findings += faults
            values["judge_prompt_template"] = template
    for name, (value, where) in wanted.items():
        if name not in left:
            findings.append(error("INVALID_VALUE", where, f"this model's {technique} recipe has no {name}."))
        else:
            values[name] = value
            findings += value_faults(value, left[name], where)
    return left, values, findings


def _template(entry: Any, prompt: str) -> tuple[str | None, list[Finding]]:
    """The spec's spelling of a preset prompt (its path in the training image)."""
    choices = (entry.get("enum") if isinstance(entry, Mapping) else None) or [default(entry)]
    known = {template_name(item): item for item in reversed(choices) if isinstance(item, str) and item}
    name = template_name(prompt)
    template = known.get(name) or known.get(_PROMPT_ALIASES.get(name, ""))
    if template:
        return template, []
    listed = ", ".join(reversed(known)) or "none"
    fix = "Choose one of them, or give the S3 URI of a .jinja template."
    return None, [
        error("INVALID_VALUE", "$.reward.prompt", f"{show(prompt)} is no preset prompt here: {listed}.", fix)
    ]


def template_name(template: str) -> str:
    """``Builtin.Summarize``, ``summarize.jinja`` and ``/opt/x/summarize.jinja`` are all ``summarize``."""
    name = re.sub(r"^builtin\.", "", template.strip(), flags=re.IGNORECASE).rpartition("/")[2].lower()
    return name.removesuffix(".jinja")


def _length_faults(merged: Spec, sequence_length: str) -> list[Finding]:
    """Lengths that do not fit the recipe; both are counted in tokens."""
    if not re.fullmatch(r"\d+K", sequence_length):
        return []
    ceiling = int(sequence_length[:-1]) * 1024
    prompt, response, single = (
        value if isinstance(value := merged.get(name), int) else None
        for name in ("max_prompt_length", "max_response_length", "dataset_max_len")
    )
    findings = []
    if prompt is not None and response is not None and prompt + response > ceiling:
        findings.append(
            error(
                "INVALID_VALUE",
                f"{_ROOT}.max_response_length",
                f"{response} and max_prompt_length {prompt} add up to {prompt + response}.",
                f"The recipe holds {ceiling} tokens ({sequence_length}): lower one of them.",
            )
        )
    if single is not None and single > ceiling:
        message = f"must be at most {ceiling}, the recipe's {sequence_length}, got {single}."
        findings.append(error("INVALID_VALUE", f"{_ROOT}.dataset_max_len", message))
    return findings


def _request_faults(sent: Mapping[str, str]) -> list[Finding]:
    """What CreateTrainingJob and the SDK refuse in the strings themselves."""
    findings = []
    if len(sent) > MAX_HYPERPARAMETERS:
        findings.append(
            error("INVALID_VALUE", _ROOT, f"{len(sent)} are to be sent; a job takes {MAX_HYPERPARAMETERS}.")
        )
    for name, text in sent.items():
        where = member(_ROOT, name)
        if len(name) > MAX_HYPERPARAMETER_NAME or len(text) > MAX_HYPERPARAMETER_VALUE:
            findings.append(error("INVALID_VALUE", where, f"has {len(text)} characters, too many for a job."))
        if not _ALLOWED_TEXT.fullmatch(text):
            taken = "letters, digits, spaces and / _ . : , - ' \" [ ]"
            findings.append(
                error(
                    "INVALID_VALUE",
                    where,
                    f"{show(text)} holds a character that is not taken.",
                    f"Use {taken}.",
                )
            )
    return findings
