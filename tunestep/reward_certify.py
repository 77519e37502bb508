"""Certifies the reward, and gathers what all checks found into one verdict."""

from collections.abc import Sequence
from typing import Any

from tunestep.certify import step, verdict
from tunestep.certify.certification import Certified
from tunestep.certify.outcomes import Thresholds
from tunestep.context import Context, StepEvent, plan_of, request_of
from tunestep.errors import CAUSE_LIMIT
from tunestep.findings import errors_by_kind
from tunestep.plan_model import Plan
from tunestep.run_files import DATASET, FINDINGS, REWARD
from tunestep.validation import shown

_ENDING_ROOM = 320
_TABLE_ROOM = 700
"""Characters of a cause that the table of failed probes may take, of its error's 2,048."""


def _line(finding: dict[str, Any]) -> str:
    fix = f" {finding['fix']}" if finding.get("fix") else ""
    return f"{finding.get('code')} at {finding.get('where')}: {finding.get('message')}{fix}"


def _verdict(errors: dict[str, int]) -> str:
    wrong = {kind for kind, count in errors.items() if count}
    if not wrong:
        return "MET"
    if wrong == {"budget"}:
        return "BudgetExceeded"
    if wrong == {"reward"}:
        return "RewardNotCertified"
    return "PrerequisitesNotMet"


def _fitting(head: str, lines: Sequence[str], room: int) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if len("\n".join([head, *kept, line])) > room:
            break
        kept.append(line)
    return kept


def _cause(
    context: Context, event: StepEvent, errors: dict[str, int], own: list[dict[str, Any]], table: list[str]
) -> str:
    """All error findings that fit into one error cause, the count of the rest, and where they are.

    The table of failed probes comes first; in a cause it says more per character than sentences do.
    """
    listed = [
        *(found for part in ("plan", "dataset") for found in event.part(part).get("findings", [])),
        *own,
    ]
    lines = [_line(finding) for finding in listed if finding.get("severity") == "error"]
    total = sum(errors.values())
    head = f"{total} error{'s' if total != 1 else ''} in the request or the account."
    if _verdict(errors) == "RewardNotCertified":
        head = f"The reward is not certified: {total} error{'s' if total != 1 else ''}."
    rows = _fitting(head, table, _TABLE_ROOM)
    head = "\n".join([head, *rows])
    kept = _fitting(head, lines, CAUSE_LIMIT - _ENDING_ROOM)
    if not kept and lines:
        kept = [lines[0][: CAUSE_LIMIT - _ENDING_ROOM - len(head) - 10] + " [cut]"]
    ending = "Correct the request and start it with `tunestep run`."
    if own and _verdict(errors) == "RewardNotCertified":
        ending = (
            f"Table and worst examples: {context.files.uri(event.run_id, REWARD)}. Mend the reward; "
            "`tunestep reward test` tries it without a run."
        )
    elif total > len(kept):
        name = FINDINGS if sum(event.part("plan").get("errors", {}).values()) else DATASET
        ending = f"And {total - len(kept)} more in {context.files.uri(event.run_id, name)}. {ending}"
    return "\n".join([head, *kept, ending])


def _certified(context: Context, event: StepEvent, plan: Plan) -> Certified | None:
    if plan.reward is None:
        return None
    reward = request_of(event, plan).reward
    thresholds = Thresholds.of(reward.certify if reward else None)
    certified = step.certify(context, event.run_id, plan, thresholds)
    if certified is not None:
        context.files.put(event.run_id, REWARD, certified.report())
    return certified


def certify_reward(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``reward``: the verdict on everything checked so far, its cause, the table of probes.

    The reward is tried only when everything before it is in order. Raises TransientFault when a service is
    busy, PlanChanged when the document does not hold the planned request.
    """
    before = errors_by_kind(())
    for part in ("plan", "dataset"):
        for kind, count in event.part(part).get("errors", {}).items():
            before[kind] = before.get(kind, 0) + int(count)
    plan = plan_of(context, event) if event.part("plan").get("ok") else None
    tried = _certified(context, event, plan) if plan and not any(before.values()) else None
    findings = tried.findings if tried else []
    own = errors_by_kind(findings)
    errors = {kind: before.get(kind, 0) + own.get(kind, 0) for kind in before}
    result = _verdict(errors)
    carried = shown(findings)
    answer = {
        "ok": result == "MET",
        "errors": own,
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "findings": carried,
        "kind": plan.reward.kind if plan and plan.reward else "none",
        "verdict": result,
        "cause": "",
    }
    if tried:
        answer |= step.summary(tried) | {"uri": context.files.uri(event.run_id, REWARD)}
    if result != "MET":
        table = verdict.lines(tried.probes) if tried else []
        answer["cause"] = _cause(context, event, errors, carried, table)
    return answer
