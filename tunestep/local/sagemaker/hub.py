"""Hubs and their contents."""
# ruff: noqa: N802 - operations have the service's names

import re
from typing import Any

from tunestep.local.awsjson import AwsError
from tunestep.local.sagemaker.base import Account, public
from tunestep.local.sagemaker.listing import between, ordered, page, select
from tunestep.local.sagemaker.records import Document, Taken

_HUB_SUMMARY = (
    "HubName",
    "HubArn",
    "HubDisplayName",
    "HubDescription",
    "HubSearchKeywords",
    "HubStatus",
    "CreationTime",
    "LastModifiedTime",
)
_CONTENT_SUMMARY = (
    "HubContentName",
    "HubContentArn",
    "HubContentVersion",
    "HubContentType",
    "DocumentSchemaVersion",
    "HubContentDisplayName",
    "HubContentDescription",
    "SupportStatus",
    "HubContentSearchKeywords",
    "HubContentStatus",
    "CreationTime",
)
_IMPORTED = (
    "HubContentName",
    "HubContentType",
    "DocumentSchemaVersion",
    "HubContentDisplayName",
    "HubContentDescription",
    "HubContentMarkdown",
    "HubContentDocument",
    "SupportStatus",
    "HubContentSearchKeywords",
)
_CONTENT_ORDER = {
    "HubContentName": "HubContentName",
    "CreationTime": "CreationTime",
    "HubContentStatus": "HubContentStatus",
}


