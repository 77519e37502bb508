"""The fields of each state type: which there are, and what is wrong with their values.

Sources: Amazon States Language specification; "Lambda:invoke" and "Retry and Catch" in the Step
Functions developer guide for the ranges.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from tunestep.local.interpreter import choices, failures, intrinsics, paths, templates

Check = Callable[[Any], str | None]

MAX_SECONDS = 99999999
LAMBDA_ARN = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9-_]+(:[A-Za-z0-9$_-]+)?")
INVOKE = re.compile(r"arn:aws[a-z-]*:states:::lambda:invoke(?P<wait>\.waitForTaskToken)?")


def positive_integer(value: Any) -> bool:
    """Whether the value is a number of seconds that the service takes."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SECONDS


def waits_for_token(state: dict[str, Any]) -> bool:
    """Whether the state's task ends by a token and not by the function's answer."""
    match = INVOKE.fullmatch(state["Resource"])
    return match is not None and match["wait"] is not None


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) else "a string is expected"


def _short(limit: int) -> Check:
    return lambda v: _string(v) or (None if len(v) <= limit else f"has more than {limit} characters")


def _true(value: Any) -> str | None:
    return None if value is True else "only true is allowed"


def _seconds(value: Any) -> str | None:
    return None if positive_integer(value) else f"a whole number from 1 to {MAX_SECONDS} is expected"


def _path(value: Any) -> str | None:
    if not isinstance(value, str):
        return "a path is expected"
    try:
        paths.parse(value)
    except paths.PathInvalid as fault:
        return str(fault)
    return None


def _path_or_null(value: Any) -> str | None:
    return None if value is None else _path(value)


def _result_path(value: Any) -> str | None:
    if fault := _path_or_null(value):
        return fault
    return "the context object cannot be written" if value is not None and value.startswith("$$") else None


def _path_or_intrinsic(value: Any) -> str | None:
    if not isinstance(value, str) or not value.startswith("States."):
        return _path(value)
    try:
        intrinsics.parse(value)
    except intrinsics.IntrinsicInvalid as fault:
        return str(fault)
    return None


def _template(value: Any) -> str | None:
    return "; ".join(templates.faults(value, "")) or None


def _object_template(value: Any) -> str | None:
    return _template(value) if isinstance(value, dict) else "an object is expected"


def _query_language(value: Any) -> str | None:
    return None if value == "JSONPath" else "only JSONPath is supported"


def _resource(value: Any) -> str | None:
    if isinstance(value, str) and (LAMBDA_ARN.fullmatch(value) or INVOKE.fullmatch(value)):
        return None
    return f"{value!r} is neither a function's ARN nor lambda:invoke with or without .waitForTaskToken"


def _choices(value: Any) -> str | None:
    if not isinstance(value, list) or not value:
        return "a list with at least one rule is expected"
    found = [f for i, rule in enumerate(value) for f in choices.faults(rule, f"[{i}]")]
    return "; ".join(found) or None


def _anything(_value: Any) -> str | None:
    return None


def _number(low: float, high: float, *, whole: bool = True) -> Check:
    def check(value: Any) -> str | None:
        kinds = int if whole else (int, float)
        if isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"{'a whole' if whole else 'a'} number from {low} to {high} is expected"

    return check


def _jitter(value: Any) -> str | None:
    return None if value in ("FULL", "NONE") else "FULL or NONE is expected"


def _error_names(value: Any) -> str | None:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        return "a list of error names is expected"
    if failures.ALL in value and len(value) > 1:
        return f"{failures.ALL} must stand alone"
    return None


_RETRIER: dict[str, Check] = {
    "ErrorEquals": _error_names,
    "IntervalSeconds": _number(1, MAX_SECONDS),
    "MaxAttempts": _number(0, MAX_SECONDS),
    "BackoffRate": _number(1, float("inf"), whole=False),
    "MaxDelaySeconds": _number(1, 31622400),
    "JitterStrategy": _jitter,
    "Comment": _string,
}
_CATCHER: dict[str, Check] = {
    "ErrorEquals": _error_names,
    "Next": _string,
    "ResultPath": _result_path,
    "Comment": _string,
}


def _handlers(fields: dict[str, Check], required: tuple[str, ...]) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            return "a list of objects is expected"
        found = [
            f"[{index}]: {fault}"
            for index, item in enumerate(value)
            for fault in _fields(item, fields, required)
        ]
        if any(item.get("ErrorEquals") == [failures.ALL] for item in value[:-1]):
            found.append(f"{failures.ALL} must come last")
        return "; ".join(found) or None

    return check


