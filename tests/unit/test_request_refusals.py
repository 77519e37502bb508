from typing import Any

import pytest

from tunestep.request import RequestInvalid, parse

ACCOUNT = "123456789012"
SFT = {
    "use_case": "Customer Support Chatbot",
    "technique": "SFT",
    "base_model": "huggingface-reasoning-qwen3-8b",
    "training_data": "s3://bucket/train.jsonl",
}


def faults(document: Any) -> list[tuple[str, str]]:
    """(code, where) of every finding; nothing when the request is taken."""
    try:
        parse(document)
    except RequestInvalid as refused:
        return [(finding.code, finding.where) for finding in refused.findings]
    return []


REFUSED: list[tuple[str, Any, str, str]] = [
    ("use_case", "", "INVALID_VALUE", "$.use_case"),
    ("use_case", " \n ", "INVALID_VALUE", "$.use_case"),
    ("use_case", "x" * 2001, "INVALID_VALUE", "$.use_case"),
    ("use_case", "a\x07b", "INVALID_VALUE", "$.use_case"),
    ("use_case", "approve \u202elive", "INVALID_VALUE", "$.use_case"),
    ("use_case", "half \ud800", "INVALID_VALUE", "$.use_case"),
    ("technique", "sft", "INVALID_VALUE", "$.technique"),
    ("technique", "PPO", "INVALID_VALUE", "$.technique"),
    ("base_model", "", "INVALID_VALUE", "$.base_model"),
    ("base_model", "a b", "INVALID_VALUE", "$.base_model"),
    ("base_model", "model\n", "INVALID_VALUE", "$.base_model"),
    ("base_model", "s3://bucket/weights/", "INVALID_VALUE", "$.base_model"),
    ("base_model", "arn:aws:sagemaker:us-west-2:aws:hub-content/H/Model/m", "INVALID_VALUE", "$.base_model"),
    ("training_data", "", "INVALID_VALUE", "$.training_data"),
    ("training_data", "s3://bucket", "INVALID_VALUE", "$.training_data"),
    ("training_data", "s3://b/k", "INVALID_VALUE", "$.training_data"),
    ("training_data", "https://host/x", "INVALID_VALUE", "$.training_data"),
    ("training_data", "file:///etc/passwd", "INVALID_VALUE", "$.training_data"),
    ("training_data", "arn:aws:s3:::bucket/x", "INVALID_VALUE", "$.training_data"),
    (
        "training_data",
        f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:hub-content/H/DataSet/d",
        "INVALID_VALUE",
        "$.training_data",
    ),
    ("training_data", "s3://bucket/" + "x" * 1024, "INVALID_VALUE", "$.training_data"),
    ("training_data", ["s3://bucket/x"], "WRONG_TYPE", "$.training_data"),
    ("peft", "lora", "INVALID_VALUE", "$.peft"),
    ("peft", True, "WRONG_TYPE", "$.peft"),
    ("hyperparameters", [], "WRONG_TYPE", "$.hyperparameters"),
    ("hyperparameters", {"a": {"b": 1}}, "WRONG_TYPE", "$.hyperparameters.a"),
    ("hyperparameters", {"a": [[1]]}, "WRONG_TYPE", "$.hyperparameters.a[0]"),
    ("hyperparameters", {"a": float("nan")}, "INVALID_VALUE", "$.hyperparameters.a"),
    ("hyperparameters", {"a": float("inf")}, "INVALID_VALUE", "$.hyperparameters.a"),
    ("hyperparameters", {"a": 2**63}, "INVALID_VALUE", "$.hyperparameters.a"),
    ("hyperparameters", {"a": 10**5000}, "INVALID_VALUE", "$.hyperparameters.a"),
    ("hyperparameters", {"a": "x" * 2501}, "INVALID_VALUE", "$.hyperparameters.a"),
    ("hyperparameters", {"a": "x\0"}, "INVALID_VALUE", "$.hyperparameters.a"),
    ("hyperparameters", {"": 1}, "INVALID_VALUE", "$.hyperparameters['']"),
    ("hyperparameters", {f"h{n}": 1 for n in range(101)}, "INVALID_VALUE", "$.hyperparameters"),
    ("hyperparameters", {f"h{n}": "x" * 2500 for n in range(12)}, "REQUEST_TOO_LARGE", "$"),
    ("hyperparameters", {f"h{n}": "\u20ac" * 2500 for n in range(4)}, "REQUEST_TOO_LARGE", "$"),
    ("hyperparameters", {"judge_model_id": "x"}, "CONFLICT", "$.hyperparameters.judge_model_id"),
    (
        "hyperparameters",
        {"preset_reward_function": ""},
        "CONFLICT",
        "$.hyperparameters.preset_reward_function",
    ),
    ("sequence_length", "4k", "INVALID_VALUE", "$.sequence_length"),
    ("sequence_length", "4096", "INVALID_VALUE", "$.sequence_length"),
    ("sequence_length", 4096, "WRONG_TYPE", "$.sequence_length"),
    ("reward", {"function": "f"}, "CONFLICT", "$.reward"),
    ("model_package_group", "-a", "INVALID_VALUE", "$.model_package_group"),
    ("model_package_group", "a_b", "INVALID_VALUE", "$.model_package_group"),
    ("model_package_group", "a" * 64, "INVALID_VALUE", "$.model_package_group"),
    ("mlflow", True, "INVALID_VALUE", "$.mlflow"),
    ("mlflow", "app", "WRONG_TYPE", "$.mlflow"),
    ("mlflow", {"experiment": ""}, "INVALID_VALUE", "$.mlflow.experiment"),
    ("mlflow", {"run": "x" * 257}, "INVALID_VALUE", "$.mlflow.run"),
    ("mlflow", {"app_arn": "arn:aws:s3:::x"}, "INVALID_VALUE", "$.mlflow.app_arn"),
    ("limits", {"max_runtime": "6 hours"}, "INVALID_VALUE", "$.limits.max_runtime"),
    ("limits", {"max_runtime": "29d"}, "INVALID_VALUE", "$.limits.max_runtime"),
    ("limits", {"max_runtime": 3600}, "WRONG_TYPE", "$.limits.max_runtime"),
    ("limits", {"max_tokens": 1.5}, "WRONG_TYPE", "$.limits.max_tokens"),
    ("limits", {"max_tokens": True}, "WRONG_TYPE", "$.limits.max_tokens"),
    ("limits", {"max_cost_usd": 0}, "INVALID_VALUE", "$.limits.max_cost_usd"),
    ("limits", {"review_above_usd": -1}, "INVALID_VALUE", "$.limits.review_above_usd"),
    ("approval", {"require": "maybe"}, "INVALID_VALUE", "$.approval.require"),
    ("approval", {"timeout": "10s"}, "INVALID_VALUE", "$.approval.timeout"),
    ("approval", {"timeout": "999d"}, "INVALID_VALUE", "$.approval.timeout"),
    ("tags", {"AWS:team": "x"}, "INVALID_VALUE", "$.tags['AWS:team']"),
    ("tags", {"sagemaker-sdk:x": "y"}, "INVALID_VALUE", "$.tags['sagemaker-sdk:x']"),
    ("tags", {"tunestep:run": "forged"}, "INVALID_VALUE", "$.tags['tunestep:run']"),
    ("tags", {" TuneStep:run": "forged"}, "INVALID_VALUE", "$.tags[' TuneStep:run']"),
    ("tags", {"a": 1}, "WRONG_TYPE", "$.tags.a"),
    ("tags", {"a": "x" * 257}, "INVALID_VALUE", "$.tags.a"),
    ("tags", {"a": "<b>"}, "INVALID_VALUE", "$.tags.a"),
    ("tags", {f"t{n}": "" for n in range(41)}, "INVALID_VALUE", "$.tags"),
    ("execution_role", "arn:aws:iam::1:role/x", "INVALID_VALUE", "$.execution_role"),
    ("execution_role", f"arn:aws:iam::{ACCOUNT}:user/x", "INVALID_VALUE", "$.execution_role"),
    ("output", "/tmp/out", "INVALID_VALUE", "$.output"),
    ("output", "s3://bucket/x\n", "INVALID_VALUE", "$.output"),
    ("base_job_name", "job-", "INVALID_VALUE", "$.base_job_name"),
    ("base_job_name", "-job", "INVALID_VALUE", "$.base_job_name"),
    ("base_job_name", "jo b", "INVALID_VALUE", "$.base_job_name"),
    ("kms_key", "my key", "INVALID_VALUE", "$.kms_key"),
    ("vpc", {"security_group_ids": ["sg-1"]}, "MISSING_FIELD", "$.vpc.subnets"),
    ("vpc", {"security_group_ids": ["sg-1"], "subnets": []}, "INVALID_VALUE", "$.vpc.subnets"),
    (
        "vpc",
        {"security_group_ids": ["sg-1"] * 6, "subnets": ["subnet-1"]},
        "INVALID_VALUE",
        "$.vpc.security_group_ids",
    ),
    (
        "vpc",
        {"security_group_ids": "sg-1", "subnets": ["subnet-1"]},
        "WRONG_TYPE",
        "$.vpc.security_group_ids",
    ),
    ("compress_output", "no", "WRONG_TYPE", "$.compress_output"),
    ("dataset", {"strict": 1}, "WRONG_TYPE", "$.dataset.strict"),
    ("reuse", None, "WRONG_TYPE", "$.reuse"),
]


