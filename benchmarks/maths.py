"""Solutions to grade: seeded, with eight rollouts to a reference as GRPO produces them."""

import random
from collections.abc import Callable
from typing import Any

ROLLOUTS = 8
_NAMES = ("Maya", "Tom", "Aisha", "Leo", "Ines", "Ravi")
_THINGS = ("apples", "tickets", "pages", "marbles", "cookies", "stamps")

Pair = tuple[str, str]
"""A solution and its reference."""


def plain(rng: random.Random, groups: int) -> list[Pair]:
    """Numbers: grade-school working that ends in ``#### n`` or a box, right in about half of the cases."""
    pairs = []
    for _ in range(groups):
        reference = _number(rng)
        for _ in range(ROLLOUTS):
            answer = reference if rng.random() < 0.5 else _number(rng)
            ending = rng.choice(
                ("\n#### {}", "\nSo the answer is $\\boxed{{{}}}$.", "\nThe total is $\\boxed{{{}}}$.")
            )
            pairs.append((_working(rng) + ending.format(answer), reference))
    return pairs


def symbolic(rng: random.Random, groups: int, algebra: bool = True) -> list[Pair]:
    """Expressions in equal and unequal forms; with ``algebra``, one group in seven is of more kinds."""
    pairs = []
    known = _FAMILIES if algebra else _FAMILIES[:-1]
    families = rng.sample(known, len(known))
    for index in range(groups):
        right, wrong = families[index % len(families)](rng)
        for _ in range(ROLLOUTS):
            answer = rng.choice(right if rng.random() < 0.6 else wrong)
            pairs.append(
                (_working(rng) + f"\nTherefore the answer is $\\boxed{{{answer}}}$.", f"${right[0]}$")
            )
    return pairs


