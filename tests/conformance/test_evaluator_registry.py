"""Registering an evaluator makes the calls that the SageMaker SDK was captured making.

Set aside: looks at something that is being made (how often is up to either), and ``@domain`` keywords,
which the SDK adds inside of Studio.
"""

import itertools
import json
from typing import Any

import msgspec
import pytest

from tests.support.botocore_check import request_faults
from tests.support.cases import FOLDER
from tests.support.registry_hub import RegistryHub
from tunestep import evaluators
from tunestep.evaluators import Content, Wanted
from tunestep.names import registry_hub_name

REGION, ACCOUNT = "us-west-2", "111122223333"
CAPTURED: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "evaluator_registry.json").read_text())
FUNCTION = Content(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:SageMaker-reward-fn", evaluators.FUNCTION)
PROMPT = Content(f"s3://sagemaker-{REGION}-{ACCOUNT}/evaluators/my-prompt", evaluators.PROMPT)
HUB = "J90HLHSMB60JN1OUCL7UGEIJ8V657V3QFKIAMI2I3K6DL6CBU9PG"

Call = tuple[str, dict[str, Any]]


def captured(case: str) -> list[Call]:
    calls = [(call["operation"], dict(call["params"])) for call in CAPTURED[case]]
    return _relevant([call for call in calls if call[0] != "PutObject"])


def _relevant(calls: list[Call]) -> list[Call]:
    """The calls without repeated looks and without the domain keyword."""
    kept = []
    for name, params in calls:
        keywords = params.get("HubContentSearchKeywords")
        if keywords:
            params["HubContentSearchKeywords"] = [k for k in keywords if not k.startswith("@domain:")]
        kept.append((name, params))
    looked = [call for call, _ in itertools.groupby(kept)]
    return [
        call
        for before, call in zip([("", {}), *looked], looked, strict=False)
        if not (before[0] == "CreateHub" and call[0] == "DescribeHub")
    ]


def _register(hub: RegistryHub, name: str, content: Content) -> None:
    wanted = Wanted(name, content)
    evaluators.register(hub.client, wanted, region=REGION, account=ACCOUNT, sleep=hub.sleeps.append)


def test_the_hub_has_the_name_that_the_sdk_gives_it() -> None:
    assert registry_hub_name(REGION, ACCOUNT) == HUB


@pytest.mark.parametrize(
    ("case", "name", "content"),
    [
        ("evaluator_lambda_new_hub", "my-reward", FUNCTION),
        ("evaluator_reward_prompt_local", "my-prompt", PROMPT),
    ],
)
def test_a_first_evaluator_takes_the_captured_calls(case: str, name: str, content: Content) -> None:
    hub = RegistryHub()
    _register(hub, name, content)
    assert _relevant(hub.calls) == captured(case)


def test_a_second_version_takes_the_captured_calls() -> None:
    hub, other = RegistryHub(), FUNCTION._replace(reference=FUNCTION.reference + "-other")
    hub.put(HUB, "my-reward", "1.0.0", evaluators.document(other))
    _register(hub, "my-reward", FUNCTION)
    second = captured("evaluator_lambda_existing_v2")[4:]
    (first_look, *rest), ours = second, _relevant(hub.calls)
    assert (first_look[0], [name for name, _ in rest]) == (
        "DescribeHubContent",
        ["DescribeHub", "ImportHubContent", "DescribeHubContent"],
    )
    assert ours == second


@pytest.mark.parametrize("content", [FUNCTION, PROMPT])
def test_every_call_fits_the_service_s_constraints(content: Content) -> None:
    hub = RegistryHub()
    _register(hub, "x" * 63, content)
    for operation, params in hub.calls:
        assert request_faults("sagemaker", operation, params) == []


def test_nothing_that_is_sent_depends_on_how_a_content_is_read_back() -> None:
    for content in (FUNCTION, PROMPT):
        assert evaluators.read(evaluators.document(content)) == content
        assert msgspec.json.decode(evaluators.document(content))["SubType"] == "AWS/Evaluator"
