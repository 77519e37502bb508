r"""Logarithms, sines and roots of higher degree as factors of a form: "ln 2", "sin x", "root3 6".

They are taken for letters of their own, so that equal forms are equal expressions; unequal forms may still be
equal, by an identity between functions. Then values decide: forms whose values at one point differ by far
more than any rounding error are unequal, and the others are left undecided.
"""

import math
from collections.abc import Callable
from fractions import Fraction

Letters = tuple[tuple[str, int], ...]
Form = dict[tuple[int, Letters], Fraction]
"""Coefficients by (radicand, letters with their exponents)."""

MAX_ARGUMENT = 1_000_000
_DIFFERENT = 1e-5
_CALLS: dict[str, Callable[[float], float]] = {
    "ln": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
}


def of_letter(name: str, letter: str) -> Form:
    """The function ``name`` (ln, sin, cos, tan) of a letter."""
    return {(1, ((f"{name} {letter}", 1),)): Fraction(1)}


def logarithm(number: int) -> Form:
    """The natural logarithm of a whole number from 1 to MAX_ARGUMENT, by its prime factors."""
    return {(1, ((f"ln {prime}", 1),)): Fraction(power) for prime, power in _factors(number).items()}


def root(degree: int, number: int) -> Form:
    """The root of a whole number from 1 to MAX_ARGUMENT: what comes out whole times the root of the rest."""
    outside = inside = 1
    for prime, power in _factors(number).items():
        outside *= prime ** (power // degree)
        inside *= prime ** (power % degree)
    return {(1, ((f"root{degree} {inside}", 1),) if inside > 1 else ()): Fraction(outside)}


def has_functions(form: Form) -> bool:
    """Whether unequal forms may be equal because this one has functions in it."""
    return any(" " in name for _, letters in form for name, _ in letters)


def apart(one: Form, other: Form) -> bool:
    """Whether two forms certainly have different values, whatever identities there are."""
    try:
        terms = [_value(*item) for item in one.items()] + [-_value(*item) for item in other.items()]
    except (OverflowError, ZeroDivisionError):
        return False
    return abs(math.fsum(terms)) > _DIFFERENT * max(1.0, math.fsum(map(abs, terms)))


def _value(product: tuple[int, Letters], coefficient: Fraction) -> float:
    radicand, letters = product
    value = float(coefficient) * math.sqrt(radicand)
    for name, exponent in letters:
        value *= _at_the_point(name) ** exponent
    return value


def _at_the_point(name: str) -> float:
    """The value of a letter or function where every letter has a value of its own, from 1.1 to 5."""
    call, space, argument = name.rpartition(" ")
    if argument.isdigit():
        inner = float(argument)
    else:
        inner = math.pi if argument == "π" else 1.1 + ord(argument) % 53 * 0.0717
    if not space:
        return inner
    if call.startswith("root"):
        return float(inner ** (1 / int(call[4:])))
    return _CALLS[call](inner)


def _factors(number: int) -> dict[int, int]:
    found: dict[int, int] = {}
    divisor = 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            found[divisor] = found.get(divisor, 0) + 1
            number //= divisor
        divisor += 1
    if number > 1:
        found[number] = found.get(number, 0) + 1
    return found
