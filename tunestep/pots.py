"""The monthly budgets as pots: which of them a run draws from, and whether what is left is enough.

A pot is counted in whole numbers only: tokens, seconds of the job, and millionths of a US dollar.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tunestep import durations, estimate
from tunestep.budget_settings import Allowance, Budgets, TagAllowances
from tunestep.estimate import Estimate
from tunestep.findings import Finding, error

MICROS = 1_000_000
"""Millionths of a dollar in a dollar."""

TOKENS, SECONDS, MICRO_USD = "tokens", "seconds", "micro_usd"
MEASURES = (TOKENS, SECONDS, MICRO_USD)

Amounts = Mapping[str, int | None]
"""By measure; None for what is not known."""


class Pot(NamedTuple):
    """``name`` begins the pot's attributes in the item of a month; ``limits`` are by measure."""

    name: str
    title: str
    limits: Mapping[str, int]


def of_month(budgets: Budgets, tags: Mapping[str, str]) -> list[Pot]:
    """The pots that a run with these tags draws from: those that have a limit."""
    listed = [("stack", "the stack", budgets.per_month)]
    for budget in budgets.tags:
        value = tags.get(budget.tag)
        own = _listed(budgets, budget.tag, value)
        if own is None:
            title = f"all runs with another {budget.tag} or none"
            listed.append((f"others:{budget.tag}", title, budget.others.per_month))
        else:
            listed.append((f"tag:{budget.tag}={value}", f"{budget.tag} {value}", own.per_month))
    found = [Pot(name, title, limits(allowance)) for name, title, allowance in listed]
    return [pot for pot in found if pot.limits]


def of_run(budgets: Budgets, tags: Mapping[str, str]) -> list[Allowance]:
    """What a single run with these tags may use, by each of its tags that has budgets."""
    return [
        (_listed(budgets, budget.tag, tags.get(budget.tag)) or budget.others).per_run
        for budget in budgets.tags
    ]


def _listed(budgets: Budgets, tag: str, value: str | None) -> TagAllowances | None:
    return next(
        (
            listed
            for budget in budgets.tags
            if budget.tag == tag
            for listed in budget.values
            if listed.value == value
        ),
        None,
    )


def limits(allowance: Allowance) -> dict[str, int]:
    """The limits of an allowance by measure."""
    runtime, usd = allowance.max_runtime, allowance.max_cost_usd
    found = {
        TOKENS: allowance.max_tokens,
        SECONDS: durations.seconds(runtime) if runtime else None,
        MICRO_USD: None if usd is None else micros(usd),
    }
    return {measure: limit for measure, limit in found.items() if limit is not None}


def micros(usd: float) -> int:
    """Millionths of a dollar, never fewer than the dollars are."""
    return math.ceil(round(usd * MICROS, 3))


def amounts(found: Estimate | None, seconds: int) -> dict[str, int | None]:
    """What a run has to find in each of its pots, by its estimate and the time limit of its job."""
    usd = found.usd if found else None
    return {
        TOKENS: found.tokens if found else None,
        SECONDS: seconds,
        MICRO_USD: None if usd is None else micros(usd),
    }


def counter(pot: str, measure: str) -> str:
    """The attribute of a month's item that says how much of a pot is reserved or spent."""
    return f"{pot}/{measure}"


def short(
    pots: Sequence[Pot], month: str, item: Mapping[str, Any], wanted: Amounts, most: str = "up to"
) -> list[Finding]:
    """Error findings for every pot in which a run does not find what it has to.

    ``item`` is that of the month. A measure that ``wanted`` leaves out is not looked at; one whose amount is
    None cannot be held to its limit. ``most`` says how the amounts are meant.
    """
    said = []
    for pot in pots:
        for measure in (measure for measure in pot.limits if measure in wanted):
            need, limit = wanted[measure], pot.limits[measure]
            used = int(item.get(counter(pot.name, measure), 0))
            if need is None:
                said.append(_unknown(pot, measure))
            elif used + need > limit:
                said.append(_too_little(pot, month, (measure, used, need), most))
    return said


def _too_little(pot: Pot, month: str, found: tuple[str, int, int], most: str) -> Finding:
    measure, used, need = found
    limit = pot.limits[measure]
    return error(
        "BUDGET_SHORT",
        "$.limits",
        f"The budget of {pot.title} for {month} is {_shown(measure, limit)}, of which "
        f"{_shown(measure, used)} are used or reserved; this run needs {most} {_shown(measure, need)}.",
        _fix(need > limit),
        kind="budget",
    )


def _fix(never: bool) -> str:
    if never:
        return "Use less data, fewer epochs or a shorter limits.max_runtime, or have `budgets` raised."
    return (
        "Wait until runs that hold part of it have ended, or for the next month; ask for less; or have "
        "`budgets` raised."
    )


def _unknown(pot: Pot, measure: str) -> Finding:
    return error(
        "BUDGET_UNKNOWN",
        "$.limits",
        f"The budget of {pot.title} is {_shown(measure, pot.limits[measure])} a month, and what this run "
        "will use of it is not known.",
        "Mend what is in the way of the estimate; for dollars, set `prices` in tunestep.yaml.",
        kind="budget",
    )


def lines(pots: Sequence[Pot], month: str, item: Mapping[str, Any]) -> list[str]:
    """How each pot stands, for people."""
    return [
        f"Budget of {pot.title} for {month}: "
        + ", ".join(
            f"{_shown(measure, int(item.get(counter(pot.name, measure), 0)))} of {_shown(measure, limit)}"
            for measure, limit in pot.limits.items()
        )
        + " used or reserved"
        for pot in pots
    ]


def _shown(measure: str, value: int) -> str:
    if measure == TOKENS:
        return f"{value:,} tokens"
    if measure == SECONDS:
        return f"{value / 3600:,.4g} h"
    return estimate.dollars(value / MICROS)
