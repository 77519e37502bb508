"""The first step: request -> plan and findings, stored; the document gets a summary."""

from functools import partial
from typing import Any

import msgspec

from tunestep import acceptances, budgets, evaluators, names, training_job
from tunestep.context import Context, StepEvent
from tunestep.findings import Finding, errors_by_kind
from tunestep.gate import mail
from tunestep.plan import PlanContext, PlanOutcome, make_plan
from tunestep.plan_model import Plan
from tunestep.request import Request, RequestInvalid, parse, request_hash
from tunestep.run_files import FINDINGS, PLAN
from tunestep.runs import ENDED, KIND_RUN, NOT_STARTED, RUN, STARTED, Item, pending_run, run_pk
from tunestep.text import visible

SHOWN_FINDINGS = 20
"""Most findings that the document carries; all of them are in findings.json."""

SHOWN_TEXT = 500
"""Longest text, in characters, of a finding in the document."""

SHOWN_BYTES, SHOWN_BYTES_OF_ERRORS = 3 * 1024, 8 * 1024
"""Room in the document for the findings of one state, and of one that has errors: such a run comes to its
end, so that the rest of the document stays small. At least one finding is carried."""

STATE_GRACE_SECONDS = 900
"""How long AwaitApproval outlives the last moment at which a decision is taken."""


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """A look at what a request would do, with no side effect.

    ``uploads`` are the S3 URIs that the caller will put there before the run; ``assume_approved``
    shows the request as it would be sent once the licence is accepted.
    """

    document: dict[str, Any]
    assume_approved: bool = False
    uploads: tuple[str, ...] = ()


def shown(findings: list[Finding]) -> list[dict[str, Any]]:
    """The findings that a document carries: errors first, the rest in the order they were made.

    Long texts are cut, so that the document stays small whatever a request holds.
    """
    ordered = sorted(findings, key=lambda finding: finding.severity != "error")
    carried: list[dict[str, Any]] = []
    wrong = any(finding.severity == "error" for finding in findings)
    room = SHOWN_BYTES_OF_ERRORS if wrong else SHOWN_BYTES
    for finding in ordered[:SHOWN_FINDINGS]:
        short = {key: visible(value, SHOWN_TEXT) for key, value in msgspec.to_builtins(finding).items()}
        room -= len(msgspec.json.encode(short))
        if carried and room < 0:
            break
        carried.append(short)
    return carried


def _outcome(
    context: Context, document: dict[str, Any], run_id: str | None, uploads: frozenset[str]
) -> tuple[Request | None, PlanOutcome]:
    try:
        request = parse(document.get("request"))
    except RequestInvalid as fault:
        return None, PlanOutcome(plan=None, findings=list(fault.findings))
    planning = PlanContext(
        region=context.env.region,
        account=context.env.account,
        partition=context.partition,
        bucket=context.env.bucket,
        stack=context.env.stack,
        execution_role_arn=context.env.execution_role_arn,
        settings=context.env.settings,
        open=context.env.open,
        run_id=run_id,
        uploads=uploads,
        laptop=bool(context.env.laptop),
        accepted=partial(acceptances.of_plan, context),
        rewards=context.env.rewards,
        unconfirmed=partial(mail.unconfirmed, context),
        spent=partial(budgets.this_month, context),
    )
    return request, make_plan(request, planning, context.clients)


def dry_run(context: Context, event: DryRun) -> dict[str, Any]:
    """All findings, the whole plan and the exact CreateTrainingJob request; writes nothing.

    An evaluator that is yet to be registered stands in the request without its version. ``plan`` and
    ``create_training_job`` are None when an error finding stands in the way.
    """
    _, outcome = _outcome(context, event.document, None, frozenset(event.uploads))
    plan = outcome.plan
    created = None
    if plan is not None:
        created = training_job.build_request(
            plan,
            job_name=training_job.job_name(plan.base_job_name, plan.request_hash),
            accept_eula=event.assume_approved and training_job.needs_accept_eula(plan),
            evaluator_arn=_future_evaluator(context, plan),
        )
    return {
        "findings": [msgspec.to_builtins(finding) for finding in outcome.findings],
        "plan": None if plan is None else msgspec.to_builtins(plan),
        "create_training_job": created,
    }


