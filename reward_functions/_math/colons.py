"""Numbers joined by colons: the times of a clock ("3:30 PM", "15:30") and ratios ("3:2", "3 to 2").

Times are equal when they are the same minute; "3:30" may be in either half of the day. Ratios are equal when
they have the same numbers: 6:4 for 3:2 is left undecided, since a task may ask for lowest terms.
"""

import re

from reward_functions._math.kinds import Colon, Number

_WRITTEN = re.compile(
    r"([0-9]{1,9})(?:\s?:\s?|\sto\s)([0-9]{1,9})(?:\s?:\s?([0-9]{1,9}))?(?:\s?([ap])\.?\s?m\b\.?)?",
    re.IGNORECASE,
)
_HALVES = ("am", "pm")
_HOURS = 12


def read(text: str) -> Colon | None:
    """The numbers of a time or a ratio, None for any other text."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    numbers = tuple(int(part) for part in found.groups()[:3] if part is not None)
    return Colon(numbers, found[4].lower() + "m" if found[4] else "")


def same(one: Colon, other: Colon) -> bool | None:
    """Whether two are equal; None for two ratios that are equal in other terms."""
    if one.half or other.half:
        return _on_the_clock(one, other)
    if one.numbers == other.numbers:
        return True
    left, right = one.numbers, other.numbers
    proportional = len(left) == len(right) and all(
        a * right[0] == b * left[0] for a, b in zip(left, right, strict=True)
    )
    return None if proportional else False


def of_hour(number: Number) -> Colon | None:
    """The time that "5 pm" is; None for numbers that are no full hour of half a day."""
    half = number.unit.dimension if number.unit else ""
    hour = number.value
    return (
        Colon((hour, 0), half) if half in _HALVES and isinstance(hour, int) and 0 <= hour <= _HOURS else None
    )


def _on_the_clock(one: Colon, other: Colon) -> bool:
    """Times of day; one without a half of the day is in either, or counts to 24."""
    if one.half and other.half:
        return _seconds(one, one.half) == _seconds(other, other.half)
    half = one.half or other.half
    known, open_one = (one, other) if one.half else (other, one)
    wanted = _seconds(known, half)
    return wanted in (_seconds(open_one, half), _seconds(open_one, ""))


def _seconds(time: Colon, half: str) -> int:
    hour, *rest = time.numbers
    if half:
        hour = hour % _HOURS + _HOURS * (half == "pm")
    minutes, seconds = (*rest, 0, 0)[:2]
    return (hour * 60 + minutes) * 60 + seconds
