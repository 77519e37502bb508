"""What runs draw from the monthly budgets: reserved before the job exists, settled with the bill.

One item holds a month: a counter per pot and measure, and beside them what each run reserved that has not
been settled. Both change in the same conditional write, so that a counter never passes its limit, a repeated
StartTraining reserves once, and a repeated settlement settles once, whoever dies in between.
"""

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

from aws_lambda_powertools import Logger

from tunestep import estimate, pots, runs, tracking
from tunestep.budget_settings import Budgets
from tunestep.context import Context
from tunestep.errors import BudgetExceeded, TransientFault
from tunestep.faults import STEP_FAULTS
from tunestep.findings import Finding
from tunestep.ledger import Ledger
from tunestep.plan_model import Plan
from tunestep.pots import MEASURES, MICRO_USD, MICROS, SECONDS, TOKENS, Pot
from tunestep.runs import Item

POTS = "POTS"
_ENTRY = "run:"

_TRIES = 5
"""How often a reservation that others got ahead of is looked at again."""

logger = Logger(child=True)

_PER_MILLION, _PER_HOUR = "usd_per_million_tokens", "usd_per_hour"


def month_pk(month: str) -> str:
    return f"BUDGET#{month}"


def month_of(context: Context) -> str:
    """The month of now, in UTC: 2026-11."""
    return context.now().astimezone(UTC).strftime("%Y-%m")


def _entry(run_id: str) -> str:
    """The attribute of a month's item that holds what a run has reserved."""
    return _ENTRY + run_id


def state(context: Context, month: str) -> Item:
    """The item of a month, read consistently; empty when nothing was drawn in it."""
    return context.runs.get(month_pk(month), POTS) or {}


def _ledger(context: Context, month: str) -> Ledger:
    return Ledger(context.clients.dynamodb, context.env.table, month_pk(month), POTS)


def this_month(context: Context) -> tuple[str, Item]:
    """The month of now, and its item."""
    month = month_of(context)
    return month, state(context, month)


def own_pots(context: Context, plan: Plan) -> list[Pot]:
    return pots.of_month(context.env.settings.budgets, plan.tags)


def look(context: Context, plan: Plan, found: estimate.Estimate | None) -> tuple[list[str], list[Finding]]:
    """How the pots of a run stand, and in which of them its estimate does not fit now. Reserves nothing."""
    own = own_pots(context, plan)
    if not own:
        return [], []
    month = month_of(context)
    item = state(context, month)
    return pots.lines(own, month, item), pots.short(own, month, item, pots.amounts(found, _seconds(plan)))


def _seconds(plan: Plan) -> int:
    return plan.max_runtime_seconds or estimate.SERVICE_MAX_RUNTIME_SECONDS


def reserve(context: Context, plan: Plan, run_id: str, job_name: str) -> None:
    """Take the estimate out of every pot that the run draws from, in one conditional write.

    A run that has reserved keeps what it has. The month is that of its first call, so that a repeated call
    after midnight finds it. Raises BudgetExceeded naming the pots that hold too little; TransientFault when
    others get ahead of it too often.
    """
    own = own_pots(context, plan)
    if not own:
        return
    month = month_of(context)
    run = context.runs.update_run(run_id, {}, defaults={"budget_month": month}) or {}
    month = str(run.get("budget_month") or month)
    wanted = pots.amounts(estimate.read(run.get("estimate")), _seconds(plan))
    counted = {measure: amount or 0 for measure, amount in wanted.items()}
    entry = {**counted, "pots": [pot.name for pot in own], "job_name": job_name, **_price(plan)}
    room = {
        pots.counter(pot.name, measure): limit - counted[measure]
        for pot in own
        for measure, limit in pot.limits.items()
    }
    for _ in range(_TRIES):
        item = state(context, month)
        if _entry(run_id) in item:
            return
        if said := pots.short(own, month, item, wanted):
            raise BudgetExceeded(" ".join(finding.line() for finding in said))
        adds = {pots.counter(pot.name, measure): counted[measure] for pot in own for measure in MEASURES}
        if _ledger(context, month).draw(_entry(run_id), entry, adds=adds, room=room):
            return
    raise TransientFault(f"The budget of {month} is changing too fast to be drawn from.")


