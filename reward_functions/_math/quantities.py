"""Numbers with units as formulas hold them: "5 m", "9.8 m/s^2", "5 hours 30 minutes", and numbers in words.

A symbol of one letter may be a unit or a variable. Only beside a plain number is it taken for a unit: who
asks for 5 does not ask for 5 times m.
"""

import re
from fractions import Fraction
from itertools import pairwise

from reward_functions._math.kinds import Number
from reward_functions._math.units import UNITS, Unit

_SYMBOL = (
    r"(?:km|cm|mm|kg|mg|mL|ml|min|hr|Hz|kHz|MHz|kW|MW|kJ|kN|kPa|Pa|mol|in|ft|mi|lb"
    r"|m|g|s|h|l|L|N|J|W|V|A|K|C|F)"
)
_POWER = r"(?:\s?\^\s?(?:[1-4]|\{\s?-?[1-4]\s?\}|-[1-4]))?"
_WRITTEN = re.compile(
    rf"(?P<number>[-+−]?[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?)\s?"
    rf"(?P<unit>{_SYMBOL}{_POWER}(?:\s?[/·*]\s?{_SYMBOL}{_POWER}){{0,3}})"
)
_PARTS = re.compile(r"(?:\s?,\s|\s)(?:and\s)?(?=[0-9$€£])")
_MAX_PARTS = 4

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_ORDINALS = ("third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_SHARES = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4} | {
    part + plural: value for value, part in enumerate(_ORDINALS, 3) for plural in ("", "s")
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_MAX_WORDS = 16
_SAYING = "|".join([*_WORDS, *_SCALES, *_SHARES, "hundred"])
_SAID = re.compile(rf"\b(?:{_SAYING})(?:(?:\s|-|\sand\s|\sand\sa\s){{1,2}}(?:{_SAYING}))*\b", re.IGNORECASE)
_NO_NUMBERS = frozenset(("one", *_SHARES))
_KNOWN = re.compile(r"\b(?:the|these|those|all|both|of|other|no)\s$", re.IGNORECASE)
_NEAR = 8


def symbols(text: str) -> tuple[str, Unit] | None:
    """The number and the unit of a text that is one number before symbols of units; None for any other."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    written = re.sub(r"[\s{}]", "", found["unit"]).replace("*", "·")
    return found["number"], UNITS.get(written) or Unit(written, 1, 1)


def parts(text: str) -> list[str] | None:
    """The two to four parts of "5 hours 30 minutes"; None for a text that has no such form."""
    found = _PARTS.split(text)
    return found if 1 < len(found) <= _MAX_PARTS else None


def together(numbers: list[Number]) -> Number | None:
    """Parts of one dimension, largest unit first, as one number in the first's unit; else None."""
    units = [number.unit for number in numbers]
    first = units[0]
    if first is None or any(unit is None or unit.dimension != first.dimension for unit in units):
        return None
    sizes = [Fraction(unit.numerator, unit.denominator) for unit in units if unit is not None]
    falling = all(one > other for one, other in pairwise(sizes))
    if not falling or any(number.percent or number.value < 0 for number in numbers):
        return None
    value = sum(Fraction(number.value) * size for number, size in zip(numbers, sizes, strict=True))
    return Number(Fraction(value) / sizes[0], unit=first)


def in_words(text: str) -> int | Fraction | None:
    """The number that words say, "forty-two", "one hundred and five" or "two and a half"; else None."""
    words = text.lower().replace("-", " ").split()
    if not 0 < len(words) <= _MAX_WORDS:
        return None
    return _mixed(words) if words[-1] in _SHARES else _cardinal(words)


def said(text: str) -> str:
    """The only number that the words of a sentence say; nothing for several, and for a "one" alone."""
    found = [run for run in _SAID.finditer(text) if run[0].lower() not in _NO_NUMBERS]
    if len(found) != 1 or _KNOWN.search(text, max(0, found[0].start() - _NEAR), found[0].start()):
        return ""
    return found[0][0] if in_words(found[0][0]) is not None else ""


def _mixed(words: list[str]) -> Fraction | None:
    """ "three quarters", "half", "two and a half"; "twenty third" is a place and no number."""
    *before, share = words
    at = len(before) - before[::-1].index("and") if "and" in before else 0
    whole = _cardinal(before[: at - 1]) if at > 1 else 0
    count = 1 if before[at:] in (["a"], ["an"], ["one"]) or (share == "half" and not before[at:]) else None
    if count is None and share not in ("half", "quarter") and share.endswith("s"):
        count = _cardinal(before[at:])
    if whole is None or count is None or (at and not 0 < count < _SHARES[share]):
        return None
    return whole + Fraction(count, _SHARES[share])


def _cardinal(words: list[str]) -> int | None:
    total = group = 0
    smallest = 10**12
    previous = ""
    for word in words:
        if word == "and" and (previous == "hundred" or previous in _SCALES):
            pass
        elif word == "hundred" and 0 < group < 10 and previous in _WORDS:
            group *= 100
        elif word in _SCALES and group > 0 and _SCALES[word] < smallest:
            smallest = _SCALES[word]
            total, group = total + group * smallest, 0
        elif word in _WORDS and _follows(previous, word):
            group += _WORDS[word]
        else:
            return None
        previous = word
    return None if previous in ("and", "") else total + group


def _follows(previous: str, word: str) -> bool:
    """Whether a word may stand behind another in a number: units behind tens, anything behind the rest."""
    if previous in _WORDS:
        return previous in _TENS and 0 < _WORDS[word] < 10
    return word != "zero" or not previous
