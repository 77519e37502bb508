"""Tags of any resource, by its ARN."""
# ruff: noqa: N802 - operations have the service's names

from typing import Any

from tunestep.local.awsjson import AwsError
from tunestep.local.sagemaker.base import Account
from tunestep.local.sagemaker.listing import page

_MOST = 50


class TagOperations(Account):
    def AddTags(self, params: dict[str, Any]) -> dict[str, Any]:
        with self.records.transaction():
            tags = self.records.get("tags", params["ResourceArn"]) or {}
            tags |= {tag["Key"]: tag["Value"] for tag in params["Tags"]}
            if len(tags) > _MOST:
                raise AwsError("ValidationException", f"A resource can have at most {_MOST} tags.")
            self.records.put("tags", params["ResourceArn"], tags)
        return {"Tags": _listed(tags)}

    def ListTags(self, params: dict[str, Any]) -> dict[str, Any]:
        return page(_listed(self.records.get("tags", params["ResourceArn"]) or {}), params, "Tags")

    def DeleteTags(self, params: dict[str, Any]) -> dict[str, Any]:
        with self.records.transaction():
            tags = self.records.get("tags", params["ResourceArn"]) or {}
            kept = {key: value for key, value in tags.items() if key not in params["TagKeys"]}
            self.records.put("tags", params["ResourceArn"], kept)
        return {}


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
