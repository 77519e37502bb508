r"""Polynomials with square roots, pi and i, exactly: "(x+1)(x-1)" and "x^2-1" have one form.

A sum is kept as coefficients of products of letters, pi, i and one root of a square-free number. Such
products are linearly independent over the rationals, so two sums are equal exactly when their forms are; with
logarithms, sines and higher roots in them, equal when their forms are (see ``functions``). Anything else
(e, functions of sums, division by a sum, ambiguous notation such as 1/2x) is not read.
"""

import re
from fractions import Fraction

from reward_functions._math import functions
from reward_functions._math.functions import Form

MAX_TOKENS = 80
MAX_TERMS = 24
MAX_POWER = 12
MAX_RADICAND = 1_000_000
MAX_SIZE = 10**40
_MAX_DEPTH = 12

_TOKEN = re.compile(
    r"\s*([0-9]+(?:\.[0-9]+)?|\\[dtc]?frac|\\sqrt(?:\[[3-9]\])?|\\pi|\\(?:ln|sin|cos|tan)|[A-Za-zπ]|[-+−*·×/^(){}])\s*"
)
_NOT_LETTERS = frozenset("eEIfgFGOo")
_OPEN, _SQRT, _SLASH = "{", "\\sqrt", "/"
_FUNCTIONS = ("\\ln", "\\sin", "\\cos", "\\tan")
_AFTER_BRACKETS = frozenset(("", "+", "-", "−", "*", "·", "×", "/", ")", "}", *_FUNCTIONS))
_AFTER_BARE = _AFTER_BRACKETS - frozenset("*·×/")
_CALLED = frozenset("xyznabcktrm")
_STARTS = re.compile(r"[A-Za-zπ({\\]")


class _UnreadError(Exception):
    """The text is outside of what is read here."""


def read(text: str) -> Form | None:
    """The form of an expression, None for what is not read; time is bounded whatever the text."""
    tokens = _tokens(text)
    if (
        tokens is None
        or len(tokens) > MAX_TOKENS
        or not any(token[0] in "0123456789\\π+*^" for token in tokens)
    ):
        return None
    parser = _Parser(tokens)
    try:
        form = parser.sum(0)
    except (_UnreadError, ZeroDivisionError):
        return None
    return form if parser.at == len(tokens) else None


def rational(form: Form) -> Fraction | None:
    """The value of a form that is a number without roots, letters and pi."""
    if not form:
        return Fraction(0)
    return form.get((1, ())) if len(form) == 1 else None


def _tokens(text: str) -> list[str] | None:
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or len(tokens) > MAX_TOKENS:
            return None
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    def sum(self, depth: int) -> Form:
        if depth > _MAX_DEPTH:
            raise _UnreadError
        total: Form = {}
        sign = 1
        if self._peek() in ("-", "−", "+"):
            sign = -1 if self._take() != "+" else 1
        while True:
            total = _added(total, self._product(depth), sign)
            if self._peek() not in ("+", "-", "−"):
                return total
            sign = -1 if self._take() != "+" else 1

    def _product(self, depth: int) -> Form:
        result = self._power(depth)
        sloped = False
        while True:
            token = self._peek()
            if token in ("*", "·", "×"):
                self._take()
                result = _multiplied(result, self._power(depth))
            elif token == _SLASH:
                self._take()
                result, sloped = _multiplied(result, _inverse(self._power(depth))), True
            elif token and _STARTS.match(token) and not sloped and not self._mixed():
                result = _multiplied(result, self._power(depth))
            elif token and (token[0].isdigit() or _STARTS.match(token)):
                raise _UnreadError
            else:
                return result

    def _mixed(self) -> bool:
        """Whether a digit stands before a fraction of digits: 2 (1/2) may be two and a half."""
        ahead = self.tokens[self.at : self.at + 5]
        behind = self.tokens[self.at - 1][0].isdigit()
        fraction = len(ahead) == 5 and ahead[0] == "(" and ahead[2] == "/" and ahead[4] == ")"
        return behind and (fraction or ahead[0].endswith("frac"))

    def _power(self, depth: int) -> Form:
        base = self._base(depth)
        if self._peek() != "^":
            return base
        self._take()
        exponent = self._exponent()
        if self._peek() == "^":
            raise _UnreadError
        base = _inverse(base) if exponent < 0 else base
        result: Form = {(1, ()): Fraction(1)}
        for _ in range(abs(exponent)):
            result = _multiplied(result, base)
        return result

    def _exponent(self) -> int:
        token = self._take()
        braced = token == _OPEN
        if braced:
            token = self._take()
        sign = 1
        if braced and token in ("-", "−"):
            sign, token = -1, self._take()
        if not token.isdigit() or int(token) > MAX_POWER or (not braced and len(token) > 1):
            raise _UnreadError
        if braced and self._take() != "}":
            raise _UnreadError
        return sign * int(token)

    def _base(self, depth: int) -> Form:
        token = self._take()
        if token[0].isdigit():
            return {(1, ()): Fraction(token)} if Fraction(token) else {}
        if token in ("\\pi", "π"):
            return {(1, (("π", 1),)): Fraction(1)}
        if token[0] == "\\":
            return self._command(token, depth)
        if token in ("(", "{"):
            inner = self.sum(depth + 1)
            if self._take() != {"(": ")", "{": "}"}[token]:
                raise _UnreadError
            return inner
        if not token.isalpha() or token in _NOT_LETTERS or (self._peek() == "(" and token not in _CALLED):
            raise _UnreadError
        return {(1, ((token, 1),)): Fraction(1)}

    def _command(self, token: str, depth: int) -> Form:
        if token == _SQRT:
            return _root(self._argument(depth))
        if token.startswith(_SQRT):
            return functions.root(int(token[-2]), _whole(self._argument(depth)))
        if token in _FUNCTIONS:
            return self._function(token[1:])
        above = self._argument(depth)
        return _multiplied(above, _inverse(self._argument(depth)))

    def _function(self, name: str) -> Form:
        """What follows must leave no doubt where the argument ends: "sin 2x" and "ln(2)^2" do."""
        closing = {"(": ")", "{": "}"}.get(self._peek())
        if closing:
            self._take()
        argument = self._take()
        if closing and self._take() != closing:
            raise _UnreadError
        if self._peek() not in (_AFTER_BRACKETS if closing else _AFTER_BARE):
            raise _UnreadError
        if name == "ln" and argument.isdigit():
            return functions.logarithm(_whole({(1, ()): Fraction(argument)}))
        if not argument.isalpha() or argument in _NOT_LETTERS or argument in "πi":
            raise _UnreadError
        return functions.of_letter(name, argument)

    def _argument(self, depth: int) -> Form:
        """What follows a command: a group in braces, a group in brackets, or one digit or letter."""
        token = self._peek()
        if token not in ("{", "(") and len(token) != 1:
            raise _UnreadError
        return self._base(depth)

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self) -> str:
        if self.at >= len(self.tokens):
            raise _UnreadError
        self.at += 1
        return self.tokens[self.at - 1]


