"""Whether a row's score depends on the row alone: not on chance, place, or broken rows beside it."""

from typing import Any

from tunestep.certify.outcomes import Probe
from tunestep.certify.session import Batch, Case, Result, Session, failure, identities, sent

NAMES = ("same batch, same scores", "other order, same scores", "malformed rows stay alone")
SAME = 1e-9
"""Scores that differ by less are equal."""


def repeats(session: Session, cases: list[Case]) -> list[Probe]:
    """The batch twice, and once in reverse. Raises OutOfTime."""
    first, again = session.batch(cases), session.batch(cases)
    turned = session.batch(cases[::-1])
    return [
        _compared(NAMES[0], first, again, again.results),
        _compared(NAMES[1], first, turned, turned.results[::-1]),
    ]


def _compared(name: str, first: Batch, second: Batch, results: list[Result]) -> Probe:
    rows = len(results)
    if lost := first.lost or second.lost:
        return Probe(name=name, outcome=failure(lost), rows=rows, detail=lost.message)
    different = _different(first.results, results)
    detail = f"{different} of {rows} rows scored otherwise" if different else ""
    return Probe(name=name, outcome="fail" if different else "pass", rows=rows, detail=detail)


def isolation(session: Session, cases: list[Case]) -> Probe:
    """Broken rows among sound ones: all are answered, the sound ones as without them. Raises OutOfTime."""
    broken: list[dict[str, Any]] = [
        {"messages": None},
        {"messages": [{"role": "assistant", "content": 7}], "reference_answer": {"a": [None]}},
        {"prompt": []},
    ]
    alone = session.batch(cases)
    ids = identities(len(cases) + len(broken))
    sound = [sent(case, row_id) for case, row_id in zip(cases, ids, strict=False)]
    damaged = [row | {"id": row_id} for row, row_id in zip(broken, ids[len(cases) :], strict=True)]
    half = len(sound) // 2
    event = [*sound[:half], *damaged, *sound[half:]]
    together = session.send(event, [str(row["id"]) for row in event])
    if lost := alone.lost or together.lost:
        outcome = failure(lost) if alone.lost else "fail"
        detail = f"the whole batch is lost ({lost.message})"
        return Probe(name=NAMES[2], outcome=outcome, rows=len(event), detail=detail)
    different = _different(alone.results, [*together.results[:half], *together.results[half + len(broken) :]])
    detail = f"{different} of {len(cases)} sound rows scored otherwise" if different else ""
    return Probe(name=NAMES[2], outcome="fail" if different else "pass", rows=len(event), detail=detail)


def _different(one: list[Result], other: list[Result]) -> int:
    return sum(not _same(a, b) for a, b in zip(one, other, strict=True))


def _same(one: Result, other: Result) -> bool:
    if one.score is None or other.score is None:
        return one.failure == other.failure
    return abs(one.score - other.score) <= SAME
