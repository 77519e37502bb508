"""What the groups of operations share: the account they answer for, and its records."""

from collections.abc import Callable
from typing import Any

from tunestep.local.awsjson import JsonService
from tunestep.local.sagemaker.records import Records


class Account(JsonService):
    """State and ARNs of one account in one region.

    ``settle_seconds`` is how long new hubs, hub contents and MLflow apps are shown as being made
    (Creating, Importing) before they are ready: callers have to wait for them on AWS too.
    """

    service_name = "sagemaker"

    def __init__(
        self,
        records: Records,
        *,
        region: str,
        account: str,
        clock: Callable[[], float],
        settle_seconds: float,
    ) -> None:
        super().__init__()
        self.records = records
        self.region, self.account = region, account
        self.clock = clock
        self.settle_seconds = settle_seconds

    def arn(self, kind: str, name: str, owner: str | None = None) -> str:
        """ARN of a resource of this account (or of ``owner``, such as ``aws``)."""
        return resource_arn(self.region, owner or self.account, kind, name)

    def tag(self, arn: str, params: dict[str, Any]) -> None:
        """Remember the tags that a Create request carries."""
        if params.get("Tags"):
            self.records.put("tags", arn, {t["Key"]: t["Value"] for t in params["Tags"]})

    def settled(self, document: dict[str, Any]) -> bool:
        """Whether a resource that is made in the background is ready by now."""
        return bool(self.clock() >= document.get("_ready_at", 0))

    def ready_at(self) -> float:
        return self.clock() + self.settle_seconds


def resource_arn(region: str, owner: str, kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{region}:{owner}:{kind}/{name}"


def public(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the members that are ours alone (leading underscore)."""
    return {name: value for name, value in document.items() if not name.startswith("_")}
