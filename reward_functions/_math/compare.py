"""Whether two values that were read are the same answer: yes, no, or undecided."""

from fractions import Fraction
from itertools import permutations

from reward_functions._math import colons, functions, ranges
from reward_functions._math.kinds import (
    Colon,
    Comma,
    Expression,
    Group,
    Intervals,
    Item,
    Number,
    Rational,
    Value,
    Word,
)

CLOSE_ENOUGH = 6
"""A decimal with this many digits behind the point stands for the exact value that rounds to it."""

_MIN_DIGITS = 4
_MAX_PAIRED = 6


def same(reference: Value, answer: Value) -> bool | None:
    """True or False when certain, None when written too differently to tell, or only nearly equal.

    Symmetric, but for decimal commas: "1,5" is 1.5 only when the reference is written with a comma.
    """
    if isinstance(reference, Number) and isinstance(answer, Number):
        return numbers(reference, answer)
    if isinstance(reference, Comma) or isinstance(answer, Comma):
        return _commas(reference, answer)
    if isinstance(reference, Word) or isinstance(answer, Word):
        return True if reference == answer else None
    if isinstance(reference, Intervals | Colon) or isinstance(answer, Intervals | Colon):
        timed = isinstance(reference, Colon) or isinstance(answer, Colon)
        return (_colons if timed else _intervals)(reference, answer)
    if not isinstance(reference, Group) and not isinstance(answer, Group):
        return _expressions(reference, answer)
    return _groups(_as_group(reference), _as_group(answer))


def _colons(one: Value, other: Value) -> bool | None:
    left, right = (colons.of_hour(side) if isinstance(side, Number) else side for side in (one, other))
    return colons.same(left, right) if isinstance(left, Colon) and isinstance(right, Colon) else None


def _intervals(one: Value, other: Value) -> bool | None:
    left, right = (ranges.of_group(side) if isinstance(side, Group) else side for side in (one, other))
    if not isinstance(left, Intervals) or not isinstance(right, Intervals):
        return None
    if left.parts == right.parts:
        return True
    return None if left.rounded or right.rounded else False


def _expressions(one: Number | Expression, other: Number | Expression) -> bool | None:
    """Unequal forms are unequal expressions, unless there are functions in them: then values tell.

    A decimal may still be what one of them rounds to.
    """
    if one.name and other.name and one.name != other.name:
        return None
    if isinstance(one, Expression) and isinstance(other, Expression):
        if one.form == other.form:
            return True
        return None if one.decimals or other.decimals or not _unequal(one, other) else False
    if any(side.percent if isinstance(side, Number) else False for side in (one, other)):
        return None
    return None if one.decimals or other.decimals or not _unequal(one, other) else False


def _unequal(one: Number | Expression, other: Number | Expression) -> bool:
    """Whether two unequal forms are certainly unequal in value."""
    left, right = _form(one), _form(other)
    if functions.has_functions(left) or functions.has_functions(right):
        return functions.apart(left, right)
    return True


def _form(value: Number | Expression) -> functions.Form:
    return dict(value.form) if isinstance(value, Expression) else {(1, ()): Fraction(value.value)}


def nearly(reference: Value, answer: Value) -> bool:
    """For a pair that ``same`` left undecided: whether only rounding or a decimal comma is at issue."""
    if isinstance(answer, Comma) and not isinstance(reference, Comma):
        return True
    if isinstance(reference, Comma) or isinstance(answer, Comma | Word) or isinstance(reference, Word):
        return False
    if isinstance(reference, Expression | Intervals) or isinstance(answer, Expression | Intervals):
        return False
    if reference.name and answer.name and reference.name != answer.name:
        return False
    if isinstance(reference, Number | Colon) or isinstance(answer, Number | Colon):
        return isinstance(reference, Number | Colon) and isinstance(answer, Number | Colon)
    flat = all(isinstance(item, Number) for item in reference.items + answer.items)
    return flat and reference.kind == answer.kind


