"""EventBridge Scheduler on the laptop: ``rate``, ``cron`` and ``at`` in their time zone, to the queue.

Expressions: EventBridge Scheduler user guide, "Schedule types". Of cron's characters L, W and # are refused
when a schedule is deployed. What falls into the time when the laptop cloud is off does not happen.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tunestep.local.events import rate_seconds

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON = re.compile(r"cron\(([^()]+)\)")
_TERM = re.compile(r"(\*|\d+)(?:-(\d+))?(?:/(\d+))?")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_BOUNDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (1, 7)}
_HORIZON = timedelta(days=366 * 8)
"""How far ahead a cron expression is looked at; the 29th of February comes at least every eight years."""


class ScheduleInvalid(ValueError):  # noqa: N818
    """The expression is none that the laptop cloud knows; the message names it."""


class Scheduled(NamedTuple):
    """One enabled schedule; ``target`` has Arn and Input as the template gives them."""

    name: str
    expression: str
    timezone: str
    target: Mapping[str, Any]


def _values(field: str, text: str, names: list[str]) -> set[int]:
    low, high = _BOUNDS[field]
    for number, name in enumerate(names, 1):
        text = re.sub(rf"\b{name}\b", str(number), text, flags=re.IGNORECASE)
    found: set[int] = set()
    for term in text.replace("?", "*").split(","):
        match = _TERM.fullmatch(term)
        if match is None:
            raise ScheduleInvalid(f"{term!r} is not a {field} that the laptop cloud knows")
        first, last, step = match.groups()
        start = low if first == "*" else int(first)
        end = int(last) if last else (high if first == "*" or step else start)
        if not low <= start <= end <= high or step == "0":
            raise ScheduleInvalid(f"{term!r} is no {field} from {low} to {high}")
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def _years(text: str) -> set[int] | None:
    if text == "*":
        return None
    years: set[int] = set()
    for term in text.split(","):
        first, _, last = term.partition("-")
        if not (first.isdigit() and (last.isdigit() or not last)):
            raise ScheduleInvalid(f"{term!r} is not a year that the laptop cloud knows")
        years |= set(range(int(first), int(last or first) + 1))
    return years


class _Cron(NamedTuple):
    minutes: set[int]
    hours: set[int]
    days: set[int]
    months: set[int]
    weekdays: set[int]
    years: set[int] | None

    @classmethod
    def read(cls, text: str) -> "_Cron":
        fields = text.split()
        if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
            raise ScheduleInvalid(
                f"cron({text}) needs six fields, with ? as either the day of the month or that of the week"
            )
        return cls(
            _values("minute", fields[0], []),
            _values("hour", fields[1], []),
            _values("day", fields[2], []),
            _values("month", fields[3], _MONTHS),
            _values("weekday", fields[4], _DAYS),
            _years(fields[5]),
        )

    def on(self, day: datetime) -> bool:
        """Whether anything falls on this day; weekdays count from 1 for Sunday."""
        return (
            day.day in self.days
            and day.month in self.months
            and day.isoweekday() % 7 + 1 in self.weekdays
            and (self.years is None or day.year in self.years)
        )


def next_after(expression: str, timezone: str, moment: datetime, created: datetime) -> datetime | None:
    """The first time (UTC) after ``moment``; None when there is none any more.

    A rate counts from ``created``. Raises ScheduleInvalid. A local time that the change to summer time leaves
    out does not happen.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ScheduleInvalid(f"{timezone} is no time zone that this machine knows") from None
    if once := _AT.fullmatch(expression):
        at = datetime.fromisoformat(once[1]).replace(tzinfo=zone).astimezone(UTC)
        return at if at > moment else None
    if cron := _CRON.fullmatch(expression):
        return _next_cron(_Cron.read(cron[1]), zone, moment)
    try:
        period = timedelta(seconds=rate_seconds(expression))
    except ValueError as fault:
        raise ScheduleInvalid(str(fault)) from None
    return created + period * ((moment - created) // period + 1)


def _next_cron(cron: _Cron, zone: ZoneInfo, moment: datetime) -> datetime | None:
    local = moment.astimezone(zone)
    day, last = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None), moment + _HORIZON
    while day < last.replace(tzinfo=None):
        if cron.on(day):
            for minutes in sorted(hour * 60 + minute for hour in cron.hours for minute in cron.minutes):
                wall = day + timedelta(minutes=minutes)
                at = wall.replace(tzinfo=zone).astimezone(UTC)
                if at > moment and at.astimezone(zone).replace(tzinfo=None) == wall:
                    return at
        day += timedelta(days=1)
    return None


class Scheduler:
    """Fires schedules as their time comes. ``deliver`` gets a target and its input, and does not wait."""

    def __init__(
        self,
        schedules: Iterable[Scheduled],
        *,
        deliver: Callable[[Mapping[str, Any], str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._deliver, self._now = deliver, now
        self._created = now()
        self._schedules = tuple(schedules)
        self._due = [self._next(schedule, self._created) for schedule in self._schedules]

    def _next(self, schedule: Scheduled, moment: datetime) -> datetime | None:
        return next_after(schedule.expression, schedule.timezone, moment, self._created)

    def tick(self) -> None:
        """Deliver what is due, each once."""
        now = self._now()
        for index, (schedule, at) in enumerate(zip(self._schedules, self._due, strict=True)):
            if at is not None and at <= now:
                self._due[index] = self._next(schedule, now)
                self._deliver(schedule.target, _input(schedule, at))


def _input(schedule: Scheduled, at: datetime) -> str:
    attributes = {
        "execution-id": str(uuid.uuid4()),
        "scheduled-time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "schedule-arn": schedule.name,
        "attempt-number": "1",
    }
    text = str(schedule.target.get("Input", "{}"))
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text
