"""The typed settings of a stack: one YAML file, shared by infra, the functions and the command.

Settings are the ceiling; a request chooses within them. The defaults deploy as they are.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tunestep.names import STACK_PATTERN

DEFAULT_FILE = "tunestep.yaml"

_Duration = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,5}[smhd]$")]


class Allowed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a request may name beyond what the stack made itself.

    ``locations`` are ``s3://bucket`` or ``s3://bucket/prefix/``; everything below one may be read
    and written. The other lists hold ARNs; model package groups are names. ``reward_functions`` are
    ARNs of Lambda functions without a version or alias.
    """

    execution_roles: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    kms_keys: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    mlflow_apps: tuple[str, ...] = ()
    model_package_groups: tuple[str, ...] = ()
    reward_functions: tuple[str, ...] = ()


class Rewards(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The reward functions that the stack deploys.

    ``concurrency`` is reserved for each of them; null reserves none, because small accounts have none to
    reserve. ``config`` is by reward name, and reaches the reward as its variable REWARD_CONFIG.
    """

    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    config: dict[str, dict[str, Any]] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One stack. Durations read like 90s, 45m, 6h or 3d.

    ``pending_allowance`` is how long a job may wait for capacity before training begins.
    ``notice_emails`` receive a mail when a run ends. ``kms_key`` is the ARN of a customer-managed key.
    """

    stack: str = "tunestep"
    region: str | None = None
    account: str | None = None
    allowed: Allowed = Allowed()
    mlflow_app: str | None = None
    max_runtime: _Duration = "24h"
    pending_allowance: _Duration = "24h"
    approval_timeout: _Duration = "3d"
    log_retention_days: int = 90
    kms_key: str | None = None
    notice_emails: tuple[str, ...] = ()
    rewards: Rewards = Rewards()
    tags: dict[str, str] = {}


class SettingsInvalid(ValueError):  # noqa: N818
    """The settings file is wrong; the message holds the path and the fix."""


def from_json(text: str) -> Settings:
    """Decode the JSON that infra put into a function's environment."""
    return msgspec.json.decode(text, type=Settings)


def to_json(settings: Settings) -> str:
    """Compact JSON without defaults, for a function's environment."""
    return json.dumps(msgspec.to_builtins(settings), separators=(",", ":"), sort_keys=True)


def check(document: object) -> Settings:
    """Turn a parsed file into settings.

    Raises SettingsInvalid naming the path of the first thing that is wrong.
    """
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as fault:
        raise SettingsInvalid(f"settings: {fault}") from None
    if not STACK_PATTERN.fullmatch(settings.stack):
        raise SettingsInvalid(
            f"settings: {settings.stack!r} at `$.stack` must be lowercase letters, digits and hyphens, "
            "start with a letter, and have at most 24 characters"
        )
    return settings


def load(path: str | Path | None = None) -> Settings | None:
    """Settings of the file, or of ./tunestep.yaml; None when there is no file to read.

    Raises SettingsInvalid for a file that is wrong, FileNotFoundError for a named file that is absent.
    """
    from tunestep.documents import DocumentInvalid, read  # noqa: PLC0415 - keeps YAML out of the functions

    file = Path(path) if path else Path(DEFAULT_FILE)
    if path is None and not file.is_file():
        return None
    try:
        document = read(file)
    except DocumentInvalid as fault:
        raise SettingsInvalid(str(fault)) from None
    return check({} if document is None else document)
