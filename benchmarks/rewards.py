"""The rewards against the libraries that their authors would otherwise call."""

import contextlib
import io
import json
import random
from collections.abc import Callable
from typing import Any

import jsonschema
from math_verify import parse, verify

from benchmarks import maths, texts
from benchmarks.harness import Claim, Limit
from reward_functions import json_schema, math_answer, text_similarity
from reward_functions._math.verdict import verdict
from reward_functions.kit import Sample

GROUPS = 64
TEXTS = 256
ROUGE_TOLERANCE = 0.04
"""The two tokenise differently: rouge_score drops what is not ASCII and splits at underscores."""

NOTES = """\
## What the rows are

Maths is graded in batches of 512, eight solutions to a reference, half of them wrong, each round on data of
its own; any verdict that differs from math-verify's ends the run. The peer is math-verify's two documented
calls, `verify(parse(reference), parse(solution))`. Plain answers are numbers behind `####` or in a box, after
two to five lines of working. Maths is compared by processor time, workers included, so that a busy machine
does not change the ratio; the rest by the clock.

- *whole handler* is the deployed function: rows as Lambda hands them over, checked and graded, and the answer
  as JSON text. *JSON text in and out* counts reading the event's JSON as well, on both sides. *Grading alone*
  is one call per solution.
- *Nine plain to one symbolic* has symbolic answers of six kinds (square roots, polynomials, multiples of pi,
  points, sets, functions), which are compared by exact canonical forms.
- *With algebra*, and in *all symbolic*, one symbolic reference in seven is a complex number, a union of
  intervals, a matrix, a quotient or an exponential. The first three are compared exactly as well. math-verify
  decides the last two on the extracted answer, in a process that is killed at the deadline. The share of such
  answers decides the ratio: where all of them are of that kind, expect no more than the promise for symbolic
  answers.
- The three answers *that never end* cost their deadline of 0.25 s each, and nothing else.
- rouge-score is the last release with a wheel; it gives the same ROUGE-L on these texts as the newest one.
  The two sides tokenise differently, by at most 0.04 in the score."""


def everything() -> list[Claim | Limit]:
    """All measurements of the rewards."""
    return [_plain(), *_handlers(), _text_to_text(), _poisoned(), _rouge(), _schema()]


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
        processor=True,
    )


def _handlers() -> list[Claim]:
    """The deployed handler, whole, against one around math-verify: rows as Lambda gives them, JSON out.

    The first, second and fourth stand for what is promised of plain answers, of nine plain to one symbolic,
    and of symbolic answers alone. Symbolic answers are of six kinds that are compared by canonical forms
    (roots, polynomials, multiples of pi, points, sets, functions); where it says "with algebra" and in
    "all symbolic" there is a seventh (complex numbers, intervals, matrices, quotients, exponentials). Of
    that, quotients and exponentials are for math-verify to decide, in a worker, which is slower than a call
    but ends at the deadline.
    """
    kinds: tuple[tuple[str, float, Callable[[random.Random, int], list[maths.Pair]]], ...] = (
        ("maths, plain numbers, whole handler", 90, maths.plain),
        ("maths, nine plain to one symbolic, whole handler", 20, maths.mixed),
        ("maths, nine plain to one symbolic with algebra, whole handler", 20, maths.mixed_with_algebra),
        ("maths, all symbolic, whole handler", 3, maths.symbolic),
    )
    return [
        Claim(
            name=name,
            peer_name="math-verify",
            at_least=at_least,
            unit="answers",
            prepare=_rows_of(make),
            ours=answered,
            peer=answered_by_math_verify,
            items=len,
            agree=same_answers,
            processor=True,
        )
        for name, at_least, make in kinds
    ]


def _text_to_text() -> Claim:
    """The same with reading the event's JSON counted on both sides."""
    return Claim(
        name="maths, plain numbers, JSON text in and out",
        peer_name="math-verify",
        at_least=90,
        unit="answers",
        prepare=lambda number: json.dumps(maths.rows(maths.plain(_seeded(number), GROUPS))),
        ours=lambda text: answered({"body": text}),
        peer=lambda text: answered_by_math_verify(json.loads(text)),
        items=lambda text: GROUPS * maths.ROLLOUTS,
        agree=same_answers,
        processor=True,
    )


def _rows_of(
    make: Callable[[random.Random, int], list[maths.Pair]],
) -> Callable[[int], list[dict[str, Any]]]:
    return lambda number: maths.rows(make(_seeded(number), GROUPS))


def answered(event: object) -> str:
    """The deployed handler's answer, as the JSON text that it is."""
    with contextlib.redirect_stdout(io.StringIO()):
        return str(math_answer.handler(event, None)["body"])


def answered_by_math_verify(rows: list[dict[str, Any]]) -> str:
    """The same rows by the handler one would write around math-verify's two documented calls."""
    return json.dumps(
        [
            {
                "id": row["id"],
                "aggregate_reward_score": float(
                    verify(parse(row["reference_answer"]), parse(row["messages"][-1]["content"]))
                ),
            }
            for row in rows
        ]
    )


def scores(answer: str) -> list[float]:
    """The scores in an answer, in order."""
    return [item["aggregate_reward_score"] for item in json.loads(answer)]


def same_answers(ours: str, peer: str) -> None:
    """Raises AssertionError naming the first sample that is scored differently."""
    same_scores(scores(ours), scores(peer))


def same_scores(ours: list[float], peer: list[float]) -> None:
    """Raises AssertionError naming the first sample that is scored differently."""
    different = [index for index, pair in enumerate(zip(ours, peer, strict=True)) if pair[0] != pair[1]]
    if different:
        raise AssertionError(f"{len(different)} verdicts differ, first at row {different[0]}")


def _poisoned() -> Limit:
    def check(answer: str) -> None:
        found = scores(answer)
        if len(found) != 8 * maths.ROLLOUTS or sum(found) == 0:
            raise AssertionError("not every answer was scored")

    return Limit(
        name="maths, 64 answers of which 3 never end",
        seconds=1.0,
        prepare=lambda number: maths.rows(maths.poisoned(_seeded(number))),
        run=answered,
        check=check,
    )


def _rouge() -> Claim:
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - only `make bench` installs it

    scorer = RougeScorer(["rougeL"])

    def agree(ours: list[float], peer: list[float]) -> None:
        worst = max(abs(one - other) for one, other in zip(ours, peer, strict=True))
        if worst > ROUGE_TOLERANCE:
            raise AssertionError(f"ROUGE-L differs by {worst:.3f}")

    return Claim(
        name="text similarity, ROUGE-L of 150 to 600 characters",
        peer_name="rouge-score",
        at_least=12,
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
