import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.botocore_check import request_faults
from tests.support.cases import load_cases, load_world, plan_of
from tunestep import training_job

PATTERN = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
BASES = st.from_regex(r"[a-zA-Z0-9]([-_]*[a-zA-Z0-9]){0,62}", fullmatch=True)


@given(BASES, st.text())
def test_every_job_name_fits_the_service_and_is_the_same_again(base: str, seed: str) -> None:
    name = training_job.job_name(base, seed)
    assert PATTERN.fullmatch(name)
    assert len(name) <= training_job.MAX_NAME
    assert name == training_job.job_name(base, seed)


def test_name_cut_at_hyphens_has_none_left_at_the_cut() -> None:
    assert training_job.job_name("a" * 46 + "--" + "b" * 10, "seed").startswith("a" * 46 + "-")
    assert "--" not in training_job.job_name("a" * 46 + "__b", "seed")


def test_runs_of_one_long_base_do_not_share_a_name() -> None:
    names = {training_job.job_name("x" * 63, f"run-{number}") for number in range(200)}
    assert len(names) == 200


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("sft_oss_lora_s3", True),
        ("sft_nova_lora", False),
        ("sft_continued_ungated", True),
        ("dpo_river", False),
    ],
)
def test_gated_models_and_packages_need_acceptance(name: str, needed: bool) -> None:
    case = next(case for case in load_cases() if case["name"] == name)
    assert training_job.needs_accept_eula(plan_of(case, load_world())) is needed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"TrainingJobName": "a-"}, "pattern|match"),
        ({"TrainingJobName": "a" * 64}, "above 63"),
        ({"Unknown": 1}, "is unknown"),
        ({"RoleArn": None}, "is no string"),
        ({"ServerlessJobConfig": {"BaseModelArn": "x", "JobType": "FineTuning"}}, "match"),
        ({"ServerlessJobConfig": {"JobType": "Tuning"}}, "is none of"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "below 1"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": True}}, "is no integer"),
        ({"HyperParameters": {"k": "x" * 2501}}, "above 2500"),
        ({"Tags": [{"Key": "a"}]}, "Value: is missing"),
        ({"Tags": [{"Key": "<", "Value": ""}]}, "match"),
    ],
)
def test_the_checker_of_requests_sees_each_kind_of_fault(change: dict[str, object], says: str) -> None:
    plan = plan_of(load_cases()[0], load_world())
    request = training_job.build_request(plan, job_name="job", accept_eula=True)
    assert request_faults("sagemaker", "CreateTrainingJob", request) == []
    assert re.search(says, "\n".join(request_faults("sagemaker", "CreateTrainingJob", request | change)))
