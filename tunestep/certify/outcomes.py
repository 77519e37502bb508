"""Probes, thresholds and the verdict, as data."""

from typing import Literal

import msgspec

from tunestep.request import Certify
from tunestep.text import one_line

QUOTE = 120
"""Longest quotation from a row, in characters."""

_HEAD = 40

Outcome = Literal["pass", "fail", "error", "timeout", "not run"]

MIN_GOLD = 0.95
MAX_WRONG = 0.1
MAX_WRONG_PROSE = 0.3
MAX_HEDGED_PROSE = 0.75
SAMPLE = 24


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """What a reward has to reach: mean scores, rows that are probed, rows that the judge sees.

    ``max_wrong`` of None stands for the defaults: 0.1, and for references in prose 0.3, or 0.75 where half of
    the answer is right, since a measure of similarity cannot give nothing to what is partly right.
    """

    min_gold: float = MIN_GOLD
    max_wrong: float | None = None
    sample: int = SAMPLE
    judge_rows: int = 0

    @classmethod
    def of(cls, asked: Certify | None) -> "Thresholds":
        """The request's thresholds, with the defaults for what it leaves open."""
        given = {name: getattr(asked, name) for name in cls.__struct_fields__} if asked else {}
        return cls(**{name: value for name, value in given.items() if value is not None})

    def wrong(self, *, prose: bool, hedged: bool = False) -> float:
        """The highest mean score that wrong answers may have."""
        if self.max_wrong is not None:
            return self.max_wrong
        if not prose:
            return MAX_WRONG
        return MAX_HEDGED_PROSE if hedged else MAX_WRONG_PROSE


class Probe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the table, without content of rows.

    ``score`` is the mean over ``rows``, ``limit`` what it was held against.
    """

    name: str
    outcome: Outcome
    score: float | None = None
    limit: str = ""
    rows: int = 0
    detail: str = ""

    def line(self) -> str:
        """The probe on one line, as an error cause shows it."""
        score = "" if self.score is None else f" {self.score:.2f}"
        limit = f" ({self.limit})" if self.limit else ""
        return f"{self.outcome:7} {self.name}{score}{limit}" + (f": {self.detail}" if self.detail else "")


class Example(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row on which a probe went wrong, quoted short; it stands in the run's files only."""

    probe: str
    question: str
    reference: str
    response: str
    score: float | None
    failure: str = ""


def quoted(text: object) -> str:
    """A quotation on one line: the beginning and, since answers stand there, the end of what is longer."""
    whole = one_line(text, 100_000)
    return whole if len(whole) <= QUOTE else f"{whole[:_HEAD]} [...] {whole[_HEAD + 7 - QUOTE :]}"
