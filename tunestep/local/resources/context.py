"""What the handlers of the resource types share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import ClientError

from tunestep.aws import error_code
from tunestep.local.functions import FunctionPool
from tunestep.local.http_api import Route
from tunestep.local.queues import QueueMapping
from tunestep.local.schedules import Scheduled

ServiceClients = Callable[[str], Any]
"""Gives the boto3 client of a service."""

_Answer = TypeVar("_Answer")


class Deployed(NamedTuple):
    """A resource: what Ref gives, and what GetAtt gives."""

    ref: str
    attributes: Mapping[str, Any]


@dataclass
class Context:
    """One deployment."""

    stack: str
    region: str
    account: str
    clients: ServiceClients
    pool: FunctionPool
    assets: Mapping[str, Path]
    rule_names: set[str] = field(default_factory=set)
    queues: list[QueueMapping] = field(default_factory=list)
    schedules: list[Scheduled] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The laptop cloud's own address."""
        return str(self.clients("sts").meta.endpoint_url)

    def name(self, logical_id: str, given: str | None, limit: int) -> str:
        """The given name, or one that is the same at every deployment."""
        return given or f"{self.stack}-{logical_id}"[:limit]

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


Handler = Callable[[Context, str, dict[str, Any]], Deployed]


def found(call: Callable[[], _Answer], *absent: str) -> _Answer | None:
    """The answer of a reading call, or None when the service answers with one of these codes."""
    try:
        return call()
    except ClientError as error:
        if error_code(error) in absent:
            return None
        raise
