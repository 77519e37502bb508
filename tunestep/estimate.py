"""What a run will use, before it does: tokens and hours, and dollars where somebody has set a price.

Tokens come from the data set report (see ``datasets.lengths`` for how they are measured) and from the
hyperparameters that are sent. What cannot be counted is unknown and says why; a price is never made up.
"""

import fnmatch
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tunestep.findings import Finding, error
from tunestep.plan_model import BudgetPlan, Plan
from tunestep.settings import Price

SERVICE_MAX_RUNTIME_SECONDS = 86_400
"""A job's time limit when nothing sets one (SageMaker API, StoppingCondition)."""

BY_TIME = "Hourly"
"""What a recipe's ServerlessMeteringType says when time is paid for and not tokens."""

_PER_MILLION = 1_000_000


class Estimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``tokens`` and ``usd`` are None where they are unknown; ``hours`` is the job's own time limit.

    ``unknown`` says why there is no number of tokens, ``review`` why a person has to look at the estimate
    before the run goes on, and is empty when nobody has to. ``lines`` say all of it to people.
    """

    tokens: int | None
    usd: float | None
    hours: float
    unknown: str = ""
    review: str = ""
    lines: tuple[str, ...] = ()

    def stored(self) -> dict[str, Any]:
        """The estimate as an item of DynamoDB takes it, which knows no floats."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return {
            name: Decimal(str(value)) if isinstance(value, float) else value
            for name, value in document.items()
        }


def price(prices: Sequence[Price], model: str, technique: str) -> Price | None:
    """The first entry of a price table that fits a hub model and a technique."""
    fitting = (
        entry
        for entry in prices
        if entry.technique in (None, technique) and fnmatch.fnmatchcase(model.lower(), entry.model.lower())
    )
    return next(fitting, None)


def paid_by_time(metering: str, technique: str) -> bool:
    """Whether a recipe is paid for by the hour; one that does not say is, if answers are generated."""
    return metering == BY_TIME or (not metering and technique in ("RLVR", "RLAIF"))


def unit_price(plan: Plan) -> float | None:
    """The price of what the plan's recipe is metered by; None when none is set."""
    by_time = paid_by_time(plan.recipe.metering, plan.technique)
    return plan.budget.usd_per_hour if by_time else plan.budget.usd_per_million_tokens


def make(plan: Plan, training: Mapping[str, Any] | None) -> Estimate:
    """The estimate of a run whose training data is summed up as ``data_summary.summary`` does it.

    Without a summary, or with that of data which was not read to its end, tokens are unknown.
    """
    hours = (plan.max_runtime_seconds or SERVICE_MAX_RUNTIME_SECONDS) / 3600
    counted = _tokens(plan, training)
    tokens, how = (None, "") if isinstance(counted, str) else counted
    usd = _usd(plan, tokens, hours)
    found = Estimate(
        tokens=tokens,
        usd=usd,
        hours=round(hours, 2),
        unknown=counted if isinstance(counted, str) else "",
        lines=(
            f"Tokens: {how}" if how else f"Tokens: unknown, because {counted}",
            f"Time: at most {hours:,.4g} h, the job's own limit",
            f"Cost: {_cost(plan, usd, hours)}",
        ),
    )
    return msgspec.structs.replace(found, review=review_reason(found, plan.budget))


def _tokens(plan: Plan, training: Mapping[str, Any] | None) -> tuple[int, str] | str:
    """The tokens of all passes over the data, and how they were counted; else why they are unknown."""
    if not training or not training.get("tokens") or not training.get("rows"):
        return "the data was not read"
    if not training.get("complete"):
        return "the data was not read to its end"
    rows, tokens = int(training["rows"]), int(training["tokens"]["estimated"])
    passes = _passes(plan.hyperparameters, rows)
    if passes is None:
        return "the hyperparameters do not say how often the data is gone through"
    times, said = passes
    said = f"{tokens:,} in the data, {said}"
    about = "about"
    if plan.technique in ("RLVR", "RLAIF"):
        answers = _number(plan.hyperparameters, "rollout_n")
        longest = _number(plan.hyperparameters, "max_response_length")
        if answers is None or longest is None:
            return "the hyperparameters do not say how many answers are generated, or how long they may be"
        tokens = math.ceil(answers * (tokens + rows * longest))
        said, about = f"{said}, {answers:,g} answers of up to {longest:,g} to each row", "at most"
    total = math.ceil(tokens * times)
    return total, f"{about} {total:,} ({said})"


