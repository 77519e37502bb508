"""The rewards against the libraries that their authors would otherwise call."""

import contextlib
import io
import json
import random
from collections.abc import Callable
from typing import Any

import jsonschema
from math_verify import parse, verify
from rouge_score.rouge_scorer import RougeScorer

from benchmarks import maths, texts
from benchmarks.harness import Claim, Limit
from reward_functions import json_schema, math_answer, text_similarity
from reward_functions._math.verdict import verdict
from reward_functions.kit import Sample

GROUPS = 64
TEXTS = 256
ROUGE_TOLERANCE = 0.04
"""The two tokenise differently: rouge_score drops what is not ASCII and splits at underscores."""


def everything() -> list[Claim | Limit]:
    """All measurements of the rewards."""
    return [_plain(), *_handlers(), _poisoned(), _rouge(), _schema()]


def _seeded(number: int) -> random.Random:
    return random.Random(number)  # noqa: S311 - reproducible data, nothing secret


def _plain() -> Claim:
    """Grading alone, function against function: what a caller in Python gets."""
    return Claim(
        name="maths, plain numbers, grading alone",
        peer_name="math-verify",
        at_least=90,
        unit="answers",
        prepare=lambda number: maths.plain(_seeded(number), GROUPS),
        ours=lambda pairs: [float(verdict(solution, gold).correct is True) for solution, gold in pairs],
        peer=lambda pairs: [float(verify(parse(gold), parse(solution))) for solution, gold in pairs],
        items=len,
        agree=same_scores,
    )


def _handlers() -> list[Claim]:
    """The deployed handler, whole, against one around math-verify: rows in, JSON out."""
    kinds: tuple[tuple[str, float, Callable[[random.Random, int], list[maths.Pair]]], ...] = (
        ("maths, plain numbers, whole handler", 20, maths.plain),
        ("maths, nine plain to one symbolic, whole handler", 20, maths.mixed),
        ("maths, nine plain to one symbolic with algebra, whole handler", 6, maths.mixed_with_algebra),
        ("maths, all symbolic, whole handler", 3, maths.symbolic),
    )
    return [
        Claim(
            name=name,
            peer_name="math-verify",
            at_least=at_least,
            unit="answers",
            prepare=_rows_of(make),
            ours=graded,
            peer=graded_by_math_verify,
            items=len,
            agree=same_scores,
        )
        for name, at_least, make in kinds
    ]


def _rows_of(
    make: Callable[[random.Random, int], list[maths.Pair]],
) -> Callable[[int], list[dict[str, Any]]]:
    return lambda number: maths.rows(make(_seeded(number), GROUPS))


def graded(rows: list[dict[str, Any]]) -> list[float]:
    """Scores from the deployed handler, in order."""
    with contextlib.redirect_stdout(io.StringIO()):
        answer = math_answer.handler(rows, None)
    return [item["aggregate_reward_score"] for item in json.loads(answer["body"])]


def graded_by_math_verify(rows: list[dict[str, Any]]) -> list[float]:
    """The same rows by the handler one would write around math-verify's two documented calls."""
    results = [
        {
            "id": row["id"],
            "aggregate_reward_score": float(
                verify(parse(row["reference_answer"]), parse(row["messages"][-1]["content"]))
            ),
        }
        for row in rows
    ]
    return [item["aggregate_reward_score"] for item in json.loads(json.dumps(results))]


def same_scores(ours: list[float], peer: list[float]) -> None:
    """Raises AssertionError naming the first sample that is scored differently."""
    different = [index for index, pair in enumerate(zip(ours, peer, strict=True)) if pair[0] != pair[1]]
    if different:
        raise AssertionError(f"{len(different)} verdicts differ, first at row {different[0]}")


def _poisoned() -> Limit:
    def check(scores: list[float]) -> None:
        if len(scores) != 8 * maths.ROLLOUTS or sum(scores) == 0:
            raise AssertionError("not every answer was scored")

    return Limit(
        name="maths, 64 answers of which 3 never end",
        seconds=1.0,
        prepare=lambda number: maths.rows(maths.poisoned(_seeded(number))),
        run=graded,
        check=check,
    )


def _rouge() -> Claim:
    scorer = RougeScorer(["rougeL"])

    def agree(ours: list[float], peer: list[float]) -> None:
        worst = max(abs(one - other) for one, other in zip(ours, peer, strict=True))
        if worst > ROUGE_TOLERANCE:
            raise AssertionError(f"ROUGE-L differs by {worst:.3f}")

    return Claim(
        name="text similarity, ROUGE-L of 150 to 600 characters",
        peer_name="rouge-score",
        at_least=20,
        unit="pairs",
        prepare=lambda number: texts.pairs(_seeded(number), TEXTS),
        ours=lambda pairs: [
            text_similarity.score(Sample("", (), response, gold)).metrics["similarity"]
            for response, gold in pairs
        ],
        peer=lambda pairs: [scorer.score(gold, response)["rougeL"].fmeasure for response, gold in pairs],
        items=len,
        agree=agree,
    )


def _schema() -> Claim:
    def accepted(document: str) -> float:
        try:
            jsonschema.validate(json.loads(document), texts.SCHEMA)
        except jsonschema.ValidationError:
            return 0.0
        return 1.0

    return Claim(
        name="JSON Schema, orders of one to five lines",
        peer_name="jsonschema.validate",
        at_least=10,
        unit="documents",
        prepare=lambda number: texts.orders(_seeded(number), TEXTS),
        ours=lambda orders: [
            json_schema.score(Sample("", (), order, {"schema": texts.SCHEMA})).value for order in orders
        ],
        peer=lambda orders: [accepted(order) for order in orders],
        items=len,
        agree=same_scores,
    )
