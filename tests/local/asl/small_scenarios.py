"""Features of the language, one at a time."""

from collections.abc import Mapping
from typing import Any

from tests.local.asl.build import CAUGHT, WORK, Scenario, branches, caught, machine, task, waiting
from tests.local.asl.machine import function
from tests.local.asl.runners import Action, Fails, Raises, Returns, Sends, Silent


def small_scenarios() -> list[Scenario]:
    """Scenarios on which both interpreters agree."""
    same = [Returns({"a": {"b": [1, {"c": "deep"}]}, "n": 1.5, "t": None})]

    def case(
        name: str,
        definition: Mapping[str, Any],
        actions: list[Action] | None = None,
        document: Any = None,
        visits: str = "",
    ) -> Scenario:
        script = {WORK: actions or same}
        return Scenario(name, definition, script, {} if document is None else document, tuple(visits.split()))

    is_text = {"Variable": "$.v", "IsString": True}
    return [
        case(
            "paths in and out",
            machine(
                T=task(
                    InputPath="$.in",
                    Parameters={"x.$": "$.y[1]", "all.$": "$", "k": [{"z.$": "$.y[0]"}]},
                    ResultSelector={"c.$": "$.a.b[0]", "n.$": "$.n"},
                    ResultPath="$.out.here",
                    OutputPath="$.out",
                )
            ),
            document={"in": {"y": [1, 2]}, "out": {"old": 1}},
        ),
        case("result replaces", machine(T=task())),
        case("result is dropped", machine(T=task(ResultPath=None)), document={"kept": True}),
        case("output path null", machine(T=task(OutputPath=None))),
        case("input path null", machine(T=task(InputPath=None, ResultPath="$.r")), document={"kept": 1}),
        case(
            "pass with result",
            machine(P={"Type": "Pass", "Result": {"a": 1}, "ResultPath": "$.r.s", "End": True}),
            document={"x": 1},
        ),
        case(
            "pass with parameters",
            machine(
                P={
                    "Type": "Pass",
                    "Parameters": {
                        "n.$": "$$.Execution.Name",
                        "i.$": "$$.Execution.Input.x",
                        "s.$": "$$.State.Name",
                    },
                    "End": True,
                }
            ),
            document={"x": 7},
        ),
        case(
            "intrinsics",
            machine(
                P={
                    "Type": "Pass",
                    "End": True,
                    "Parameters": {
                        "f.$": "States.Format('{} is {} and {}', $.name, $.age, 'x')",
                        "j.$": "States.JsonToString($.o)",
                        "o.$": "States.StringToJson($.text)",
                        "l.$": "States.Array($.age, 'b', true)",
                        "nested.$": "States.Format('<{}>', States.JsonToString($.o))",
                    },
                }
            ),
            document={"name": "Ann", "age": 7, "o": {"b": [1, 2]}, "text": '{"q":[true]}'},
        ),
        case("fail with texts", machine(F={"Type": "Fail", "Error": "Named", "Cause": "in words"})),
        case(
            "fail with paths",
            machine(F={"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{}!', $.c)"}),
            document={"e": "Named", "c": "in words"},
        ),
        case("fail without anything", machine(F={"Type": "Fail"})),
        case(
            "succeed with paths",
            machine(S={"Type": "Succeed", "InputPath": "$.a", "OutputPath": "$.b"}),
            document={"a": {"b": [1]}},
        ),
        case(
            "choice and",
            branches({"And": [{"Variable": "$.v", "IsPresent": True}, is_text]}),
            document={"v": "x"},
            visits="Branch0",
        ),
        case(
            "choice and stops early",
            branches({"And": [{"Variable": "$.v", "IsPresent": True}, is_text]}),
            visits="Other",
        ),
        case(
            "choice or, not",
            branches({"Or": [{"Not": is_text}, {"Variable": "$.v", "StringEquals": "x"}]}),
            document={"v": "x"},
            visits="Branch0",
        ),
        case(
            "choice numbers",
            branches(
                {"Variable": "$.v", "NumericLessThan": 1},
                {"Variable": "$.v", "NumericGreaterThanEquals": 1.5},
            ),
            document={"v": 1.5},
            visits="Branch1",
        ),
        case(
            "choice of another type",
            branches({"Variable": "$.v", "NumericEquals": 1}, {"Variable": "$.v", "BooleanEquals": True}),
            document={"v": "1"},
            visits="Other",
        ),
        case(
            "choice by paths",
            branches({"Variable": "$.v", "StringEqualsPath": "$.w"}),
            document={"v": "s", "w": "s"},
            visits="Branch0",
        ),
        case(
            "choice by wildcard",
            branches({"Variable": "$.v", "StringMatches": "run-*.json"}),
            document={"v": "run-7.json"},
            visits="Branch0",
        ),
        case(
            "choice null",
            branches({"Variable": "$.v", "IsNull": True}),
            document={"v": None},
            visits="Branch0",
        ),
        case(
            "invoke answers with metadata",
            machine(
                T={
                    "Type": "Task",
                    "Resource": "arn:aws:states:::lambda:invoke",
                    "Parameters": {"FunctionName": function("work"), "Payload.$": "$"},
                    "ResultSelector": {"p.$": "$.Payload", "s.$": "$.StatusCode"},
                    "End": True,
                }
            ),
        ),
        case(
            "invoke fails",
            machine(
                T={
                    "Type": "Task",
                    "Resource": "arn:aws:states:::lambda:invoke",
                    "Parameters": {"FunctionName": function("work")},
                    "Catch": caught("Mine"),
                    "End": True,
                },
                Caught=CAUGHT,
            ),
            [Raises("Mine")],
            visits="Caught",
        ),
        case("nothing catches", machine(T=task(Catch=caught("Other")), Caught=CAUGHT), [Raises("Mine")]),
        case(
            "task failed catches",
            machine(T=task(Catch=caught("States.TaskFailed")), Caught=CAUGHT),
            [Raises("Mine")],
            visits="Caught",
        ),
        case(
            "the first catcher that matches",
            machine(
                T=task(Catch=[*caught("Mine", path=None), {"ErrorEquals": ["States.ALL"], "Next": "Late"}]),
                Caught=CAUGHT,
                Late=CAUGHT,
            ),
            [Raises("Mine")],
            {"kept": 1},
            visits="Caught",
        ),
        case(
            "a catcher without path replaces",
            machine(T=task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]), Caught=CAUGHT),
            [Raises("Mine")],
        ),
        case(
            "the second retrier has its own count",
            machine(
                T=task(
                    Retry=[
                        {"ErrorEquals": ["A"], "MaxAttempts": 1},
                        {"ErrorEquals": ["B"], "MaxAttempts": 1},
                    ],
                    Catch=caught("States.ALL"),
                ),
                Caught=CAUGHT,
            ),
            [Raises("A"), Raises("B"), Raises("A")],
            visits="Caught",
        ),
        case("never retry", machine(T=task(Retry=[{"ErrorEquals": ["A"], "MaxAttempts": 0}])), [Raises("A")]),
        case(
            "a function is too slow",
            machine(T=task(TimeoutSeconds=60, Catch=caught("States.Timeout")), Caught=CAUGHT),
            [Returns(1, after=90)],
            visits="Caught",
        ),
        case(
            "a slow function is tried again",
            machine(T=task(TimeoutSeconds=60, Retry=[{"ErrorEquals": ["States.Timeout"]}])),
            [Returns(1, after=90), Returns(2)],
        ),
        case(
            "task failed does not take a time-out",
            machine(T=task(TimeoutSeconds=60, Catch=caught("States.TaskFailed")), Caught=CAUGHT),
            [Returns(1, after=90)],
        ),
        case(
            "token fails and is caught",
            machine(T=waiting(Catch=caught("Mine")), Caught=CAUGHT),
            [Fails("Mine", "why")],
            visits="Caught",
        ),
        case(
            "a failed token is retried with another",
            machine(T=waiting(Retry=[{"ErrorEquals": ["Mine"]}])),
            [Fails("Mine"), Sends([1])],
        ),
        case("token without an answer", machine(T=waiting(TimeoutSeconds=259200)), [Silent()]),
        case(
            "pass without its path",
            machine(P={"Type": "Pass", "Parameters": {"a.$": "$.missing"}, "End": True}),
        ),
        case(
            "task without its input path",
            machine(T=task(InputPath="$.missing", Catch=caught("States.ALL")), Caught=CAUGHT),
        ),
        case("fail without its path", machine(F={"Type": "Fail", "ErrorPath": "$.missing"})),
        case(
            "output beyond the limit",
            machine(T=task(ResultPath="$.r")),
            [Returns("x" * 200_000)],
            {"y": "y" * 70_000},
        ),
        case("machine times out", {**machine(T=waiting()), "TimeoutSeconds": 3600}, [Silent()]),
        case(
            "bracketed names",
            machine(P={"Type": "Pass", "Parameters": {"x.$": "$['in']['y'][1]"}, "End": True}),
            document={"in": {"y": [1, 2]}},
        ),
        case("bare string output", machine(T=task()), [Returns("text")]),
        case(
            "numbers and characters",
            machine(T=task()),
            [Returns({"a": 1.0, "b": 1e21, "c": 10**19, "d": "\u00e9\U0001f600"})],
        ),
        case(
            "token fails without names",
            machine(T=waiting(Catch=caught("States.ALL")), Caught=CAUGHT),
            [Fails("", "")],
        ),
        case(
            "timestamps",
            branches(
                {"Variable": "$.v", "IsTimestamp": False},
                {"Variable": "$.v", "TimestampLessThan": "2026-01-02T03:04:06Z"},
            ),
            document={"v": "2026-01-02T03:04:05Z"},
            visits="Branch1",
        ),
        case(
            "catch writes deep",
            machine(T=task(Catch=caught("States.ALL", path="$.a.b")), Caught=CAUGHT),
            [Raises("X")],
            {"a": {"c": 1}},
            visits="Caught",
        ),
    ]
