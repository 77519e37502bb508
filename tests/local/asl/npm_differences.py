"""Where aws-local-stepfunctions and our interpreter differ on purpose; asserted on both sides as well."""

from collections.abc import Mapping
from typing import Any

from tests.local.asl.build import WORK, Scenario, machine, task
from tests.local.asl.differences import DIFFERENCES, Difference
from tests.local.asl.runners import Returns
from tests.local.asl.small_scenarios import small_scenarios

_GUIDE = "https://docs.aws.amazon.com/step-functions/latest/dg/"
_ERRORS = _GUIDE + "concepts-error-handling.html"
_LIMITS = _GUIDE + "service-quotas.html"

_KNOWN = {
    scenario.name: scenario
    for scenario in (*small_scenarios(), *(difference.scenario for difference in DIFFERENCES))
}


def _row(
    name: str | Scenario, documented: str, page: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Difference:
    scenario = name if isinstance(name, Scenario) else _KNOWN[name]
    return Difference(scenario, documented, page, ours, theirs)


def _failed(error: str) -> dict[str, Any]:
    return {"status": "FAILED", "error": error}


def _caught(error: str) -> dict[str, Any]:
    return {"status": "SUCCEEDED", "path": ("T", "Caught"), "document.caught.Error": error}


_TIMEOUT_FROM_INPUT = Scenario(
    "a time-out from the state's input",
    machine(T=task(TimeoutSecondsPath="$.seconds", Parameters={"x": 1})),
    {WORK: [Returns({"done": True})]},
    {"seconds": 60},
    (),
)

NPM_DIFFERENCES = [
    _row(
        _TIMEOUT_FROM_INPUT,
        "TimeoutSecondsPath selects from the state's input, not from what Parameters makes of it.",
        _GUIDE + "state-task.html",
        {"status": "SUCCEEDED", "document": {"done": True}},
        _failed("States.Runtime"),
    ),
    _row(
        "pass with parameters",
        "$$.State.Name is the state that runs; here the context is what the caller made of it.",
        _GUIDE + "input-output-contextobject.html",
        {"document.s": "P"},
        {"document.s": "unknown"},
    ),
    _row(
        "fail with paths",
        "CausePath takes an intrinsic function as well as a path.",
        _GUIDE + "state-fail.html",
        {**_failed("Named"), "cause": "in words!"},
        _failed("States.Runtime"),
    ),
    _row(
        "fail without anything",
        "Error and Cause of a Fail state are optional, and are then absent.",
        _GUIDE + "state-fail.html",
        {"status": "FAILED", "error": None, "cause": None},
        _failed("FailStateError"),
    ),
    _row(
        "invoke answers with metadata",
        "lambda:invoke answers {ExecutedVersion, Payload, StatusCode}; here it is whatever the function is.",
        _GUIDE + "connect-lambda.html",
        {"status": "SUCCEEDED", "document.s": 200},
        _failed("States.Runtime"),
    ),
    _row(
        "output beyond the limit",
        "Input or output of a state, as a UTF-8 string, is at most 262,144 bytes.",
        _LIMITS,
        _failed("States.DataLimitExceeded"),
        {"status": "SUCCEEDED"},
    ),
    _row(
        "a result beyond the limit",
        "States.DataLimitExceeded is a terminal error that States.ALL does not catch.",
        _ERRORS,
        _failed("States.DataLimitExceeded"),
        {"status": "SUCCEEDED"},
    ),
    _row(
        "an intrinsic function fails",
        "A failing intrinsic function is States.IntrinsicFailure.",
        _ERRORS,
        _caught("States.IntrinsicFailure"),
        _caught("SyntaxError"),
    ),
    _row(
        "ResultPath into a string",
        "A ResultPath that cannot be applied is States.ResultPathMatchFailure.",
        _ERRORS,
        _caught("States.ResultPathMatchFailure"),
        {"status": "SUCCEEDED", "path": ("T",)},
    ),
    _row(
        "a heartbeat is missed",
        "A missed heartbeat is States.HeartbeatTimeout; here heartbeats do not exist.",
        _ERRORS,
        _caught("States.HeartbeatTimeout"),
        _caught("States.Timeout"),
    ),
    _row(
        "a missed heartbeat by its name",
        "A missed heartbeat is States.HeartbeatTimeout; here heartbeats do not exist.",
        _ERRORS,
        _caught("States.HeartbeatTimeout"),
        _failed("States.Timeout"),
    ),
]
