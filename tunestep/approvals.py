"""The approval gate: a question stored before it is asked, decided exactly once, delivered after."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from aws_lambda_powertools import Logger

from tunestep import notices, runs, tokens
from tunestep.context import Context, StepEvent, plan_of
from tunestep.errors import ApprovalDeclined, ApprovalExpired, PlanChanged, ServiceFault, TunestepError
from tunestep.faults import AWS_FAULTS, describe
from tunestep.plan_model import Plan, RewardPlan
from tunestep.request import RequestInvalid, parse, request_hash
from tunestep.runs import Item, run_pk
from tunestep.text import one_line
from tunestep.tracking import TOKEN_SLACK_SECONDS, stopped

PENDING = "PENDING"
APPROVED = "APPROVED"
DECLINED = "DECLINED"
EXPIRED = "EXPIRED"

_LONGEST_CHAIN = 20
"""How many earlier attempts are asked for a decision."""

logger = Logger(child=True)


def facts(plan: Plan) -> dict[str, Any]:
    """What a decision is about; a decision counts only for exactly these."""
    licence = {
        "name": plan.licence.name,
        "url": plan.licence.url,
        "text_uri": plan.licence.text_uri,
        "text_sha256": plan.licence.text_sha256,
        "revision": plan.licence.revision,
        "statement": plan.licence.statement,
    }
    return {
        "request_hash": plan.request_hash,
        "model_arn": plan.model.arn,
        "model_version": plan.model.version,
        "source_model_package_arn": plan.model.source_model_package_arn,
        "licence": licence,
        **({"reward": _pins(plan.reward)} if plan.reward else {}),
    }


def _pins(reward: RewardPlan) -> dict[str, str]:
    """What scores the answers, and the digests by which it is known again."""
    shown = (
        *("kind", "value", "function_arn", "code_sha256", "configuration_sha256"),
        *("prompt_uri", "prompt_version_id", "prompt_sha256", "judge_model"),
    )
    return {name: value for name in shown if (value := getattr(reward, name))}


def _verdict(reward: Mapping[str, Any]) -> str:
    """What certification found, on one line; empty when there was nothing to try."""
    probes = reward.get("probes")
    outcomes = [probe.get("outcome") for probe in probes or [] if isinstance(probe, dict)]
    if not outcomes:
        return ""
    passed, left_out = outcomes.count("pass"), outcomes.count("not run")
    return f"{passed} of {len(outcomes)} probes passed, {left_out} not run"


def _same(item: Mapping[str, Any], plan: Plan) -> list[str]:
    """The names of the facts in which a stored decision and a plan differ."""
    return [name for name, value in facts(plan).items() if item.get(name) != value]


def _answer(run_id: str, item: Item) -> dict[str, Any]:
    """The document's ``approval`` for a decided question."""
    actor, reason = item.get("actor", ""), item.get("reason", "")
    cause = f"Approved by {actor}."
    if item["state"] == DECLINED:
        cause = (
            f"{actor} declined: {reason} Nothing was created. Choose another model, or ask again with "
            f"`tunestep retry {run_id}`."
        )
    elif item["state"] == EXPIRED:
        cause = f"Nobody decided in time. Nothing was created. Ask again with `tunestep retry {run_id}`."
    return {
        "decision": item["state"],
        "actor": actor,
        "channel": item.get("channel", ""),
        "assurance": item.get("assurance", ""),
        "decided_at": item.get("decided_at", ""),
        "reason": reason,
        "cause": cause,
    }


def deliver(context: Context, run_id: str, item: Item) -> bool:
    """Send a stored decision to the run that waits for it; False when nothing waits.

    Sent first, marked second: a crash in between sends again, and Step Functions refuses the second
    answer. A mark "delivered" is never taken back by a later attempt that found the token gone.
    """
    pending = context.runs.pending(run_id, runs.PENDING_APPROVAL)
    token = (pending or {}).get("token")
    if not token:
        return bool(item.get("delivered"))
    sent = tokens.succeed(context, token, _answer(run_id, item))
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


def _asks_always(event: StepEvent, plan: Plan) -> bool:
    """Whether the request wants a new decision every time; unreadable means yes."""
    try:
        request = parse(event.document.get("request"))
    except RequestInvalid:
        return True
    return request_hash(request) != plan.request_hash or request.approval.require == "always"


def _earlier(context: Context, run: Item, plan: Plan) -> Item | None:
    """The approval of an earlier attempt at the same request, model and licence."""
    seen: set[str] = set()
    run_id = run.get("retry_of")
    while run_id and run_id not in seen and len(seen) < _LONGEST_CHAIN:
        seen.add(run_id)
        item = context.runs.approval(run_id)
        if item and item["state"] == APPROVED and not _same(item, plan):
            return item
        run_id = (context.runs.run(run_id) or {}).get("retry_of")
    return None


