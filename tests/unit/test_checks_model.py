from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.planning import ACCOUNT, LLAMA, NOVA, PACKAGE, QWEN, Desk, finding, prepared_account, shown
from tests.support.world_clients import Refused
from tunestep.errors import TransientFault
from tunestep.plan_model import Plan


@pytest.fixture
def desk() -> Iterator[Desk]:
    with prepared_account() as prepared:
        yield prepared


def planned(desk: Desk, changes: dict[str, Any]) -> Plan:
    plan = desk.plan(changes).plan
    assert plan is not None
    return plan


def test_the_model_is_taken_from_the_hub_document(desk: Desk) -> None:
    model = planned(desk, {"base_model": LLAMA}).model
    assert model.arn.endswith(f"/Model/{LLAMA}/1.25.0")
    assert (model.version, model.family, model.gated) == ("1.25.0", "open-weights", True)
    assert len(model.document_sha256) == 64


def test_gated_is_what_the_document_says_not_what_the_name_suggests(desk: Desk) -> None:
    desk.document(LLAMA)["GatedBucket"] = False
    desk.document(QWEN)["GatedBucket"] = True
    assert not planned(desk, {"base_model": LLAMA}).approval.needed
    assert planned(desk, {"base_model": QWEN}).approval.needed


def test_an_alias_stands_for_the_hubs_name(desk: Desk) -> None:
    assert planned(desk, {"base_model": "amazon.nova-2-lite-v1"}).model.name == NOVA


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("huggingface-reasoning-qwen3-8", QWEN),
        ("amazon.nova-2-light-v1", "amazon.nova-2-lite-v1"),
        (LLAMA[:-2], LLAMA),
    ],
)
def test_an_unknown_model_names_the_nearest(desk: Desk, asked: str, meant: str) -> None:
    outcome = desk.plan({"base_model": asked})
    assert shown(outcome) == [("MODEL_NOT_FOUND", "$.base_model")]
    assert meant in finding(outcome, "MODEL_NOT_FOUND").fix


@pytest.mark.parametrize("name", ["a" * 100, "with_underscore", "ends-", "a/b"])
def test_a_name_that_no_model_can_have_is_not_asked_for(desk: Desk, name: str) -> None:
    outcome = desk.plan({"base_model": name})
    assert ("MODEL_NOT_FOUND", "$.base_model") in shown(outcome)
    assert "DescribeHubContent" not in desk.clients.operations()


@pytest.mark.parametrize(
    ("model", "region", "named"),
    [
        (QWEN, "eu-central-1", "eu-west-1"),
        (NOVA, "eu-west-1", "us-east-1"),
        (NOVA, "ap-northeast-1", "us-west-2"),
    ],
)
def test_a_region_without_the_service_is_an_error_that_names_the_others(
    desk: Desk, model: str, region: str, named: str
) -> None:
    outcome = desk.plan({"base_model": model}, region=region)
    assert named in finding(outcome, "REGION_NOT_OFFERED").fix


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "ap-northeast-1", "eu-west-1"])
def test_open_weights_are_offered_in_four_regions(desk: Desk, region: str) -> None:
    assert "REGION_NOT_OFFERED" not in [
        code for code, _ in shown(desk.plan({"base_model": QWEN}, region=region))
    ]


def test_continued_pre_training_is_refused_with_the_reason(desk: Desk) -> None:
    outcome = desk.plan({"technique": "CPT"})
    assert shown(outcome) == [("CPT_NOT_SERVERLESS", "$.technique")]
    assert "serverless" in finding(outcome, "CPT_NOT_SERVERLESS").message


def test_rft_on_nova_is_rlvr_and_says_so(desk: Desk) -> None:
    evaluator = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:hub-content/MYHUB/JsonDoc/my-eval/1.0.0"
    outcome = desk.plan({"technique": "RFT", "base_model": NOVA, "reward": {"evaluator_arn": evaluator}})
    assert outcome.plan is not None
    assert outcome.plan.technique == "RLVR"
    assert outcome.plan.base_job_name == f"{NOVA}-rlvr"
    assert shown(outcome, "info") == [
        ("RFT_IS_RLVR", "$.technique"),
        ("GROUP_WILL_BE_CREATED", "$.model_package_group"),
    ]


