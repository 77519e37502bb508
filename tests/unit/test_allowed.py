"""The settings ceiling: refused before anything is asked, with one message."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.planning import (
    ACCOUNT,
    APP,
    DATA,
    DEFAULT_APP,
    PACKAGE,
    STACK_BUCKET,
    STACK_ROLE,
    Desk,
    finding,
    prepared_account,
    settings,
    shown,
)
from tests.support.world_clients import create_role
from tunestep import groups
from tunestep.plan import PlanOutcome
from tunestep.settings import Settings

CODE = "NOT_ALLOWED_BY_SETTINGS"
OWN_DATA = f"s3://{STACK_BUCKET}/data/train.jsonl"


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with prepared_account() as prepared:
        prepared.put(OWN_DATA)
        create_role(prepared.clients, "other-role")
        yield prepared


@pytest.fixture
def closed(desk: Desk) -> Callable[..., PlanOutcome]:
    def plan(changes: dict[str, Any], limit: Settings | None = None) -> PlanOutcome:
        return desk.plan({"training_data": OWN_DATA} | changes, open=False, settings=limit or Settings())

    return plan


def test_what_the_stack_made_needs_no_listing(closed: Callable[..., PlanOutcome]) -> None:
    outcome = closed({"mlflow": False})
    assert shown(outcome) == []
    assert outcome.plan is not None
    assert outcome.plan.execution_role_arn == STACK_ROLE
    assert outcome.plan.output_uri.startswith(f"s3://{STACK_BUCKET}/output/")
    assert outcome.plan.group.name == "customer-support-chatbot-v1"


UNLISTED = [
    (
        "$.execution_role",
        {"execution_role": f"arn:aws:iam::{ACCOUNT}:role/{{}}"},
        "other-role",
        "absent-role",
    ),
    ("$.execution_role", {"execution_role": "{}"}, "other-role", "absent-role"),
    ("$.training_data", {"training_data": "s3://{}/sft/train.jsonl"}, "my-data-bucket", "absent-bucket"),
    ("$.validation_data", {"validation_data": "s3://{}/sft/train.jsonl"}, "my-data-bucket", "absent-bucket"),
    ("$.output", {"output": "s3://{}/output/"}, "my-data-bucket", "absent-bucket"),
    ("$.use_case", {"use_case": "s3://{}/use_case_spec.md"}, "my-data-bucket", "absent-bucket"),
    ("$.model_package_group", {"model_package_group": "{}"}, "my-models", "absent-models"),
    (
        "$.model_package_group",
        {"model_package_group": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model-package-group/{{}}"},
        "my-models",
        "absent-models",
    ),
    (
        "$.base_model",
        {"base_model": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model-package/{{}}/3"},
        "my-models",
        "absent-models",
    ),
    (
        "$.mlflow.app_arn",
        {"mlflow": {"app_arn": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:mlflow-app/{{}}"}},
        "app-FIRST00000001",
        "app-ABSENT",
    ),
    ("$.mlflow.app_arn", {"mlflow": {"app_arn": "{}"}}, "first", "absent"),
    ("$.kms_key", {"kms_key": "alias/{}"}, "present-key", "absent-key"),
    (
        "$.vpc.subnets[0]",
        {"vpc": {"security_group_ids": ["sg-1"], "subnets": ["subnet-{}"]}},
        "aaaa1111",
        "bbbb2222",
    ),
]


def filled(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: filled(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, name) for inner in value]
    return value.format(name)


@pytest.mark.parametrize(("where", "changes", "names"), [(w, c, (p, a)) for w, c, p, a in UNLISTED])
def test_unlisted_is_refused_before_any_call_with_one_message(
    desk: Desk,
    closed: Callable[..., PlanOutcome],
    where: str,
    changes: dict[str, Any],
    names: tuple[str, str],
) -> None:
    messages = []
    for name in names:
        outcome = closed(filled(changes, name))
        (refused,) = [f for f in outcome.findings if (f.code, f.where) == (CODE, where)]
        messages.append(refused.line().replace(name, "NAME"))
        asked = [
            call
            for call in desk.clients.mentions(name)
            if call.operation != "HeadObject" or call.parameters["Bucket"] != STACK_BUCKET
        ]
        assert asked == []
        assert outcome.plan is None
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"execution_role": f"arn:aws:iam::{ACCOUNT}:role/other-role"}, {"execution_roles": ("ROLE",)}),
        ({"execution_role": "other-role"}, {"execution_roles": ("ROLE",)}),
        (
            {"training_data": "s3://my-data-bucket/sft/train.jsonl"},
            {"locations": ("s3://my-data-bucket/sft/",)},
        ),
        ({"output": "s3://my-data-bucket/out/"}, {"locations": ("s3://my-data-bucket",)}),
        ({"model_package_group": "my-models"}, {"model_package_groups": ("my-models",)}),
        ({"base_model": PACKAGE}, {"model_package_groups": ("my-models",)}),
        ({"mlflow": {"app_arn": APP}}, {"mlflow_apps": (APP,)}),
        ({"mlflow": {"app_arn": "first"}}, {"mlflow_apps": (DEFAULT_APP, APP)}),
        ({"kms_key": "alias/mine"}, {"kms_keys": ("alias/mine",)}),
        (
            {"vpc": {"security_group_ids": ["sg-1"], "subnets": ["subnet-1"]}},
            {"security_groups": ("sg-1",), "subnets": ("subnet-1",)},
        ),
    ],
)
def test_listed_may_be_used(
    closed: Callable[..., PlanOutcome], changes: dict[str, Any], limit: dict[str, Any]
) -> None:
    listed = {
        key: tuple(v.replace("ROLE", f"arn:aws:iam::{ACCOUNT}:role/other-role") for v in value)
        for key, value in limit.items()
    }
    outcome = closed(changes, settings(**listed))
    assert shown(outcome) == []
    assert outcome.plan is not None


@pytest.mark.parametrize("key", ["prefix2/train.jsonl", "pre.jsonl", "prefix2/", "p", "pr/"])
def test_a_listed_prefix_ends_on_a_path_boundary(closed: Callable[..., PlanOutcome], key: str) -> None:
    outcome = closed(
        {"training_data": f"s3://my-data-bucket/{key}"}, settings(locations=("s3://my-data-bucket/pre",))
    )
    assert (CODE, "$.training_data") in shown(outcome)


@pytest.mark.parametrize("location", ["", "my-data-bucket", "s3://My_Bucket", "s3://my-data-bucket/../"])
def test_a_listed_location_that_is_none_allows_nothing(
    closed: Callable[..., PlanOutcome], location: str
) -> None:
    outcome = closed({"training_data": DATA}, settings(locations=(location,)))
    assert (CODE, "$.training_data") in shown(outcome)


@pytest.mark.parametrize(
    "key",
    ["runs/x/plan.json", "runs/", "runs", "ru", "evidence/a", "presets/x", "state/groups/a.json", "s", ""],
)
@pytest.mark.parametrize("is_open", [True, False])
def test_the_stacks_own_records_are_never_a_source_or_an_output(desk: Desk, key: str, is_open: bool) -> None:
    uri = f"s3://{STACK_BUCKET}/{key}"
    outcome = desk.plan({"output": uri, "validation_data": uri if key else OWN_DATA}, open=is_open)
    assert (CODE, "$.output") in shown(outcome)
    assert not key or (CODE, "$.validation_data") in shown(outcome)
    assert not desk.clients.mentions(key) if len(key) > 5 else True


def test_a_group_that_the_stack_recorded_may_be_named(desk: Desk, closed: Callable[..., PlanOutcome]) -> None:
    groups.remember(desk.clients.s3, STACK_BUCKET, "river-models", "arn")
    outcome = closed({"model_package_group": "river-models"})
    assert shown(outcome) == []
    assert outcome.plan is not None
    assert outcome.plan.group.exists


def test_a_group_made_from_the_use_case_must_not_be_somebody_elses(
    desk: Desk, closed: Callable[..., PlanOutcome]
) -> None:
    desk.world["groups"].append("taken-v1")
    outcome = closed({"use_case": "Taken"})
    assert shown(outcome) == [(CODE, "$.model_package_group")]


def test_a_listed_or_default_app_counts_only_when_settings_name_it(
    closed: Callable[..., PlanOutcome],
) -> None:
    unlisted = closed({})
    assert unlisted.plan is not None
    assert unlisted.plan.mlflow is None
    assert finding(unlisted, "MLFLOW_DEFAULT_NOT_LISTED").severity == "warning"
    listed = closed({}, settings(mlflow_apps=(DEFAULT_APP,)))
    assert listed.plan is not None
    assert listed.plan.mlflow is not None
    assert listed.plan.mlflow.app_arn == DEFAULT_APP


def test_a_registered_dataset_must_lie_in_an_allowed_place(
    desk: Desk, closed: Callable[..., PlanOutcome]
) -> None:
    def plan(document: dict[str, Any]) -> PlanOutcome:
        desk.world["hub"]["MYHUB/DataSet/rows"] = [{"version": "1.0.0", "document": document}]
        arn = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:hub-content/MYHUB/DataSet/rows/1.0.0"
        return closed({"training_data": arn})

    elsewhere = plan({"DatasetS3Bucket": "my-data-bucket", "DatasetS3Prefix": "sft/train.jsonl"})
    assert shown(elsewhere) == [(CODE, "$.training_data")]
    own = plan({"DatasetS3Bucket": STACK_BUCKET, "DatasetS3Prefix": "data/train.jsonl"})
    assert shown(own) == []
    assert shown(plan({})) == [("DATASET_LOCATION_UNKNOWN", "$.training_data")]


@pytest.mark.parametrize(
    ("key", "code"), [("SmtjOverrideParamsS3Uri", CODE), ("HostingEulaUri", "LICENCE_TEXT_UNREADABLE")]
)
def test_files_that_the_hub_names_obey_the_ceiling_too(
    desk: Desk, closed: Callable[..., PlanOutcome], key: str, code: str
) -> None:
    document = desk.document("huggingface-reasoning-qwen3-8b")
    entry = document["RecipeCollection"][0] if key.startswith("Smtj") else document
    before = entry.get(key)
    entry[key] = "s3://my-data-bucket/planted.json"
    outcome = closed({"mlflow": False})
    assert code in {finding.code for finding in outcome.findings}
    assert not desk.clients.mentions("planted.json")
    if before is None:
        del entry[key]
    else:
        entry[key] = before
