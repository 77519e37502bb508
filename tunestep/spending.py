"""The estimate in the life of a run: made when the data was read, kept in the table, shown at the gate."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tunestep import budgets, estimate
from tunestep.checks import approvers
from tunestep.context import Context
from tunestep.estimate import Estimate
from tunestep.findings import Finding
from tunestep.gate import mail
from tunestep.plan_model import Plan

NOT_REVIEWED: dict[str, Any] = {"review_needed": False}
"""What a document says where no estimate was made, because the run ends anyway."""


def weigh(context: Context, plan: Plan, training: Mapping[str, Any] | None) -> tuple[Estimate, list[Finding]]:
    """The estimate of a run, with the limits that it passes, and with nobody being there to look at it.

    What the monthly budgets hold now is said beside it; what counts is what they hold when the job starts.
    """
    found = estimate.make(plan, training)
    standing, lacking = budgets.look(context, plan, found)
    found = msgspec.structs.replace(found, lines=(*found.lines, *standing))
    said = [*estimate.findings(found, plan.budget), *lacking]
    if found.review and not plan.approval.needed:
        env = context.env
        said += approvers.findings(
            env.settings, laptop=bool(env.laptop), unconfirmed=mail.unconfirmed(context)
        )
    return found, said


def document(found: Estimate) -> dict[str, Any]:
    """What the run's document carries; the machine asks a person when ``review_needed``."""
    return {"estimate": msgspec.to_builtins(found), "review_needed": bool(found.review)}


def review(run: Mapping[str, Any], plan: Plan) -> str:
    """Why a person has to look at the cost of a run, by the estimate on record; empty when nobody has to."""
    return estimate.review_reason(estimate.read(run.get("estimate")), plan.budget)


def asked(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a question shows of the estimate, in the form that an item takes; empty without one."""
    found = estimate.read(run.get("estimate"))
    if found is None:
        return {}
    return {"estimate": {**found.stored(), "text": " ".join(f"{line}." for line in found.lines)}}
