from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunestep.findings import Finding
from tunestep.hyperparameters import merge_subscription, resolve, template_name, value_faults
from tunestep.request import Reward

SPEC: dict[str, Any] = {
    "data_path": {"type": "string", "default": ""},
    "output_s3_path": {"type": "string", "default": "kept?"},
    "epochs": {"type": "integer", "default": 2, "min": 1, "max": 5},
    "rate": {"type": "float", "default": 1e-05, "min": 0, "max": 1},
    "merge": {"type": "boolean", "default": True},
    "targets": {"type": "array", "default": ["q", "v"]},
    "note": {"type": "string", "default": ""},
    "absent": {"type": "integer", "default": None},
    "run": {"type": "string", "default": "r", "regex_pattern": "^[a-z]{1,8}$"},
    "strange": {"type": "string", "default": "s", "regex_pattern": "(?=x)"},
    "marker": "v1",
}


def resolved(
    values: dict[str, Any], technique: str = "SFT", **more: Any
) -> tuple[dict[str, str], list[Finding]]:
    return resolve(more.pop("spec", SPEC), values, technique=technique, peft="LORA", **more)


def codes(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in findings]


def test_defaults_are_sent_as_text_without_null_empty_and_what_other_arguments_set() -> None:
    sent, findings = resolved({})
    assert findings == []
    assert sent == {
        "epochs": "2",
        "rate": "1e-05",
        "merge": "True",
        "targets": "['q', 'v']",
        "run": "r",
        "strange": "s",
        "marker": "v1",
    }


@pytest.mark.parametrize(
    ("technique", "kept"), [("SFT", False), ("DPO", False), ("RLVR", True), ("RLAIF", True)]
)
def test_each_technique_takes_out_its_own_names(technique: str, kept: bool) -> None:
    sent, _ = resolved({}, technique)
    assert ("output_s3_path" in sent) is kept
    assert "data_path" not in sent


def test_null_and_empty_text_of_the_user_are_not_sent() -> None:
    sent, findings = resolved({"epochs": None, "run": None, "note": ""})
    assert findings == []
    assert not {"epochs", "run", "note"} & set(sent)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 6),
        ("epochs", 2.0),
        ("epochs", "2"),
        ("epochs", True),
        ("rate", "1e-4"),
        ("rate", True),
        ("rate", -1),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("merge", 1),
        ("merge", "yes"),
        ("targets", "q"),
        ("targets", 1),
        ("run", "Not this"),
        ("run", 5),
    ],
)
def test_value_outside_of_the_spec_is_one_error_at_its_path(name: str, value: Any) -> None:
    _, findings = resolved({name: value})
    assert ("INVALID_VALUE", f"$.hyperparameters.{name}") in codes(findings)
    assert all(finding.severity == "error" for finding in findings)


def test_every_fault_is_reported_and_unknown_names_come_with_the_nearest_and_all() -> None:
    _, findings = resolved({"epoch": 1, "rate": 5, "merge": 3, "data_path": "x"})
    assert codes(findings) == [
        ("UNKNOWN_HYPERPARAMETER", "$.hyperparameters.epoch"),
        ("INVALID_VALUE", "$.hyperparameters.rate"),
        ("INVALID_VALUE", "$.hyperparameters.merge"),
        ("UNKNOWN_HYPERPARAMETER", "$.hyperparameters.data_path"),
    ]
    assert "Did you mean epochs? Known: output_s3_path" not in findings[0].fix
    assert findings[0].fix.startswith("Did you mean epochs? Known: epochs, rate, merge")


def test_expression_that_cannot_be_run_safely_is_a_warning_that_says_so() -> None:
    sent, findings = resolved({"strange": "value"})
    assert [(finding.severity, finding.code) for finding in findings] == [
        ("warning", "HYPERPARAMETER_NOT_CHECKED")
    ]
    assert sent["strange"] == "value"


def test_more_than_a_job_takes_is_refused_here() -> None:
    spec = {f"h{number}": {"type": "integer", "default": 1} for number in range(101)}
    assert codes(resolved({}, spec=spec)[1]) == [("INVALID_VALUE", "$.hyperparameters")]
    spec = {"k" * 257: {"type": "integer", "default": 1}, "long": {"type": "string", "default": "x" * 2501}}
    assert len(resolved({}, spec=spec)[1]) == 2


def test_subscription_parameters_can_be_set_but_are_not_sent_unasked() -> None:
    spec = merge_subscription(
        {"epochs": {"type": "integer", "default": 2}},
        {"epochs": {"type": "integer", "default": 9}, "mix": {"type": "integer", "default": 30, "max": 100}},
    )
    assert resolved({}, spec=spec) == ({"epochs": "2"}, [])
    assert resolved({"mix": 40}, spec=spec) == ({"epochs": "2", "mix": "40"}, [])
    assert codes(resolved({"mix": 101}, spec=spec)[1]) == [("INVALID_VALUE", "$.hyperparameters.mix")]