def mixed(rng: random.Random, groups: int, algebra: bool = False) -> list[Pair]:
    """Nine groups of plain numbers to one of symbolic answers, in random order of groups."""
    few = max(1, groups // 10)
    apart = symbolic(rng, few, algebra)
    whole = [apart[start : start + ROLLOUTS] for start in range(0, len(apart), ROLLOUTS)]
    whole += [plain(rng, 1) for _ in range(groups - few)]
    rng.shuffle(whole)
    return [pair for group in whole for pair in group]


def mixed_with_algebra(rng: random.Random, groups: int) -> list[Pair]:
    """Likewise, with one symbolic group in seven of more kinds, two of which math-verify decides."""
    return mixed(rng, groups, algebra=True)


def poisoned(rng: random.Random) -> list[Pair]:
    """Sixty-four answers, nine plain to one symbolic, three of which never end."""
    pairs = mixed_with_algebra(rng, 8)
    for poison, place in zip(POISON, rng.sample(range(len(pairs)), len(POISON)), strict=True):
        pairs[place] = (poison, pairs[place][1])
    return pairs


def rows(pairs: list[Pair]) -> list[dict[str, Any]]:
    """The pairs as the service sends them."""
    return [
        {
            "id": str(index),
            "messages": [
                {"role": "user", "content": "How many?"},
                {"role": "assistant", "content": solution},
            ],
            "reference_answer": reference,
        }
        for index, (solution, reference) in enumerate(pairs)
    ]


POISON = (
    r"\boxed{\sum_{k=1}^{1999} \sqrt{k+x}}",
    r"\boxed{\int \frac{\sin(x^x)}{\ln(x+\sqrt{x})} dx}",
    r"\boxed{\prod_{k=1}^{1500} (\sqrt{k}+1)}",
)


def _working(rng: random.Random) -> str:
    name, thing = rng.choice(_NAMES), rng.choice(_THINGS)
    lines = []
    for _ in range(rng.randint(2, 5)):
        left, right = rng.randint(2, 90), rng.randint(2, 90)
        lines.append(
            f"{name} has {left} boxes with {right} {thing} in each, which makes "
            f"{left} * {right} = <<{left}*{right}={left * right}>>{left * right} {thing}."
        )
    return "\n".join(lines)


def _number(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.6:
        return str(rng.randint(2, 5_000))
    if kind < 0.8:
        return f"{rng.randint(1_000, 900_000):,}"
    return f"{rng.randint(1, 400)}.{rng.randint(1, 99):02d}"


def _surd(rng: random.Random) -> tuple[list[str], list[str]]:
    factor, root = rng.randint(2, 9), rng.choice((2, 3, 5, 6, 7, 10, 11, 13))
    square = factor * factor * root
    return (
        [rf"{factor}\sqrt{{{root}}}", rf"\sqrt{{{square}}}", rf"{factor} \sqrt{{{root}}}"],
        [rf"{factor + 1}\sqrt{{{root}}}", rf"\sqrt{{{square + 1}}}"],
    )


def _polynomial(rng: random.Random) -> tuple[list[str], list[str]]:
    one, other = rng.randint(1, 12), rng.randint(1, 12)
    total, product = one + other, one * other
    return (
        [f"x^2+{total}x+{product}", f"(x+{one})(x+{other})", f"{product}+{total}x+x^2"],
        [f"x^2+{total + 1}x+{product}", f"(x+{one})(x+{other + 1})"],
    )


def _of_pi(rng: random.Random) -> tuple[list[str], list[str]]:
    above, below = rng.randint(2, 30), rng.choice((3, 4, 7, 11))
    return (
        [rf"\frac{{{above}\pi}}{{{below}}}", rf"\frac{{{above}}}{{{below}}}\pi", rf"{above}\pi/{below}"],
        [rf"\frac{{{above + 1}\pi}}{{{below}}}", rf"{above}\pi"],
    )


def _logarithm(rng: random.Random) -> tuple[list[str], list[str]]:
    one, other = rng.randint(2, 9), rng.randint(2, 9)
    return (
        [rf"\ln({one * other})", rf"\ln({one})+\ln({other})"],
        [rf"\ln({one + other + 1})+1", rf"\ln({one})\cdot{other + 3}"],
    )


def _trigonometric(rng: random.Random) -> tuple[list[str], list[str]]:
    factor = rng.randint(2, 12)
    return (
        [rf"{factor}\sin(x)\cos(y)", rf"{factor}\cos(y)\sin(x)"],
        [rf"{factor}\sin(y)\cos(x)", rf"{factor + 1}\sin(x)\cos(y)"],
    )


def _cube_root(rng: random.Random) -> tuple[list[str], list[str]]:
    factor, root = rng.randint(2, 5), rng.choice((2, 3, 5, 7))
    return (
        [rf"{factor}\sqrt[3]{{{root}}}", rf"\sqrt[3]{{{factor**3 * root}}}"],
        [rf"\sqrt[3]{{{factor**3 * root + 1}}}", rf"{factor}\sqrt{{{root}}}"],
    )


def _point(rng: random.Random) -> tuple[list[str], list[str]]:
    x, y, root = rng.randint(-9, 9), rng.randint(2, 9), rng.choice((2, 3, 5))
    return (
        [rf"({x}, {y}\sqrt{{{root}}})", rf"({x},\sqrt{{{y * y * root}}})"],
        [rf"({x}, {y + 1}\sqrt{{{root}}})", rf"({y}\sqrt{{{root}}}, {x})"],
    )


def _solutions(rng: random.Random) -> tuple[list[str], list[str]]:
    one, other = rng.sample(range(-20, 20), 2)
    below = rng.choice((3, 7))
    return (
        [
            rf"\{{{one}, \frac{{{other * below + 1}}}{{{below}}}\}}",
            rf"\{{\frac{{{other * below + 1}}}{{{below}}}, {one}\}}",
        ],
        [rf"\{{{one}, {other + 50}\}}", rf"\{{{one + 1}, \frac{{{other * below + 1}}}{{{below}}}\}}"],
    )


def _functions(rng: random.Random) -> tuple[list[str], list[str]]:
    return rng.choice((_logarithm, _trigonometric, _cube_root))(rng)


def _quotient(rng: random.Random) -> tuple[list[str], list[str]]:
    one, other = rng.sample(range(1, 40), 2)
    return (
        [rf"\frac{{x+{one}}}{{x+{other}}}", rf"1+\frac{{{one - other}}}{{x+{other}}}"],
        [rf"\frac{{x+{one}}}{{x+{other + 1}}}", rf"1+\frac{{{one - other + 1}}}{{x+{other}}}"],
    )


def _exponential(rng: random.Random) -> tuple[list[str], list[str]]:
    factor, power = rng.randint(2, 9), rng.randint(2, 40)
    return (
        [rf"{factor}e^{{{power}x}}", rf"{factor}(e^x)^{{{power}}}"],
        [rf"{factor}e^{{{power + 1}x}}", rf"{factor + 1}e^{{{power}x}}"],
    )


def _complex(rng: random.Random) -> tuple[list[str], list[str]]:
    one, other, factor = rng.randint(2, 30), rng.randint(2, 30), rng.randint(2, 9)
    return (
        [f"{one * factor}+{other * factor}i", f"{factor}({one}+{other}i)"],
        [f"{other * factor + 1}+{one * factor}i", f"{one * factor}-{other * factor}i"],
    )


def _intervals(rng: random.Random) -> tuple[list[str], list[str]]:
    left, right = rng.randint(-40, -1), rng.randint(1, 40)
    return (
        [rf"(-\infty,{left})\cup({right},\infty)", rf"(-\infty, {left}) \cup ({right}, \infty)"],
        [rf"(-\infty,{left}]\cup[{right},\infty)", rf"({left},{right})"],
    )


def _matrix(rng: random.Random) -> tuple[list[str], list[str]]:
    a, b, c, d = (rng.randint(-20, 20) for _ in range(4))
    return (
        [
            rf"\begin{{pmatrix}}{a}&{b}\\{c}&{d}\end{{pmatrix}}",
            rf"\begin{{bmatrix}}{a} & {b} \\ {c} & {d}\end{{bmatrix}}",
        ],
        [rf"\begin{{pmatrix}}{a}&{b}\\{c}&{d + 1}\end{{pmatrix}}"],
    )


def _algebra(rng: random.Random) -> tuple[list[str], list[str]]:
    return rng.choice((_quotient, _exponential, _complex, _intervals, _matrix))(rng)


_FAMILIES: tuple[Callable[[random.Random], tuple[list[str], list[str]]], ...] = (
    _surd,
    _polynomial,
    _of_pi,
    _point,
    _solutions,
    _functions,
    _algebra,
)