def version_key(version: str) -> tuple[int, ...]:
    """Versions compare number by number: 1.10.0 is newer than 1.9.0."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


class HubOperations(Account):
    """DescribeHub and the rest. A hub is named by its name or its ARN, as in the API."""

    def CreateHub(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["HubName"]
        arn = self.arn("hub", name)
        hub = {
            **select(params, ("HubName", "HubDescription", "HubDisplayName", "HubSearchKeywords")),
            **({"S3StorageConfig": params["S3StorageConfig"]} if "S3StorageConfig" in params else {}),
            "HubArn": arn,
            "HubStatus": "InService",
            "CreationTime": self.clock(),
            "LastModifiedTime": self.clock(),
            "_ready_at": self.ready_at(),
        }
        try:
            self.records.add("hub", name, hub)
        except Taken:
            raise AwsError("ResourceInUse", f"Hub {arn} already exists.") from None
        self.tag(arn, params)
        return {"HubArn": arn}

    def DescribeHub(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._hub_view(self.hub(params["HubName"]))

    def ListHubs(self, params: dict[str, Any]) -> dict[str, Any]:
        hubs = [select(self._hub_view(hub), _HUB_SUMMARY) for hub in self.records.all("hub")]
        hubs = [hub for hub in hubs if params.get("NameContains", "") in hub["HubName"]]
        hubs = between(hubs, params, "CreationTime", "CreationTimeAfter", "CreationTimeBefore")
        hubs = between(hubs, params, "LastModifiedTime", "LastModifiedTimeAfter", "LastModifiedTimeBefore")
        fields = {name: name for name in ("HubName", "CreationTime", "HubStatus")}
        return page(
            ordered(hubs, params, {**fields, "AccountIdOwner": "HubArn"}, "Ascending"), params, "HubSummaries"
        )

    def DeleteHub(self, params: dict[str, Any]) -> dict[str, Any]:
        with self.records.transaction():
            hub = self._own_hub(params["HubName"])
            if self.records.all("hub_content", f"{hub['HubName']}/"):
                raise AwsError("ResourceInUse", f"Hub {hub['HubArn']} still has contents.")
            self.records.delete("hub", hub["HubName"])
        return {}

    def DescribeHubContent(self, params: dict[str, Any]) -> dict[str, Any]:
        hub = self.hub(params["HubName"])
        kind, name = params["HubContentType"], params["HubContentName"]
        version = params.get("HubContentVersion")
        found = self._newest(hub["HubName"], kind, name, version)
        if found is None:
            label = f"{hub['HubName']}/{kind}/{name}" + (f"/{version}" if version else "")
            raise AwsError("ResourceNotFound", f"HubContent {label} does not exist.")
        return self._content_view(found)

    def ListHubContents(self, params: dict[str, Any]) -> dict[str, Any]:
        newest: dict[str, Document] = {}
        for content in self._contents(params):
            known = newest.get(content["HubContentName"])
            if known is None or _newer(content, known):
                newest[content["HubContentName"]] = content
        part = params.get("NameContains", "")
        return self._content_page([c for name, c in newest.items() if part in name], params)

    def ListHubContentVersions(self, params: dict[str, Any]) -> dict[str, Any]:
        low = version_key(params.get("MinVersion", "0.0.0"))
        versions = [
            content
            for content in self._contents(params)
            if content["HubContentName"] == params["HubContentName"]
            and version_key(content["HubContentVersion"]) >= low
        ]
        if not versions:
            raise AwsError("ResourceNotFound", f"HubContent {params['HubContentName']} does not exist.")
        return self._content_page(versions, params)

    def ImportHubContent(self, params: dict[str, Any]) -> dict[str, Any]:
        with self.records.transaction():
            hub = self._own_hub(params["HubName"])
            name, kind = params["HubContentName"], params["HubContentType"]
            version = params.get("HubContentVersion") or self._next_version(hub["HubName"], kind, name)
            key = f"{hub['HubName']}/{kind}/{name}/{version}"
            arn = self.arn("hub-content", key)
            content = {
                "SupportStatus": "Supported",
                **select(params, _IMPORTED),
                "HubContentVersion": version,
                "HubContentArn": arn,
                "HubName": hub["HubName"],
                "HubArn": hub["HubArn"],
                "HubContentStatus": "Available",
                "CreationTime": self.clock(),
                "LastModifiedTime": self.clock(),
                "_ready_at": self.ready_at(),
            }
            try:
                self.records.add("hub_content", key, content)
            except Taken:
                raise AwsError("ResourceInUse", f"HubContent {arn} already exists.") from None
            self.tag(arn, params)
        return {"HubArn": hub["HubArn"], "HubContentArn": arn}

    def DeleteHubContent(self, params: dict[str, Any]) -> dict[str, Any]:
        with self.records.transaction():
            hub = self._own_hub(params["HubName"])
            parts = (params["HubContentType"], params["HubContentName"], params["HubContentVersion"])
            key = "/".join((hub["HubName"], *parts))
            if self.records.get("hub_content", key) is None:
                raise AwsError("ResourceNotFound", f"HubContent {key} does not exist.")
            self.records.delete("hub_content", key)
        return {}

    def hub(self, name_or_arn: str) -> Document:
        """The hub's record; raises AwsError (ResourceNotFound)."""
        hub = self.records.get("hub", name_or_arn.rpartition("/")[2])
        if hub is None or (":" in name_or_arn and hub["HubArn"] != name_or_arn):
            raise AwsError("ResourceNotFound", f"Hub {name_or_arn} does not exist.")
        return hub

    def find_content(self, arn: str, *, any_version: bool = False) -> Document | None:
        """The content that a hub-content ARN (with or without its version) names, or None."""
        parts = arn.partition(":hub-content/")[2].split("/")
        if len(parts) not in (3, 4):
            return None
        hub, kind, name = parts[:3]
        return self._newest(hub, kind, name, parts[3] if len(parts) == 4 and not any_version else None)

    def _newest(self, hub: str, kind: str, name: str, version: str | None) -> Document | None:
        if version:
            return self.records.get("hub_content", f"{hub}/{kind}/{name}/{version}")
        found = self.records.all("hub_content", f"{hub}/{kind}/{name}/")
        return max(found, key=lambda content: version_key(content["HubContentVersion"]), default=None)

    def _next_version(self, hub: str, kind: str, name: str) -> str:
        newest = self._newest(hub, kind, name, None)
        if newest is None:
            return "1.0.0"
        major, minor = (*version_key(newest["HubContentVersion"]), 0)[:2]
        return f"{major}.{minor + 1}.0"

    def _own_hub(self, name_or_arn: str) -> Document:
        hub = self.hub(name_or_arn)
        if f":{self.account}:hub/" not in hub["HubArn"]:
            raise AwsError("AccessDeniedException", f"Hub {hub['HubArn']} does not belong to this account.")
        return hub

    def _contents(self, params: dict[str, Any]) -> list[Document]:
        hub = self.hub(params["HubName"])
        found = self.records.all("hub_content", f"{hub['HubName']}/{params['HubContentType']}/")
        if highest := params.get("MaxSchemaVersion"):
            found = [c for c in found if version_key(c["DocumentSchemaVersion"]) <= version_key(highest)]
        return found

    def _content_page(self, contents: list[Document], params: dict[str, Any]) -> dict[str, Any]:
        summaries = [select(self._content_view(content), _CONTENT_SUMMARY) for content in contents]
        summaries = between(summaries, params, "CreationTime", "CreationTimeAfter", "CreationTimeBefore")
        return page(ordered(summaries, params, _CONTENT_ORDER, "Ascending"), params, "HubContentSummaries")

    def _hub_view(self, hub: Document) -> Document:
        return public(hub if self.settled(hub) else {**hub, "HubStatus": "Creating"})

    def _content_view(self, content: Document) -> Document:
        return public(content if self.settled(content) else {**content, "HubContentStatus": "Importing"})


def _newer(one: Document, other: Document) -> bool:
    return version_key(one["HubContentVersion"]) > version_key(other["HubContentVersion"])
