"""Where moto's interpreter and ours differ on purpose: one row each, with what AWS documents.

Both sides are asserted, so that a row disappears as soon as moto does what AWS does.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.local.asl.build import CAUGHT, WORK, Scenario, branches, caught, machine, task, waiting
from tests.local.asl.machine import function
from tests.local.asl.runners import Action, Outcome, Refuses, Returns, Silent

_GUIDE = "https://docs.aws.amazon.com/step-functions/latest/dg/"
_ERRORS = _GUIDE + "concepts-error-handling.html"


class Difference(NamedTuple):
    """A scenario, what AWS documents and where, and members of the outcome here and on the other side."""

    scenario: Scenario
    documented: str
    page: str
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]


def members(outcome: Outcome, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What an outcome has under these names; a dot leads into the document."""
    found = {}
    for name in wanted:
        first, *rest = name.split(".")
        value = getattr(outcome, first)
        for key in rest:
            value = value[key]
        found[name] = value
    return found


def _scenario(name: str, definition: Mapping[str, Any], action: Action, document: Any = None) -> Scenario:
    return Scenario(name, definition, {WORK: [action]}, {} if document is None else document, ())


def _reaching(**fields: Any) -> dict[str, Any]:
    """A task whose every error goes to the state Caught."""
    return machine(T=task(**fields, Catch=caught("States.ALL")), Caught=CAUGHT)


def _ended(error: str) -> dict[str, Any]:
    return {"status": "FAILED", "error": error}


def _caught_as(error: str) -> dict[str, Any]:
    return {"status": "SUCCEEDED", "path": ("T", "Caught"), "document.caught.Error": error}


_DONE = Returns({"a": {"b": [{"c": "deep"}]}})
_WAITS = {"TimeoutSeconds": 600, "HeartbeatSeconds": 60}
_NEVER_CAUGHT = "States.Runtime errors always end the execution; States.ALL does not catch them."
_HEARTBEAT = "A missed heartbeat is States.HeartbeatTimeout, available to Catch and Retry."

DIFFERENCES = [
    Difference(
        _scenario("a missing path in Parameters", _reaching(Parameters={"x.$": "$.missing"}), _DONE),
        _NEVER_CAUGHT,
        _ERRORS,
        _ended("States.Runtime"),
        _caught_as("Exception"),
    ),
    Difference(
        _scenario("a missing path in ResultSelector", _reaching(ResultSelector={"x.$": "$.missing"}), _DONE),
        _NEVER_CAUGHT,
        _ERRORS,
        _ended("States.Runtime"),
        _caught_as("Exception"),
    ),
    Difference(
        _scenario("a missing path of a time-out", _reaching(TimeoutSecondsPath="$.missing"), _DONE),
        _NEVER_CAUGHT,
        _ERRORS,
        _ended("States.Runtime"),
        _caught_as("States.Runtime"),
    ),
    Difference(
        _scenario("a result beyond the limit", _reaching(), Returns("x" * 300_000)),
        "States.DataLimitExceeded is a terminal error that States.ALL does not catch.",
        _ERRORS,
        _ended("States.DataLimitExceeded"),
        _caught_as("States.DataLimitExceeded"),
    ),
    Difference(
        _scenario(
            "an intrinsic function fails",
            _reaching(Parameters={"x.$": "States.StringToJson($.t)"}),
            _DONE,
            {"t": "no"},
        ),
        "A failing intrinsic function is States.IntrinsicFailure.",
        _ERRORS,
        _caught_as("States.IntrinsicFailure"),
        _caught_as("Exception"),
    ),
    Difference(
        _scenario("ResultPath into a string", _reaching(ResultPath="$.a.b"), _DONE, {"a": "text"}),
        "A ResultPath that cannot be applied is States.ResultPathMatchFailure.",
        _ERRORS,
        _caught_as("States.ResultPathMatchFailure"),
        _caught_as("Exception"),
    ),
    Difference(
        _scenario("a function's ARN throttled", _reaching(), Refuses("TooManyRequestsException")),
        "Faults of the Lambda service carry the service's names, for Retry to name.",
        _GUIDE + "sfn-best-practices.html",
        _caught_as("Lambda.TooManyRequestsException"),
        _caught_as("Exception"),
    ),
    Difference(
        _scenario(
            "a heartbeat is missed",
            machine(T=waiting(**_WAITS, Catch=caught("States.ALL")), Caught=CAUGHT),
            Silent(),
        ),
        _HEARTBEAT,
        _ERRORS,
        _caught_as("States.HeartbeatTimeout"),
        _caught_as("States.Timeout"),
    ),
    Difference(
        _scenario(
            "a missed heartbeat by its name",
            machine(T=waiting(**_WAITS, Catch=caught("States.HeartbeatTimeout")), Caught=CAUGHT),
            Silent(),
        ),
        _HEARTBEAT,
        _ERRORS,
        _caught_as("States.HeartbeatTimeout"),
        _ended("States.Timeout"),
    ),
    Difference(
        _scenario(
            "no choice rule holds",
            branches({"Variable": "$.v", "IsNull": True}, default=False),
            _DONE,
            {"v": 1},
        ),
        "Without Default the error is States.NoChoiceMatched.",
        _ERRORS,
        _ended("States.NoChoiceMatched"),
        _ended("States.Runtime"),
    ),
    Difference(
        _scenario("a choice without its variable", branches({"Variable": "$.v", "IsString": True}), _DONE),
        "Only IsPresent may look at what is not there; a path without a value is States.Runtime.",
        _GUIDE + "state-choice.html",
        _ended("States.Runtime"),
        {"status": "SUCCEEDED", "path": ("Choose", "Other")},
    ),
    Difference(
        _scenario(
            "an escaped star", branches({"Variable": "$.v", "StringMatches": r"a\*b*"}), _DONE, {"v": "a*bc"}
        ),
        r"A backslash before a star makes it the character itself.",
        _GUIDE + "state-choice.html",
        {"path": ("Choose", "Branch0")},
        {"path": ("Choose", "Other")},
    ),
    Difference(
        _scenario("an index within a path", machine(T=task(ResultSelector={"c.$": "$.a.b[0].c"})), _DONE),
        "A reference path identifies one value, with an index too.",
        _GUIDE + "amazon-states-language-paths.html",
        {"document.c": "deep"},
        {"document.c": ["deep"]},
    ),
    Difference(
        _scenario(
            "a function invoked with metadata is throttled",
            machine(
                T={
                    "Type": "Task",
                    "Resource": "arn:aws:states:::lambda:invoke",
                    "Parameters": {"FunctionName": function("work")},
                    "End": True,
                }
            ),
            Refuses("TooManyRequestsException"),
        ),
        "The cause is the service's message; what more it says is not published.",
        _GUIDE + "connect-lambda.html",
        {**_ended("Lambda.TooManyRequestsException"), "cause": "refused"},
        _ended("Lambda.TooManyRequestsException"),
    ),
]
