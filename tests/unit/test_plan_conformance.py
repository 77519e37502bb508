"""Request -> plan -> CreateTrainingJob equals what the SageMaker SDK was captured sending."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from tests.support.cases import expected_of, load_cases, load_world, normalised, request_of
from tests.support.world_clients import WorldClients, create_role, put, seed
from tunestep import training_job
from tunestep.plan import PlanContext, make_plan
from tunestep.settings import Settings

# An output with an empty part between slashes is refused on purpose (see tunestep.s3uri).
REFUSED = {"sft_output_double_slash"}
# The SDK sends AcceptEula for an ungated model when told to; ours is sent only where it means something.
EULA_WITHOUT_NEED = {"sft_ungated_eula_given"}

CASES = [case for case in load_cases() if case["name"] not in REFUSED]


def world() -> dict[str, Any]:
    loaded = load_world()
    return loaded | {"groups": [arn.split("/")[1] for arn in loaded["model_packages"]]}


@pytest.fixture(scope="module")
def world_clients() -> Iterator[WorldClients]:
    with mock_aws():
        clients = WorldClients(world())
        seed(clients, buckets=("my-data-bucket", "sagemaker-us-west-2-111122223333", "stack-bucket"))
        for role in {case["inputs"]["role"] for case in CASES}:
            create_role(clients, role.rpartition("/")[2])
        yield clients


def context(role: str) -> PlanContext:
    return PlanContext(
        region="us-west-2",
        account="111122223333",
        bucket="stack-bucket",
        stack="tunestep",
        execution_role_arn=role,
        settings=Settings(),
        open=True,
        laptop=True,
    )


def existing(clients: WorldClients, source: str | None) -> None:
    """Make the data of a case exist: an object, something below a prefix, or a registered DataSet."""
    if source and source.startswith("s3://"):
        put(clients, source + "rows.jsonl" if source.endswith("/") else source)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_planned_request_equals_the_captured_one(case: dict[str, Any], world_clients: WorldClients) -> None:
    inputs = case["inputs"]
    for source in (inputs["training_data"], inputs.get("validation_data")):
        existing(world_clients, source)
    for arn in filter(
        None, (inputs.get("evaluator_arn"), inputs["training_data"], inputs.get("validation_data"))
    ):
        if arn.startswith("arn:"):
            hub, kind, name, version = arn.split("hub-content/")[1].split("/")
            world_clients.world["hub"][f"{hub}/{kind}/{name}"] = [{"version": version, "document": {}}]

    outcome = make_plan(request_of(case), context(inputs["role"]), world_clients)

    assert outcome.plan is not None, [finding.line() for finding in outcome.findings]
    request = training_job.build_request(
        outcome.plan,
        job_name=training_job.job_name(outcome.plan.base_job_name, "seed"),
        accept_eula=training_job.needs_accept_eula(outcome.plan) or case["name"] in EULA_WITHOUT_NEED,
    )
    assert normalised(request) == expected_of(case)
