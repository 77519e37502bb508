"""Gathers what the checks found into one verdict; certifying the reward itself adds to it later."""

from typing import Any

from tunestep.context import Context, StepEvent, plan_of
from tunestep.errors import CAUSE_LIMIT
from tunestep.findings import errors_by_kind
from tunestep.run_files import DATASET, FINDINGS

_ENDING_ROOM = 320


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


def _cause(context: Context, event: StepEvent, errors: dict[str, int]) -> str:
    """All error findings that fit into one error cause, the count of the rest, and where they are."""
    lines = [
        _line(finding)
        for part in ("plan", "dataset")
        for finding in event.part(part).get("findings", [])
        if finding.get("severity") == "error"
    ]
    total = sum(errors.values())
    head = f"{total} error{'s' if total != 1 else ''} in the request or the account."
    kept: list[str] = []
    for line in lines:
        if len("\n".join([head, *kept, line])) > CAUSE_LIMIT - _ENDING_ROOM:
            break
        kept.append(line)
    if not kept and lines:
        kept = [lines[0][: CAUSE_LIMIT - _ENDING_ROOM - len(head) - 10] + " [cut]"]
    ending = "Correct the request and start it with `tunestep run`."
    if total > len(kept):
        name = FINDINGS if sum(event.part("plan").get("errors", {}).values()) else DATASET
        ending = f"And {total - len(kept)} more in {context.files.uri(event.run_id, name)}. {ending}"
    return "\n".join([head, *kept, ending])


def certify_reward(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``reward``: the verdict on everything checked so far, and its cause."""
    ok = bool(event.part("plan").get("ok"))
    errors = errors_by_kind(())
    for part in ("plan", "dataset"):
        for kind, count in event.part(part).get("errors", {}).items():
            errors[kind] = errors.get(kind, 0) + int(count)
    kind = "none"
    if ok:
        plan = plan_of(context, event)
        kind = plan.reward.kind if plan.reward else "none"
    verdict = _verdict(errors)
    return {
        "ok": verdict == "MET",
        "errors": errors_by_kind(()),
        "findings": [],
        "kind": kind,
        "verdict": verdict,
        "cause": "" if verdict == "MET" else _cause(context, event, errors),
    }