@pytest.mark.parametrize(("field", "value", "code", "where"), REFUSED)
def test_bad_value_is_one_fault_at_its_path(field: str, value: Any, code: str, where: str) -> None:
    assert faults(SFT | {field: value}) == [(code, where)]


REWARDS: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("RLVR", None, [("MISSING_FIELD", "$.reward")]),
    ("RFT", None, [("MISSING_FIELD", "$.reward")]),
    ("RLAIF", None, [("MISSING_FIELD", "$.reward")]),
    ("RLVR", {}, [("MISSING_FIELD", "$.reward")]),
    ("RLVR", {"function": "f", "preset": "gsm8k"}, [("CONFLICT", "$.reward")]),
    ("RLVR", {"prompt": "cot"}, [("CONFLICT", "$.reward.prompt")]),
    ("RLVR", {"preset": "gsm8k", "judge_model": "m"}, [("CONFLICT", "$.reward.judge_model")]),
    ("RLVR", {"preset": "gsm8k"}, []),
    ("RFT", {"function": "f"}, []),
    ("CPT", None, []),
    ("DPO", {"preset": "gsm8k"}, [("CONFLICT", "$.reward")]),
    ("RLAIF", {"prompt": "cot"}, [("MISSING_FIELD", "$.reward.judge_model")]),
    ("RLAIF", {"preset": "gsm8k", "judge_model": "m"}, [("CONFLICT", "$.reward.preset")]),
    ("RLAIF", {"judge_model": "m"}, [("MISSING_FIELD", "$.reward")]),
    ("RLAIF", {"prompt": "s3://bucket/judge.jinja", "judge_model": "m"}, []),
    (
        "RLAIF",
        {"prompt": "s3://bucket/judge.txt", "judge_model": "m"},
        [("INVALID_VALUE", "$.reward.prompt")],
    ),
    ("RLAIF", {"prompt": "cot", "judge_model": "bedrock/m"}, [("INVALID_VALUE", "$.reward.judge_model")]),
    ("RLVR", {"function": "../x"}, [("INVALID_VALUE", "$.reward.function")]),
    ("RLVR", {"lambda_arn": "my-function"}, [("INVALID_VALUE", "$.reward.lambda_arn")]),
    ("RLVR", {"evaluator_arn": "arn:aws:x"}, [("INVALID_VALUE", "$.reward.evaluator_arn")]),
    (
        "RLVR",
        {"function": "f", "certify": {"min_gold": 2, "sample": 0, "max_wrong": "x"}},
        [
            ("INVALID_VALUE", "$.reward.certify.min_gold"),
            ("WRONG_TYPE", "$.reward.certify.max_wrong"),
            ("INVALID_VALUE", "$.reward.certify.sample"),
        ],
    ),
]


@pytest.mark.parametrize(("technique", "reward", "expected"), REWARDS)
def test_reward_fits_the_technique(technique: str, reward: Any, expected: list[tuple[str, str]]) -> None:
    document = SFT | {"technique": technique} | ({} if reward is None else {"reward": reward})
    assert sorted(faults(document)) == sorted(expected)


def test_a_hundred_hyperparameters_with_the_longest_names_are_taken() -> None:
    assert faults({**SFT, "hyperparameters": {f"{n:0256}": 1000 for n in range(100)}}) == []
