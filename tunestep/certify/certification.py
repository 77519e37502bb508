"""One certification from beginning to end: what is tried, what comes out, and what it was that was tried."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from tunestep.certify import probes, verdict
from tunestep.certify.calls import Function
from tunestep.certify.data import Sampled
from tunestep.certify.outcomes import Example, Probe, Thresholds
from tunestep.certify.rows import Question
from tunestep.certify.session import Session
from tunestep.findings import Finding, warning
from tunestep.plan_model import Family

BUDGET_SECONDS = 600.0
"""After so long no further call of the reward is begun."""

WAIT_SECONDS = 240.0
"""Longest wait for one call, whatever the function's own time-out is."""

_STAND_IN = Question({"prompt": "What is 2 + 3?"}, ({"role": "user", "content": "What is 2 + 3?"},))
"""Asked when no row can be read, so that at least the contract is tried."""


class Certified(NamedTuple):
    """The table, the findings, and the rows that speak against the reward (these quote the data)."""

    probes: list[Probe]
    findings: list[Finding]
    examples: list[Example]
    facts: dict[str, Any]

    @property
    def ok(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    def report(self) -> dict[str, Any]:
        """Everything, for the run's files or a program; it quotes rows."""
        return {
            "ok": self.ok,
            **self.facts,
            "probes": [msgspec.to_builtins(probe) for probe in self.probes],
            "findings": [msgspec.to_builtins(finding) for finding in self.findings],
            "examples": [msgspec.to_builtins(example) for example in self.examples],
        }


def of_function(
    function: Function,
    family: Family,
    sampled: Sampled,
    thresholds: Thresholds,
    where: str,
    *,
    budget_seconds: float = BUDGET_SECONDS,
) -> Certified:
    """Certify a function on sampled rows. Raises TransientFault when it cannot be called for now."""
    session = Session(function, family, budget_seconds=budget_seconds)
    questions: Sequence[Question] = sampled.questions or [_STAND_IN]
    tried = probes.run(session, questions, thresholds)
    found = verdict.findings(tried.probes, tried.forms, thresholds.min_gold, where)
    if not sampled.questions:
        found.append(unread(sampled, where))
    facts = {
        "function": function.title,
        "contract": family,
        "rows": len(sampled.questions),
        "rows_refused": sampled.refused,
        "calls": session.calls,
        "forms": tried.forms,
        "function_said": session.said,
        "thresholds": msgspec.to_builtins(thresholds),
    }
    return Certified(tried.probes, found, tried.examples, facts)


def unread(sampled: Sampled, where: str) -> Finding:
    """That no row of the data was there to certify on."""
    return warning(
        "REWARD_ROWS_NOT_READ",
        where,
        f"The reward was not tried on rows of the data, because {sampled.why}.",
        "Give the data as JSON Lines in S3, with prompt or messages in each row.",
    )
