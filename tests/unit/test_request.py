import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import document_of, load_cases
from tunestep.request import Request, RequestInvalid, parse, request_hash, to_document
from tunestep.request_faults import MAX_FINDINGS

SFT = {
    "use_case": "Customer Support Chatbot",
    "technique": "SFT",
    "base_model": "huggingface-reasoning-qwen3-8b",
    "training_data": "s3://bucket/train.jsonl",
}
RLVR = SFT | {"technique": "RLVR", "reward": {"function": "math_answer"}}
RLAIF = SFT | {
    "technique": "RLAIF",
    "reward": {"prompt": "summarize", "judge_model": "openai.gpt-oss-120b-1:0"},
}
ACCOUNT = "123456789012"
FULL = RLVR | {
    "validation_data": "s3://bucket/val.jsonl",
    "peft": "FULL",
    "hyperparameters": {"max_epochs": 2, "rate": 1e-4, "flag": True, "list": ["a", 1], "none": None, "s": ""},
    "sequence_length": "4K",
    "reward": {
        "lambda_arn": f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:SageMaker-reward:live",
        "certify": {"min_gold": 0.9, "max_wrong": 0, "sample": 16, "judge_rows": 2},
    },
    "model_package_group": "customer-support-chatbot-v1",
    "mlflow": {
        "app_arn": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:mlflow-app/app-1",
        "experiment": "support",
        "run": "r1",
    },
    "limits": {"max_runtime": "6h", "max_tokens": 50000000, "max_cost_usd": 12.5, "review_above_usd": 0},
    "approval": {"require": "always", "timeout": "1d"},
    "tags": {"team": "support", "Cost Centre": "é 1", "empty": ""},
    "execution_role": f"arn:aws:iam::{ACCOUNT}:role/service/fine/Tuning+Role",
    "output": "s3://bucket",
    "base_job_name": "my_job-1",
    "kms_key": "alias/my-key",
    "vpc": {"security_group_ids": ["sg-0a"], "subnets": ["subnet-0a", "subnet-0b"]},
    "compress_output": False,
    "dataset": {"strict": True},
    "reuse": True,
}


def faults(document: Any) -> list[tuple[str, str]]:
    """(code, where) of every finding; nothing when the request is taken."""
    try:
        parse(document)
    except RequestInvalid as refused:
        return [(finding.code, finding.where) for finding in refused.findings]
    return []


@pytest.mark.parametrize("document", [SFT, RLVR, RLAIF, FULL], ids=["SFT", "RLVR", "RLAIF", "full"])
def test_normalised_document_restores_the_request(document: dict[str, Any]) -> None:
    request = parse(document)
    assert parse(to_document(request)) == request
    assert to_document(request) == document


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case["name"])
def test_every_captured_case_can_be_asked_for(case: dict[str, Any]) -> None:
    document = document_of(case)
    assert to_document(parse(document)) == {key: value for key, value in document.items() if value != "LORA"}


def test_defaults_written_out_change_neither_document_nor_hash() -> None:
    spelled = SFT | {
        "peft": "LORA",
        "hyperparameters": {},
        "limits": {},
        "approval": {"require": "licence"},
        "tags": {},
        "compress_output": True,
        "dataset": {"strict": False},
        "reuse": False,
        "reward": None,
        "mlflow": None,
        "vpc": None,
    }
    assert to_document(parse(spelled)) == SFT
    assert request_hash(parse(spelled)) == request_hash(parse(SFT))


def test_hash_is_of_the_canonical_json() -> None:
    text = (
        '{"base_model":"m","hyperparameters":{"a":[1,"x"],"rate":1e-05},"mlflow":false,'
        '"technique":"SFT","training_data":"t.jsonl","use_case":"é"}'
    )
    document = dict(reversed(list(json.loads(text).items())))
    assert request_hash(parse(document)) == hashlib.sha256(text.encode()).hexdigest()


def test_hash_ignores_order_and_tells_contents_apart() -> None:
    assert request_hash(parse(dict(reversed(list(FULL.items()))))) == request_hash(parse(FULL))
    changes = [{}, {"mlflow": False}, {"use_case": "Other"}, {"peft": "FULL"}, {"reuse": True}]
    assert len({request_hash(parse(SFT | change)) for change in changes}) == len(changes)


