"""What a decision is about, in the form it is stored and compared: the facts of a plan, and the answer."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tunestep import requester, spending
from tunestep.approval_states import DECLINED, EXPIRED
from tunestep.context import StepEvent
from tunestep.evidence_seal import terms
from tunestep.plan_model import Plan, RewardPlan
from tunestep.request import RequestInvalid, parse, request_hash
from tunestep.runs import Item


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


def question(plan: Plan, event: StepEvent, run: Mapping[str, Any]) -> dict[str, Any]:
    """Everything an approver is shown: the facts, and what was found out before anybody was asked."""
    name, known = requester.shown(run)
    return {
        **facts(plan),
        "technique": plan.technique,
        "use_case": plan.use_case,
        "model_name": plan.model.name,
        "reason_needed": " ".join(filter(None, (plan.approval.reason, spending.review(run, plan)))),
        "reward_verdict": _verdict(event.part("reward")),
        "requester": name,
        "requester_assurance": known,
        "source": run.get("source", "console"),
        "dataset": run.get("dataset") or {},
        "timeout_seconds": plan.approval.timeout_seconds,
        **spending.asked(run),
        **terms_asked(plan),
    }


def terms_asked(plan: Plan) -> dict[str, Any]:
    """What a question adds when a licence is to be accepted: what the evidence of a yes will say."""
    return {"terms": msgspec.to_builtins(terms(plan.model, plan.licence))} if plan.approval.licence else {}


def _verdict(reward: Mapping[str, Any]) -> str:
    """What certification found, on one line; empty when there was nothing to try."""
    probes = reward.get("probes")
    outcomes = [probe.get("outcome") for probe in probes or [] if isinstance(probe, dict)]
    if not outcomes:
        return ""
    passed, left_out = outcomes.count("pass"), outcomes.count("not run")
    return f"{passed} of {len(outcomes)} probes passed, {left_out} not run"


def differences(item: Mapping[str, Any], plan: Plan) -> list[str]:
    """The names of the facts in which a stored decision and a plan differ."""
    return [name for name, value in facts(plan).items() if item.get(name) != value]


def asks_always(event: StepEvent, plan: Plan) -> bool:
    """Whether the request wants a new decision every time; unreadable means yes."""
    try:
        request = parse(event.document.get("request"))
    except RequestInvalid:
        return True
    return request_hash(request) != plan.request_hash or request.approval.require == "always"


def answer(run_id: str, item: Item) -> dict[str, Any]:
    """The document's ``approval`` for a decided question."""
    actor, reason = item.get("actor", ""), item.get("reason", "")
    cause = f"Approved by {actor}."
    if item["state"] == DECLINED:
        cause = (
            f'{actor} declined: "{reason}" Nothing was created. Choose another model, or ask again with '
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
        **({"evidence": item["evidence"]} if item.get("evidence") else {}),
    }