def _future_evaluator(context: Context, plan: Plan) -> str:
    """The evaluator that a run would register, without the version that only registering gives it."""
    wanted = evaluators.wanted(plan.reward) if plan.reward else None
    if wanted is None:
        return ""
    hub = names.registry_hub_name(plan.region, plan.account)
    content = f"hub-content/{hub}/JsonDoc/{wanted.name}"
    return f"arn:{context.partition}:sagemaker:{plan.region}:{plan.account}:{content}"


def validate(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``plan``: the summary of a stored plan, or the findings that prevent one.

    Only ``request`` of the document is read. A request that is wrong is data, never an exception;
    only a TransientFault of a look-up is raised.
    """
    request, outcome = _outcome(context, event.document, event.run_id, frozenset())
    errors = errors_by_kind(outcome.findings)
    plan = outcome.plan if not any(errors.values()) else None
    summary: dict[str, Any] = {
        "ok": plan is not None,
        "errors": errors,
        "warnings": sum(finding.severity == "warning" for finding in outcome.findings),
        "findings": shown(outcome.findings),
        "findings_total": len(outcome.findings),
    }
    if outcome.findings:
        context.files.put(event.run_id, FINDINGS, [msgspec.to_builtins(f) for f in outcome.findings])
    if plan is None:
        _record(context, event, request, None)
        return summary | {
            "approval": {"needed": False, "reason": "", "timeout_seconds": 0, "state_timeout_seconds": 0}
        }
    # File first, hash second: a crash in between leaves a file that no later step accepts.
    stored = context.files.put(event.run_id, PLAN, plan)
    _record(context, event, request, stored.sha256)
    return summary | _summary(plan) | {"uri": stored.uri, "sha256": stored.sha256}


def _record(context: Context, event: StepEvent, request: Request | None, plan_sha256: str | None) -> None:
    """Complete the RUN item, or make it: an execution without one was started from the console."""
    facts: dict[str, Any] = {"execution_arn": event.execution.arn}
    if request is not None:
        facts |= {
            "technique": request.technique,
            "use_case": request.use_case,
            "base_model": request.base_model,
            "request_hash": request_hash(request),
        }
    if plan_sha256:
        facts["plan_sha256"] = plan_sha256
    # A start whose answer was lost counts as not started, until the execution shows that it was.
    revived = context.runs.update_run(
        event.run_id,
        {"status": STARTED},
        remove=("outcome", "error", "cause", "ended_at"),
        condition="#outcome = :none",
        values={":none": NOT_STARTED},
    )
    run = context.runs.update(
        run_pk(event.run_id),
        RUN,
        facts,
        defaults={
            "kind": KIND_RUN,
            "run_id": event.run_id,
            "source": "console",
            "requester": "unknown",
            "requester_assurance": "unverified",
            "attempt": 1,
            "force": False,
            "created_at": event.execution.started_at or context.timestamp(),
            "status": STARTED,
        },
    )
    if run and (revived or run["source"] == "console") and run["status"] != ENDED:
        _look_after(context, pending_run(event.run_id, event.execution.arn, run["created_at"]))


def _look_after(context: Context, pending: Item) -> None:
    facts = {name: value for name, value in pending.items() if name not in ("pk", "sk")}
    context.runs.update(pending["pk"], pending["sk"], {}, defaults=facts)


def _summary(plan: Plan) -> dict[str, Any]:
    return {
        "request_hash": plan.request_hash,
        "technique": plan.technique,
        "model": {
            "name": plan.model.name,
            "version": plan.model.version,
            "arn": plan.model.arn,
            "gated": plan.model.gated,
        },
        "recipe": plan.recipe.name,
        "training_data": plan.training_data.uri,
        "job_base": plan.base_job_name,
        "group": plan.group.name,
        "reward": plan.reward and msgspec.to_builtins(plan.reward),
        "licence": {
            "name": plan.licence.name,
            "url": plan.licence.url,
            "statement": plan.licence.statement,
        },
        "approval": {
            "needed": plan.approval.needed,
            "reason": plan.approval.reason,
            "timeout_seconds": plan.approval.timeout_seconds,
            "state_timeout_seconds": plan.approval.timeout_seconds + STATE_GRACE_SECONDS,
        },
    }
