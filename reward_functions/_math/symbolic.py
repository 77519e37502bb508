"""The second opinion: math-verify on an extracted answer, for what cannot be read exactly.

It may run for minutes on a few characters, so it is called only in the kit's worker, which is killed at the
deadline; its own alarms (whole seconds, main thread only) are switched off. What is plainly too large is not
tried at all.
"""

import functools
import logging
import re
from typing import Any

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from sympy import Expr, Float, Rational

MAX_TEXT = 1_500
MAX_DEPTH = 40
MAX_EXPONENT = 2_000
MAX_FACTORIAL = 500
MAX_PARTS = 150
_DIFFERENT = 1e-6

_EXPONENT = re.compile(r"(?:\^|\*\*)\s*\{?\s*\(?\s*[-+]?\s*([0-9][0-9,]*)")
_TOWER = re.compile(
    r"\^\s*\{?\s*[0-9.]+\s*\}?\s*\^|\^\s*\{\s*[0-9.]+\s*\^|\*\*\s*\(?\s*[0-9]+\s*\*\*"
    r"|\^\s*\(\s*[0-9.]+\s*\^"
)
_FACTORIAL = re.compile(r"([0-9][0-9,]*)\s*\}?\)?\s*!(?!=)")
_REPEATED = re.compile(r"!\s*\)?\s*!")
_CODE = re.compile(r"__|\bimport\b|\blambda\b|\beval\b|\bexec\b")
_LATEX = re.compile(r"\\[A-Za-z]|[\^_{}]")
_DECIMAL = re.compile(r"[0-9]\.[0-9]{2}")
_RELATION = re.compile(r"\\(?:in|leq?|geq?|lt|gt)(?![A-Za-z])|[<>]")
_FUNCTION = re.compile(r"(?<![A-Za-z\\])[a-z]\([a-z]\)")
_DEGREES = re.compile(
    r"(\\(?:sin|cos|tan|cot|sec|csc))\s?(?:\\left)?[({]?\s?([0-9]{1,4})\s?"
    r"(?:\^\s?(?:\{\s?\\circ\s?\}|\\circ)|°|\\degree)\s?(?:\\right)?[)}]?"
)
_MARKS = re.compile(r"\$|\\\(|\\\[|\\boxed")

WARM_UP = (
    r"\frac{\sqrt{3}}{2}+x^{2}",
    r"\left(-\infty,-\frac{1}{2}\right]\cup[3,7)",
    r"x=\frac{-1\pm\sqrt{5}}{4}",
    r"\{1,2,\pi\}",
    r"2\sin(x)\cos(y)-\log_{2}(8)+\ln(2)",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
    r"x\geq 5",
    r"3x^2-4xy+y^{-1}",
    r"(a+b)(a-b)",
    r"e^{i\pi}",
    r"\sqrt[3]{2}",
    r"|x-1|",
    r"\text{odd}",
    r"(1+2)/3",
    r"2+3i",
    r"5!\cdot 3",
    r"1+\frac{5}{x+2}",
    r"\frac{x+1}{x^2-4}-\frac{2}{x-3}",
    r"\frac{n(n+1)}{2}",
    r"\frac{-b\pm\sqrt{b^2-4ac}}{2a}",
    r"-\frac{1}{\sqrt{2}}",
    r"\sqrt{x^2+1}",
    r"3e^{2x}",
    r"2(e^x)^{3}",
    r"e^{-x^2/2}",
    r"2^{n+1}-1",
    r"12+15i",
    r"3(4-5i)",
    r"(-\infty,-3)\cup(3,\infty)",
    r"(-\infty, -3] \cup [3, \infty)",
    r"[0,1)",
    r"\left(\frac{1}{2},-3\right)",
    r"-1<x\leq 4",
    r"x\in[2,5]",
    r"y=2x+3",
    r"x^2+y^2=25",
    r"\begin{bmatrix} 1 & -2 \\ 0 & 3\end{bmatrix}",
    r"\tan(2x)+\log(x)",
    r"\arctan(\frac{1}{2})",
    r"\binom{5}{2}",
    r"\frac{4}{3}\pi r^3",
    r"a_n=3n-1",
    r"90^\circ",
)
"""Forms that answers have. Each costs its share of the start (1 s in all) and saves a worker up to 20 ms."""

_PAIRS = (
    (r"x^2-1", r"(x-1)(x+1)"),
    (r"\frac{\sqrt{5}}{7}+y^3", r"y^2+\frac{\sqrt{7}}{2}"),
    (r"\sqrt{12}", r"2\sqrt{3}"),
    (r"x<3", r"3>x"),
    (r"\frac{x+3}{x+2}", r"1+\frac{1}{x+2}"),
    (r"4+6i", r"2(2+3i)"),
    (r"e^{2x}", r"(e^x)^{2}"),
    (r"(-\infty,2)\cup(3,\infty)", r"(-\infty, 2) \cup (4, \infty)"),
    (r"(-\infty,2)\cup(3,\infty)", r"(2,3)"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}"),
)