def _added(one: Form, other: Form, sign: int) -> Form:
    result = dict(one)
    for product, coefficient in other.items():
        total = result.get(product, Fraction(0)) + sign * coefficient
        if total:
            result[product] = total
        else:
            result.pop(product, None)
    if len(result) > MAX_TERMS:
        raise _UnreadError
    return result


def _multiplied(one: Form, other: Form) -> Form:
    if len(one) * len(other) > MAX_TERMS * 4:
        raise _UnreadError
    result: Form = {}
    for (root, letters), coefficient in one.items():
        for (other_root, other_letters), other_coefficient in other.items():
            outside, inside = _square_free(root * other_root)
            exponents = dict(letters)
            for letter, exponent in other_letters:
                exponents[letter] = exponents.get(letter, 0) + exponent
            turns = exponents.get("i", 0) % 4
            exponents["i"] = turns % 2
            kept = tuple(sorted((letter, exponent) for letter, exponent in exponents.items() if exponent))
            value = coefficient * other_coefficient * outside * (-1 if turns > 1 else 1)
            if abs(value.numerator) > MAX_SIZE or value.denominator > MAX_SIZE:
                raise _UnreadError
            result = _added(result, {(inside, kept): value}, 1)
    return result


def _inverse(form: Form) -> Form:
    if not form:
        raise ZeroDivisionError
    if len(form) > 1:
        raise _UnreadError
    (root, letters), coefficient = next(iter(form.items()))
    return {(root, tuple((letter, -exponent) for letter, exponent in letters)): 1 / (coefficient * root)}


def _root(form: Form) -> Form:
    """The square root of a rational number that is not negative."""
    value = rational(form)
    if value is None or value < 0:
        raise _UnreadError
    if not value:
        return {}
    outside, inside = _square_free(value.numerator * value.denominator)
    return {(inside, ()): Fraction(outside, value.denominator)}


def _whole(form: Form) -> int:
    """The positive whole number that a form is."""
    value = rational(form)
    if value is None or value.denominator != 1 or not 0 < value <= functions.MAX_ARGUMENT:
        raise _UnreadError
    return value.numerator


def _square_free(number: int) -> tuple[int, int]:
    """(a, b) with number = a*a*b and b free of squares."""
    if number > MAX_RADICAND:
        raise _UnreadError
    outside, inside, divisor = 1, number, 2
    while divisor * divisor <= inside:
        while inside % (divisor * divisor) == 0:
            inside //= divisor * divisor
            outside *= divisor
        divisor += 1
    return outside, inside
