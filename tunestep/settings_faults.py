"""Everything that is wrong with a settings file at once, each fault with its path and the fix."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tunestep import settings as typed
from tunestep.findings import Finding, error
from tunestep.request_faults import member, shape_faults
from tunestep.settings import CREATE, Settings, SettingsInvalid

RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days for which CloudWatch Logs keeps a log (API reference, PutRetentionPolicy)."""

_ARN = r"arn:[a-z-]+:{service}:[a-z0-9-]*:(aws|[0-9]{{12}})?:{resource}[A-Za-z0-9+=,.@_/-]+"
_LISTED: dict[str, tuple[re.Pattern[str], str]] = {
    "execution_roles": (re.compile(_ARN.format(service="iam", resource="role/")), "the ARN of an IAM role"),
    "kms_keys": (re.compile(_ARN.format(service="kms", resource="key/")), "the ARN of a KMS key"),
    "mlflow_apps": (
        re.compile(_ARN.format(service="sagemaker", resource="mlflow-(app|tracking-server)/")),
        "the ARN of an MLflow app or tracking server",
    ),
    "reward_functions": (
        re.compile(_ARN.format(service="lambda", resource="function:")),
        "the ARN of a Lambda function without version or alias",
    ),
    "subnets": (re.compile(r"subnet-[0-9a-f]{8,17}"), "the id of one of the subnets of a VPC"),
    "security_groups": (
        re.compile(r"sg-[0-9a-f]{8,17}"),
        "the id of one of the security groups of a VPC",
    ),
    "model_package_groups": (
        re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,62}"),
        "the name of a model package group: at most 63 letters, digits and hyphens",
    ),
    "locations": (
        re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/([^*?$]*/)?)?"),
        "s3://bucket or s3://bucket/prefix/",
    ),
}
_SINGLE = {
    "account": (re.compile(r"\d{12}"), "the 12 digits of an account, in quotes"),
    "region": (re.compile(r"[a-z]{2}(-[a-z]+)+-\d"), "the name of a region, such as us-west-2"),
    "kms_key": _LISTED["kms_keys"],
    "mlflow_app": (
        re.compile(f"{CREATE}|{_LISTED['mlflow_apps'][0].pattern}"),
        f"the ARN of an MLflow app or tracking server, or {CREATE}",
    ),
    "permissions_boundary": (
        re.compile(_ARN.format(service="iam", resource="policy/")),
        "the ARN of an IAM policy",
    ),
}


_TAG = r"[\w .:/=+@-]"
_TAG_KEY = re.compile(rf"(?!aws:|tunestep:){_TAG}{{1,128}}", re.IGNORECASE)
_TAG_VALUE = re.compile(rf"{_TAG}{{0,256}}")
_MOST_TAGS = 40
"""Of the 50 that a resource may have some are the stack's own, a run's and CloudFormation's."""


def misshapen(settings: Settings) -> Iterator[Finding]:
    """Faults that only a deployment would find, or a run: names and places that would become a policy which
    IAM rejects or which allows too much, tags that nothing takes, limits in dollars without a price."""
    for name, shape in _SINGLE.items():
        if value := getattr(settings, name):
            yield from _shape(f"$.{name}", value, *shape)
    for name, shape in _LISTED.items():
        for index, value in enumerate(getattr(settings.allowed, name)):
            yield from _shape(f"$.allowed.{name}[{index}]", value, *shape)
    yield from _network(settings)
    yield from _own_bucket(settings)
    yield from _tags(settings)
    yield from _key_elsewhere(settings)
    yield from _unpriced(settings)


def _network(settings: Settings) -> Iterator[Finding]:
    if settings.functions_vpc is None:
        return
    for name in ("subnets", "security_groups"):
        for index, value in enumerate(getattr(settings.functions_vpc, name)):
            yield from _shape(f"$.functions_vpc.{name}[{index}]", value, *_LISTED[name])