def test_all_faults_are_reported_at_once_in_the_order_of_their_paths() -> None:
    found = faults(
        {
            "use_case": 5,
            "technique": "SFTT",
            "base_model": "s3://bucket/weights",
            "trainingdata": "s3://bucket/x",
            "peft": None,
            "reward": {"functon": "f"},
            "limits": {"max_runtime": "soon", "max_tokens": 0},
            "vpc": {"security_group_ids": [], "subnets": ["subnet-1", 7]},
            "tags": {"aws:x": "1", "n": 3},
            "plan": {},
        }
    )
    assert found == [
        ("INVALID_VALUE", "$.base_model"),
        ("INVALID_VALUE", "$.limits.max_runtime"),
        ("INVALID_VALUE", "$.limits.max_tokens"),
        ("WRONG_TYPE", "$.peft"),
        ("UNKNOWN_FIELD", "$.plan"),
        ("UNKNOWN_FIELD", "$.reward.functon"),
        ("WRONG_TYPE", "$.tags.n"),
        ("INVALID_VALUE", "$.tags['aws:x']"),
        ("INVALID_VALUE", "$.technique"),
        ("MISSING_FIELD", "$.training_data"),
        ("UNKNOWN_FIELD", "$.trainingdata"),
        ("WRONG_TYPE", "$.use_case"),
        ("INVALID_VALUE", "$.vpc.security_group_ids"),
        ("WRONG_TYPE", "$.vpc.subnets[1]"),
    ]


@pytest.mark.parametrize("document", [None, [], "text", 5, True, [SFT]])
def test_what_is_no_object_is_refused_as_a_whole(document: object) -> None:
    assert faults(document) == [("WRONG_TYPE", "$")]


def test_empty_object_names_every_required_field() -> None:
    assert faults({}) == [
        ("MISSING_FIELD", f"$.{name}") for name in ("base_model", "technique", "training_data", "use_case")
    ]


@pytest.mark.parametrize("field", ["plan", "approval_record", "training", "registry", "evaluator", "error"])
def test_forged_state_is_an_unknown_field(field: str) -> None:
    assert faults(SFT | {field: {"ok": True}}) == [("UNKNOWN_FIELD", f"$.{field}")]


def test_forged_decision_inside_known_fields_is_refused() -> None:
    assert faults(SFT | {"approval": {"decision": "APPROVED"}}) == [("UNKNOWN_FIELD", "$.approval.decision")]
    forged = RLVR | {"reward": {"function": "f", "verdict": "MET"}}
    assert faults(forged) == [("UNKNOWN_FIELD", "$.reward.verdict")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("techniqe", "technique"), ("Peft", "peft"), ("hyperparams", "hyperparameters"), ("mlFlow", "mlflow")],
)
def test_misspelt_field_names_the_nearest_known_one(written: str, meant: str) -> None:
    with pytest.raises(RequestInvalid, match=f"Did you mean {meant}\\?"):
        parse(SFT | {written: "x"})


def test_garbage_of_many_fields_is_cut_short_with_a_word_about_it() -> None:
    found = faults(SFT | {f"field{n}": n for n in range(5000)})
    assert len(found) == MAX_FINDINGS + 1
    assert ("INVALID_VALUE", "$") in found


def test_findings_are_errors_with_something_to_do() -> None:
    with pytest.raises(RequestInvalid) as refused:
        parse(RLVR | {"reward": {"function": "f", "preset": "gsm8k"}, "tecnique": "x"})
    assert {finding.severity for finding in refused.value.findings} == {"error"}
    assert all(finding.fix for finding in refused.value.findings)
    assert "Keep one." in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*Request.__struct_fields__, "other"])


@given(st.dictionaries(FIELDS, JSON, max_size=6), st.sampled_from([{}, SFT, RLVR, RLAIF, FULL]))
def test_any_document_gives_a_request_or_findings(changes: dict[str, Any], base: dict[str, Any]) -> None:
    try:
        request = parse(base | changes)
    except RequestInvalid as refused:
        assert refused.findings
        assert all(re.match(r"\$", finding.where) for finding in refused.findings)
        str(refused).encode()
    else:
        document = json.loads(json.dumps(to_document(request)))
        assert parse(document) == request
        assert len(request_hash(request)) == 64
