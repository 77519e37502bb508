"""What the run may cost and use: the settings are the ceiling, and a request may only ask for less."""

from typing import TypeVar

from tunestep import estimate
from tunestep.checks.context import Inquiry
from tunestep.plan_model import BudgetPlan, RecipePlan

_Number = TypeVar("_Number", int, float)


def check(inquiry: Inquiry, model: str, recipe: RecipePlan | None) -> BudgetPlan:
    """The limits that count, and the prices by which the run is estimated once its data was read.

    Without a recipe, after an error, nothing is known about prices and nothing said about them.
    """
    asked, settings = inquiry.request.limits, inquiry.ctx.settings
    listed = estimate.price(settings.prices, model, recipe.technique) if recipe else None
    budget = BudgetPlan(
        max_tokens=_tighter(inquiry, "max_tokens", asked.max_tokens, settings.limits.max_tokens),
        max_cost_usd=_tighter(inquiry, "max_cost_usd", asked.max_cost_usd, settings.limits.max_cost_usd),
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
