"""What was certified is what is registered, and what was registered is what the job names."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from tests.support.registry_hub import RegistryHub, document
from tests.support.run_world import (
    ACCOUNT,
    MODEL,
    MODEL_ARN,
    REGION,
    RUN_ID,
    World,
    described,
    job_request,
    make_plan,
    world,
)
from tunestep import evaluators
from tunestep.errors import PlanChanged, ServiceFault
from tunestep.lambda_functions import describe
from tunestep.names import registry_hub_name
from tunestep.plan_model import ApprovalPlan, Plan, RewardPlan
from tunestep.registry import register_evaluator
from tunestep.run_files import CREATE_TRAINING_JOB
from tunestep.training_start import start_training

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tunestep-SageMaker-reward-math-answer"
PROMPT = "s3://data/judge.jinja"
HUB = registry_hub_name(REGION, ACCOUNT)
NAME = "tunestep-SageMaker-reward-math-answer"
EVALUATOR = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hub-content/{HUB}/JsonDoc/{NAME}/1.0.0"
CONFIGURATION = {
    "CodeSha256": "planned",
    "Handler": "reward_functions.math_answer.handler",
    "State": "Active",
}
FREE = ApprovalPlan(needed=False, reason="", timeout_seconds=3600)


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _function(w: World, **changes: Any) -> None:
    w.lambda_stub.add_response(
        "get_function_configuration", CONFIGURATION | changes, {"FunctionName": FUNCTION}
    )


def _reward(w: World) -> RewardPlan:
    _function(w)
    pins = describe(w.lambda_, FUNCTION)
    return RewardPlan(
        kind="function",
        value="math_answer",
        reference=FUNCTION,
        function_arn=FUNCTION,
        code_sha256=pins.code_sha256,
        configuration_sha256=pins.configuration_sha256,
        contract="open-weights",
    )


def _plan(w: World, **changes: Any) -> Plan:
    plan = make_plan()
    model = msgspec.structs.replace(plan.model, gated=False)
    reward = changes.pop("reward", None) or _reward(w)
    return make_plan(model=model, approval=FREE, technique="RLVR", reward=reward, **changes)


def _prompt_plan(w: World, body: bytes = b"{{ prompt }} {{ response }}", **pins: Any) -> Plan:
    w.s3.put_object(Bucket="data", Key="judge.jinja", Body=body)
    sha256 = hashlib.sha256(b"{{ prompt }} {{ response }}").hexdigest()
    facts = {"reference": PROMPT, "prompt_uri": PROMPT, "prompt_sha256": sha256, **pins}
    return _plan(w, reward=RewardPlan(kind="prompt", value=PROMPT, **facts))


@pytest.fixture
def hub(w: World) -> RegistryHub:
    """The account's registry, in place of the stub."""
    registry = RegistryHub(REGION, ACCOUNT)
    vars(w.context.clients)["sagemaker"] = registry.client
    return registry


def test_a_function_is_registered_and_remembered_with_its_plan(w: World, hub: RegistryHub) -> None:
    w.begin(_plan(w))
    _function(w)
    value = register_evaluator(w.context, w.event(), sleep=hub.sleeps.append)
    assert value == {
        "evaluator_arn": EVALUATOR,
        "kind": "function",
        "name": NAME,
        "version": "1.0.0",
        "reused": False,
    }
    run = w.runs.run(RUN_ID) or {}
    assert run["evaluator"] == {"arn": EVALUATOR, "plan_sha256": run["plan_sha256"]}


def test_a_second_try_finds_what_the_first_registered(w: World, hub: RegistryHub) -> None:
    w.begin(_plan(w))
    for reused in (False, True):
        _function(w)
        assert register_evaluator(w.context, w.event())["reused"] is reused
    assert hub.operations().count("ImportHubContent") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"CodeSha256": "deployed since"}, "other code .CodeSha256 deployed since, planned planned."),
        ({"Environment": {"Variables": {"REWARD_CONFIG": "{}"}}}, "configuration .* has changed"),
    ],
)
def test_a_function_that_changed_since_is_not_registered(
    w: World, hub: RegistryHub, change: dict[str, Any], said: str
) -> None:
    w.begin(_plan(w))
    _function(w, **change)
    with pytest.raises(PlanChanged, match=said):
        register_evaluator(w.context, w.event())
    assert hub.calls == []
    assert "evaluator" not in (w.runs.run(RUN_ID) or {})


def test_a_function_that_is_gone_is_not_registered(w: World, hub: RegistryHub) -> None:
    w.begin(_plan(w))
    w.lambda_stub.add_client_error("get_function_configuration", "ResourceNotFoundException")
    with pytest.raises(PlanChanged, match=r"can no longer be looked at \(absent\)"):
        register_evaluator(w.context, w.event())
    assert hub.calls == []


