"""The world that the laptop cloud starts from: what the hub offers, and what else is there or is not."""

import re
from pathlib import Path
from typing import Any, Self

import msgspec

from tunestep.findings import Finding
from tunestep.local.worlds import assumptions, builtin, parts, records, seeding
from tunestep.local.worlds.reading import WorldInvalid, mapping, read_file, refuse, text

__all__ = ["World", "WorldInvalid"]

DEFAULT_REGION = "us-west-2"
DEFAULT_ACCOUNT = "123456789012"

_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d")
_ACCOUNT = re.compile(r"\d{12}")

Described = dict[str, dict[str, Any] | None]
"""Things by name or ARN: their description, or None for what the world says is absent."""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One account in one region.

    ``hub`` is ``HUB/TYPE/NAME`` -> versions (``version``, ``document``, ``keywords``); ``override_specs``
    are by S3 URI; roles, evaluators, functions and packages by ARN; groups and buckets by name; objects by
    URI.
    """

    region: str
    account: str
    hub: dict[str, list[dict[str, Any]]] = {}
    override_specs: dict[str, dict[str, Any]] = {}
    mlflow_apps: list[dict[str, Any]] = []
    model_packages: dict[str, dict[str, Any]] = {}
    groups: Described = {}
    roles: Described = {}
    buckets: Described = {}
    objects: Described = {}
    evaluators: Described = {}
    functions: Described = {}

    @classmethod
    def builtin(cls, region: str = DEFAULT_REGION, account: str = DEFAULT_ACCOUNT) -> Self:
        """The world that comes with Tunestep."""
        return cls.read(builtin.document(region, account))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The world of a file.

        Raises WorldInvalid naming the place in the file, FileNotFoundError when there is none.
        """
        file = Path(path)
        try:
            return cls.read(read_file(file))
        except WorldInvalid as fault:
            prefix = "" if str(fault).startswith(str(file)) else f"{file}: "
            raise WorldInvalid(f"{prefix}{fault}") from None

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """The world of a parsed document; raises WorldInvalid."""
        region = text(document.get("region", DEFAULT_REGION), "$.region")
        account = text(document.get("account", DEFAULT_ACCOUNT), "$.account")
        if not _REGION.fullmatch(region):
            refuse("$.region", f"{region!r} is not a region; one reads us-west-2")
        if not _ACCOUNT.fullmatch(account):
            refuse("$.account", f"{account!r} is not an account; one has 12 digits")
        specs = mapping(document.get("override_specs", {}), "$.override_specs")
        return cls(
            region=region,
            account=account,
            hub=parts.hub(document.get("hub", {})),
            override_specs=dict(parts.override_spec(uri, spec, account) for uri, spec in specs.items()),
            mlflow_apps=parts.mlflow_apps(document.get("mlflow_apps", []), region),
            model_packages=parts.model_packages(document.get("model_packages", {})),
            groups=parts.groups(document.get("model_package_groups", {})),
            roles=parts.roles(document.get("roles", {}), account),
            buckets=parts.buckets(document.get("buckets", {})),
            objects=parts.objects(document.get("objects", {})),
            evaluators=parts.evaluators(document.get("evaluators", {})),
            functions=parts.functions(document.get("functions", {}), region, account),
        )

    @property
    def forbidden_buckets(self) -> frozenset[str]:
        """Buckets that are there and answer 403 to everybody here."""
        return frozenset(name for name, bucket in self.buckets.items() if bucket and bucket.get("forbidden"))

    def sagemaker_records(self, region: str, account: str) -> list[tuple[str, str, dict[str, Any]]]:
        """What SageMaker holds in this world, as (kind, key, document) of its records."""
        return records.sagemaker(self, region, account)

    def seed(self, clients: Any) -> None:
        """Put the world's S3 objects, buckets and IAM roles there through boto3 clients.

        What already exists stays as it is, so that seeding twice changes nothing.
        """
        seeding.seed(self, clients)

    def assume(self, request: dict[str, Any], clients: Any, *, stack: str) -> list[Finding]:
        """Create what a request names and this world does not describe; one ASSUMED finding for each."""
        return assumptions.assume(request, self, clients, stack=stack)
