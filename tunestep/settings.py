"""The typed settings of a stack: one YAML file, shared by infra, the functions and the command.

Settings are the ceiling; a request chooses within them. The defaults deploy as they are.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from tunestep.budget_settings import Budgets, ambiguous
from tunestep.names import STACK_PATTERN, approver_topic_name
from tunestep.source_settings import Schedule, Sources, unclear

DEFAULT_FILE = "tunestep.yaml"

_Duration = Annotated[
    str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,6}[smhd]$", description="a duration like 90s, 45m, 6h or 3d")
]


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


CREATE = "create"
"""The value of ``mlflow_app`` that has the stack make one."""


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Subnets and security groups that are there already, of one VPC."""

    subnets: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=16)]
    security_groups: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=5)]


class Rewards(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The reward functions that the stack deploys.

    ``concurrency`` is reserved for each of them; null reserves none, because small accounts have none to
    reserve. ``config`` is by reward name, and reaches the reward as its variable REWARD_CONFIG.
    """

    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    config: dict[str, dict[str, Any]] = {}


_ApproverId = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z0-9]([a-z0-9._-]{0,38}[a-z0-9])?$",
        description="1 to 40 lowercase letters, digits, dots, underscores and hyphens, with a letter or "
        "digit at both ends",
    ),
]
_Email = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[^@\s<>,;\"]{1,64}@[A-Za-z0-9.-]{1,190}$",
        description="an e-mail address like ann@example.com",
    ),
]
_Principal = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^arn:aws[a-z-]*:(iam|sts)::\d{12}:.+$", description="the ARN of an IAM user or role"
    ),
]
_Dollars = Annotated[float, msgspec.Meta(ge=0)]


def _slack_id(letters: str, what: str) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"^[{letters}][A-Z0-9]{{2,20}}$", description=f"the id of a Slack {what}")


_SlackUser = Annotated[str, _slack_id("UW", "member, U...")]


class Approver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person who may decide. ``id`` is what records show; the rest is how the person is reached.

    ``slack_user`` is a member id (U…); ``iam_principal`` the ARN of the user or role that decides from the
    command line.
    """

    id: _ApproverId
    email: _Email | None = None
    slack_user: _SlackUser | None = None
    iam_principal: _Principal | None = None


class Slack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The Slack app that asks. ``secret`` names the secret that holds ``token`` and ``signing_secret``."""

    team: Annotated[str, _slack_id("TE", "workspace, T..., or organisation, E...")]
    app_id: Annotated[str, _slack_id("A", "app, A...")]
    channel: Annotated[str, _slack_id("CGD", "channel, C...")]
    secret: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[A-Za-z0-9/_+=.@-]{1,256}$",
            description="the name of a secret: letters, digits and / _ + = . @ -",
        ),
    ]


class Approval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How decisions are asked for.

    ``policy_window`` is how long an acceptance counts for later runs on the same model version and licence,
    ``reminders`` are the times before expiry at which approvers are reminded; without ``self_approval`` the
    requester of a run cannot decide on it. Runs estimated above ``review_above_usd`` need a decision.
    """

    policy_window: _Duration = "365d"
    reminders: tuple[_Duration, ...] = ("1d",)
    self_approval: bool = True
    review_above_usd: _Dollars | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The most that one run may use, estimated before it starts; a request may only ask for less."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_cost_usd: Annotated[float, msgspec.Meta(gt=0)] | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What training costs, in US dollars, as the price list of the account's contract says.

    ``model`` is a name of the hub, in which ``*`` and ``?`` stand for any characters; without ``technique``
    the price holds for all. Recipes that are metered by tokens need ``usd_per_million_tokens``, those that
    are metered by time ``usd_per_hour``. The first entry that fits counts.
    """

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    technique: Literal["SFT", "DPO", "RLVR", "RLAIF"] | None = None
    usd_per_million_tokens: _Dollars | None = None
    usd_per_hour: _Dollars | None = None


_EventPrincipal = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(\d{12}|arn:aws[a-z-]*:iam::\d{12}:(root|(user|role)/.{1,576}))$",
        description="the 12 digits of an account, or the ARN of a user, a role or an account's root",
    ),
]


Architecture = Literal["arm64", "x86_64"]
"""Processors that Lambda has."""

NoticeChannel = Literal["email", "slack"]
_BOTH: tuple[NoticeChannel, ...] = ("email", "slack")


class NoticeRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """On which channels people are told about what; an empty list tells nobody.

    ``email`` is the stack's topic, to which ``notice_emails`` are subscribed, ``slack`` the channel of the
    Slack app. Approvers are asked on their own channels, whatever stands here.
    """

    start: tuple[NoticeChannel, ...] = _BOTH
    approval: tuple[NoticeChannel, ...] = _BOTH
    success: tuple[NoticeChannel, ...] = _BOTH
    failure: tuple[NoticeChannel, ...] = _BOTH


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One stack. Durations read like 90s, 45m, 6h or 3d.

    ``pending_allowance`` is how long a job may wait for capacity before training begins.
    ``mlflow_app`` is the ARN of an app, or ``create``; ``functions_vpc`` is where the stack's functions run,
    ``architecture`` the processor that they and the rewards run on.
    ``notice_emails`` receive a mail when a run starts, asks and ends, as ``notices`` says.
    ``kms_key`` is the ARN of a customer-managed key, ``permissions_boundary`` that of a managed policy which
    limits every role of the stack.
    ``event_principals`` are the accounts, users and roles that may put events on the stack's bus besides
    those whom their own account's policies allow it.
    """

    stack: str = "tunestep"
    region: str | None = None
    account: str | None = None
    allowed: Allowed = Allowed()
    mlflow_app: str | None = None
    functions_vpc: Network | None = None
    architecture: Architecture = "arm64"
    max_runtime: _Duration = "24h"
    pending_allowance: _Duration = "24h"
    approval_timeout: _Duration = "3d"
    log_retention_days: int = 90
    kms_key: str | None = None
    notice_emails: tuple[_Email, ...] = ()
    notices: NoticeRules = NoticeRules()
    rewards: Rewards = Rewards()
    approvers: tuple[Approver, ...] = ()
    slack: Slack | None = None
    approval: Approval = Approval()
    limits: Limits = Limits()
    budgets: Budgets = Budgets()
    prices: tuple[Price, ...] = ()
    sources: Sources = Sources()
    schedules: tuple[Schedule, ...] = ()
    event_principals: tuple[_EventPrincipal, ...] = ()
    permissions_boundary: str | None = None
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
    _check_approvers(settings.approvers)
    if wrong := unclear(settings.schedules) or ambiguous(settings.budgets):
        raise SettingsInvalid(f"settings: {wrong}")
    return settings


def _check_approvers(approvers: tuple[Approver, ...]) -> None:
    """Refuse two approvers that could be taken for one another; raises SettingsInvalid."""
    seen: dict[str, int] = {}
    for index, approver in enumerate(approvers):
        marks = (
            f"the topic {approver_topic_name('STACK', approver.id)}",
            f"the Slack user {approver.slack_user}" if approver.slack_user else "",
            f"the IAM principal {_without_path(approver.iam_principal)}" if approver.iam_principal else "",
        )
        for mark in filter(None, marks):
            if mark in seen:
                raise SettingsInvalid(
                    f"settings: `$.approvers[{index}]` and `$.approvers[{seen[mark]}]` would share {mark}; "
                    "every approver needs one of their own"
                )
            seen[mark] = index


def _without_path(principal: str) -> str:
    """A role's name is its own in an account, whatever its path; sessions do not show the path at all."""
    return re.sub(r":role/.+/", ":role/", principal)


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
