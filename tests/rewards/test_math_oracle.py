"""Agreement with math-verify on the pairs of its own tests."""

import json
from pathlib import Path

import pytest

from reward_functions._math.verdict import Verdict, exact, verdict

PAIRS = json.loads((Path(__file__).parent / "data" / "math_verify_pairs.json").read_text(encoding="utf-8"))[
    "pairs"
]
MOST_UNDECIDED = 8


def test_no_definite_verdict_contradicts_math_verifys_own_pairs() -> None:
    undecided = []
    for gold, prediction, expected in PAIRS:
        found = verdict(prediction, gold)
        assert found.correct in (bool(expected), None), (gold, prediction, found)
        if found.correct is None:
            undecided.append((gold, prediction))
    assert len(undecided) <= MOST_UNDECIDED, undecided


@pytest.mark.parametrize("expected", [0, 1])
def test_the_exact_path_alone_contradicts_none_of_them(expected: int) -> None:
    for gold, prediction, wanted in PAIRS:
        found = exact(prediction, gold)
        if wanted == expected and isinstance(found, Verdict):
            assert found.correct in (bool(expected), None), (gold, prediction)
