"""Earlier acceptances in the life of a run: found when it is planned, relied on and proven when it starts."""

from datetime import timedelta
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from tunestep import durations, runs, spending
from tunestep.approval_states import APPROVED, PENDING
from tunestep.aws import error_code
from tunestep.context import Context
from tunestep.errors import TunestepError
from tunestep.evidence import Found
from tunestep.evidence_seal import Acceptance, Terms, reusable, terms
from tunestep.faults import AWS_FAULTS, describe, transient
from tunestep.plan_model import LicencePlan, ModelPlan, Plan
from tunestep.runs import Item, run_pk
from tunestep.text import one_line


def of_plan(context: Context, model: ModelPlan, licence: LicencePlan) -> Found:
    """The acceptance that covers a model and its licence now, within the settings' policy window.

    A table that cannot be read counts as empty, and says so. Raises TransientFault when AWS is busy.
    """
    about = terms(model, licence)
    if not reusable(about, known=licence.known):
        return Found()
    window = timedelta(seconds=durations.seconds(context.env.settings.approval.policy_window))
    try:
        return context.evidence.covering(about, now=context.now(), window=window)
    except AWS_FAULTS as fault:
        if passing := transient(fault):
            raise passing from fault
        if isinstance(fault, ClientError) and error_code(fault) == "ResourceNotFoundException":
            return Found()
        return Found(damaged=(f"it cannot be read ({describe(fault)})",))


def reuse(context: Context, run_id: str, plan: Plan) -> Acceptance | None:
    """The acceptance that answers an open question, if the question may be answered that way.

    Only a licence is accepted once for many runs; a decision on every run, or on what one costs, is made
    anew.
    """
    if not plan.approval.licence or plan.approval.require == "always":
        return None
    if spending.review(context.runs.run(run_id) or {}, plan):
        return None
    return of_plan(context, plan.model, plan.licence).acceptance


def cite(context: Context, run_id: str, item: Item, acceptance: Acceptance) -> Item:
    """Answer a question by an acceptance, unless somebody has decided on it meanwhile.

    Returns the question as it stands. The use is written down first: one that is on record without its
    answer harms nobody.
    """
    context.evidence.use(
        acceptance, run_id=run_id, execution_arn=item["execution_arn"], at=context.timestamp()
    )
    answered = context.runs.update(
        run_pk(run_id),
        runs.APPROVAL,
        {
            "state": APPROVED,
            "actor": acceptance.actor,
            "channel": acceptance.channel,
            "assurance": acceptance.assurance,
            "reason": acceptance.reason,
            "decided_at": acceptance.decided_at,
            "decided_in_run": acceptance.run_id,
            "evidence": acceptance.id,
        },
        condition="#state = :pending",
        values={":pending": PENDING},
    )
    if answered:
        context.runs.update_run(run_id, {"evidence": acceptance.id})
    return answered or context.runs.approval(run_id) or {}


def keep(context: Context, run_id: str, item: Item) -> Item:
    """Store the evidence of a licence that was just accepted; nothing for any other decision.

    Called before the decision takes effect, and again whenever that failed. Returns the question as it
    then stands. Raises what the services raise: a run does not go on by an acceptance without evidence.
    """
    if item["state"] != APPROVED or not item.get("terms") or item.get("evidence"):
        return item
    made = context.evidence.record(item)
    context.runs.update_run(run_id, {"evidence": made})
    return context.runs.update(run_pk(run_id), runs.APPROVAL, {"evidence": made}) or item


def stands(context: Context, item: Item) -> bool:
    """Whether the evidence that an approved question cites still counts; true for one that cites none."""
    cited = item.get("evidence")
    return not cited or context.evidence.still_counts(cited, msgspec.convert(item["terms"], Terms))


class RevokeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Which acceptance to take back, and why. ``model`` is the partition key that it is filed under.

    Who asks is only claimed, and recorded so: taking back can only make runs ask again.
    """

    evidence: str
    model: str
    actor: str
    reason: str


def revoke(context: Context, event: RevokeEvent) -> dict[str, Any]:
    """Revoke an acceptance; the first revocation stands. Raises NoSuchEvidence, or RevocationRefused."""
    actor, reason = one_line(event.actor, 200), one_line(event.reason, 1000)
    if not actor or not reason:
        raise RevocationRefused(
            "Revoking needs an actor and a reason: `tunestep licences revoke ID --reason TEXT`."
        )
    said = context.evidence.revoke(
        event.evidence, event.model, actor=actor, reason=reason, at=context.timestamp()
    )
    return {name: said.get(name, "") for name in ("evidence_id", "actor", "reason", "revoked_at")}


class RevocationRefused(TunestepError):  # noqa: N818
    """The revocation does not say who or why."""
