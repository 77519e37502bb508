"""Evaluators: named, versioned, waited for and reused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.registry_hub import Refusal, RegistryHub, document
from tunestep import evaluators
from tunestep.errors import ServiceFault, TransientFault
from tunestep.evaluators import Content, Registered, Wanted, read, wanted
from tunestep.hub import NAME_PATTERN
from tunestep.names import registry_hub_name
from tunestep.plan_model import RewardPlan

REGION, ACCOUNT = "us-west-2", "111122223333"
HUB = registry_hub_name(REGION, ACCOUNT)
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:SageMaker-x"
WANTED = Wanted("my-reward", Content(ARN, evaluators.FUNCTION))
SAME, OTHER = document(ARN, "RewardFunction"), document(f"{ARN}-other", "RewardFunction")


@pytest.fixture
def hub() -> RegistryHub:
    return RegistryHub()


def _register(hub: RegistryHub) -> Registered:
    return evaluators.register(hub.client, WANTED, region=REGION, account=ACCOUNT, sleep=hub.sleeps.append)


def test_an_unchanged_reference_keeps_its_version_and_nothing_is_made(hub: RegistryHub) -> None:
    hub.put(HUB, "my-reward", "3.0.0", SAME)
    found = _register(hub)
    assert (found.version, found.reused) == ("3.0.0", True)
    assert found.arn.endswith(f":hub-content/{HUB}/JsonDoc/my-reward/3.0.0")
    assert hub.operations() == ["DescribeHubContent"]
    assert hub.sleeps == []


@pytest.mark.parametrize(
    ("version", "text", "status", "following"),
    [
        ("1.0.0", OTHER, "Available", "2.0.0"),
        ("9.4.1", OTHER, "Available", "10.0.0"),
        ("2.0.0", SAME, "ImportFailed", "3.0.0"),
        ("2.0.0", "not json", "Available", "3.0.0"),
        ("2.0.0", document(ARN, "RewardPrompt"), "Available", "3.0.0"),
    ],
)
def test_anything_else_gets_the_next_major_version(
    hub: RegistryHub, version: str, text: str, status: str, following: str
) -> None:
    hub.put(HUB, "my-reward", version, text, status)
    found = _register(hub)
    assert (found.version, found.reused) == (following, False)


def test_a_hub_and_a_content_that_are_being_made_are_waited_for(hub: RegistryHub) -> None:
    hub.hub_statuses = ["Creating", "Creating", "InService"]
    hub.content_statuses = ["Importing", "PendingImport", "Available"]
    assert _register(hub).version == "1.0.0"
    assert len(hub.sleeps) == 4
    import_at = hub.operations().index("ImportHubContent")
    assert hub.operations()[:import_at].count("DescribeHub") == 4


def test_an_import_that_somebody_began_is_waited_for_and_not_repeated(hub: RegistryHub) -> None:
    hub.put(HUB, "my-reward", "1.0.0", SAME, status="")
    hub.content_statuses = ["Importing", "Available"]
    assert _register(hub).reused
    assert "ImportHubContent" not in hub.operations()


def test_a_failed_import_is_a_named_error_with_the_service_s_reason(hub: RegistryHub) -> None:
    hub.content_statuses = ["Importing", "ImportFailed"]
    with pytest.raises(ServiceFault, match=r"my-reward 1\.0\.0 .* ImportFailed: no such function"):
        _register(hub)


def test_a_hub_that_fails_is_a_named_error(hub: RegistryHub) -> None:
    hub.hub_statuses = ["Creating", "CreateFailed"]
    with pytest.raises(ServiceFault, match="CreateFailed"):
        _register(hub)


@pytest.mark.parametrize("which", ["hub_statuses", "content_statuses"])
def test_no_wait_is_without_end(hub: RegistryHub, which: str) -> None:
    setattr(hub, which, ["Creating" if which == "hub_statuses" else "Importing"])
    with pytest.raises(TransientFault, match="still"):
        _register(hub)
    assert sum(hub.sleeps) < 120


def test_a_version_that_another_run_registers_first_is_shared(hub: RegistryHub) -> None:
    def meanwhile(operation: str, _: dict[str, Any]) -> Refusal | None:
        if operation == "ImportHubContent" and not hub.contents:
            hub.put(HUB, "my-reward", "1.0.0", SAME)
        return None

    hub.before = meanwhile
    found = _register(hub)
    assert (found.version, found.reused) == ("1.0.0", True)
    assert len(hub.contents[HUB, "my-reward"]) == 1


def test_a_version_that_another_run_took_for_something_else_is_passed_over(hub: RegistryHub) -> None:
    def meanwhile(operation: str, _: dict[str, Any]) -> Refusal | None:
        if operation == "ImportHubContent" and not hub.contents:
            hub.put(HUB, "my-reward", "1.0.0", OTHER)
        return None

    hub.before = meanwhile
    assert _register(hub).version == "2.0.0"


def test_a_newer_version_of_somebody_else_does_not_hide_ours(hub: RegistryHub) -> None:
    def meanwhile(operation: str, _: dict[str, Any]) -> Refusal | None:
        versions = hub.contents.get((HUB, "my-reward"), [])
        if operation == "DescribeHubContent" and len(versions) == 1:
            hub.put(HUB, "my-reward", "2.0.0", OTHER)
        return None

    hub.before = meanwhile
    assert _register(hub).arn.endswith("/my-reward/1.0.0")


@pytest.mark.parametrize(
    ("code", "error"),
    [("AccessDeniedException", ServiceFault), ("ThrottlingException", TransientFault)],
)
@pytest.mark.parametrize("operation", ["DescribeHubContent", "DescribeHub", "CreateHub", "ImportHubContent"])
def test_refusals_are_named_for_what_can_be_done(
    hub: RegistryHub, operation: str, code: str, error: type[Exception]
) -> None:
    hub.before = lambda name, _: Refusal(code, "because") if name == operation else None
    with pytest.raises(error, match="because"):
        _register(hub)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        (ARN, "SageMaker-x"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:SageMaker_x", "SageMaker-x-"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{'f' * 64}", "f" * 54 + "-"),
        ("s3://b/prompts/My judge.jinja", "My-judge-"),
        ("s3://b/prompts/___.jinja", ""),
    ],
)
def test_an_evaluator_is_named_for_its_function_or_prompt(reference: str, name: str) -> None:
    found = wanted(RewardPlan(kind="lambda_arn", value="", reference=reference))
    assert found is not None
    assert found.name.startswith(name)
    assert NAME_PATTERN.fullmatch(found.name)


@given(st.text(min_size=1, max_size=200))
def test_every_key_gives_a_name_that_the_hub_takes(key: str) -> None:
    found = wanted(RewardPlan(kind="prompt", value="", reference=f"s3://bucket/{key}.jinja"))
    assert found is not None
    assert NAME_PATTERN.fullmatch(found.name)
    assert len(found.name) <= 63


def test_names_that_differ_in_what_a_hub_does_not_take_stay_apart() -> None:
    one, other = (
        wanted(RewardPlan(kind="lambda_arn", value="", reference=f"{ARN}{ending}")) for ending in ("_a", "-a")
    )
    assert one is not None
    assert other is not None
    assert one.name != other.name


@pytest.mark.parametrize(
    "reward",
    [
        RewardPlan(kind="preset", value="gsm8k"),
        RewardPlan(kind="prompt", value="summarize"),
        RewardPlan(kind="evaluator_arn", value="arn:e", evaluator_arn="arn:e", reference=ARN),
    ],
)
def test_presets_and_registered_evaluators_need_no_registering(reward: RewardPlan) -> None:
    assert wanted(reward) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"JsonContent": "{}"}',
        '{"JsonContent": 3}',
        json.dumps({"JsonContent": json.dumps({"Reference": 1, "EvaluatorType": "RewardFunction"})}),
        json.dumps({"JsonContent": json.dumps({"Reference": "", "EvaluatorType": "RewardFunction"})}),
    ],
)
def test_a_document_that_is_no_evaluator_s_refers_to_nothing(text: str) -> None:
    assert read(text) is None
