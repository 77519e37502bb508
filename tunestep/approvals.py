"""The approval gate: a question stored before it is asked, decided exactly once, delivered after."""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from aws_lambda_powertools import Logger

from tunestep import acceptances, notices, requester, runs, spending, tokens
from tunestep.approval_facts import answer, asks_always, differences, question
from tunestep.approval_states import APPROVED, DECLINED, EXPIRED, PENDING
from tunestep.context import Context, StepEvent, plan_of
from tunestep.errors import ApprovalDeclined, ApprovalExpired, PlanChanged, ServiceFault, TunestepError
from tunestep.faults import AWS_FAULTS, describe
from tunestep.gate import announce, asking, links, people
from tunestep.plan_model import Plan
from tunestep.runs import Item, run_pk
from tunestep.text import one_line
from tunestep.tracking import TOKEN_SLACK_SECONDS, stopped

Channel = Literal["page", "slack", "api", "cli"]
Assurance = Literal["link holder", "Slack user", "IAM principal", "unverified"]
"""How well the record knows who decided, from a link that was passed on to a signed request."""

logger = Logger(child=True)


def deliver(context: Context, run_id: str, item: Item) -> bool:
    """Send a stored decision to the run that waits for it; False when nothing waits.

    The evidence of an accepted licence comes before its effect. Then sent first, marked second: a crash in
    between sends again, and Step Functions refuses the second answer. A mark "delivered" is never taken
    back by a later attempt that found the token gone.
    """
    item = acceptances.keep(context, run_id, item)
    pending = context.runs.pending(run_id, runs.PENDING_APPROVAL)
    token = (pending or {}).get("token")
    if not token:
        return bool(item.get("delivered"))
    sent = tokens.succeed(context, token, answer(run_id, item))
    if sent:
        context.runs.update(run_pk(run_id), runs.APPROVAL, {"delivered": True}, remove=("undelivered",))
    else:
        context.runs.update(
            run_pk(run_id),
            runs.APPROVAL,
            {"undelivered": "the run no longer waited"},
            condition="#delivered = :no",
            values={":no": False},
        )
    context.runs.delete_pending(run_id, runs.PENDING_APPROVAL, token)
    return sent


def request_approval(context: Context, event: StepEvent) -> dict[str, Any]:
    """Store the question and the token, then answer at once if a decision exists, else tell people.

    A repeated call keeps the question, its links and its expiry, and replaces the token. Nothing that
    fails after both are stored fails the run.
    """
    plan, run_id, now = plan_of(context, event), event.run_id, context.epoch()
    run = context.runs.run(run_id) or {}
    created = {"run_id": run_id, "execution_arn": event.execution.arn, "created_at": context.timestamp()}
    context.runs.put_new(
        {
            "pk": run_pk(run_id),
            "sk": runs.APPROVAL,
            **created,
            **question(plan, event, run),
            "state": PENDING,
            "delivered": False,
            "approval_id": links.new_token(),
            "approvers": {},
            "expires_at": now + plan.approval.timeout_seconds,
        }
    )
    context.runs.update(
        run_pk(run_id),
        runs.PENDING_APPROVAL,
        {"kind": runs.KIND_APPROVAL, "token": event.task_token},
        defaults={**created, "expires_at": now + plan.approval.timeout_seconds + TOKEN_SLACK_SECONDS},
    )
    # The question and the token are stored before the marks of stop and decide are looked for, and those
    # are stored before the token is looked for: whichever came second sees the other.
    if stop := stopped(context.runs.run(run_id), run_id):
        raise stop
    try:
        return {"state": _answer_or_ask(context, event, plan)}
    except AWS_FAULTS as fault:
        logger.warning("left to the reconciler", extra={"fault": describe(fault)})
        return {"state": "waiting"}


def _answer_or_ask(context: Context, event: StepEvent, plan: Plan) -> str:
    run_id = event.run_id
    item = context.runs.approval(run_id) or {}
    if item.get("state") == PENDING and not asks_always(event, plan):
        acceptance = acceptances.reuse(context, run_id, plan)
        if acceptance:
            item = acceptances.cite(context, run_id, item, acceptance)
        elif plan.approval.require == "never" and plan.approval.licence:
            raise PlanChanged(
                "The acceptance that covered the licence no longer does, and approval.require is never. "
                f"Leave it out, and start again with `tunestep run`; see `tunestep status {run_id}`."
            )
    if item.get("state") in (APPROVED, DECLINED, EXPIRED):
        return "delivered" if deliver(context, run_id, item) else "gone"
    ask(context, run_id, item)
    return "waiting"


def ask(context: Context, run_id: str, item: Item) -> None:
    """Tell people about an open question, each of them once however often this is called."""
    asking.ask(context, run_id)
    if not item.get("asked_at") and item["expires_at"] > context.epoch():
        expires = datetime.fromtimestamp(item["expires_at"], UTC).isoformat(timespec="minutes")
        notices.approval_needed(context, run_id, {**item, "expires": expires})
        context.runs.update(run_pk(run_id), runs.APPROVAL, {"asked_at": context.timestamp()})


class DecideEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A person's decision on a run, with how it came and how well the person is known.

    ``actor`` is what records show; ``approver`` the id in the settings, empty on the command line of a
    laptop. Declining needs a reason.
    """

    run: str
    decision: Literal["APPROVED", "DECLINED"]
    actor: str
    reason: str = ""
    channel: Channel = "cli"
    assurance: Assurance = "unverified"
    approver: str = ""


class DirectDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller of the decide function may say; who it is, is only claimed."""

    run: str
    decision: Literal["APPROVED", "DECLINED"]
    actor: str
    reason: str = ""