def test_rft_on_a_package_goes_by_its_base_model(desk: Desk, package: Callable[..., None]) -> None:
    evaluator = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:hub-content/MYHUB/JsonDoc/my-eval/1.0.0"
    package({"HubContentName": NOVA, "HubContentVersion": "3.50.0"})
    request = {"technique": "RFT", "base_model": PACKAGE, "reward": {"evaluator_arn": evaluator}}
    assert planned(desk, request).technique == "RLVR"


def test_rft_on_open_weights_names_the_techniques_instead(desk: Desk) -> None:
    outcome = desk.plan({"technique": "RFT", "reward": {"preset": "gsm8k"}})
    assert shown(outcome) == [("TECHNIQUE_NOT_OFFERED", "$.technique")]
    assert "RLVR" in finding(outcome, "TECHNIQUE_NOT_OFFERED").fix


@pytest.mark.parametrize(
    ("changes", "code", "where", "offered"),
    [
        ({"technique": "DPO", "base_model": NOVA}, "TECHNIQUE_NOT_OFFERED", "$.technique", "SFT with LORA"),
        ({"peft": "FULL"}, "PEFT_NOT_OFFERED", "$.peft", "SFT with LORA"),
        ({"sequence_length": "128K"}, "SEQUENCE_LENGTH_NOT_OFFERED", "$.sequence_length", "32K"),
        ({"hyperparameters": {"max_epochs": 1000}}, "OUT_OF_RANGE", "$.hyperparameters.max_epochs", ""),
    ],
)
def test_what_no_recipe_serves_says_what_there_is(
    desk: Desk, changes: dict[str, Any], code: str, where: str, offered: str
) -> None:
    outcome = desk.plan(changes)
    ((found, path),) = shown(outcome)
    assert path == where
    if offered:
        assert found == code
        assert offered in finding(outcome, code).fix


def test_a_spec_that_cannot_be_read_is_an_error_with_the_permission(desk: Desk) -> None:
    desk.document(QWEN)["RecipeCollection"][0]["SmtjOverrideParamsS3Uri"] = (
        "s3://jumpstart-cache-prod-us-west-2/gone"
    )
    outcome = desk.plan()
    assert shown(outcome) == [("SPEC_UNREADABLE", "$.base_model")]
    assert "s3:GetObject" in finding(outcome, "SPEC_UNREADABLE").fix


@pytest.mark.parametrize("uri", ["s3://gone-bucket/x", "not a uri", None, "s3://my-data-bucket/busy.json"])
def test_an_unreadable_subscription_spec_is_said_and_stops_nothing(desk: Desk, uri: str | None) -> None:
    recipes = desk.document(QWEN)["RecipeCollection"]
    recipes.append(recipes[0] | {"Name": "paid", "IsSubscriptionModel": True, "SmtjOverrideParamsS3Uri": uri})

    def busy(params: dict[str, Any]) -> dict[str, Any] | None:
        if params["Key"] == "busy.json":
            raise Refused("SlowDown", status=503)
        return None

    desk.clients.overrides["GetObject"] = busy
    outcome = desk.plan()
    assert outcome.plan is not None
    assert ("SUBSCRIPTION_OPTIONS_UNKNOWN", "$.base_model") in shown(outcome, "info")


def test_a_deprecated_model_is_a_warning(desk: Desk) -> None:
    answer = desk.clients._DescribeHubContent

    def deprecated(params: dict[str, Any]) -> dict[str, Any]:
        return answer(params) | {"SupportStatus": "Deprecated"}

    desk.clients.overrides["DescribeHubContent"] = deprecated
    outcome = desk.plan()
    assert outcome.plan is not None
    assert ("MODEL_DEPRECATED", "$.base_model") in shown(outcome, "warning")


