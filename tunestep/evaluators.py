"""Rewards as evaluators in the account's registry hub, registered as the SageMaker SDK does it.

Hub name, document and keywords are those of sagemaker-train 1.27.0 (ai_registry); the calls that it makes
were captured and are compared in the tests. Different on purpose: an unchanged reference keeps its
version, a new hub is waited for, and every wait ends.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from botocore.exceptions import ClientError

from tunestep.aws import Client, error_code
from tunestep.errors import ServiceFault, TransientFault
from tunestep.faults import describe, not_found, transient
from tunestep.names import registry_hub_name, registry_hub_title
from tunestep.plan_model import RewardPlan

FUNCTION = "RewardFunction"
PROMPT = "RewardPrompt"
AVAILABLE = "Available"

DELAYS = (0.2, 0.4, 0.8, 1.5, 3.0, *[5.0] * 18)
"""Seconds between looks at a hub or a content that is being made, before the step is tried again."""

_CONTENT_TYPE = "JsonDoc"
_SCHEMA_VERSION = "2.0.0"
_SUB_TYPE = "AWS/Evaluator"
_UNDER_WAY = frozenset({"Importing", "PendingImport"})
_USABLE = frozenset({AVAILABLE}) | _UNDER_WAY
_LONGEST_NAME = 63
_RACES = 5

Sleep = Callable[[float], None]


class Content(NamedTuple):
    """What an evaluator's document says: a function ARN or S3 URI, and RewardFunction or RewardPrompt."""

    reference: str
    kind: str


class Wanted(NamedTuple):
    """An evaluator to register."""

    name: str
    content: Content


class Place(NamedTuple):
    """Where a content lies, as the parameters of DescribeHubContent."""

    HubName: str
    HubContentType: str
    HubContentName: str
    HubContentVersion: str

    @classmethod
    def of(cls, hub: str, name: str, version: str) -> Self:
        return cls(hub, _CONTENT_TYPE, name, version)

    @classmethod
    def of_arn(cls, arn: str) -> Self:
        """Raises ValueError for an ARN that does not end in HUB/TYPE/NAME/VERSION."""
        hub, kind, name, version = arn.partition(":hub-content/")[2].split("/")
        return cls(hub, kind, name, version)


class Registered(NamedTuple):
    """The evaluator of a job; ``reused`` when an earlier version has the same reference."""

    arn: str
    name: str
    version: str
    reused: bool


def wanted(reward: RewardPlan) -> Wanted | None:
    """What has to be registered for the reward; None for presets and for evaluators that are there."""
    if reward.evaluator_arn or not reward.reference:
        return None
    if reward.reference.startswith("s3://"):
        stem = reward.reference.rpartition("/")[2].removesuffix(".jinja")
        return Wanted(_name(f"{stem}-{_digest(reward.reference)}", stem), Content(reward.reference, PROMPT))
    function = reward.reference.rpartition(":")[2]
    return Wanted(_name(function, function), Content(reward.reference, FUNCTION))


def document(content: Content) -> str:
    """The HubContentDocument, to the byte as the SDK writes it."""
    inner = json.dumps({"Reference": content.reference, "EvaluatorType": content.kind})
    return json.dumps({"SubType": _SUB_TYPE, "JsonContent": inner})


def read(text: str) -> Content | None:
    """What a HubContentDocument refers to; None when it is not that of an evaluator."""
    try:
        inner = json.loads(json.loads(text)["JsonContent"])
        content = Content(inner["Reference"], inner["EvaluatorType"])
    except (ValueError, KeyError, TypeError):
        return None
    return content if all(isinstance(part, str) and part for part in content) else None


def register(
    sagemaker: Client, evaluator: Wanted, *, region: str, account: str, sleep: Sleep = time.sleep
) -> Registered:
    """Register the evaluator, or find the version that has the same reference, and wait until it is ready.

    Safe to repeat. Raises ServiceFault when SageMaker refuses or the import fails, TransientFault when it
    takes longer than one step may wait.
    """
    registry = _Registry(sagemaker, region, account, sleep)
    try:
        return registry.register(evaluator)
    except ClientError as fault:
        raise transient(fault) or ServiceFault(
            f"The reward cannot be registered as evaluator {evaluator.name}. {describe(fault)}"
        ) from fault


