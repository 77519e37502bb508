"""What a final answer may be when it is read exactly."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Union

from reward_functions._math.functions import Letters
from reward_functions._math.units import Unit

Rational = int | Fraction


class Number(NamedTuple):
    """An exact number as it was written.

    ``decimals`` counts the digits behind the decimal point (0 for integers and fractions). ``value`` includes
    ``scale``, the word behind the number: "3 million" is 3,000,000 with scale 1,000,000.
    """

    value: Rational
    percent: bool = False
    decimals: int = 0
    unit: Unit | None = None
    name: str = ""
    scale: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Numbers in brackets, or listed: ``kind`` is the pair of brackets, "{}" for a bare list."""

    kind: str
    items: tuple["Item", ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """A word for an answer ("odd", "Evelyn"), in lower case."""

    text: str


@dataclass(frozen=True, slots=True)
class Comma:
    """A text such as "1,22": with a decimal comma it is ``number``, without it is the list ``group``."""

    number: Number
    group: Group


@dataclass(frozen=True, slots=True)
class Colon:
    """Two or three numbers joined by colons, a time or a ratio; ``half`` is "am", "pm" or nothing."""

    numbers: tuple[int, ...]
    half: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Expression:
    """A sum with roots, pi or letters in its only form; ``decimals`` when it was written with some."""

    form: tuple[tuple[tuple[int, Letters], Fraction], ...]
    decimals: bool = False
    name: str = ""


Bound = tuple[Rational | float, bool, bool]
"""An end of an interval: where it is (a float if infinite), if it belongs to it, if it was rounded."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """A set of numbers as intervals that do not touch; ``rounded`` when an end was written with decimals."""

    parts: tuple[tuple[Bound, Bound], ...]
    rounded: bool = False


Item = Union[Number, Expression, "Group"]
Value = Number | Group | Word | Comma | Colon | Expression | Intervals