class DecisionRefused(TunestepError):  # noqa: N818
    """The decision cannot be taken: nothing asks for it, or something is missing."""

    names_a_person = True


def decide_directly(context: Context, event: DirectDecision) -> dict[str, Any]:
    """The laptop's command line: recorded as unverified, whatever the caller says. Raises as decide does."""
    said = DecideEvent(run=event.run, decision=event.decision, actor=event.actor, reason=event.reason)
    return decide(context, said)


def decide(context: Context, event: DecideEvent) -> dict[str, Any]:
    """Record a decision once and deliver it; a later caller is shown the one that stands.

    Raises DecisionRefused for an incomplete decision, a run that asks nothing, or somebody who may not
    decide; ApprovalExpired when the time is over.
    """
    reason, actor = one_line(event.reason, 1000), one_line(event.actor, requester.LONGEST)
    if not actor:
        raise DecisionRefused("A decision needs an actor: say who decides.")
    if event.decision == DECLINED and not reason:
        raise DecisionRefused("Declining needs a reason: `tunestep decline RUN --reason TEXT`.")
    asked = context.runs.approval(event.run)
    if asked is None:
        raise DecisionRefused(f"Run {event.run} asks for no decision. See `tunestep status {event.run}`.")
    _may_decide(context, asked, event)
    now = context.epoch()
    stored = context.runs.update(
        run_pk(event.run),
        runs.APPROVAL,
        {
            "state": event.decision,
            "actor": actor,
            "approver": event.approver,
            "channel": event.channel,
            "assurance": event.assurance,
            "reason": reason,
            "decided_at": context.timestamp(),
        },
        condition="#state = :pending AND #expires_at > :now",
        values={":pending": PENDING, ":now": now},
    )
    item = stored or context.runs.approval(event.run) or asked
    if item["state"] in (PENDING, EXPIRED):
        raise ApprovalExpired(
            f"The time to decide on run {event.run} is over. Ask again with `tunestep retry {event.run}`."
        )
    delivered = bool(item.get("delivered")) or deliver(context, event.run, item)
    if not delivered:
        _say_undelivered(context, event.run, item["state"])
    if stored:
        announce.announce(context, event.run, item)
    return {
        "run": event.run,
        **answer(event.run, item),
        "first": stored is not None,
        "delivered": delivered,
    }


def _may_decide(context: Context, item: Item, event: DecideEvent) -> None:
    """Raise DecisionRefused for somebody who may not decide on this question, by the settings of now."""
    if event.channel == "cli":
        if not context.env.laptop:
            raise DecisionRefused(
                "A deployed stack takes decisions by link, Slack and signed request only: "
                f"`tunestep approve {event.run}` signs one."
            )
    elif people.by_id(context.env, event.approver) is None:
        raise DecisionRefused(
            f"{event.approver or event.actor} is not among the approvers of stack {context.env.stack}. "
            "The setting `approvers` names them."
        )
    person = people.by_id(context.env, event.approver)
    if not context.env.settings.approval.self_approval and requester.decides_alone(item, person, event.actor):
        raise DecisionRefused(
            f"{event.actor} asked for run {event.run}, and the settings of stack {context.env.stack} let "
            "nobody decide on a run of their own (approval.self_approval). Ask another approver."
        )


def _say_undelivered(context: Context, run_id: str, decision: str) -> None:
    try:
        notices.undelivered(context, run_id, decision)
    except AWS_FAULTS as fault:
        logger.warning("notice not sent", extra={"fault": describe(fault)})


def needs_decision(context: Context, run_id: str, plan: Plan) -> bool:
    """Whether a person has to have decided, by the plan and by the estimate on record."""
    return plan.approval.needed or bool(spending.review(context.runs.run(run_id) or {}, plan))


def require_approval(context: Context, event: StepEvent, plan: Plan, *, cite: bool = False) -> None:
    """Return if exactly this plan in this execution is approved; else raise why not.

    By the stored decision, whose evidence must not have been revoked since; or by an earlier acceptance, if
    nobody has decided, which becomes the decision with ``cite``. What the document says is no reason at all.
    With ``cite`` an accepted licence has its evidence on record afterwards, however the run came here.
    """
    run_id = event.run_id
    item = context.runs.approval(run_id)
    if item is None:
        raise ServiceFault(f"Run {run_id} needs a decision and nobody was asked. Tell the stack's owner.")
    if item["state"] == PENDING and (earlier := acceptances.reuse(context, run_id, plan)):
        if not cite:
            return
        item = acceptances.cite(context, run_id, item, earlier)
    if item["state"] == DECLINED:
        raise ApprovalDeclined(answer(run_id, item)["cause"])
    if item["state"] != APPROVED:
        raise ApprovalExpired(answer(run_id, {**item, "state": EXPIRED})["cause"])
    differing = differences(item, plan)
    if item.get("execution_arn") != event.execution.arn:
        differing.append("execution")
    if differing:
        raise PlanChanged(
            f"The decision on run {run_id} was about another {', '.join(differing)}. "
            f"Ask again with `tunestep retry {run_id}`."
        )
    if cite:
        # The token may have been answered by somebody else before the decision was delivered.
        item = acceptances.keep(context, run_id, item)
    if not acceptances.stands(context, item):
        raise ApprovalDeclined(
            f"The acceptance {item['evidence']} that run {run_id} relies on was revoked, or is not as it was "
            "stored (`tunestep licences verify`). Nothing was started. "
            f"Ask again with `tunestep retry {run_id}`."
        )