class _Registry:
    """One account's registry hub."""

    def __init__(self, sagemaker: Client, region: str, account: str, sleep: Sleep) -> None:
        self._sagemaker, self._sleep = sagemaker, sleep
        self._hub, self._title = registry_hub_name(region, account), registry_hub_title(region, account)

    def register(self, evaluator: Wanted) -> Registered:
        latest = self._latest(evaluator.name)
        for _ in range(_RACES):
            if latest and latest["HubContentStatus"] in _USABLE and _holds(latest, evaluator):
                return _registered(self._ready(evaluator.name, latest), reused=True)
            self._open()
            version = _next_version(latest)
            try:
                self._import(evaluator, version)
            except ClientError as fault:
                if error_code(fault) != "ResourceInUse":
                    raise
                # Somebody registered the same version meanwhile, perhaps for the same reference.
                latest = self._latest(evaluator.name)
                continue
            found = self._latest(evaluator.name) or {}
            if found.get("HubContentVersion") != version:
                found = self._version(evaluator.name, version)
            return _registered(self._ready(evaluator.name, found), reused=False)
        raise TransientFault(f"Evaluator {evaluator.name} is being registered by others all the time.")

    def _open(self) -> None:
        """The hub, made when it is not there."""
        try:
            status = self._sagemaker.describe_hub(HubName=self._hub)["HubStatus"]
        except ClientError as fault:
            if not not_found(fault):
                raise
            status = self._create()
        for delay in (*DELAYS, None):
            if status == "InService":
                return
            if status not in ("Creating", "Updating"):
                raise ServiceFault(f"The registry hub {self._title} ({self._hub}) is {status}.")
            if delay is not None:
                self._sleep(delay)
                status = self._sagemaker.describe_hub(HubName=self._hub)["HubStatus"]
        raise TransientFault(f"The registry hub {self._title} is still {status}.")

    def _create(self) -> str:
        try:
            self._sagemaker.create_hub(
                HubName=self._hub, HubDisplayName=self._title, HubDescription="AI Registry Hub"
            )
        except ClientError as fault:
            if error_code(fault) != "ResourceInUse":
                raise
        return str(self._sagemaker.describe_hub(HubName=self._hub)["HubStatus"])

    def _import(self, evaluator: Wanted, version: str) -> None:
        self._sagemaker.import_hub_content(
            HubName=self._hub,
            HubContentType=_CONTENT_TYPE,
            HubContentName=evaluator.name,
            HubContentVersion=version,
            DocumentSchemaVersion=_SCHEMA_VERSION,
            HubContentDocument=document(evaluator.content),
            HubContentSearchKeywords=_keywords(evaluator.content.kind),
        )

    def _latest(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._sagemaker.describe_hub_content(
                HubName=self._hub, HubContentType=_CONTENT_TYPE, HubContentName=name
            )
        except ClientError as fault:
            if not not_found(fault):
                raise
            return None
        return found

    def _version(self, name: str, version: str) -> dict[str, Any]:
        found: dict[str, Any] = self._sagemaker.describe_hub_content(
            **Place.of(self._hub, name, version)._asdict()
        )
        return found

    def _ready(self, name: str, found: dict[str, Any]) -> dict[str, Any]:
        """The content once it is Available."""
        version = str(found["HubContentVersion"])
        for delay in (*DELAYS, None):
            status = found["HubContentStatus"]
            if status == AVAILABLE:
                return found
            if status not in _UNDER_WAY:
                reason = found.get("FailureReason") or "SageMaker gives no reason"
                raise ServiceFault(
                    f"Evaluator {name} {version} in the registry hub {self._title} is {status}: {reason}."
                )
            if delay is not None:
                self._sleep(delay)
                found = self._version(name, version)
        raise TransientFault(f"Evaluator {name} {version} is still {found['HubContentStatus']}.")


def _holds(found: dict[str, Any], evaluator: Wanted) -> bool:
    return read(str(found.get("HubContentDocument") or "")) == evaluator.content


def _registered(found: dict[str, Any], *, reused: bool) -> Registered:
    name, version = str(found["HubContentName"]), str(found["HubContentVersion"])
    return Registered(str(found["HubContentArn"]), name, version, reused)


def _next_version(latest: dict[str, Any] | None) -> str:
    major = re.match(r"\d+", str(latest["HubContentVersion"])) if latest else None
    return f"{int(major.group()) + 1}.0.0" if major else "1.0.0"


def _keywords(kind: str) -> list[str]:
    """What Studio finds an evaluator by."""
    function = kind == FUNCTION
    return [
        *(["method:lambda"] if function else []),
        f"@subtype:{_SUB_TYPE.lower()}",
        f"@evaluatortype:{kind.lower()}",
        f"@contenttype:{'byolambda' if function else 'byocode'}",
    ]


def _name(text: str, origin: str) -> str:
    """A content name made of the text; one that had to be changed says so by a digest of ``origin``."""
    name = re.sub(r"[^a-zA-Z0-9]+", "-", text).strip("-")
    if name == text and len(name) <= _LONGEST_NAME:
        return name
    ending = f"-{_digest(origin)}"
    return name[: _LONGEST_NAME - len(ending)].strip("-") + ending


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
