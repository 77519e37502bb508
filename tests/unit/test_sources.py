"""What settings demand of a source tightens its requests and never loosens them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.run_world import REQUEST
from tunestep import settings
from tunestep.request import parse
from tunestep.settings import Limits, SettingsInvalid
from tunestep.source_settings import Source
from tunestep.sources import tightened

_AMOUNT = st.none() | st.integers(min_value=1, max_value=10**9)
_RULES = ("never", "licence", "always")


@given(_AMOUNT, _AMOUNT, _AMOUNT, st.sampled_from(_RULES), st.sampled_from(_RULES[1:]))
def test_the_stricter_of_request_source_and_stack_holds(
    asked: int | None, ceiling: int | None, highest: int | None, rule: Any, demanded: Any
) -> None:
    request = {**REQUEST, "approval": {"require": rule}}
    request |= {"limits": {"max_tokens": asked, "max_cost_usd": asked}} if asked else {}
    source = Source(max_tokens=ceiling, max_cost_usd=ceiling, approval=demanded)
    stack = Limits(max_tokens=highest, max_cost_usd=highest)
    found = parse(tightened(parse(request), source, stack))
    # Without a ceiling of the source the planner compares request and stack, as for everybody.
    least = min(value for value in (asked, ceiling, highest) if value) if ceiling else asked
    assert (found.limits.max_tokens, found.limits.max_cost_usd) == (least, least)
    assert found.approval.require == max(rule, demanded, key=_RULES.index)


def test_without_rules_a_request_stays_as_it_is() -> None:
    assert tightened(parse(REQUEST), Source(), Limits(max_tokens=5)) == REQUEST


GOOD = {"name": "nightly", "at": "cron(0 3 * * ? *)", "preset": "support"}


@pytest.mark.parametrize(
    ("schedules", "said"),
    [
        ([{**GOOD, "name": "Nightly"}], "schedules"),
        ([{**GOOD, "name": "a\n"}], "schedules"),
        ([{**GOOD, "name": "a" * 41}], "schedules"),
        ([{**GOOD, "at": "every day"}], "schedules"),
        ([{**GOOD, "at": "cron(0 3 * * ? *); rm"}], "schedules"),
        ([{**GOOD, "at": "cron(0 3 * * ?)"}], "schedules"),
        ([{**GOOD, "at": "rate(0 days)"}], "schedules"),
        ([{**GOOD, "at": "rate(1 week)"}], "schedules"),
        ([{**GOOD, "at": "at(tomorrow)"}], "schedules"),
        ([{**GOOD, "timezone": "Europe/Berln"}], "Berln"),
        ([GOOD, GOOD], "taken already"),
        ([{**GOOD, "request": {}}], "either a preset or a request"),
        ([{"name": "n", "at": "rate(1 day)"}], "either a preset or a request"),
        ([{"name": "n", "at": "rate(1 day)", "request": {}, "training_data": "s3://b/k"}], "belongs into"),
        ([{**GOOD, "cost": 1}], "cost"),
    ],
)
def test_schedules_that_cannot_be_are_refused_with_their_place(schedules: Any, said: str) -> None:
    with pytest.raises(SettingsInvalid, match=said):
        settings.check({"schedules": schedules})


@pytest.mark.parametrize("principal", ["*", "arn:aws:iam::123456789012:*", "123", "events.amazonaws.com", ""])
def test_the_bus_names_its_principals(principal: str) -> None:
    with pytest.raises(SettingsInvalid, match="event_principals"):
        settings.check({"event_principals": [principal]})


def test_settings_of_sources_survive_the_environment() -> None:
    made = settings.check(
        {
            "sources": {
                "events": {"enabled": False},
                "presets": {"max_tokens": 5, "max_cost_usd": 1.5, "approval": "always"},
            }
        }
    )
    assert settings.from_json(settings.to_json(made)) == made
