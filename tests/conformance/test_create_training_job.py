"""The builder against requests that the real SageMaker SDK sent."""

from typing import Any

import msgspec
import pytest

from tests.support.botocore_check import request_faults
from tests.support.cases import expected_of, load_cases, load_world, normalised, plan_of
from tunestep import training_job
from tunestep.local.awsjson import request_faults as service_faults
from tunestep.plan_model import RewardPlan

CASES = load_cases()
WORLD = load_world()


def built(case: dict[str, Any]) -> dict[str, Any]:
    plan = plan_of(case, WORLD)
    given = bool(case["inputs"].get("accept_eula")) or bool(plan.model.source_model_package_arn)
    return training_job.build_request(
        plan, job_name=training_job.job_name(plan.base_job_name, case["name"]), accept_eula=given
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_request_equals_what_the_sdk_sent(case: dict[str, Any]) -> None:
    assert normalised(built(case)) == expected_of(case)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["inputs"].get("evaluator_arn")], ids=lambda case: case["name"]
)
def test_a_reward_that_the_run_registered_gives_the_same_request(case: dict[str, Any]) -> None:
    plan = plan_of(case, WORLD)
    registered = msgspec.structs.replace(
        plan, reward=RewardPlan(kind="function", value="math_answer", reference="arn:aws:lambda:...")
    )
    name = training_job.job_name(plan.base_job_name, case["name"])
    given = bool(plan.model.source_model_package_arn) or bool(case["inputs"].get("accept_eula"))
    request = training_job.build_request(
        registered, job_name=name, accept_eula=given, evaluator_arn=case["inputs"]["evaluator_arn"]
    )
    assert normalised(request) == expected_of(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_hyperparameters_and_tags_keep_the_sdk_order(case: dict[str, Any]) -> None:
    request, expected = built(case), expected_of(case)
    assert list(request["HyperParameters"]) == list(expected["HyperParameters"])
    assert request["Tags"] == expected["Tags"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_request_satisfies_every_published_constraint(case: dict[str, Any]) -> None:
    request = built(case)
    assert request_faults("sagemaker", "CreateTrainingJob", request) == []
    assert service_faults("sagemaker", "CreateTrainingJob", request) == []


def test_the_gated_cases_cannot_be_built_with_acceptance_unasked() -> None:
    gated = next(case for case in CASES if case["name"] == "sft_oss_lora_s3")
    plan = plan_of(gated, WORLD)
    assert training_job.needs_accept_eula(plan)
    request = training_job.build_request(plan, job_name="j", accept_eula=False)
    assert "AcceptEula" not in request["ServerlessJobConfig"]