def _passes(hyperparameters: Mapping[str, str], rows: int) -> tuple[float, str] | None:
    """How often the data is gone through, and in words."""
    epochs = _number(hyperparameters, "max_epochs")
    if epochs is not None:
        return epochs, "1 epoch" if epochs == 1 else f"{epochs:,g} epochs"
    steps, batch = _number(hyperparameters, "max_steps"), _number(hyperparameters, "global_batch_size")
    if steps is None or batch is None:
        return None
    return steps * batch / rows, f"{steps:,g} steps of {batch:,g} rows"


def _number(hyperparameters: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(hyperparameters.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _usd(plan: Plan, tokens: int | None, hours: float) -> float | None:
    unit = unit_price(plan)
    if unit is None:
        return None
    if paid_by_time(plan.recipe.metering, plan.technique):
        return round(unit * hours, 6)
    return None if tokens is None else round(unit * tokens / _PER_MILLION, 6)


def _cost(plan: Plan, usd: float | None, hours: float) -> str:
    unit = unit_price(plan)
    if unit is None:
        return f"no price set for {plan.model.name} with {plan.technique}"
    if usd is None:
        return f"unknown ({unit:,g} USD per million tokens)"
    if paid_by_time(plan.recipe.metering, plan.technique):
        return f"at most {dollars(usd)} ({hours:,.4g} h at {unit:,g} USD)"
    return f"about {dollars(usd)} ({unit:,g} USD per million tokens)"


def beforehand(plan: Plan) -> str:
    """What is known of the cost before the data has been read, on one line."""
    unit, budget = unit_price(plan), plan.budget
    measure = "hour" if paid_by_time(plan.recipe.metering, plan.technique) else "million tokens"
    cost = _cost(plan, None, 0.0) if unit is None else f"{unit:,g} USD per {measure}"
    limits = (
        ("at most", f"{budget.max_tokens or 0:,} tokens", budget.max_tokens),
        ("at most", dollars(budget.max_cost_usd or 0), budget.max_cost_usd),
        ("a person decides above", dollars(budget.review_above_usd or 0), budget.review_above_usd),
    )
    said = [f"{word} {shown}" for word, shown, limit in limits if limit is not None]
    return "; ".join([f"estimated when the data is read ({cost})", *said])


def dollars(usd: float) -> str:
    """An amount for people; one that would read as nothing says that it is something."""
    return "less than 0.01 USD" if 0 < usd < 0.01 else f"{usd:,.2f} USD"


def review_reason(found: Estimate | None, budget: BudgetPlan) -> str:
    """Why a person has to look at what a run will cost; empty when nobody has to.

    What is not known counts as above every threshold.
    """
    threshold = budget.review_above_usd
    if threshold is None:
        return ""
    if found is None or found.usd is None:
        return f"Runs above {dollars(threshold)} need a decision, and the cost of this one is not known."
    if found.usd > threshold:
        return f"The estimate of {dollars(found.usd)} is above {dollars(threshold)}."
    return ""


def findings(found: Estimate, budget: BudgetPlan) -> list[Finding]:
    """Error findings of the kind ``budget``: limits that the estimate passes, or cannot be held to."""
    said = []
    if budget.max_tokens is not None:
        said.append(
            _held("tokens", found.tokens, budget.max_tokens, f"{budget.max_tokens:,} tokens", found.unknown)
        )
    if budget.max_cost_usd is not None:
        why = found.unknown or "no price is set"
        said.append(_held("cost_usd", found.usd, budget.max_cost_usd, dollars(budget.max_cost_usd), why))
    return [finding for finding in said if finding]


def _held(name: str, value: float | None, limit: float, shown: str, why: str) -> Finding | None:
    where = f"$.limits.max_{name}"
    if value is None:
        return error(
            "ESTIMATE_UNKNOWN",
            where,
            f"Whether the run stays below {shown} is not known, because {why}.",
            "Leave the limit out, or mend what is in the way of the estimate.",
            kind="budget",
        )
    if value <= limit:
        return None
    estimated = f"{value:,} tokens" if name == "tokens" else dollars(value)
    return error(
        "TOKENS_ABOVE_LIMIT" if name == "tokens" else "COST_ABOVE_LIMIT",
        where,
        f"The run is estimated at {estimated}, and {shown} is the limit.",
        "Use less data or fewer epochs, or raise the limit.",
        kind="budget",
    )


def read(document: Mapping[str, Any] | None) -> Estimate | None:
    """A stored estimate; None when there is none or when it is not one."""
    try:
        return msgspec.convert(document, Estimate)
    except msgspec.ValidationError:
        return None