def numbers(one: Number, other: Number) -> bool | None:
    """Two numbers. A percentage is its value or the number before the sign: 42 % is 0.42 and 42."""
    if one.name and other.name and one.name != other.name:
        return None
    left, right = one.value, other.value
    if one.unit is not None and other.unit is not None and one.unit != other.unit:
        if one.unit.dimension != other.unit.dimension:
            return False
        left = left * Fraction(one.unit.numerator, one.unit.denominator)
        right = right * Fraction(other.unit.numerator, other.unit.denominator)
    if left == right:
        return True
    if one.percent != other.percent:
        hundredth, whole = (left / Fraction(100), right) if one.percent else (left, right / Fraction(100))
        return _rounded(hundredth, whole, one, other) or _rounded(left, right, one, other)
    return _rounded(left, right, one, other)


def _rounded(left: Rational, right: Rational, one: Number, other: Number) -> bool | None:
    """Equal, or one is the other rounded: True from six decimals on, undecided with fewer."""
    if left == right:
        return True
    if one.scale != other.scale and left / Fraction(one.scale) == right / Fraction(other.scale):
        return None
    for short, exact, digits in ((left, right, one.decimals), (right, left, other.decimals)):
        if digits and 10**digits % exact.denominator and round(Fraction(exact), digits) == short:
            enough = digits >= CLOSE_ENOUGH and abs(short) * 10**digits >= 10 ** (_MIN_DIGITS - 1)
            return True if enough else None
    return False


def _commas(reference: Value, answer: Value) -> bool | None:
    left = _readings(reference)
    right = (
        _readings(answer) if isinstance(reference, Comma) or not isinstance(answer, Comma) else [answer.group]
    )
    verdicts = [same(one, other) for one in left for other in right]
    if True in verdicts:
        return True
    if None in verdicts:
        return None
    if isinstance(answer, Comma) and same(left[0], answer.number) is not False:
        return None
    return False


def _readings(value: Value) -> list[Value]:
    return [value.number, value.group] if isinstance(value, Comma) else [value]


def _as_group(value: Number | Expression | Group) -> Group:
    return value if isinstance(value, Group) else Group("{}", (value,))


def _groups(one: Group, other: Group) -> bool | None:
    if one.name and other.name and one.name != other.name:
        return None
    if one.kind == other.kind:
        return (_unordered if one.kind == "{}" else _ordered)(one.items, other.items)
    if "matrix" in (one.kind, other.kind):
        return None
    pairs = len(one.items) == len(other.items) == 2
    if pairs and "{}" not in (one.kind, other.kind):
        return False
    if (len(one.items) == 1) != (len(other.items) == 1):
        return False
    return None


def _ordered(one: tuple[Item, ...], other: tuple[Item, ...]) -> bool | None:
    if len(one) != len(other):
        return False
    return _all([same(left, right) for left, right in zip(one, other, strict=True)])


def _unordered(one: tuple[Item, ...], other: tuple[Item, ...]) -> bool | None:
    """Sets: order and repetition do not count, however often and in whatever form a number is repeated."""
    if len(one) == 1 and all(same(one[0], item) for item in other):
        return True
    left, right = _distinct(one), _distinct(other)
    if len(left) == len(right) == 1 and any(same(a, b) for a in one for b in other):
        return True
    if len(left) != len(right):
        return False if all(isinstance(item, Number) and not item.decimals for item in left + right) else None
    if all(isinstance(item, Number) for item in left + right):
        left.sort(key=_size)
        right.sort(key=_size)
        return _all([same(a, b) for a, b in zip(left, right, strict=True)])
    if len(left) > _MAX_PAIRED:
        return True if set(left) == set(right) else None
    verdicts = [_all([same(a, b) for a, b in zip(left, order, strict=True)]) for order in permutations(right)]
    return True if True in verdicts else (None if None in verdicts else False)


def _distinct(items: tuple[Item, ...]) -> list[Item]:
    kept: dict[object, Item] = {}
    for item in items:
        kept.setdefault(_measure(item) if isinstance(item, Number) else item, item)
    return list(kept.values())


def _measure(number: Number) -> tuple[Rational, bool, str]:
    """What numbers have in common that are one amount in several units: "90 minutes, or 1.5 hours"."""
    if number.unit is None:
        return number.value, number.percent, ""
    return (
        number.value * Fraction(number.unit.numerator, number.unit.denominator),
        number.percent,
        number.unit.dimension,
    )


def _size(item: Item) -> Fraction:
    return Fraction(item.value) if isinstance(item, Number) else Fraction(0)


def _all(verdicts: list[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts else True
