"""What the run may cost and use: the settings are the ceiling, and a request may only ask for less."""

from collections.abc import Iterable
from typing import TypeVar

from tunestep import estimate, pots
from tunestep.budget_settings import Allowance
from tunestep.checks.context import Inquiry
from tunestep.plan_model import BudgetPlan, RecipePlan
from tunestep.settings import Limits

_Number = TypeVar("_Number", int, float)


def check(inquiry: Inquiry, model: str, recipe: RecipePlan | None) -> BudgetPlan:
    """The limits that count, and the prices by which the run is estimated once its data was read.

    Without a recipe, after an error, nothing is known about prices and nothing said about them.
    """
    asked, settings = inquiry.request.limits, inquiry.ctx.settings
    of_tags = pots.of_run(settings.budgets, inquiry.request.tags)
    ceilings: tuple[Limits | Allowance, ...] = (settings.limits, *of_tags)
    listed = estimate.price(settings.prices, model, recipe.technique) if recipe else None
    budget = BudgetPlan(
        max_tokens=_tighter(
            inquiry, "max_tokens", asked.max_tokens, _lowest(one.max_tokens for one in ceilings)
        ),
        max_cost_usd=_tighter(
            inquiry, "max_cost_usd", asked.max_cost_usd, _lowest(one.max_cost_usd for one in ceilings)
        ),
        review_above_usd=_tighter(
            inquiry, "review_above_usd", asked.review_above_usd, settings.approval.review_above_usd
        ),
        usd_per_million_tokens=listed.usd_per_million_tokens if listed else None,
        usd_per_hour=listed.usd_per_hour if listed else None,
    )
    if recipe is None:
        return budget
    by_time = estimate.paid_by_time(recipe.metering, recipe.technique)
    unit = "usd_per_hour" if by_time else "usd_per_million_tokens"
    if getattr(budget, unit) is None:
        _no_price(inquiry, budget, f"{model} with {recipe.technique}", unit)
    return budget


def _lowest(limits: Iterable[_Number | None]) -> _Number | None:
    return min((limit for limit in limits if limit is not None), default=None)


def month(inquiry: Inquiry, max_runtime_seconds: int) -> None:
    """Refuse early a run whose budgets of the month are used up, by what is known before its data is read.

    A read: what counts is the reservation when the job starts.
    """
    own = pots.of_month(inquiry.ctx.settings.budgets, inquiry.request.tags)
    if not own:
        return
    named, item = inquiry.ctx.spent()
    least = {
        pots.TOKENS: 1,
        pots.SECONDS: max_runtime_seconds or estimate.SERVICE_MAX_RUNTIME_SECONDS,
        pots.MICRO_USD: 0,
    }
    inquiry.findings.extend(pots.short(own, named, item, least, "at least"))


def _tighter(inquiry: Inquiry, name: str, asked: _Number | None, ceiling: _Number | None) -> _Number | None:
    """The request's limit where it has one, else the settings'; a looser one is an error."""
    if asked is None or ceiling is None:
        return ceiling if asked is None else asked
    if asked > ceiling:
        inquiry.error(
            "LIMIT_ABOVE_SETTINGS",
            f"$.limits.{name}",
            f"{asked:,g} is more than the settings allow ({ceiling:,g}).",
            f"Ask for less, or for `{name}` in tunestep.yaml to be raised.",
        )
    return min(asked, ceiling)


def _no_price(inquiry: Inquiry, budget: BudgetPlan, what: str, unit: str) -> None:
    """Dollars without a price: a limit cannot hold, and a threshold of the settings asks every time."""
    asked = inquiry.request.limits
    limited = [
        name
        for name, value in (
            ("max_cost_usd", budget.max_cost_usd),
            ("review_above_usd", asked.review_above_usd),
            ("budgets.per_month.max_cost_usd", _monthly_usd(inquiry)),
        )
        if value is not None
    ]
    for name in limited:
        inquiry.error(
            "NO_PRICE",
            f"$.limits.{name}",
            f"No price is set for {what}, so {name} cannot hold.",
            f"Set `prices` with {unit} for it in tunestep.yaml, or leave the limit out.",
        )
    if not limited and budget.review_above_usd is not None:
        inquiry.warning(
            "REVIEW_WITHOUT_PRICE",
            "$.limits.review_above_usd",
            f"No price is set for {what}, so a person has to decide whatever the run will cost.",
            f"Set `prices` with {unit} for it in tunestep.yaml.",
        )


def _monthly_usd(inquiry: Inquiry) -> int | None:
    """A limit in dollars on the month, in any pot that the run would draw from."""
    own = pots.of_month(inquiry.ctx.settings.budgets, inquiry.request.tags)
    return _lowest(pot.limits.get(pots.MICRO_USD) for pot in own)