def request_approval(context: Context, event: StepEvent) -> dict[str, Any]:
    """Store the question and the token, then answer at once if a decision exists, else tell people.

    A repeated call keeps the question and its expiry and replaces the token. Nothing that fails after
    both are stored fails the run.
    """
    plan, run_id, now = plan_of(context, event), event.run_id, context.epoch()
    run = context.runs.run(run_id) or {}
    created = {"run_id": run_id, "execution_arn": event.execution.arn, "created_at": context.timestamp()}
    context.runs.put_new(
        {
            "pk": run_pk(run_id),
            "sk": runs.APPROVAL,
            **created,
            **facts(plan),
            "state": PENDING,
            "delivered": False,
            "technique": plan.technique,
            "reason_needed": plan.approval.reason,
            "reward_verdict": _verdict(event.part("reward")),
            "requester": run.get("requester", "unknown"),
            "dataset": run.get("dataset") or {},
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
        return {"state": _answer_or_ask(context, event, plan, run)}
    except AWS_FAULTS as fault:
        logger.warning("left to the reconciler", extra={"fault": describe(fault)})
        return {"state": "waiting"}


def _answer_or_ask(context: Context, event: StepEvent, plan: Plan, run: Item) -> str:
    run_id = event.run_id
    item = context.runs.approval(run_id) or {}
    if item.get("state") == PENDING and not _asks_always(event, plan):
        earlier = _earlier(context, run, plan)
        if earlier:
            item = (
                context.runs.update(
                    run_pk(run_id),
                    runs.APPROVAL,
                    {
                        **{key: earlier.get(key, "") for key in ("actor", "channel", "assurance", "reason")},
                        "decided_at": earlier.get("decided_at", ""),
                        "state": APPROVED,
                        "decided_in_run": earlier.get("decided_in_run") or earlier["run_id"],
                    },
                    condition="#state = :pending",
                    values={":pending": PENDING},
                )
                or context.runs.approval(run_id)
                or {}
            )
    if item.get("state") in (APPROVED, DECLINED):
        return "delivered" if deliver(context, run_id, item) else "gone"
    if not item.get("asked_at"):
        expires = datetime.fromtimestamp(item["expires_at"], UTC).isoformat(timespec="minutes")
        notices.approval_needed(context, run_id, {**item, "expires": expires})
        context.runs.update(run_pk(run_id), runs.APPROVAL, {"asked_at": context.timestamp()})
    return "waiting"


class DecideEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A person's decision on a run. ``actor`` is recorded as given; declining needs a reason."""

    run: str
    decision: Literal["APPROVED", "DECLINED"]
    actor: str
    reason: str = ""


class DecisionRefused(TunestepError):  # noqa: N818
    """The decision cannot be taken: nothing asks for it, or something is missing."""


def decide(context: Context, event: DecideEvent) -> dict[str, Any]:
    """Record a decision once and deliver it; a later caller is shown the one that stands.

    Raises DecisionRefused for an incomplete decision or a run that asks nothing, ApprovalExpired when
    the time is over.
    """
    reason, actor = one_line(event.reason, 1000), one_line(event.actor, 200)
    if not actor:
        raise DecisionRefused("A decision needs an actor: say who decides.")
    if event.decision == DECLINED and not reason:
        raise DecisionRefused("Declining needs a reason: `tunestep decline RUN --reason TEXT`.")
    now = context.epoch()
    item = context.runs.update(
        run_pk(event.run),
        runs.APPROVAL,
        {
            "state": event.decision,
            "actor": actor,
            "channel": "cli",
            "assurance": "unverified",
            "reason": reason,
            "decided_at": context.timestamp(),
        },
        condition="#state = :pending AND #expires_at > :now",
        values={":pending": PENDING, ":now": now},
    )
    first = item is not None
    if item is None:
        item = context.runs.approval(event.run)
    if item is None:
        raise DecisionRefused(f"Run {event.run} asks for no decision. See `tunestep status {event.run}`.")
    if item["state"] in (PENDING, EXPIRED):
        raise ApprovalExpired(
            f"The time to decide on run {event.run} is over. Ask again with `tunestep retry {event.run}`."
        )
    delivered = bool(item.get("delivered")) or deliver(context, event.run, item)
    if not delivered:
        _say_undelivered(context, event.run, item["state"])
    return {"run": event.run, **_answer(event.run, item), "first": first, "delivered": delivered}


def _say_undelivered(context: Context, run_id: str, decision: str) -> None:
    try:
        notices.undelivered(context, run_id, decision)
    except AWS_FAULTS as fault:
        logger.warning("notice not sent", extra={"fault": describe(fault)})


def require_approval(context: Context, event: StepEvent, plan: Plan) -> None:
    """Return if a stored decision approves exactly this plan in this execution; else raise why not."""
    item = context.runs.approval(event.run_id)
    if item is None:
        raise ServiceFault(
            f"Run {event.run_id} needs a decision and nobody was asked. Tell the stack's owner."
        )
    if item["state"] == DECLINED:
        raise ApprovalDeclined(_answer(event.run_id, item)["cause"])
    if item["state"] != APPROVED:
        raise ApprovalExpired(_answer(event.run_id, {**item, "state": EXPIRED})["cause"])
    differing = _same(item, plan)
    if item.get("execution_arn") != event.execution.arn:
        differing.append("execution")
    if differing:
        raise PlanChanged(
            f"The decision on run {event.run_id} was about another {', '.join(differing)}. "
            f"Ask again with `tunestep retry {event.run_id}`."
        )