_COMMON: dict[str, Check] = {"Type": _string, "Comment": _string, "QueryLanguage": _query_language}
_IN_OUT: dict[str, Check] = {"InputPath": _path_or_null, "OutputPath": _path_or_null}
_FLOW: dict[str, Check] = {"Next": _string, "End": _true}

_FIELDS: dict[str, tuple[dict[str, Check], tuple[str, ...]]] = {
    "Task": (
        _COMMON
        | _IN_OUT
        | _FLOW
        | {
            "Resource": _resource,
            "Parameters": _template,
            "ResultSelector": _object_template,
            "ResultPath": _result_path,
            "Retry": _handlers(_RETRIER, ("ErrorEquals",)),
            "Catch": _handlers(_CATCHER, ("ErrorEquals", "Next")),
            "TimeoutSeconds": _seconds,
            "TimeoutSecondsPath": _path,
            "HeartbeatSeconds": _seconds,
            "HeartbeatSecondsPath": _path,
        },
        ("Resource",),
    ),
    "Pass": (
        _COMMON
        | _IN_OUT
        | _FLOW
        | {"Result": _anything, "Parameters": _template, "ResultPath": _result_path},
        (),
    ),
    "Choice": (_COMMON | _IN_OUT | {"Choices": _choices, "Default": _string}, ("Choices",)),
    "Succeed": (_COMMON | _IN_OUT, ()),
    "Fail": (
        _COMMON
        | {
            "Error": _short(failures.ERROR_LIMIT),
            "Cause": _short(failures.CAUSE_LIMIT),
            "ErrorPath": _path_or_intrinsic,
            "CausePath": _path_or_intrinsic,
        },
        (),
    ),
}
_EXCLUSIVE = (
    ("Next", "End"),
    ("TimeoutSeconds", "TimeoutSecondsPath"),
    ("HeartbeatSeconds", "HeartbeatSecondsPath"),
    ("Error", "ErrorPath"),
    ("Cause", "CausePath"),
)


def faults(state: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one state, its neighbours aside."""
    kind = state.get("Type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        yield f"the type {kind!r} is not supported; supported are {', '.join(_FIELDS)}"
        return
    fields, required = _FIELDS[kind]
    yield from _fields(state, fields, required)
    for one, other in _EXCLUSIVE:
        if one in state and other in state:
            yield f"{one} and {other} exclude each other"
    if "Next" in fields and "Next" not in state and "End" not in state:
        yield "Next or End is required"
    if kind == "Task" and _resource(state.get("Resource")) is None:
        yield from _task_faults(state)


def _fields(item: dict[str, Any], fields: dict[str, Check], required: tuple[str, ...]) -> Iterator[str]:
    for field in required:
        if field not in item:
            yield f"{field} is required"
    for field, value in item.items():
        if field not in fields:
            yield f"unknown field '{field}'"
        elif fault := fields[field](value):
            yield f"{field}: {fault}"


def _task_faults(state: dict[str, Any]) -> Iterator[str]:
    timeout, heartbeat = state.get("TimeoutSeconds", MAX_SECONDS + 1), state.get("HeartbeatSeconds", 0)
    if positive_integer(timeout) and positive_integer(heartbeat) and heartbeat >= timeout:
        yield "HeartbeatSeconds must be smaller than TimeoutSeconds"
    parameters = state.get("Parameters")
    if INVOKE.fullmatch(state["Resource"]):
        yield from _invoke_faults(parameters)
    if not waits_for_token(state) and _template(parameters) is None and _reads_token(parameters):
        yield "$$.Task.Token exists only in a task that waits for it (.waitForTaskToken)"


def _invoke_faults(parameters: Any) -> Iterator[str]:
    members = set(parameters) if isinstance(parameters, dict) else set()
    if not members & {"FunctionName", "FunctionName.$"}:
        yield "Parameters: FunctionName is required"
    for name in sorted(members - {"FunctionName", "FunctionName.$", "Payload", "Payload.$"}):
        yield f"Parameters: the laptop cloud does not support '{name}' of lambda:invoke"


def _reads_token(parameters: Any) -> bool:
    return any(path.context and path.steps[:1] == ("Task",) for path in templates.paths_of(parameters))
