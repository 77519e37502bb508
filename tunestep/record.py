"""The run record: one JSON file that says who asked for what, who decided, what ran and how it ended."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tunestep.context import Context
from tunestep.run_files import DATASET, PLAN, RECORD, Stored
from tunestep.runs import Item

VERSION = 1

_DECISION = (
    "state",
    "actor",
    "channel",
    "assurance",
    "reason",
    "decided_at",
    "decided_in_run",
    "request_hash",
    "model_arn",
    "model_version",
    "source_model_package_arn",
    "licence",
    "dataset",
    "execution_arn",
)
_ORIGIN = ("source", "requester", "requester_assurance", "attempt", "retry_of", "created_at", "notice_error")


def _plan(context: Context, run_id: str, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """The stored plan, if it is the one that the table recorded."""
    found = context.files.get(run_id, PLAN) if run.get("plan_sha256") else None
    if found is None or found[1] != run["plan_sha256"]:
        return None
    document: dict[str, Any] = msgspec.json.decode(found[0])
    return document


def _dataset(context: Context, run_id: str, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the check of the data said in short, if its file is the one that the table recorded."""
    facts = run.get("dataset") or {}
    found = context.files.get(run_id, DATASET) if facts else None
    if found is None or found[1] != facts["sha256"]:
        return None
    document = msgspec.json.decode(found[0])
    kept = ("ok", "checked", "report", "warnings", "findings", "findings_uri")
    return {name: document[name] for name in kept if name in document} | {
        "uri": facts["uri"],
        "sha256": facts["sha256"],
    }


def decision(item: Item | None) -> dict[str, Any] | None:
    """The part of an APPROVAL item that a record keeps; None when nobody was asked."""
    return {key: item[key] for key in _DECISION if item.get(key)} if item else None


def write(
    context: Context,
    run_id: str,
    *,
    outcome: str,
    request: Any,
    sections: Mapping[str, Any],
) -> Stored:
    """Write ``runs/<run id>/record.json`` from the table, the stored plan and what the caller knows.

    ``sections`` are added as they are: ``training``, ``results``, ``error``, ``gaps``. No task token and
    no data row is ever in a record.
    """
    run = context.runs.run(run_id) or {}
    document = {
        "version": VERSION,
        "run_id": run_id,
        "execution_arn": run.get("execution_arn") or context.execution_arn(run_id),
        "outcome": outcome,
        "origin": {key: run[key] for key in _ORIGIN if key in run},
        "request": request,
        "request_hash": run.get("request_hash", ""),
        "plan_sha256": run.get("plan_sha256", ""),
        "plan": _plan(context, run_id, run),
        "dataset": _dataset(context, run_id, run),
        "approval": decision(context.runs.approval(run_id)),
        "written_at": context.timestamp(),
        **sections,
    }
    return context.files.put(run_id, RECORD, document)
