"""Durations as people write them: 90s, 45m, 6h, 3d."""

import re

PATTERN = r"^[1-9][0-9]{0,6}[smhd]$"
"""Shape of a duration, anchored, in the common subset of Python's and ECMAScript's expressions."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class DurationInvalid(ValueError):  # noqa: N818 - reads like the other refusals
    """The text is not a duration; the message says what one looks like."""


def seconds(text: str) -> int:
    """Number of seconds of ``90s``, ``45m``, ``6h`` or ``3d``. Raises DurationInvalid."""
    if not re.fullmatch(PATTERN, text):
        raise DurationInvalid(
            f"{text[:40]!r} is not a duration. Write a number and a unit: 90s, 45m, 6h or 3d."
        )
    return int(text[:-1]) * _UNITS[text[-1]]


def text(count: int) -> str:
    """The shortest exact spelling: 86400 is ``1d``, 5400 is ``90m``."""
    for unit in ("d", "h", "m"):
        if count and count % _UNITS[unit] == 0:
            return f"{count // _UNITS[unit]}{unit}"
    return f"{count}s"
