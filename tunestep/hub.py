"""Base models as the SageMaker hub describes them: names, aliases, documents, model packages.

Facts: Amazon SageMaker API reference (DescribeHubContent, ListHubContents, DescribeModelPackage);
aliases and regions as published in the SageMaker Python SDK 3.27 (sagemaker-train 1.27.0).
"""

import difflib
import hashlib
import json
import re
from typing import Any, Literal

import msgspec

from tunestep import names
from tunestep.aws import Client
from tunestep.checks.calls import Problem, ask

OPEN_WEIGHTS_REGIONS = ("us-east-1", "us-west-2", "ap-northeast-1", "eu-west-1")
NOVA_REGIONS = ("us-east-1", "us-west-2")

ALIASES = {
    "amazon.nova-2-lite-v1": "nova-textgeneration-lite-v2",
    "amazon.nova-lite-v1": "nova-textgeneration-lite",
    "amazon.nova-pro-v1": "nova-textgeneration-pro",
    "amazon.nova-micro-v1": "nova-textgeneration-micro",
}
"""Bedrock model ids that people know, and the hub's names for the same models."""

NAME_PATTERN = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
"""Names of hub contents and of model package groups."""

_PAGE_SIZE = 100
_MOST_PAGES = 50


class HubModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the hub. ``document`` is the decoded HubContentDocument, ``sha256`` of its text."""

    name: str
    arn: str
    version: str
    document: dict[str, Any]
    sha256: str
    deprecated: bool = False

    @property
    def gated(self) -> bool:
        """Whether the licence has to be accepted; only the hub document says so."""
        return bool(self.document.get("GatedBucket"))

    @property
    def eula_uri(self) -> str:
        """S3 URI of the licence text, or empty."""
        return str(self.document.get("HostingEulaUri") or "")


class PackageBase(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model package says it comes from; empty texts when it does not say."""

    group: str
    status: str
    model: str = ""
    version: str = ""


class Absence(msgspec.Struct, frozen=True):
    """Why something could not be read; ``message`` is the service's."""

    problem: Problem
    message: str = ""


def resolve_alias(name: str) -> str:
    """The hub's name for a model known by another one; other names come back unchanged."""
    return ALIASES.get(name, name)


def family(name: str) -> Literal["nova", "open-weights"]:
    """Nova models have their own data format, regions and terms; the SDK tells them by name too."""
    return "nova" if "nova" in name.lower() else "open-weights"


def regions(name: str) -> tuple[str, ...]:
    """Regions in which serverless customization of this model is offered."""
    return NOVA_REGIONS if family(name) == "nova" else OPEN_WEIGHTS_REGIONS


def describe_model(sagemaker: Client, name: str) -> HubModel | Absence:
    """Read one model's hub document.

    Raises TransientFault and ServiceFault as tunestep.checks.calls does.
    """
    answer = ask(
        sagemaker.describe_hub_content,
        HubName=names.HUB,
        HubContentType="Model",
        HubContentName=name,
    )
    if answer.problem:
        return Absence(answer.problem, answer.message)
    text = str(answer.data.get("HubContentDocument") or "")
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return Absence("refused", "its hub document is not a JSON object")
    return HubModel(
        name=str(answer.data["HubContentName"]),
        arn=str(answer.data["HubContentArn"]),
        version=str(answer.data["HubContentVersion"]),
        document=document,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        deprecated=answer.data.get("SupportStatus") == "Deprecated",
    )


def list_model_names(sagemaker: Client) -> list[str]:
    """Names of all models of the hub; what was listed so far when a page is refused.

    boto3 has no paginator for ListHubContents, so the token is passed on by hand.
    """
    listed: list[str] = []
    token: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        answer = ask(
            sagemaker.list_hub_contents,
            HubName=names.HUB,
            HubContentType="Model",
            MaxResults=_PAGE_SIZE,
            **token,
        )
        listed += [str(entry["HubContentName"]) for entry in answer.data.get("HubContentSummaries", [])]
        if not answer.data.get("NextToken"):
            break
        token = {"NextToken": answer.data["NextToken"]}
    return listed


def nearest(name: str, known: list[str], limit: int = 3) -> list[str]:
    """The known names that look most like this one, best first."""
    by_folded = {entry.lower(): entry for entry in known}
    wanted = name.lower()
    close = difflib.get_close_matches(wanted, by_folded, n=limit, cutoff=0.6)
    holding = sorted(entry for entry in by_folded if len(wanted) >= 4 and wanted in entry)
    return [by_folded[entry] for entry in dict.fromkeys(close + holding)][:limit]


def describe_package(sagemaker: Client, arn: str) -> PackageBase | Absence:
    """What a model package says about its base model (Containers[0].BaseModel)."""
    answer = ask(sagemaker.describe_model_package, ModelPackageName=arn)
    if answer.problem:
        return Absence(answer.problem, answer.message)
    containers = answer.data.get("InferenceSpecification", {}).get("Containers") or [{}]
    base = containers[0].get("BaseModel") or {}
    return PackageBase(
        group=str(answer.data.get("ModelPackageGroupName") or ""),
        status=str(answer.data.get("ModelPackageStatus") or ""),
        model=str(base.get("HubContentName") or ""),
        version=str(base.get("HubContentVersion") or ""),
    )