@pytest.fixture
def package(desk: Desk) -> Callable[..., None]:
    """Change the known model package: its status, and fields of its BaseModel (None removes all of it)."""

    def change(base: dict[str, str] | None, status: str = "Completed") -> None:
        facts = desk.world["model_packages"][PACKAGE]
        container = facts["InferenceSpecification"]["Containers"][0]
        facts["ModelPackageStatus"] = status
        if base is None:
            del container["BaseModel"]
        else:
            container["BaseModel"] = base

    return change


def test_a_package_brings_its_base_model_and_its_group(desk: Desk) -> None:
    plan = planned(desk, {"base_model": PACKAGE})
    assert plan.model.name == LLAMA
    assert plan.model.source_model_package_arn == PACKAGE
    assert plan.model.base_established
    assert (plan.group.name, plan.group.exists) == ("my-models", True)


def test_a_package_of_an_ungated_base_needs_no_decision(desk: Desk, package: Callable[..., None]) -> None:
    package({"HubContentName": QWEN, "HubContentVersion": "2.4.0"})
    assert not planned(desk, {"base_model": PACKAGE}).approval.needed


def test_a_package_of_a_gated_base_asks(desk: Desk) -> None:
    assert planned(desk, {"base_model": PACKAGE}).approval.needed


def test_a_base_without_version_counts_as_gated(desk: Desk, package: Callable[..., None]) -> None:
    package({"HubContentName": QWEN})
    plan = planned(desk, {"base_model": PACKAGE})
    assert (plan.model.gated, plan.model.base_established, plan.approval.needed) == (True, False, True)


@pytest.mark.parametrize(
    ("base", "status", "code"),
    [
        (None, "Completed", "MODEL_BASE_UNKNOWN"),
        ({}, "Completed", "MODEL_BASE_UNKNOWN"),
        ({"HubContentName": "private-model", "HubContentVersion": "1.0.0"}, "Completed", "MODEL_NOT_FOUND"),
        ({"HubContentName": QWEN, "HubContentVersion": "2.4.0"}, "Failed", "MODEL_PACKAGE_NOT_READY"),
    ],
)
def test_a_package_that_cannot_be_gone_on_from_is_one_error(
    desk: Desk, package: Callable[..., None], base: dict[str, str] | None, status: str, code: str
) -> None:
    package(base, status)
    assert shown(desk.plan({"base_model": PACKAGE})) == [(code, "$.base_model")]


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (PACKAGE.replace("my-models/3", "my-models/99"), "MODEL_PACKAGE_NOT_FOUND"),
        (PACKAGE.replace("my-models/3", "my-models"), "MODEL_ARN_INVALID"),
        (PACKAGE.replace(ACCOUNT, "999999999999"), "MODEL_PACKAGE_ELSEWHERE"),
        (PACKAGE.replace("us-west-2", "us-east-1"), "MODEL_PACKAGE_ELSEWHERE"),
    ],
)
def test_a_wrong_package_arn_is_one_error(desk: Desk, arn: str, code: str) -> None:
    assert shown(desk.plan({"base_model": arn})) == [(code, "$.base_model")]


@pytest.mark.parametrize(
    ("operation", "model", "code", "permission"),
    [
        ("DescribeHubContent", QWEN, "MODEL_ACCESS_DENIED", "sagemaker:DescribeHubContent"),
        ("DescribeModelPackage", PACKAGE, "MODEL_PACKAGE_ACCESS_DENIED", "sagemaker:DescribeModelPackage"),
    ],
)
def test_a_denied_lookup_names_the_permission(
    desk: Desk, operation: str, model: str, code: str, permission: str
) -> None:
    def refuse(_: Any) -> dict[str, Any]:
        raise Refused("AccessDeniedException", "no")

    desk.clients.overrides[operation] = refuse
    outcome = desk.plan({"base_model": model})
    assert shown(outcome) == [(code, "$.base_model")]
    assert permission in finding(outcome, code).fix


def test_throttling_is_not_a_finding(desk: Desk) -> None:
    def refuse(_: Any) -> dict[str, Any]:
        raise Refused("ThrottlingException")

    desk.clients.overrides["DescribeHubContent"] = refuse
    with pytest.raises(TransientFault):
        desk.plan()
