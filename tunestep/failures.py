"""Raw errors of Step Functions and Lambda, turned into the named errors that people see."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tunestep import runs
from tunestep.errors import CAUSE_LIMIT, PUBLIC_NAMES
from tunestep.text import visible


def _lambda_error(cause: str) -> dict[str, Any]:
    """The error object that Lambda puts into Cause; empty when it is something else."""
    try:
        decoded = msgspec.json.decode(cause)
    except msgspec.DecodeError:
        return {}
    return decoded if isinstance(decoded, dict) and "errorMessage" in decoded else {}


def _with_retry(cause: str, run_id: str) -> str:
    if "`tunestep " in cause:
        return cause[:CAUSE_LIMIT]
    ending = f" Run it again with `tunestep retry {run_id}`."
    return cause[: CAUSE_LIMIT - len(ending)] + ending


def named_error(raw: Mapping[str, Any], run_id: str) -> tuple[str, str]:
    """Name and cause (at most 2,048 characters) for the ``error`` that a Catch or a Pass wrote.

    An error that is not ours is a ServiceFault whose cause says what it was.
    """
    error = str(raw.get("Error") or "States.TaskFailed")
    cause = str(raw.get("Cause") or "")
    inner = _lambda_error(cause)
    if inner:
        cause = str(inner["errorMessage"])
        error = str(inner.get("errorType") or error)
    cause = visible(cause, CAUSE_LIMIT).strip()
    if error in PUBLIC_NAMES:
        return error, _with_retry(cause or "No cause was given.", run_id)
    if error == "QuotaReached":
        return "ServiceFault", _with_retry(f"No quota became free: {cause}", run_id)
    if error == "TransientFault":
        return "ServiceFault", _with_retry(f"AWS kept failing: {cause}", run_id)
    return "ServiceFault", _with_retry(f"{error}: {cause or 'no cause was given'}", run_id)


def status_error(detail: Mapping[str, Any], run: Mapping[str, Any], run_id: str) -> tuple[str, str]:
    """Name and cause for an execution that ended without its own clean-up, from its status event."""
    status = detail.get("status")
    if run.get("status") == runs.STOPPING:
        return "StoppedByUser", _with_retry(f"Stopped by {run.get('stopped_by', 'somebody')}.", run_id)
    if status == "ABORTED":
        said = str(detail.get("cause") or detail.get("error") or "")
        return "StoppedByUser", _with_retry(f"The execution was aborted. {said}".strip(), run_id)
    if status == "TIMED_OUT":
        return "ServiceFault", _with_retry("The execution timed out.", run_id)
    return named_error({"Error": detail.get("error"), "Cause": detail.get("cause")}, run_id)
