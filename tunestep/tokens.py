"""Answers to waiting states, through their task tokens."""

from typing import Any

import msgspec
from botocore.exceptions import ClientError

from tunestep.aws import error_code
from tunestep.context import Context
from tunestep.errors import CAUSE_LIMIT, TunestepError

_GONE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
"""The state has ended or never was (Step Functions API, SendTaskSuccess, Errors)."""


def succeed(context: Context, token: str, value: Any) -> bool:
    """Send a state its result; False when nothing waits for it any more."""
    return _sent(
        context.clients.stepfunctions.send_task_success,
        taskToken=token,
        output=msgspec.json.encode(value).decode(),
    )


def fail(context: Context, token: str, error: TunestepError) -> bool:
    """Make a waiting state fail with a named error; False when nothing waits for it any more."""
    return _sent(
        context.clients.stepfunctions.send_task_failure,
        taskToken=token,
        error=error.name,
        cause=str(error)[:CAUSE_LIMIT],
    )


def _sent(operation: Any, **members: str) -> bool:
    try:
        operation(**members)
    except ClientError as fault:
        if error_code(fault) not in _GONE:
            raise
        return False
    return True
