"""The part of the settings that says what starts runs besides people, and what it may do."""

from typing import Annotated, Any, Literal

import msgspec

from tunestep.names import NAME_PATTERN


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one source of requests may do: its switch, the most that a run from it may use, its approval rule.

    The limits and the rule tighten what a request says and never loosen it: ``licence`` leaves it as it is
    but for ``never``, ``always`` has a person decide on every run.
    """

    enabled: bool = True
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_cost_usd: Annotated[float, msgspec.Meta(gt=0)] | None = None
    approval: Literal["licence", "always"] = "licence"


class Sources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything besides people that starts runs: request files, datasets for presets, events, schedules."""

    s3_requests: Source = Source()
    presets: Source = Source()
    events: Source = Source()
    schedules: Source = Source()


_AT = (
    r"\A(cron\([^\s()]+( [^\s()]+){5}\)|rate\([1-9]\d{0,4} (minute|hour|day)s?\)"
    r"|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\))\Z"
)

_Name = Annotated[
    str,
    msgspec.Meta(pattern=NAME_PATTERN, description="1 to 40 of the characters a-z, 0-9 and hyphen"),
]


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An entry of EventBridge Scheduler; ``at`` is its expression: ``cron(...)``, ``rate(...)``, ``at(...)``.

    It runs either a ``preset``, with ``training_data`` where the preset leaves it open, or a ``request``.
    """

    name: _Name
    at: Annotated[
        str,
        msgspec.Meta(
            pattern=_AT,
            max_length=256,
            description="cron(...) with six fields, rate(...) like rate(1 day), or at(2026-12-31T08:00:00)",
        ),
    ]
    timezone: Annotated[
        str,
        msgspec.Meta(pattern=r"^[A-Za-z0-9/_+-]{1,50}$", description="a time zone like Europe/Berlin"),
    ] = "UTC"
    preset: _Name | None = None
    training_data: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)] | None = None
    request: dict[str, Any] | None = None
    enabled: bool = True


def unclear(schedules: tuple[Schedule, ...]) -> str:
    """What is wrong with the first schedule that cannot be meant as it stands; empty when none is."""
    from zoneinfo import available_timezones  # noqa: PLC0415 - not needed in the functions

    # A machine without the database knows no zone at all; then the deployment says what is wrong.
    zones = available_timezones()
    names = [schedule.name for schedule in schedules]
    for index, schedule in enumerate(schedules):
        where = f"`$.schedules[{index}]`"
        if names.index(schedule.name) != index:
            return f"the name {schedule.name!r} at {where} is taken already"
        if zones and schedule.timezone not in zones:
            return f"{where} has no known timezone: {schedule.timezone!r}"
        if (schedule.preset is None) == (schedule.request is None):
            return f"{where} needs either a preset or a request"
        if schedule.training_data and schedule.request is not None:
            return f"training_data at {where} belongs into its request"
    return ""