def _price(plan: Plan) -> dict[str, Decimal]:
    """The price by which the run is billed, as the table takes it."""
    unit = estimate.unit_price(plan)
    if unit is None:
        return {}
    by_time = estimate.paid_by_time(plan.recipe.metering, plan.technique)
    return {_PER_HOUR if by_time else _PER_MILLION: Decimal(str(unit))}


def settle(context: Context, run_id: str) -> str:
    """Replace what a run has reserved by what it was billed; says what was done.

    Only once its job has ended, or cannot come any more. Any number of calls settle once. Raises what the
    services raise.
    """
    run = context.runs.run(run_id) or {}
    month = str(run.get("budget_month") or "")
    held = state(context, month).get(_entry(run_id)) if month else None
    if held is None:
        return "nothing is reserved"
    job = tracking.describe_job(context, held["job_name"])
    if job is None:
        if run.get("status") != runs.ENDED or tracking.may_still_appear(context, run_id):
            return "its job may still appear"
    elif job["TrainingJobStatus"] in tracking.IN_FLIGHT:
        return "its job has not ended"
    spent = billed(held, job)
    adds = {
        pots.counter(pot, measure): spent[measure] - int(held[measure])
        for pot in held["pots"]
        for measure in MEASURES
    }
    settled = _ledger(context, month).settle(_entry(run_id), adds=adds)
    return "settled" if settled else "settled by another"


def billed(held: Mapping[str, Any], job: Mapping[str, Any] | None) -> dict[str, int]:
    """What a job counts for in the end, by measure.

    Nothing without a job, or for one that SageMaker ended before it trained. A job that trained and that
    SageMaker gives no figure of keeps what was reserved of that measure.
    """
    if job is None:
        return dict.fromkeys(MEASURES, 0)
    tokens, seconds = job.get("BillableTokenCount"), job.get("BillableTimeInSeconds")
    if tokens is None and seconds is None and job.get("TrainingStartTime") is None:
        return dict.fromkeys(MEASURES, 0)
    spent = {measure: int(held[measure]) for measure in MEASURES}
    if tokens is not None:
        spent[TOKENS] = int(tokens)
        if _PER_MILLION in held:
            spent[MICRO_USD] = pots.micros(held[_PER_MILLION] * tokens / MICROS)
    time = seconds if seconds is not None else job.get("TrainingTimeInSeconds")
    if time is not None:
        spent[SECONDS] = int(time)
    if seconds is not None and _PER_HOUR in held:
        spent[MICRO_USD] = pots.micros(held[_PER_HOUR] * seconds / 3600)
    return spent


def settle_ended(context: Context) -> dict[str, list[str]]:
    """Settle runs that have ended and still hold a reservation of this month or the one before.

    The backstop of a settlement that failed; one run's failure keeps no other waiting. Returns the ids of
    the runs that were ``settled``, and of those whose settlement ``failed``.
    """
    done: dict[str, list[str]] = {"settled": [], "failed": []}
    if context.env.settings.budgets == Budgets():
        return done
    for month in _months(context):
        for run_id in _holders(state(context, month)):
            try:
                ended = (context.runs.run(run_id) or {}).get("status") == runs.ENDED
                if ended and settle(context, run_id) == "settled":
                    done["settled"].append(run_id)
            except STEP_FAULTS:
                logger.exception("left for the next turn", extra={"run_id": run_id})
                done["failed"].append(run_id)
    return done


def _holders(item: Item) -> list[str]:
    """The ids of the runs that hold a reservation."""
    return [name.removeprefix(_ENTRY) for name in item if name.startswith(_ENTRY)]


def _months(context: Context) -> tuple[str, str]:
    now = context.now().astimezone(UTC)
    before = f"{now.year - 1}-12" if now.month == 1 else f"{now.year}-{now.month - 1:02}"
    return before, month_of(context)