RL = {
    "max_prompt_length": {"type": "integer", "default": 1024},
    "max_response_length": {"type": "integer", "default": 2048},
    "dataset_max_len": {"type": "integer", "default": 1024},
}


@pytest.mark.parametrize("technique", ["RLVR", "RLAIF"])
def test_lengths_must_fit_the_recipe(technique: str) -> None:
    assert resolved({}, technique, spec=RL, sequence_length="3K")[1] == []
    found = codes(resolved({"max_response_length": 2049}, technique, spec=RL, sequence_length="3K")[1])
    assert found == [("INVALID_VALUE", "$.hyperparameters.max_response_length")]
    found = codes(resolved({"dataset_max_len": 4000}, technique, spec=RL, sequence_length="3K")[1])
    assert found == [("INVALID_VALUE", "$.hyperparameters.dataset_max_len")]


@pytest.mark.parametrize("length", ["", "unknown", "K", "4k"])
def test_unknown_recipe_length_checks_nothing(length: str) -> None:
    assert resolved({"max_response_length": 10**6}, "RLVR", spec=RL, sequence_length=length)[1] == []


JUDGED = {
    "judge_model_id": {"type": "string", "default": ""},
    "judge_prompt_template": {
        "type": "string",
        "enum": ["/opt/cot.jinja", "/opt/Evaluate.jinja", "bedrock/x/grader.jinja"],
        "default": "/opt/cot.jinja",
    },
}


@pytest.mark.parametrize(
    ("prompt", "template"),
    [
        ("cot", "/opt/cot.jinja"),
        ("Builtin.CoT", "/opt/cot.jinja"),
        ("Builtin.ChainOfThought", "/opt/cot.jinja"),
        ("evaluate", "/opt/Evaluate.jinja"),
        ("Evaluation", "/opt/Evaluate.jinja"),
        ("grader.jinja", "bedrock/x/grader.jinja"),
    ],
)
def test_preset_prompt_is_sent_in_the_specs_spelling(prompt: str, template: str) -> None:
    reward = Reward(prompt=prompt, judge_model="m")
    sent, findings = resolved({}, "RLAIF", spec=JUDGED, reward=reward)
    assert findings == []
    assert sent == {"judge_model_id": "bedrock/m", "judge_prompt_template": template}


@pytest.mark.parametrize(
    "reward",
    [
        Reward(prompt="s3://bucket/judge.jinja", judge_model="m"),
        Reward(evaluator_arn="arn:aws:sagemaker:r:1:hub-content/H/JsonDoc/e/1.0.0", judge_model="m"),
    ],
)
def test_custom_prompt_takes_the_template_out(reward: Reward) -> None:
    assert resolved({}, "RLAIF", spec=JUDGED, reward=reward) == ({"judge_model_id": "bedrock/m"}, [])


def test_unknown_prompt_lists_the_presets_and_recipe_without_judge_is_said() -> None:
    _, findings = resolved({}, "RLAIF", spec=JUDGED, reward=Reward(prompt="poem", judge_model="m"))
    assert codes(findings) == [("INVALID_VALUE", "$.reward.prompt")]
    assert "cot, evaluate, grader" in findings[0].message
    _, findings = resolved({}, "RLAIF", spec={}, reward=Reward(prompt="cot", judge_model="m"))
    assert codes(findings) == [
        ("INVALID_VALUE", "$.reward.prompt"),
        ("INVALID_VALUE", "$.reward.judge_model"),
    ]


@given(st.sampled_from(["summarize", "cot"]), st.sampled_from(["", "Builtin.", "BUILTIN."]), st.booleans())
def test_spellings_of_a_template_name_are_one(name: str, prefix: str, suffix: bool) -> None:
    assert template_name(f"{prefix}{name}{'.jinja' if suffix else ''}") == name


ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["float", "integer", "string", "boolean", "array", "object", 5, None]),
        "min": st.none() | st.integers() | st.text(max_size=3),
        "max": st.none() | st.floats() | st.lists(st.integers(), max_size=1),
        "enum": st.none() | st.lists(st.integers() | st.text(max_size=3), max_size=3) | st.integers(),
        "default": st.none() | st.integers() | st.text(max_size=5),
        "regex_pattern": st.none() | st.text(max_size=10) | st.integers(),
    },
)
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers())
)


@given(ENTRIES | st.integers() | st.none(), VALUES)
def test_no_spec_however_odd_raises(entry: Any, value: Any) -> None:
    for finding in value_faults(value, entry, "$.hyperparameters.x"):
        assert finding.where == "$.hyperparameters.x"
    sent, _ = resolved({"x": value}, spec={"x": entry})
    assert all(isinstance(text, str) and text for text in sent.values())
