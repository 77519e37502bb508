"""Where a series of numbers began and where it ended, and whether that is a rise worth a word.

Imports little, since a training worker starts with it.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

SMALL = 0.05
"""The largest rise that is none, as a share of where it began or of 1."""


def mean(values: Sequence[float]) -> float:
    """Of finite values, at least one. Values near the largest number have a sum that no float holds."""
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return float(sum(map(Fraction, values)) / len(values))


def ends(values: Sequence[float]) -> tuple[float, float]:
    """Means of the first and of the last tenth of finite values, at least one."""
    count = math.ceil(len(values) / 10)
    return mean(values[:count]), mean(values[-count:])


def rises(first: float, last: float) -> bool:
    """Whether it ended clearly above where it began. It falls where the negatives rise."""
    return last - first > SMALL * max(1.0, abs(first))