def too_large(text: str) -> bool:
    """Whether an expression is not worth starting on: too long, too large a number, or program text."""
    if len(text) > MAX_TEXT or _depth(text) > MAX_DEPTH or sum(map(text.count, "+,-")) > MAX_PARTS:
        return True
    if _TOWER.search(text) or _REPEATED.search(text) or _CODE.search(text):
        return True
    powers = any(_above(found[1], MAX_EXPONENT) for found in _EXPONENT.finditer(text))
    return powers or any(_above(found[1], MAX_FACTORIAL) for found in _FACTORIAL.finditer(text))


def equal(reference: str, answer: str, prose: bool) -> bool | None:
    """math-verify's verdict on one answer; None when it cannot read the reference."""
    grader = _grader()
    gold = _parsed(reference, False)
    if not gold:
        return None
    found = _parsed(answer, prose)
    if not found or _apart(gold[0], found[0]):
        return False
    return bool(grader.verify(list(gold), list(found), timeout_seconds=None))


def _apart(one: Any, other: Any) -> bool:
    """Whether two expressions differ in value at one point: no need to simplify their difference."""
    if not (isinstance(one, Expr) and isinstance(other, Expr)) or one.free_symbols != other.free_symbols:
        return False
    if one.has(Float) or other.has(Float) or one.is_Symbol or other.is_Symbol:
        return False
    point = {symbol: Rational(7 + 3 * index, 5) for index, symbol in enumerate(one.free_symbols)}
    try:
        left, right = (complex(side.subs(point).evalf()) for side in (one, other))
    except (TypeError, ValueError, ArithmeticError, AttributeError):
        return False
    return abs(left - right) > _DIFFERENT * max(1.0, abs(left), abs(right))


def nearly(reference: str, answer: str, prose: bool) -> bool:
    """For an unequal pair: whether rounding to two places, or a mere change of notation, would make it equal.

    The notations are a set given as an inequality and a function of another letter.
    """
    changes: dict[str, Any] = {}
    if _DECIMAL.search(reference) or _DECIMAL.search(answer):
        changes["float_rounding"] = 2
    if _RELATION.search(reference) or _RELATION.search(answer):
        changes["allow_set_relation_comp"] = True
    if _FUNCTION.search(reference) and _FUNCTION.search(answer):
        changes["strict"] = False
    if not changes:
        return False
    left, right = _parsed(reference, False), _parsed(answer, prose)
    return bool(_grader().verify(list(left), list(right), timeout_seconds=None, **changes))


def warm_up() -> None:
    """Import the grader and let its grammar learn common expressions, so that workers inherit both (2 s)."""
    for expression in WARM_UP:
        _parsed.__wrapped__(expression, False)
    for reference, answer in _PAIRS:
        equal(reference, answer, False)


def readable(reference: str) -> bool:
    """Whether math-verify makes a mathematical object of a reference."""
    return any(not isinstance(item, str) for item in _parsed(reference, False))


@functools.lru_cache(maxsize=2_048)
def _parsed(text: str, prose: bool) -> tuple[Any, ...]:
    grader = _grader()
    for written in _forms(text, prose):
        found = grader.parse(written, grader.targets, parsing_timeout=None)
        if any(not isinstance(item, str) for item in found):
            return tuple(found)
    return ()


def _forms(text: str, prose: bool) -> list[str]:
    """How to show a text to the grader: as mathematics, or as the sentence it is."""
    if "circ" in text or "°" in text or "degree" in text:
        text = _DEGREES.sub(lambda found: f"{found[1]}(\\frac{{{found[2]}\\pi}}{{180}})", text)
    if _MARKS.search(text):
        return [text]
    if prose and not _LATEX.search(text):
        return [text]
    return [f"\\boxed{{{text}}}" if "\n" in text else f"${text}$"]


class _Grader:
    """math-verify with the order of its own tests: a box outranks a phrase."""

    def __init__(self) -> None:
        for name in ("math_verify.parser", "math_verify.grader"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.parse: Any = parse
        self.verify: Any = verify
        self.targets = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]


@functools.cache
def _grader() -> _Grader:
    return _Grader()


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _above(digits: str, limit: int) -> bool:
    digits = digits.replace(",", "").lstrip("0")
    return len(digits) > 6 or int(digits or "0") > limit
