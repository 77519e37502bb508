"""EventBridge Scheduler on the laptop: when cron, rate and at come due, and what they send."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunestep.local.schedules import Scheduled, ScheduleInvalid, Scheduler, next_after

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)  # a Sunday


def _next(expression: str, timezone: str = "UTC", moment: datetime = NOW) -> str:
    found = next_after(expression, timezone, moment, NOW)
    return found.strftime("%Y-%m-%d %H:%M") if found else "never"


@pytest.mark.parametrize(
    ("expression", "timezone", "expected"),
    [
        ("cron(0 3 * * ? *)", "UTC", "2026-11-23 03:00"),
        ("cron(0 3 * * ? *)", "Europe/Berlin", "2026-11-23 02:00"),
        ("cron(0 3 * * ? *)", "America/Los_Angeles", "2026-11-23 11:00"),
        ("cron(5/15 * * * ? *)", "UTC", "2026-11-22 12:05"),
        ("cron(0 12 ? * SUN *)", "UTC", "2026-11-29 12:00"),
        ("cron(1 12 ? * 1 *)", "UTC", "2026-11-22 12:01"),
        ("cron(0 9 ? * MON-FRI *)", "UTC", "2026-11-23 09:00"),
        ("cron(0 9 1,15 * ? *)", "UTC", "2026-12-01 09:00"),
        ("cron(0 9 1 JAN-MAR ? *)", "UTC", "2027-01-01 09:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2028-02-29 00:00"),
        ("cron(0 9 1 1 ? 2029)", "UTC", "2029-01-01 09:00"),
        ("cron(0 9 1 1 ? 2020-2022)", "UTC", "never"),
        ("cron(0 9 31 2 ? *)", "UTC", "never"),
        ("rate(1 minute)", "UTC", "2026-11-22 12:01"),
        ("rate(2 days)", "UTC", "2026-11-24 12:00"),
        ("at(2026-12-24T18:00:00)", "Europe/Berlin", "2026-12-24 17:00"),
        ("at(2026-11-01T00:00:00)", "UTC", "never"),
    ],
)
def test_an_expression_comes_due_at_its_time(expression: str, timezone: str, expected: str) -> None:
    assert _next(expression, timezone) == expected


def test_a_time_that_summer_time_leaves_out_does_not_happen() -> None:
    before = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)
    assert _next("cron(30 2 * * ? *)", "Europe/Berlin", before) == "2027-03-29 00:30"


@pytest.mark.parametrize(
    ("expression", "timezone"),
    [
        ("cron(0 3 * * * *)", "UTC"),
        ("cron(0 3 ? * ? *)", "UTC"),
        ("cron(0 3 * * ?)", "UTC"),
        ("cron(60 3 * * ? *)", "UTC"),
        ("cron(0 3 L * ? *)", "UTC"),
        ("cron(0 3 ? * MON#1 *)", "UTC"),
        ("cron(0 3 15W * ? *)", "UTC"),
        ("cron(0/0 3 * * ? *)", "UTC"),
        ("cron(5-1 3 * * ? *)", "UTC"),
        ("cron(0 3 * * ? soon)", "UTC"),
        ("rate(0 minutes)", "UTC"),
        ("every day", "UTC"),
        ("rate(1 day)", "Nowhere/At_All"),
        ("rate(1 day)", "../../etc/passwd"),
    ],
)
def test_what_the_laptop_does_not_know_is_refused(expression: str, timezone: str) -> None:
    with pytest.raises(ScheduleInvalid):
        next_after(expression, timezone, NOW, NOW)


@given(st.integers(0, 59), st.integers(0, 23), st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)))
def test_a_daily_cron_comes_within_a_day_and_at_its_minute(minute: int, hour: int, moment: datetime) -> None:
    after = moment.replace(tzinfo=UTC)
    found = next_after(f"cron({minute} {hour} * * ? *)", "UTC", after, after)
    assert found is not None
    assert timedelta(0) < found - after <= timedelta(days=1)
    assert (found.hour, found.minute, found.second) == (hour, minute, 0)


def test_a_schedule_fires_once_for_each_time_and_says_which() -> None:
    clock, sent = [NOW], []
    target = {
        "Arn": "arn:q",
        "Input": '{"time": "<aws.scheduler.scheduled-time>", "id": "<aws.scheduler.execution-id>"}',
    }

    def deliver(_: Any, text: str) -> None:
        sent.append(json.loads(text))

    scheduler = Scheduler(
        [Scheduled("s", "rate(1 minute)", "UTC", target)], deliver=deliver, now=lambda: clock[0]
    )
    scheduler.tick()
    assert sent == []
    for seconds in (60, 61, 120, 600):
        clock[0] = NOW + timedelta(seconds=seconds)
        scheduler.tick()
    # Ten minutes missed are one delivery, not ten.
    assert [event["time"] for event in sent] == [
        "2026-11-22T12:01:30Z",
        "2026-11-22T12:02:30Z",
        "2026-11-22T12:03:30Z",
    ]
    assert len({event["id"] for event in sent}) == 3
