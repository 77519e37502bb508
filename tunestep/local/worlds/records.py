"""What SageMaker holds in a world, in the shapes in which the local SageMaker keeps it."""

import json
from typing import TYPE_CHECKING, Any

from tunestep.names import HUB

if TYPE_CHECKING:
    from tunestep.local.world import World

MADE = 1_764_547_200.0
"""When everything of a world was made, unless it says otherwise: 2025-12-01, so that answers repeat."""

Record = tuple[str, str, dict[str, Any]]


def sagemaker(world: "World", region: str, account: str) -> list[Record]:
    """Hubs, contents, evaluators, apps, groups and packages as (kind, key, document)."""
    hubs = {HUB} | {key.partition("/")[0] for key in world.hub}
    contents = [
        _content(region, account, key, version) for key, versions in world.hub.items() for version in versions
    ]
    for arn, evaluator in world.evaluators.items():
        if evaluator is not None:
            hub, kind, name, version = arn.partition(":hub-content/")[2].split("/")
            hubs.add(hub)
            document = evaluator_document(evaluator, region, account)
            described = {"version": version, "document": document, "keywords": ["@subtype:aws/evaluator"]}
            contents.append(_content(region, account, f"{hub}/{kind}/{name}", described))
    return [
        *(_hub(region, account, name) for name in sorted(hubs)),
        *contents,
        *(("mlflow_app", app["Arn"], _times(app)) for app in world.mlflow_apps),
        *(_group(region, account, name) for name in _groups(world)),
        *(("package", arn, _times(package)) for arn, package in world.model_packages.items()),
    ]


def evaluator_document(evaluator: dict[str, Any], region: str, account: str) -> dict[str, Any]:
    """The document of an evaluator in a hub, as the SageMaker SDK registers it."""
    default = f"arn:aws:lambda:{region}:{account}:function:SageMaker-assumed-reward"
    content = {
        "Reference": evaluator.get("Reference", evaluator.get("reference", default)),
        "EvaluatorType": evaluator.get("EvaluatorType", evaluator.get("type", "RewardFunction")),
    }
    return {"SubType": "AWS/Evaluator", "JsonContent": json.dumps(content)}


def _owner(hub: str, account: str) -> str:
    return "aws" if hub == HUB else account


def _hub(region: str, account: str, name: str) -> Record:
    arn = f"arn:aws:sagemaker:{region}:{_owner(name, account)}:hub/{name}"
    hub = {"HubName": name, "HubArn": arn, "HubStatus": "InService"}
    return "hub", name, hub | {"CreationTime": MADE, "LastModifiedTime": MADE}


def _content(region: str, account: str, key: str, described: dict[str, Any]) -> Record:
    hub, kind, name = key.split("/")
    owner = _owner(hub, account)
    document = {
        "HubContentName": name,
        "HubContentArn": f"arn:aws:sagemaker:{region}:{owner}:hub-content/{key}/{described['version']}",
        "HubContentVersion": described["version"],
        "HubContentType": kind,
        "DocumentSchemaVersion": "2.2.0" if kind == "Model" else "2.0.0",
        "HubName": hub,
        "HubArn": f"arn:aws:sagemaker:{region}:{owner}:hub/{hub}",
        "HubContentDisplayName": described.get("display_name", name),
        "HubContentDescription": described.get("description"),
        "HubContentDocument": json.dumps(described["document"]),
        "HubContentSearchKeywords": described["keywords"],
        "SupportStatus": "Supported",
        "HubContentStatus": "Available",
        "CreationTime": MADE,
        "LastModifiedTime": MADE,
    }
    return "hub_content", f"{key}/{described['version']}", document


def _groups(world: "World") -> list[str]:
    """Listed groups, and those that packages prove; what is listed as absent stays absent."""
    proven: dict[str, dict[str, Any] | None] = {
        package["ModelPackageGroupName"]: {} for package in world.model_packages.values()
    }
    return [name for name, group in (proven | world.groups).items() if group is not None]


def _group(region: str, account: str, name: str) -> Record:
    group = {
        "ModelPackageGroupName": name,
        "ModelPackageGroupArn": f"arn:aws:sagemaker:{region}:{account}:model-package-group/{name}",
        "CreationTime": MADE,
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
    }
    return "group", name, group


def _times(document: dict[str, Any]) -> dict[str, Any]:
    return {"CreationTime": MADE, "LastModifiedTime": document.get("CreationTime", MADE)} | document