def test_a_prompt_is_registered_as_it_was_certified(w: World, hub: RegistryHub) -> None:
    w.begin(_prompt_plan(w))
    value = register_evaluator(w.context, w.event())
    assert value["name"].startswith("judge-")
    (content,) = hub.contents[HUB, value["name"]]
    assert evaluators.read(content["HubContentDocument"]) == (PROMPT, evaluators.PROMPT)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: _prompt_plan(w, b"other {{ prompt }}"), "has other text"),
        (lambda w: _prompt_plan(w, prompt_version_id="v1"), "has another version"),
    ],
)
def test_a_prompt_that_changed_since_is_not_registered(
    w: World, hub: RegistryHub, change: Callable[[World], Plan], said: str
) -> None:
    w.begin(change(w))
    with pytest.raises(PlanChanged, match=said):
        register_evaluator(w.context, w.event())
    assert hub.calls == []


def _hub_model(w: World) -> None:
    w.sagemaker_stub.add_response(
        "describe_hub_content",
        {
            "HubContentName": MODEL,
            "HubContentArn": MODEL_ARN,
            "HubContentVersion": "1.2.0",
            "HubContentType": "Model",
            "DocumentSchemaVersion": "2.0.0",
            "HubName": "SageMakerPublicHub",
            "HubArn": "arn:aws:sagemaker:us-west-2:aws:hub/SageMakerPublicHub",
            "HubContentDocument": '{"GatedBucket": false}',
            "HubContentStatus": "Available",
            "CreationTime": w.clock(),
        },
    )


def _evaluator(w: World, reference: str = FUNCTION, status: str = "Available") -> None:
    w.sagemaker_stub.add_response(
        "describe_hub_content",
        {
            "HubContentName": NAME,
            "HubContentArn": EVALUATOR,
            "HubContentVersion": "1.0.0",
            "HubContentType": "JsonDoc",
            "DocumentSchemaVersion": "2.0.0",
            "HubName": HUB,
            "HubArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hub/{HUB}",
            "HubContentDocument": document(reference, "RewardFunction"),
            "HubContentStatus": status,
            "CreationTime": w.clock(),
        },
        {
            "HubName": HUB,
            "HubContentType": "JsonDoc",
            "HubContentName": NAME,
            "HubContentVersion": "1.0.0",
        },
    )


def _registered(w: World, **changes: Any) -> Plan:
    plan = w.begin(_plan(w))
    run = w.runs.run(RUN_ID) or {}
    fact = {"arn": EVALUATOR, "plan_sha256": run["plan_sha256"], **changes}
    w.runs.update_run(RUN_ID, {"evaluator": fact})
    return plan


def _event(w: World, arn: str = EVALUATOR) -> Any:
    return w.event(evaluator={"evaluator_arn": arn})


def test_the_job_names_the_evaluator_on_record(w: World) -> None:
    plan = _registered(w)
    request = job_request(plan, accept=False)
    request["ServerlessJobConfig"]["EvaluatorArn"] = EVALUATOR
    _hub_model(w)
    _function(w)
    _evaluator(w)
    arn = described(request)["TrainingJobArn"]
    w.sagemaker_stub.add_response("create_training_job", {"TrainingJobArn": arn}, request)
    w.sagemaker_stub.add_response("describe_training_job", described(request))
    start_training(w.context, _event(w))
    stored, _ = w.files.get(RUN_ID, CREATE_TRAINING_JOB) or (b"{}", "")
    assert msgspec.json.decode(stored)["ServerlessJobConfig"]["EvaluatorArn"] == EVALUATOR
    w.done()


@pytest.mark.parametrize("claimed", ["", EVALUATOR.replace("1.0.0", "9.0.0"), "arn:aws:sagemaker:::forged"])
def test_a_document_that_names_another_evaluator_starts_nothing(w: World, claimed: str) -> None:
    _registered(w)
    with pytest.raises(PlanChanged, match="on record is"):
        start_training(w.context, _event(w, claimed))


def test_an_evaluator_that_was_never_registered_starts_nothing(w: World) -> None:
    w.begin(_plan(w))
    with pytest.raises(ServiceFault, match="No evaluator was registered"):
        start_training(w.context, _event(w))


def test_an_evaluator_of_another_plan_starts_nothing(w: World) -> None:
    _registered(w, plan_sha256="0" * 64)
    with pytest.raises(ServiceFault, match="No evaluator was registered"):
        start_training(w.context, _event(w))


@pytest.mark.parametrize(
    ("function", "evaluator", "said"),
    [
        ({"CodeSha256": "deployed since"}, {}, "other code"),
        ({}, {"reference": FUNCTION + "-other"}, "refers to .*-other, planned was"),
        ({}, {"status": "Deleting"}, "is Deleting"),
    ],
)
def test_a_reward_that_changed_between_registering_and_starting_starts_nothing(
    w: World, function: dict[str, Any], evaluator: dict[str, Any], said: str
) -> None:
    _registered(w)
    _hub_model(w)
    _function(w, **function)
    _evaluator(w, **evaluator)
    with pytest.raises(PlanChanged, match=said):
        start_training(w.context, _event(w))
    w.done()
