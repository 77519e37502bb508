"""Answers as models write them: LaTeX, units, money, notations, retractions. Each line has its verdict."""

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_functions import math_answer
from reward_functions._math import values
from reward_functions._math.kinds import Number
from reward_functions._math.quantities import in_words
from reward_functions._math.verdict import RIGHT, Open, exact
from reward_functions.kit.try_out import sample

LINES = (Path(__file__).parent / "data" / "math_outputs.jsonl").read_text(encoding="utf-8").splitlines()
OUTPUTS = [tuple(json.loads(line)[key] for key in ("answer", "reference", "value")) for line in LINES]
WORKING = "Let us think step by step. We add 3 and 4, and get 7.\n\n"


@pytest.mark.parametrize(("answer", "reference", "value"), OUTPUTS)
def test_an_answer_as_a_model_writes_it_gets_its_verdict(answer: str, reference: str, value: int) -> None:
    found = math_answer.score(sample(answer, reference))
    assert found.value == value, found.reason


@pytest.mark.parametrize(
    ("answer", "reference"), [(answer, reference) for answer, reference, value in OUTPUTS if not value]
)
def test_working_before_a_wrong_answer_does_not_make_it_right(answer: str, reference: str) -> None:
    assert math_answer.score(sample(WORKING + answer, reference)).value == 0.0


@pytest.mark.parametrize("mark", [r"\boxed{{{}}}", "#### {}", "The answer is {}", "Answer: {}", "It is {}"])
@pytest.mark.parametrize(
    "taken_back",
    [
        "No. It is {}.",
        "No, {}.",
        "Wait, it's {}.",
        "Sorry, {}.",
        "Correction: {}.",
        "Scratch that, {}.",
        "I mean {}.",
        "Oops, {}.",
        "It is {}.",
    ],
)
def test_an_answer_that_is_taken_back_earns_nothing_whichever_is_right(mark: str, taken_back: str) -> None:
    for first, second in (("42", "41"), ("41", "42")):
        text = f"{mark.format(first)}. {taken_back.format(second)}"
        assert math_answer.score(sample(text, "42")).value == 0.0, text


@pytest.mark.parametrize("step", ["=", "->", "=>", "→", r"\to", r"\Rightarrow", r"\rightarrow"])
@pytest.mark.parametrize("mark", [r"\boxed{{{}}}", "#### {}", "${}$"])
def test_two_values_joined_by_a_step_are_two_answers_unless_they_are_one(mark: str, step: str) -> None:
    for reference in ("41", "42"):
        for answer in (f"42{step}41", f"42 {step} 41", f"41 {step} 42", f"41{step}41{step}42"):
            assert math_answer.score(sample(mark.format(answer), reference)).value == 0.0, answer
    assert math_answer.score(sample(mark.format(f"6*7 {step} 42"), "42")).value == 1.0


@pytest.mark.parametrize("unit", ["m", "g", "s", "L", "N", "km/h", "m/s^2", "m/s^{2}", "cm^2", "kg*m/s^2"])
def test_symbols_of_units_count_as_units_beside_a_plain_number_and_as_letters_beside_letters(
    unit: str,
) -> None:
    assert math_answer.score(sample(rf"\boxed{{5 {unit}}}", "5")).value == 1.0
    assert math_answer.score(sample(rf"\boxed{{5\,{unit}}}", "5")).value == 1.0
    assert math_answer.score(sample(rf"\boxed{{5 {unit}}}", "6")).value == 0.0
    assert math_answer.score(sample(rf"\boxed{{5 {unit}}}", "5x")).value == 0.0


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("zero", 0),
        ("forty-two", 42),
        ("one hundred and five", 105),
        ("two thousand and five", 2005),
        ("three million two hundred thousand", 3_200_000),
        ("nine hundred ninety-nine", 999),
        ("half", Fraction(1, 2)),
        ("three quarters", Fraction(3, 4)),
        ("two and a half", Fraction(5, 2)),
        ("one hundred and five and two thirds", Fraction(317, 3)),
        ("twenty third", None),
        ("two and five halves", None),
        ("forty hundred", None),
        ("two one", None),
        ("and five", None),
        ("one hundred and", None),
        ("five thousand million", None),
        ("apple", None),
        ("", None),
    ],
)
def test_numbers_in_words_are_read_when_they_are_numbers(words: str, number: Fraction | int | None) -> None:
    assert in_words(words) == number


BOUNDS = st.one_of(st.integers(-9, 9).map(str), st.sampled_from(["1/2", "-\\frac{3}{2}", "0.25"]))
PIECES = st.tuples(st.sampled_from("(["), BOUNDS, BOUNDS, st.sampled_from(")]"))


def number(text: str) -> Fraction:
    value = values.read(text)
    assert isinstance(value, Number)
    return Fraction(value.value)


def member(pieces: list[tuple[str, str, str, str]], point: Fraction) -> bool:
    return any(
        (number(low) < point or (opening == "[" and number(low) == point))
        and (point < number(high) or (closing == "]" and number(high) == point))
        for opening, low, high, closing in pieces
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, min_size=2, max_size=4), st.lists(PIECES, min_size=2, max_size=4), st.randoms())
def test_unions_of_intervals_are_equal_exactly_when_they_hold_the_same_numbers(
    one: list[tuple[str, str, str, str]], other: list[tuple[str, str, str, str]], random: Any
) -> None:
    one, other = (
        [piece for piece in pieces if number(piece[1]) < number(piece[2])] for pieces in (one, other)
    )
    if min(len(one), len(other)) < 2:
        return
    texts = [r"\cup".join(f"{a}{b}, {c}{d}" for a, b, c, d in pieces) for pieces in (one, other)]
    ends = sorted({number(text) for piece in one + other for text in piece[1:3]})
    points = ends + [(low + high) / 2 for low, high in pairwise(ends)]
    equal = all(member(one, point) == member(other, point) for point in points)
    found = exact(rf"\boxed{{{texts[0]}}}", texts[1])
    assert isinstance(found, Open) or found.correct in (equal, None), texts
    shuffled = random.sample(one, len(one))
    again = r" \cup ".join(f"{a}{b},{c}{d}" for a, b, c, d in shuffled)
    assert exact(rf"\boxed{{{again}}}", texts[0]) == RIGHT


@pytest.mark.parametrize(
    ("answer", "reference", "correct"),
    [
        (r"(-\infty, 2) \cup (3, \infty)", r"(3,\infty)\cup(-\infty,2)", True),
        (r"(-\infty, 2] \cup (3, \infty)", r"(-\infty,2)\cup(3,\infty)", False),
        (r"x \in (-\infty, \tfrac12]", r"(-\infty, 0.5]", True),
        (r"\left(-\infty, +\infty\right)", r"(-\infty,\infty)", True),
        (r"(-∞, 3)", r"(-\infty,3)", True),
        (r"(1,2) \cup (2,3)", "(1,3)", False),
        (r"(1,2] \cup (2,3)", "(1,3)", True),
        ("2+3i", "3i+2", True),
        ("(1+i)^2", "2i", True),
        ("i^2", "-1", True),
        ("2-3i", "2+3i", False),
        (r"\frac{1}{i}", "-1i", True),
        (
            r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
            r"\begin{bmatrix} 1 & 2 \\ 3 & \frac{8}{2} \end{bmatrix}",
            True,
        ),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}", False),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}", False),
    ],
)
def test_intervals_complex_numbers_and_matrices_are_compared_exactly(
    answer: str, reference: str, correct: bool
) -> None:
    found = exact(rf"\boxed{{{answer}}}", reference)
    assert not isinstance(found, Open)
    assert found.correct is correct