def _tags(settings: Settings) -> Iterator[Finding]:
    """Tags as every service of the stack takes them (IAM user guide, "Tags for IAM resources")."""
    if len(settings.tags) > _MOST_TAGS:
        yield error("INVALID_VALUE", "$.tags", f"at most {_MOST_TAGS} tags fit beside the stack's own.")
    for name, value in settings.tags.items():
        path = member("$.tags", name)
        wanted = "letters, digits, spaces and _ . : / = + @ -"
        beginning = "not beginning with aws: or tunestep:"
        yield from _shape(path, name, _TAG_KEY, f"a tag's name: 1 to 128 {wanted}, {beginning}")
        yield from _shape(path, value, _TAG_VALUE, f"a tag's value: at most 256 {wanted}")


def _key_elsewhere(settings: Settings) -> Iterator[Finding]:
    region = settings.kms_key.split(":")[3] if settings.kms_key and settings.kms_key.count(":") > 4 else ""
    if region and settings.region and region != settings.region:
        yield error(
            "INVALID_VALUE",
            "$.kms_key",
            f"is a key of {region}, and the stack is one of {settings.region}.",
            f"Name a key of {settings.region}.",
        )


def _unpriced(settings: Settings) -> Iterator[Finding]:
    """Without any price every run that such a limit is for ends as NO_PRICE."""
    sources = settings.sources
    limits = {
        "limits": settings.limits,
        "budgets.per_month": settings.budgets.per_month,
        **{f"sources.{name}": getattr(sources, name) for name in sources.__struct_fields__},
    }
    for path, limit in limits.items():
        if not settings.prices and limit is not None and limit.max_cost_usd is not None:
            yield error(
                "INVALID_VALUE",
                f"$.{path}.max_cost_usd",
                "cannot hold, and every run would be refused: there are no prices.",
                "Set `prices`, or leave it out.",
            )


def _own_bucket(settings: Settings) -> Iterator[Finding]:
    """Jobs may write below every listed location, and a new object of the stack's bucket may start a run."""
    own = re.compile(rf"s3://{settings.stack}-\d{{12}}-[a-z]{{2}}[a-z0-9-]*-\d(/.*)?", re.DOTALL)
    for index, location in enumerate(settings.allowed.locations):
        if own.fullmatch(location):
            yield error(
                "INVALID_VALUE",
                f"$.allowed.locations[{index}]",
                f"{location!r} lies in the stack's own bucket, of which requests may use data/ and output/ "
                "anyway.",
                "Leave it out.",
            )


def _shape(path: str, value: str, pattern: re.Pattern[str], wanted: str) -> Iterator[Finding]:
    if not pattern.fullmatch(value):
        yield error("INVALID_VALUE", path, f"{value!r} must be {wanted}.")


def faults(document: Any) -> list[Finding]:
    """All faults of a parsed settings file; an empty list for one that can be deployed.

    The shape comes first: rules that need whole settings are looked at once the shape is right.
    """
    if document is None:
        return []
    if found := shape_faults(document, Settings):
        return found
    settings = msgspec.convert(document, Settings)
    return [*misshapen(settings), *_retention(settings.log_retention_days), *_rules(document)]


def _retention(days: int) -> Iterator[Finding]:
    if days not in RETENTIONS:
        near = min(RETENTIONS, key=lambda offered: abs(offered - days))
        yield error(
            "INVALID_VALUE",
            "$.log_retention_days",
            f"CloudWatch Logs does not keep a log for {days} days.",
            f"The nearest is {near}.",
        )


def _rules(document: Any) -> Iterator[Finding]:
    """The rules that settings are held to wherever they are read; the message names the path."""
    try:
        typed.check(document)
    except SettingsInvalid as fault:
        text = str(fault).removeprefix("settings: ")
        named = re.search(r"`(\$[^`]*)`", text)
        yield error("INVALID_VALUE", named[1] if named else "$", text)
