"""Reading a final answer as an exact value, or not at all.

Everything here is linear in the length of the text. What is not read with certainty is None, which means
undecided: the caller asks for a second opinion, never guesses.
"""

import functools
import re
from dataclasses import replace
from fractions import Fraction

from reward_functions._math import brackets, colons, expressions, quantities, ranges
from reward_functions._math.kinds import Comma, Expression, Group, Item, Number, Rational, Value, Word
from reward_functions._math.latex import MARK, plain
from reward_functions._math.units import NOT_A_UNIT, SCALES, UNITS, unit

FACTORIAL = re.compile(r"[0-9A-Za-z)}\]]\s?!")
"""A mark that is mathematics in a formula and a tone of voice in a sentence."""
MAX_TEXT = 2_000
"""Longest answer that is read exactly, in characters."""

MAX_DIGITS = 400
MAX_POWER = 400

_DIGITS_AT_ONCE = 18
_SHORT_WORDS = frozenset(("of", "in", "at", "on"))
_SIMPLE = re.compile(r"(-?(?:[0-9]{1,18}|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,6}))(?:\.([0-9]{1,9}))?")
_THOUSANDS = r"[1-9][0-9]{0,2}(?:,[0-9]{3})+"
_NUMBER = re.compile(
    rf"""
    (?P<sign>[-+−]?)\s?(?P<currency>[$€£¥₹]?)\s?(?P<sign2>[-+−]?)\s?
    (?:
        \(?(?P<above>{_THOUSANDS}|[0-9]+(?:\.[0-9]+)?)\s?/\s?(?P<below>{_THOUSANDS}|[0-9]+(?:\.[0-9]+)?)\)?
      | (?P<whole>[0-9]{{1,9}})\s\(?(?P<top>[0-9]{{1,9}})\s?/\s?(?P<bottom>[0-9]{{1,9}})\)?
      | (?P<body>{_THOUSANDS}(?:\.[0-9]+)? | [1-9][0-9]{{0,2}}(?:\ [0-9]{{3}})+(?:\.[0-9]+)?
          | [0-9]+(?:\.[0-9]*)? | \.[0-9]+)
        (?:\s?[×·*x]\s?10\s?\^\s?\{{?\s?(?P<power>[-+−]?[0-9]{{1,4}})\s?\}}?|[eE](?P<exponent>[-+]?[0-9]{{1,4}}))?
    )
    (?:\s?(?P<percent>%|percent\b|percentage\b|pct\b|per\ cent\b))?
    (?P<unit>\s?°\s?[CF]\b|\s?[°€£¥₹$¢]|-?\s?{MARK}?[A-Za-z][A-Za-z .'/{MARK}-]{{0,60}}(?:\^?[23²³])?)?
    [\s.]*
    """,
    re.VERBOSE,
)
_COMMA = re.compile(
    r"(?P<sign>[-+−]?)[$€£¥₹]?(?P<whole>[0-9]+(?:\.[0-9]{3})*),(?P<decimals>[0-9]+)\s*(?P<tail>%|[€$£]?)"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z' -]{1,80}")
_LABELLED = re.compile(rf"{MARK}?[A-Za-z][A-Za-z ]{{1,30}}:\s*([-$€£0-9.(].*)")
_NAME = re.compile(r"([A-Za-z](?:_\{?\w{1,8}\}?)?|[A-Za-z]{2,12}(?:\([a-z]\))?)\s*(?:=|:=)\s*(?=[^=])")
_ARITHMETIC = re.compile(r"[0-9\s().,+*/×·÷$%−-]+")
_SEPARATED = re.compile(r"\s*(?:,\s*and\b|,\s*or\b|\band\b|\bor\b)\s*")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def read(text: str, prose: bool = False) -> Value | None:
    """The value of an answer as written (LaTeX or not), None when it is not plainly readable.

    In ``prose`` any word behind a number may name what was counted; in mathematics "2 ab" is a product.
    """
    if text.isdigit() and text.isascii() and len(text) <= _DIGITS_AT_ONCE:
        return Number(int(text))
    simple = _SIMPLE.fullmatch(text)
    if simple is not None:
        whole, digits = simple[1].replace(",", ""), simple[2]
        if digits is None:
            return Number(int(whole))
        scale = 10 ** len(digits)
        return Number(_whole(Fraction(int(whole + digits), scale)), False, len(digits))
    if len(text) > MAX_TEXT or (not prose and FACTORIAL.search(text)):
        return None
    return _read(text, prose)


@functools.lru_cache(maxsize=8_192)
def _read(text: str, prose: bool) -> Value | None:
    if "matrix}" in text:
        return ranges.matrix(text, _entry)
    simple = plain(text)
    return _value(simple, prose and "\\" not in simple) if simple else None


def _entry(text: str) -> Item | None:
    simple = plain(text)
    return _number(simple, False) or _expression(simple) if simple else None


def _value(text: str, prose: bool) -> Value | None:
    certain: Value | None = _number(text, prose) or ranges.intervals(text, lambda part: _number(part, False))
    if certain is None and (":" in text or " to " in text):
        certain = colons.read(text.replace(MARK, "")) or _labelled(text, prose)
    if certain is not None:
        return certain
    if "=" in text:
        return _equation(text, prose)
    if text[-1].isalpha() and (spoken := _spoken(text, prose)) is not None:
        return spoken
    comma = _COMMA.fullmatch(text)
    if comma is not None:
        return _comma(text, comma)
    if text[0] + text[-1] in ("()", "[]") and brackets.spans(text) and "," not in text and ";" not in text:
        return _number(text[1:-1].strip(), prose) or _expression(text)
    return _group(text, prose) or _expression(text) or _word(text)


def _labelled(text: str, prose: bool) -> Value | None:
    """ "Total: 42" as 42."""
    found = _LABELLED.fullmatch(text)
    return _value(found[1], prose) if found else None


def quantity(text: str) -> Number | None:
    """A number before symbols of units, which in a formula might be letters ("5 m"); None for any other."""
    found = quantities.symbols(plain(text).replace(MARK, ""))
    number = _number(found[0], False) if found else None
    return number._replace(unit=found[1]) if number and found else None


def _spoken(text: str, prose: bool) -> Number | None:
    """ "5 hours 30 minutes" and "forty-two"."""
    text = " ".join(text.replace(MARK, "").split())
    if text[0].isdigit() or text[0] == "$":
        numbers = [_number(part, prose) for part in quantities.parts(text) or ()]
        return quantities.together([one for one in numbers if one]) if numbers and all(numbers) else None
    said = quantities.in_words(text)
    return None if said is None else Number(said)


def _word(text: str) -> Word | None:
    text = text.replace(MARK, "").strip()
    return Word(" ".join(text.lower().split())) if _WORD.fullmatch(text) else None


def _equation(text: str, prose: bool) -> Value | None:
    """ "x = 5" with its name, "3 + 4 = 7" as 7; the two sides of any other equation are not ours to judge."""
    named = _NAME.match(text)
    if named is not None and "=" not in text[named.end() :]:
        stated = text[named.end() :].strip()
        value = _value(stated, prose) if stated else None
        if isinstance(value, Number):
            return value._replace(name=named[1])
        if isinstance(value, Expression):
            return replace(value, name=named[1])
        return replace(value, name=named[1]) if isinstance(value, Group) and value.kind[0] in "([" else None
    if named is not None and (group := _solutions(text, named[1], prose)) is not None:
        return group
    before, _, after = text.rpartition("=")
    if "=" not in before and len(after.strip()) == 1 and after.strip().isalpha():
        return _equation(f"{after.strip()} = {before}", prose)
    return _number(after.strip(), prose) if _ARITHMETIC.fullmatch(before) else None


def _solutions(text: str, name: str, prose: bool) -> Group | None:
    """ "x = 1, x = 2" and "x = 1 or x = 2": every value of one name."""
    parts = brackets.split(_SEPARATED.sub(", ", text)) or []
    names = [_NAME.match(part) for part in parts]
    if len(parts) < 2 or any(found is None or found[1] != name for found in names):
        return None
    items = [
        _number(part[found.end() :].strip(), prose)
        for part, found in zip(parts, names, strict=True)
        if found is not None
    ]
    return Group("{}", tuple(item for item in items if item), name) if all(items) else None


def _number(text: str, prose: bool) -> Number | None:
    found = _NUMBER.fullmatch(text) if len(text) <= MAX_DIGITS + 100 else None
    if found is None or (found["sign"] and found["sign2"]):
        return None
    value, decimals = _magnitude(found)
    if value is None:
        return None
    if (found["sign"] or found["sign2"]) in ("-", "−"):
        value = -value
    percent = found["percent"] is not None
    written = found["unit"]
    if written is None:
        return Number(value, percent, decimals, UNITS.get(found["currency"]))
    words = written.replace(MARK, "").strip(" .-").replace("° ", "°")
    if not _counted(written, words, prose):
        return None
    scale = SCALES.get(words.split(" ", 1)[0].lower().removesuffix("s"), 1)
    if scale > 1:
        words = words.partition(" ")[2]
        decimals = 0 if (value * scale) == int(value * scale) else decimals
    return Number(value * scale, percent, decimals, UNITS.get(found["currency"]) or unit(words), "", scale)


def _counted(written: str, words: str, prose: bool) -> bool:
    """Whether the words behind a number are a unit or a thing counted, and not a factor of a product."""
    first, *more = words.split() or [""]
    if not words or first.lower() in NOT_A_UNIT:
        return False
    if "/" in words and MARK not in written and not prose:
        return False
    apart = written[0] in " -"
    counted = any(len(word) > 3 or (len(word) > 1 and word in UNITS) for word in more)
    if apart and counted and NOT_A_UNIT.isdisjoint(more):
        return True
    if MARK in written or (
        (first in UNITS or first.lower() in UNITS)
        and (len(first) > 1 or not first.isalpha() or (prose and apart))
    ):
        return True
    if "^" in first and len(first.partition("^")[0]) <= 3:
        return False
    return apart and (len(first) > 3 or (prose and _names_something(first, written[0] == "-")))


def _names_something(word: str, joined: bool) -> bool:
    """Whether a short word is one, and not the letters of a product: "5 men", but not "3 xy" or "1-x^2"."""
    return word in _SHORT_WORDS or (word.isalpha() and len(word) > 2 and not joined)


def _magnitude(part: re.Match[str]) -> tuple[Rational | None, int]:
    if part["above"]:
        return _quotient(_decimal(part["above"])[0], _decimal(part["below"])[0]), 0
    if part["whole"]:
        below = int(part["bottom"])
        return (int(part["whole"]) + Fraction(int(part["top"]), below) if below else None), 0
    value, decimals = _decimal(part["body"] or "")
    if value is None:
        return None, 0
    power = int((part["power"] or part["exponent"] or "0").replace("−", "-"))
    if abs(power) > MAX_POWER:
        return None, 0
    if power:
        value = _whole(value * Fraction(10) ** power)
        decimals = max(0, decimals - power) if not isinstance(value, int) else 0
    return value, decimals


def _decimal(text: str) -> tuple[Rational | None, int]:
    digits = text.replace(",", "").replace(" ", "")
    if len(digits) > MAX_DIGITS:
        return None, 0
    whole, _, decimals = digits.partition(".")
    if not decimals:
        return int(whole), 0
    return _whole(Fraction(int((whole or "0") + decimals), 10 ** len(decimals))), len(decimals)


def _quotient(above: Rational | None, below: Rational | None) -> Rational | None:
    return None if above is None or not below else _whole(Fraction(above) / below)


def _whole(value: Rational) -> Rational:
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def _comma(text: str, found: re.Match[str]) -> Comma | None:
    written = found["sign"] + found["whole"].replace(".", "") + "." + found["decimals"] + found["tail"]
    number, group = _number(written, False), _group(text, False)
    return Comma(number, group) if number is not None and group is not None else None


def _group(text: str, prose: bool) -> Group | None:
    kind, inner = "{}", text
    if text[0] in _BRACKETS and text[-1] in ")]}" and brackets.spans(text):
        kind, inner = text[0] + text[-1], text[1:-1].strip()
    if (kind[0] == "{") != (kind[1] == "}"):
        return None
    parts = brackets.split(_SEPARATED.sub(", ", inner) if "and" in inner or "or" in inner else inner)
    if parts is None or (len(parts) < 2 and (kind != "{}" or inner is text)):
        return None
    items: list[Item] = []
    for part in parts:
        item: Item | None = _number(part, prose)
        if item is None:
            item = (_group(part, prose) if part[0] in "([" else None) or _expression(part)
        if item is None:
            return None
        items.append(item)
    return Group(kind, tuple(items))


def _expression(text: str) -> Number | Expression | None:
    form = expressions.read(text)
    if form is None:
        return None
    value = expressions.rational(form)
    if value is None:
        return Expression(tuple(sorted(form.items())), "." in text)
    return Number(_whole(value)) if "." not in text else None
