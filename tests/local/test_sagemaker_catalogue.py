"""Hubs, model packages, MLflow apps and tags of the local SageMaker, through boto3."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.sagemaker_cloud import ACCOUNT, LLAMA, QWEN, REGION, Cloud, Launcher, running, until
from tunestep.local.sagemaker.hub import version_key
from tunestep.local.world import World

PUBLIC = "SageMakerPublicHub"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    launcher = Launcher()
    with running(tmp_path, launcher) as made:
        yield made
    launcher.end()


def refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def content(name: str = "reward", version: str = "1.0.0", hub: str = "mine", **more: Any) -> dict[str, Any]:
    return {
        "HubName": hub,
        "HubContentType": "JsonDoc",
        "HubContentName": name,
        "HubContentVersion": version,
        "DocumentSchemaVersion": "2.0.0",
        "HubContentDocument": "{}",
        **more,
    }


def test_the_public_hub_answers_by_name_arn_and_version(cloud: Cloud) -> None:
    arn = cloud.sagemaker.describe_hub(HubName=PUBLIC)["HubArn"]
    assert arn == f"arn:aws:sagemaker:{REGION}:aws:hub/{PUBLIC}"
    which = {"HubContentType": "Model", "HubContentName": LLAMA}
    newest = cloud.sagemaker.describe_hub_content(HubName=arn, **which)
    assert newest["HubContentVersion"] == "1.21.0"
    assert (
        newest["HubContentArn"] == f"arn:aws:sagemaker:{REGION}:aws:hub-content/{PUBLIC}/Model/{LLAMA}/1.21.0"
    )
    assert json.loads(newest["HubContentDocument"])["GatedBucket"] is True
    older = cloud.sagemaker.describe_hub_content(HubName=PUBLIC, HubContentVersion="1.20.0", **which)
    assert older["HubContentVersion"] == "1.20.0"
    versions = cloud.sagemaker.list_hub_content_versions(HubName=PUBLIC, MinVersion="1.21.0", **which)
    assert [v["HubContentVersion"] for v in versions["HubContentSummaries"]] == ["1.21.0"]


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("describe_hub", {"HubName": "nobody"}),
        ("describe_hub", {"HubName": f"{ARN}hub/{PUBLIC}"}),
        ("describe_hub_content", {"HubName": PUBLIC, "HubContentType": "Model", "HubContentName": "nope"}),
        (
            "describe_hub_content",
            {
                "HubName": PUBLIC,
                "HubContentType": "Model",
                "HubContentName": QWEN,
                "HubContentVersion": "9.9.9",
            },
        ),
        ("describe_hub_content", {"HubName": PUBLIC, "HubContentType": "Notebook", "HubContentName": QWEN}),
        ("list_hub_contents", {"HubName": "nobody", "HubContentType": "Model"}),
        (
            "list_hub_content_versions",
            {"HubName": PUBLIC, "HubContentType": "Model", "HubContentName": "nope"},
        ),
        ("describe_mlflow_app", {"Arn": f"{ARN}mlflow-app/app-NONE"}),
        ("delete_mlflow_app", {"Arn": f"{ARN}mlflow-app/app-NONE"}),
    ],
)
def test_what_is_not_there_is_resource_not_found(
    cloud: Cloud, operation: str, params: dict[str, Any]
) -> None:
    assert refusal(getattr(cloud.sagemaker, operation), **params)[0] == "ResourceNotFound"


def test_every_page_of_a_hub_is_listed_once_and_one_version_of_each_model(cloud: Cloud) -> None:
    names, token = [], {}
    while True:
        answer = cloud.sagemaker.list_hub_contents(
            HubName=PUBLIC, HubContentType="Model", MaxResults=3, **token
        )
        names += [item["HubContentName"] for item in answer["HubContentSummaries"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert len(names) == len(set(names)) >= 6
    found = cloud.sagemaker.list_hub_contents(HubName=PUBLIC, HubContentType="Model", NameContains="qwen3")
    assert {item["HubContentName"] for item in found["HubContentSummaries"]} == {
        QWEN,
        "huggingface-reasoning-qwen3-8b",
    }
    assert "@recipe:finetuning_sft_lora" in found["HubContentSummaries"][0]["HubContentSearchKeywords"]


def test_imported_content_is_importing_before_it_is_available(tmp_path: Path) -> None:
    now = [1000.0]
    launcher = Launcher()
    with running(tmp_path, launcher, clock=lambda: now[0], settle_seconds=5.0) as cloud:
        cloud.sagemaker.create_hub(HubName="mine", HubDescription="d")
        assert cloud.sagemaker.describe_hub(HubName="mine")["HubStatus"] == "Creating"
        arn = cloud.sagemaker.import_hub_content(**content())["HubContentArn"]
        assert arn == f"{ARN}hub-content/mine/JsonDoc/reward/1.0.0"
        which = {"HubName": "mine", "HubContentType": "JsonDoc", "HubContentName": "reward"}
        assert cloud.sagemaker.describe_hub_content(**which)["HubContentStatus"] == "Importing"
        now[0] += 5
        assert cloud.sagemaker.describe_hub_content(**which)["HubContentStatus"] == "Available"
        assert cloud.sagemaker.describe_hub(HubName="mine")["HubStatus"] == "InService"


def test_versions_are_unique_ordered_by_number_and_chosen_when_not_given(cloud: Cloud) -> None:
    cloud.sagemaker.create_hub(HubName="mine", HubDescription="d")
    assert refusal(cloud.sagemaker.create_hub, HubName="mine", HubDescription="d")[0] == "ResourceInUse"
    for version in ("1.9.0", "1.10.0"):
        cloud.sagemaker.import_hub_content(**content(version=version))
    assert refusal(cloud.sagemaker.import_hub_content, **content(version="1.9.0"))[0] == "ResourceInUse"
    which = {"HubName": "mine", "HubContentType": "JsonDoc", "HubContentName": "reward"}
    assert cloud.sagemaker.describe_hub_content(**which)["HubContentVersion"] == "1.10.0"
    unversioned = content()
    del unversioned["HubContentVersion"]
    assert cloud.sagemaker.import_hub_content(**unversioned)["HubContentArn"].endswith("/1.11.0")
    cloud.sagemaker.delete_hub_content(**which, HubContentVersion="1.11.0")
    assert cloud.sagemaker.describe_hub_content(**which)["HubContentVersion"] == "1.10.0"
    assert refusal(cloud.sagemaker.delete_hub, HubName="mine")[0] == "ResourceInUse"
    assert version_key("1.10.0") > version_key("1.9.9")


def test_nobody_writes_into_the_public_hub(cloud: Cloud) -> None:
    assert refusal(cloud.sagemaker.import_hub_content, **content(hub=PUBLIC))[0] == "AccessDeniedException"
    which = {
        "HubName": PUBLIC,
        "HubContentType": "Model",
        "HubContentName": QWEN,
        "HubContentVersion": "1.3.0",
    }
    assert refusal(cloud.sagemaker.delete_hub_content, **which)[0] == "AccessDeniedException"


def test_groups_live_once_and_die_empty(cloud: Cloud) -> None:
    made = cloud.sagemaker.create_model_package_group(
        ModelPackageGroupName="g", Tags=[{"Key": "k", "Value": "v"}]
    )
    arn = made["ModelPackageGroupArn"]
    for name in ("g", arn):
        assert (
            cloud.sagemaker.describe_model_package_group(ModelPackageGroupName=name)["ModelPackageGroupArn"]
            == arn
        )
    assert refusal(cloud.sagemaker.create_model_package_group, ModelPackageGroupName="g") == (
        "ValidationException",
        f"Model Package Group already exists: {arn}",
    )
    assert cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    cloud.service.add_package("g", {"ModelPackageStatus": "Completed", "ModelPackageStatusDetails": {}})
    assert (
        refusal(cloud.sagemaker.delete_model_package_group, ModelPackageGroupName="g")[0]
        == "ConflictException"
    )
    cloud.sagemaker.delete_model_package(ModelPackageName="g/1")
    cloud.sagemaker.delete_model_package_group(ModelPackageGroupName="g")
    assert refusal(cloud.sagemaker.describe_model_package_group, ModelPackageGroupName="g") == (
        "ValidationException",
        f"ModelPackageGroup {ARN}model-package-group/g does not exist.",
    )
    elsewhere = arn.replace(REGION, "eu-west-1")
    code, _ = refusal(cloud.sagemaker.describe_model_package_group, ModelPackageGroupName=elsewhere)
    assert code == "ValidationException"


def test_packages_are_listed_by_group_in_the_asked_order_and_updated(cloud: Cloud) -> None:
    for name in ("g", "h"):
        cloud.sagemaker.create_model_package_group(ModelPackageGroupName=name)
    members = {"ModelPackageStatus": "Completed", "ModelPackageStatusDetails": {"ValidationStatuses": []}}
    arns = [cloud.service.add_package("g", members) for _ in range(3)]
    cloud.service.add_package("h", members)
    listed = cloud.sagemaker.list_model_packages(
        ModelPackageGroupName="g", SortBy="CreationTime", SortOrder="Descending", MaxResults=2
    )
    assert [p["ModelPackageArn"] for p in listed["ModelPackageSummaryList"]] == [arns[2], arns[1]]
    rest = cloud.sagemaker.list_model_packages(
        ModelPackageGroupName="g", SortOrder="Descending", MaxResults=2, NextToken=listed["NextToken"]
    )
    assert [p["ModelPackageVersion"] for p in rest["ModelPackageSummaryList"]] == [1]
    assert cloud.sagemaker.list_model_packages()["ModelPackageSummaryList"] == []
    both = cloud.sagemaker.list_model_packages(ModelPackageType="Both")["ModelPackageSummaryList"]
    assert len(both) == 4
    cloud.sagemaker.update_model_package(
        ModelPackageArn=arns[0], ModelApprovalStatus="Approved", CustomerMetadataProperties={"run": "r1"}
    )
    package = cloud.sagemaker.describe_model_package(ModelPackageName="g/1")
    assert (package["ModelApprovalStatus"], package["CustomerMetadataProperties"]) == (
        "Approved",
        {"run": "r1"},
    )
    approved = cloud.sagemaker.list_model_packages(ModelPackageGroupName="g", ModelApprovalStatus="Approved")
    assert len(approved["ModelPackageSummaryList"]) == 1
    assert refusal(cloud.sagemaker.describe_model_package, ModelPackageName="g/9") == (
        "ValidationException",
        f"ModelPackage {ARN}model-package/g/9 does not exist.",
    )


def test_a_version_number_is_not_given_twice_even_after_deletion_or_in_a_race(cloud: Cloud) -> None:
    cloud.sagemaker.create_model_package_group(ModelPackageGroupName="g")
    cloud.service.add_package("g", {"ModelPackageStatus": "Completed", "ModelPackageStatusDetails": {}})
    cloud.sagemaker.delete_model_package(ModelPackageName="g/1")
    made: list[str] = []
    members = {"ModelPackageStatus": "Completed", "ModelPackageStatusDetails": {}}
    threads = [
        threading.Thread(target=lambda: made.append(cloud.service.add_package("g", members)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(arn.rpartition("/")[2]) for arn in made) == list(range(2, 10))


def test_the_account_default_app_is_found_by_filter_and_newest_come_first(cloud: Cloud) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/mlflow"
    made = cloud.sagemaker.create_mlflow_app(Name="other", ArtifactStoreUri="s3://b/a", RoleArn=role)["Arn"]
    apps = cloud.sagemaker.list_mlflow_apps()["Summaries"]
    assert apps[0]["Arn"] == made
    assert set(apps[0]) == {"Arn", "Name", "Status", "CreationTime", "LastModifiedTime", "MlflowVersion"}
    default = cloud.sagemaker.list_mlflow_apps(AccountDefaultStatus="ENABLED")["Summaries"]
    assert [app["Name"] for app in default] == ["laptop"]
    assert cloud.sagemaker.describe_mlflow_app(Arn=made)["AccountDefaultStatus"] == "DISABLED"
    cloud.sagemaker.delete_mlflow_app(Arn=made)
    assert len(cloud.sagemaker.list_mlflow_apps()["Summaries"]) == 1


def test_an_app_is_creating_before_it_is_created(tmp_path: Path) -> None:
    launcher = Launcher()
    with running(tmp_path, launcher, settle_seconds=0.3) as cloud:
        role = f"arn:aws:iam::{ACCOUNT}:role/mlflow"
        arn = cloud.sagemaker.create_mlflow_app(Name="a", ArtifactStoreUri="s3://b/a", RoleArn=role)["Arn"]
        assert cloud.sagemaker.describe_mlflow_app(Arn=arn)["Status"] == "Creating"
        until(
            lambda: cloud.sagemaker.describe_mlflow_app(Arn=arn)["Status"], lambda status: status == "Created"
        )


def test_tags_are_added_replaced_and_removed_up_to_fifty(cloud: Cloud) -> None:
    arn = f"{ARN}training-job/any"
    cloud.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    cloud.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    cloud.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b"])
    assert cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    many = [{"Key": f"k{n}", "Value": ""} for n in range(50)]
    assert refusal(cloud.sagemaker.add_tags, ResourceArn=arn, Tags=many)[0] == "ValidationException"
    assert len(cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"]) == 1


def test_another_world_replaces_the_first_and_keeps_what_calls_made(tmp_path: Path) -> None:
    launcher = Launcher()
    with running(tmp_path, launcher) as cloud:
        cloud.sagemaker.create_hub(HubName="mine", HubDescription="d")
        cloud.sagemaker.create_model_package_group(ModelPackageGroupName="g")
    other = World.read({"region": REGION, "account": ACCOUNT, "model_package_groups": ["g", "theirs"]})
    with running(tmp_path, launcher, world=other) as cloud:
        models = cloud.sagemaker.list_hub_contents(HubName=PUBLIC, HubContentType="Model")
        assert models["HubContentSummaries"] == []
        assert cloud.sagemaker.list_mlflow_apps()["Summaries"] == []
        assert cloud.sagemaker.describe_hub(HubName="mine")["HubStatus"] == "InService"
        groups = cloud.sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
        assert {group["ModelPackageGroupName"] for group in groups} == {"g", "theirs"}
