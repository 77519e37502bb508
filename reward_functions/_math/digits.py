"""The commonest comparison, two numbers in plain digits, decided as ``compare`` does, without reading them.

Exact for every pair that it decides; whatever has a sign, a unit or anything else is left to ``values``.
"""

import functools
import re

_PLAIN = re.compile(r"([0-9]{1,18}|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,6})(?:\.([0-9]{1,9}))?")


def same(one: str, other: str) -> bool | None:
    """Whether two numbers written like 1234, 1,234 or 0.50 are equal; None for anything else.

    None also for two decimals of different length, one of which may be the other rounded.
    """
    left, right = _written(one), _written(other)
    if left is None or right is None:
        return None
    if left == right:
        return True
    if left[1] and right[1] and len(left[1]) != len(right[1]):
        return None
    return left[0] == right[0] and left[1].rstrip("0") == right[1].rstrip("0")


@functools.lru_cache(maxsize=4_096)
def _written(text: str) -> tuple[str, str] | None:
    """The digits before the point, without commas and leading zeros, and those behind it."""
    found = _PLAIN.fullmatch(text)
    return None if found is None else (found[1].replace(",", "").lstrip("0"), found[2] or "")
