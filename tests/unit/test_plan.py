"""The whole plan: rewards, limits, approvals, and what must hold for every plan."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.planning import (
    ACCOUNT,
    EVALUATOR,
    LLAMA,
    NOVA,
    QWEN,
    STACK_ROLE,
    Desk,
    finding,
    prepared_account,
    shown,
)
from tests.support.world_clients import Refused
from tunestep.plan_model import Plan
from tunestep.settings import Limits, Settings

JUDGE = "openai.gpt-oss-120b-1:0"
READ_ONLY = ("Describe", "List", "Get", "Head", "Simulate")


@pytest.fixture(scope="module")
def account() -> Iterator[Desk]:
    with prepared_account() as prepared:
        yield prepared


@pytest.fixture
def desk(account: Desk) -> Desk:
    account.reset()
    return account


def planned(desk: Desk, changes: dict[str, Any], **context: Any) -> Plan:
    outcome = desk.plan(changes, **context)
    assert outcome.plan is not None, [found.line() for found in outcome.findings]
    return outcome.plan


def test_every_fault_is_reported_and_none_hides_another(desk: Desk) -> None:
    outcome = desk.plan(
        {
            "use_case": "s3://absent-bucket/spec.md",
            "base_model": "no-such-model",
            "training_data": "s3://my-data-bucket/absent.jsonl",
            "validation_data": "s3://absent-bucket/val.jsonl",
            "execution_role": "absent-role",
            "output": "s3://absent-bucket/out/",
            "model_package_group": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model-package-group/absent",
            "mlflow": {"app_arn": "absent"},
            "limits": {"max_tokens": 5},
            "kms_key": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1",
        },
        settings=Settings(limits=Limits(max_tokens=4)),
    )
    assert outcome.plan is None
    assert {where for _, where in shown(outcome)} == {
        "$.use_case",
        "$.base_model",
        "$.training_data",
        "$.validation_data",
        "$.execution_role",
        "$.output",
        "$.model_package_group",
        "$.mlflow.app_arn",
        "$.limits.max_tokens",
        "$.kms_key",
    }


def test_planning_only_reads(desk: Desk) -> None:
    planned(desk, {"validation_data": "s3://my-data-bucket/sft/"})
    assert all(name.startswith(READ_ONLY) for name in desk.clients.operations())


def test_the_same_request_gives_the_same_plan_and_survives_storage(desk: Desk) -> None:
    first, second = planned(desk, {}), planned(desk, {})
    assert first == second
    assert msgspec.json.decode(msgspec.json.encode(first), type=Plan) == first


def test_a_warning_never_blocks(desk: Desk) -> None:
    data = "s3://my-data-bucket/sft/train.jsonl"
    outcome = desk.plan({"training_data": data, "validation_data": data})
    assert outcome.plan is not None
    assert ("VALIDATION_IS_TRAINING_DATA", "$.validation_data") in shown(outcome, "warning")


def test_a_botocore_that_lacks_sequence_length_is_an_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = desk.clients.sagemaker.meta.service_model
    shape = model.shape_for("ServerlessJobConfig")
    monkeypatch.delitem(shape.members, "SequenceLength")
    monkeypatch.setattr(model, "shape_for", lambda _: shape)
    assert shown(desk.plan()) == [("BOTOCORE_TOO_OLD", "$.sequence_length")]


@pytest.mark.parametrize(
    ("asked", "ceiling", "is_open", "seconds"),
    [
        (None, "24h", False, 0),
        (None, "2h", False, 7200),
        (None, "2h", True, 0),
        (None, "3d", False, 0),
        ("1h", "2h", False, 3600),
        ("2h", "2h", False, 7200),
        ("5d", "2h", True, 432000),
    ],
)
def test_the_runtime_stays_within_the_settings_also_when_the_request_is_silent(
    desk: Desk, asked: str | None, ceiling: str, is_open: bool, seconds: int
) -> None:
    changes: dict[str, Any] = {
        "training_data": f"s3://tunestep-{ACCOUNT}-us-west-2/data/t.jsonl",
        "mlflow": False,
    }
    desk.put(changes["training_data"])
    if asked:
        changes["limits"] = {"max_runtime": asked}
    assert (
        planned(desk, changes, open=is_open, settings=Settings(max_runtime=ceiling)).max_runtime_seconds
        == seconds
    )


def test_a_runtime_above_the_settings_is_an_error(desk: Desk) -> None:
    outcome = desk.plan({"limits": {"max_runtime": "3h"}}, open=False, settings=Settings(max_runtime="2h"))
    assert ("MAX_RUNTIME_ABOVE_SETTINGS", "$.limits.max_runtime") in shown(outcome)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1", "KMS_KEY_ELSEWHERE"),
        (f"arn:aws:s3:us-west-2:{ACCOUNT}:key/1", "KMS_KEY_INVALID"),
        (f"arn:aws:kms:us-west-2:{ACCOUNT}:grant/1", "KMS_KEY_INVALID"),
    ],
)
def test_an_unusable_key_is_one_error(desk: Desk, key: str, code: str) -> None:
    assert shown(desk.plan({"kms_key": key})) == [(code, "$.kms_key")]


def rlvr(**reward: Any) -> dict[str, Any]:
    return {"technique": "RLVR", "reward": reward}


def rlaif(**reward: Any) -> dict[str, Any]:
    return {"technique": "RLAIF", "reward": {"judge_model": JUDGE} | reward}


def test_a_preset_reward_is_a_hyperparameter(desk: Desk) -> None:
    plan = planned(desk, rlvr(preset="gsm8k"))
    assert plan.hyperparameters["preset_reward_function"] == "gsm8k"
    assert plan.reward is not None
    assert (plan.reward.kind, plan.reward.evaluator_arn) == ("preset", "")


@pytest.mark.parametrize(
    ("asked", "stem"),
    [
        ("summarize", "summarize"),
        ("Builtin.Summarize", "summarize"),
        ("Builtin.ChainOfThought", "cot"),
        ("Builtin.Evaluation", "evaluate"),
        ("faithfulness", "faithfulness"),
    ],
)
def test_a_preset_prompt_becomes_the_specs_own_value(desk: Desk, asked: str, stem: str) -> None:
    plan = planned(desk, rlaif(prompt=asked))
    assert plan.hyperparameters["judge_prompt_template"] == f"/opt/ml/code/verl/{stem}.jinja"
    assert plan.hyperparameters["judge_model_id"] == f"bedrock/{JUDGE}"
    assert plan.reward is not None
    assert plan.reward.judge_prompt_template == f"/opt/ml/code/verl/{stem}.jinja"
    assert plan.reward.judge_model == JUDGE


def test_a_registered_prompt_takes_the_template_out(desk: Desk) -> None:
    plan = planned(desk, rlaif(evaluator_arn=EVALUATOR))
    assert "judge_prompt_template" not in plan.hyperparameters
    assert plan.reward is not None
    assert plan.reward.evaluator_arn == EVALUATOR


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        (rlvr(preset="no_such_preset"), "$.reward.preset"),
        (rlaif(prompt="no_such_prompt"), "$.reward.prompt"),
        (rlvr(preset="gsm8k") | {"base_model": NOVA}, "$.reward.preset"),
    ],
)
def test_a_preset_that_the_recipe_lacks_is_an_error_at_its_field(
    desk: Desk, changes: dict[str, Any], where: str
) -> None:
    assert [path for _, path in shown(desk.plan(changes))] == [where]


@pytest.mark.parametrize(
    ("judge", "region", "offered"),
    [
        (JUDGE, "eu-west-1", True),
        ("qwen.qwen3-235b-a22b-2507-v1:0", "us-west-2", True),
        ("qwen.qwen3-235b-a22b-2507-v1:0", "us-east-1", False),
        ("qwen.qwen3-coder-480b-a35b-v1:0", "eu-west-1", False),
        ("anthropic.claude-x", "us-west-2", False),
    ],
)
def test_judges_are_offered_by_region(desk: Desk, judge: str, region: str, offered: bool) -> None:
    outcome = desk.plan(rlaif(prompt="summarize", judge_model=judge), region=region)
    assert (("JUDGE_NOT_OFFERED", "$.reward.judge_model") in shown(outcome)) is not offered


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (EVALUATOR.replace("my-eval", "absent"), "EVALUATOR_NOT_FOUND"),
        (EVALUATOR.replace("us-west-2", "us-east-1"), "EVALUATOR_ELSEWHERE"),
        (EVALUATOR.replace(ACCOUNT, "999999999999"), "EVALUATOR_ELSEWHERE"),
        (EVALUATOR.replace("1.0.0", "1"), "EVALUATOR_ARN_INVALID"),
    ],
)
def test_an_unusable_evaluator_is_one_error(desk: Desk, arn: str, code: str) -> None:
    assert shown(desk.plan(rlvr(evaluator_arn=arn))) == [(code, "$.reward.evaluator_arn")]


@pytest.mark.parametrize("status", ["Importing", "ImportFailed", "Deleting"])
def test_an_evaluator_that_is_not_available_is_an_error(desk: Desk, status: str) -> None:
    def answer(params: dict[str, Any]) -> dict[str, Any]:
        found = desk.clients._DescribeHubContent(params)
        return found | ({"HubContentStatus": status} if params["HubContentType"] == "JsonDoc" else {})

    desk.clients.overrides["DescribeHubContent"] = answer
    outcome = desk.plan(rlvr(evaluator_arn=EVALUATOR))
    assert shown(outcome) == [("EVALUATOR_NOT_READY", "$.reward.evaluator_arn")]


def test_an_evaluator_that_may_not_be_read_names_the_permission(desk: Desk) -> None:
    def answer(params: dict[str, Any]) -> dict[str, Any]:
        if params["HubContentType"] == "JsonDoc":
            raise Refused("AccessDeniedException")
        return desk.clients._DescribeHubContent(params)

    desk.clients.overrides["DescribeHubContent"] = answer
    outcome = desk.plan(rlvr(evaluator_arn=EVALUATOR))
    assert "sagemaker:DescribeHubContent" in finding(outcome, "EVALUATOR_ACCESS_DENIED").fix


@pytest.mark.parametrize(
    ("model", "require", "needed"),
    [
        (LLAMA, "licence", True),
        (LLAMA, "always", True),
        (QWEN, "licence", False),
        (QWEN, "always", True),
        (QWEN, "never", False),
        (NOVA, "licence", False),
    ],
)
def test_a_person_decides_on_gated_licences_and_when_asked_to(
    desk: Desk, model: str, require: str, needed: bool
) -> None:
    plan = planned(desk, {"base_model": model, "approval": {"require": require}})
    assert plan.approval.needed is needed
    assert bool(plan.approval.reason) is needed


def test_never_cannot_waive_a_gated_licence(desk: Desk) -> None:
    outcome = desk.plan({"base_model": LLAMA, "approval": {"require": "never"}})
    assert shown(outcome) == [("APPROVAL_REQUIRED", "$.approval.require")]


@pytest.mark.parametrize(("asked", "seconds"), [(None, 3 * 86400), ("2h", 7200)])
def test_the_time_to_decide_is_the_requests_or_the_settings(
    desk: Desk, asked: str | None, seconds: int
) -> None:
    approval = {"timeout": asked} if asked else {}
    assert planned(desk, {"base_model": LLAMA, "approval": approval}).approval.timeout_seconds == seconds


def test_the_licence_carries_name_link_text_hash_and_table_revision(desk: Desk) -> None:
    licence = planned(desk, {"base_model": LLAMA}).licence
    assert "Llama 3.2" in licence.name
    assert licence.url in licence.statement
    assert len(licence.text_sha256) == 64
    assert licence.text_uri.startswith("s3://jumpstart-cache-prod-us-west-2/")
    assert licence.revision


def test_an_unreadable_licence_text_is_a_warning(desk: Desk) -> None:
    document = desk.document(LLAMA)
    before = document["HostingEulaUri"]
    document["HostingEulaUri"] = "s3://jumpstart-cache-prod-us-west-2/gone.txt"
    outcome = desk.plan({"base_model": LLAMA})
    document["HostingEulaUri"] = before
    assert outcome.plan is not None
    assert outcome.plan.licence.text_sha256 == ""
    assert ("LICENCE_TEXT_UNREADABLE", "$.base_model") in shown(outcome, "warning")


def test_an_unknown_licence_is_said_and_a_person_decides(desk: Desk) -> None:
    name = "acme-textgeneration-1b"
    desk.world["hub"][f"SageMakerPublicHub/Model/{name}"] = desk.world["hub"][
        f"SageMakerPublicHub/Model/{QWEN}"
    ]
    outcome = desk.plan({"base_model": name})
    assert outcome.plan is not None
    assert not outcome.plan.licence.known
    assert outcome.plan.approval.needed
    assert ("LICENCE_UNKNOWN", "$.base_model") in shown(outcome, "warning")
    assert shown(desk.plan({"base_model": name, "approval": {"require": "never"}})) == [
        ("APPROVAL_REQUIRED", "$.approval.require")
    ]


def test_a_role_is_found_by_its_name(desk: Desk) -> None:
    assert planned(desk, {"execution_role": "stack-role"}).execution_role_arn == STACK_ROLE
