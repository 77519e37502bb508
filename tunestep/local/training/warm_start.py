"""What a model made from nothing is taught before it is rewarded: the references, written in mixed styles.

Reinforcement can only choose among what a model already writes. A model of random weights writes noise,
so it first learns to answer in several ways, most of which a sound reward refuses; the reward then has
something to choose from. The shares are stated in the job's log and report.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Solution(NamedTuple):
    """An answer that is right as it stands, and the final answer in it."""

    text: str
    final: str


def _right(own: Solution, _: Solution) -> str:
    return own.text


def _hedged(own: Solution, other: Solution) -> str:
    return f"{own.text} or {other.final}"


def _cut(own: Solution, _: Solution) -> str:
    return own.text[: max(1, len(own.text) * 2 // 5)]


def _wrong(_: Solution, other: Solution) -> str:
    return other.text


STYLES: Mapping[str, tuple[float, Callable[[Solution, Solution], str]]] = {
    "as the reference": (0.3, _right),
    "with a second final answer": (0.5, _hedged),
    "cut short": (0.15, _cut),
    "with another row's answer": (0.05, _wrong),
}
"""Each style's share of the warm-up's answers, and how it is written from its own row and another one."""


def statement() -> str:
    """The styles and their shares, in words."""
    return ", ".join(f"{share:.0%} {name}" for name, (share, _) in STYLES.items())


def mixed(solutions: Sequence[Solution], random: np.random.Generator) -> list[str]:
    """One answer per solution, each in a style drawn by its share."""
    writers = [writer for _, writer in STYLES.values()]
    shares = [share for share, _ in STYLES.values()]
    picked = random.choice(len(writers), size=len(solutions), p=shares)
    others = random.integers(0, len(solutions), size=len(solutions))
    return [
        writers[style](own, solutions[other])
        for own, style, other in zip(solutions, picked, others, strict=True)
    ]
