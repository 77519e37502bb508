"""Labelled grade-school solutions in many styles: agreed with in full, by exact arithmetic alone."""

import random
from fractions import Fraction

import pytest

from reward_functions._math.verdict import Verdict, exact

STYLES = (
    "{work}\n#### {answer}",
    "{work}\n####{answer}",
    "{work}\n#### {answer}.",
    "{work}\n\n#### **{answer}**",
    "{work}\nThe answer is {answer}.",
    "{work}\nThe final answer is {answer}.",
    "{work}\nTherefore, the answer is: **{answer}**",
    "{work}\n**Final Answer:** {answer}",
    "{work}\n**Answer**: {answer}",
    "{work}\nAnswer: {answer}\n",
    "{work}\nSo the answer is $\\boxed{{{answer}}}$.",
    "{work}\n\\[ \\boxed{{{answer}}} \\]",
    "{work}\n**Final Answer**\n\\boxed{{{answer}}}",
    "{work}\nThe final answer is $\\boxed{{{answer}}}$. I hope it is correct.",
    "<think>{work} The answer is 7777.</think>\n#### {answer}",
    "{work}\n<answer>{answer}</answer>",
    "{work}\nThe answer is {answer}.\n#### {answer}",
)
UNITS = (
    "{}",
    "{}",
    "{} apples",
    "{} hours",
    "{} dollars",
    "{} miles per hour",
    "{} cents",
    "{} of the cookies",
)
BOXED_UNITS = ("{}", "{}\\text{{ apples}}", "{} \\text{{ miles per hour}}", "{} dollars")
CURRENCY = ("${}", "\\${}", "{}$", "$ {}")
MARKED_IN_LATEX = "boxed"


def work(rng: random.Random) -> str:
    """Working with calculator annotations, commas, intermediate results, percentages and prices."""
    lines = []
    for _ in range(rng.randint(1, 5)):
        a, b = rng.randint(2, 2_000), rng.randint(2, 50)
        lines.append(
            rng.choice(
                (
                    f"Each of the {a} boxes has {b} pens, so {a}*{b} = <<{a}*{b}={a * b}>>{a * b} pens.",
                    f"She pays ${a:,}.50 and gets {b}% back, or ${a * b / 100:.2f}.",
                    f"Step {b}: add {a} + {b} to get {a + b:,}",
                    f"First, {a} - {b} = {a - b} are left; that is 1/{b} of them.",
                )
            )
        )
    return "\n".join(lines)


def value(rng: random.Random) -> Fraction:
    kind = rng.random()
    if kind < 0.7:
        return Fraction(rng.choice((1, 1, 1, -1)) * rng.randint(0, 10 ** rng.randint(1, 7)))
    if kind < 0.9:
        return Fraction(rng.randint(-99_999, 99_999), 100)
    return Fraction(rng.randint(1, 40), rng.choice((2, 3, 4, 5, 6, 7, 8)))


def written(rng: random.Random, number: Fraction, latex: bool) -> str:
    """The number in one of its forms: with commas, decimals, as a fraction."""
    if number.denominator == 1:
        forms = [str(number), f"{int(number):,}", f"{int(number)}.0", f"{int(number)}.00"]
    elif 100 % number.denominator == 0:
        forms = [f"{float(number):.2f}", f"{float(number):,.2f}", f"{number.numerator}/{number.denominator}"]
    else:
        forms = [f"{number.numerator}/{number.denominator}"]
    if latex and number.denominator > 1:
        sign = "-" if number < 0 else ""
        forms.append(f"{sign}\\frac{{{abs(number.numerator)}}}{{{number.denominator}}}")
    return rng.choice(forms)


def solution(rng: random.Random, number: Fraction) -> str:
    style = rng.choice(STYLES)
    latex = MARKED_IN_LATEX in style
    text = written(rng, number, latex)
    if rng.random() < 0.2 and text[0] != "-" and "/" not in text and "\\frac" not in text:
        text = rng.choice(CURRENCY[1:2] if latex else CURRENCY).format(text)
    elif "dollars" not in text:
        text = rng.choice(BOXED_UNITS if latex else UNITS).format(text)
    return style.format(work=work(rng), answer=text)


def reference(rng: random.Random, number: Fraction) -> str:
    bare = written(rng, number, latex=False)
    return rng.choice((bare, bare, f"{work(rng)}\n#### {bare}"))


def _wrong(rng: random.Random, number: Fraction) -> Fraction:
    return rng.choice((number + 1, number * 10 + 3, -number - 1, number + Fraction(1, 2), number / 3 + 1))


def _judge(seed: int, right: bool) -> tuple[bool | None, str, str]:
    rng = random.Random(seed)  # noqa: S311 - reproducible data, nothing secret
    number = value(rng)
    stated = number if right else _wrong(rng, number)
    if not right and stated == number:
        stated = number + 1
    text, gold = solution(rng, stated), reference(rng, number)
    found = exact(text, gold)
    return (found.correct if isinstance(found, Verdict) else None), text, gold


@pytest.mark.parametrize("block", range(10))
def test_right_solutions_are_agreed_with_whatever_their_style(block: int) -> None:
    for seed in range(block * 400, (block + 1) * 400):
        verdict, text, gold = _judge(seed, right=True)
        assert verdict is True, (seed, text, gold)


@pytest.mark.parametrize("block", range(10))
def test_wrong_solutions_are_never_rewarded_whatever_their_style(block: int) -> None:
    for seed in range(block * 400, (block + 1) * 400):
        verdict, text, gold = _judge(seed, right=False)
        assert verdict is not True, (seed, text, gold)
