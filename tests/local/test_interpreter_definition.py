"""What a state machine's definition may not say: refused at creation, with the state's name."""

import copy
from typing import Any

import pytest

from tests.local.asl.machine import DEFINITION, function
from tunestep.local.interpreter import definition
from tunestep.local.interpreter.documents import dumps

TASK: dict[str, Any] = {"Type": "Task", "Resource": function("x"), "End": True}
WAITING: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "Parameters": {"FunctionName": "f", "Payload": {"t.$": "$$.Task.Token"}},
    "End": True,
}
CHOICE = {"Type": "Choice", "Default": "End"}
RETRY = {"ErrorEquals": ["A"]}


def refused(document: Any) -> str:
    with pytest.raises(definition.DefinitionInvalid) as caught:
        definition.load(dumps(document))
    return str(caught.value)


def state_refused(state: Any) -> str:
    return refused({"StartAt": "Sought", "States": {"Sought": state, "End": {"Type": "Succeed"}}})


def test_the_products_machine_is_accepted() -> None:
    machine = definition.load(dumps(DEFINITION))
    assert machine.start_at == "Receive"
    assert machine.timeout is None


@pytest.mark.parametrize("kind", ["Wait", "Map", "Parallel", "task", "", None, 7])
def test_other_state_types_are_refused_by_the_states_name(kind: Any) -> None:
    assert "/States/Sought" in state_refused({"Type": kind, "End": True})


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (7, "a state is an object"),
        ({**TASK, "Assign": {}}, "unknown field 'Assign'"),
        ({**TASK, "Arguments": {}}, "unknown field 'Arguments'"),
        ({**TASK, "Credentials": {}}, "unknown field 'Credentials'"),
        ({**TASK, "QueryLanguage": "JSONata"}, "only JSONPath"),
        ({**TASK, "Next": "End"}, "Next and End exclude each other"),
        ({"Type": "Task", "Resource": function("x")}, "Next or End is required"),
        ({**TASK, "End": False}, "only true is allowed"),
        ({"Type": "Task", "End": True}, "Resource is required"),
        ({**TASK, "Resource": "arn:aws:states:::sqs:sendMessage"}, "neither a function's ARN"),
        ({**TASK, "Resource": "arn:aws:states:::lambda:invoke"}, "FunctionName is required"),
        ({**WAITING, "Parameters": {"FunctionName": "f", "Qualifier": "1"}}, "does not support 'Qualifier'"),
        ({**TASK, "Parameters": {"t.$": "$$.Task.Token"}}, "$$.Task.Token exists only"),
        ({**TASK, "Parameters": {"a.$": "$..b"}}, "not a reference path"),
        ({**TASK, "ResultSelector": "text"}, "an object is expected"),
        ({**TASK, "ResultPath": "$$.a"}, "the context object cannot be written"),
        ({**TASK, "ResultPath": "a"}, "does not start with $"),
        ({**TASK, "TimeoutSeconds": 0}, "a whole number"),
        ({**TASK, "TimeoutSeconds": True}, "a whole number"),
        ({**TASK, "TimeoutSeconds": 1, "TimeoutSecondsPath": "$.t"}, "exclude each other"),
        ({**TASK, "TimeoutSeconds": 60, "HeartbeatSeconds": 60}, "must be smaller"),
        ({**TASK, "Retry": [{}]}, "ErrorEquals is required"),
        ({**TASK, "Retry": {}}, "a list of objects"),
        ({**TASK, "Retry": [{**RETRY, "IntervalSeconds": 0}]}, "IntervalSeconds"),
        ({**TASK, "Retry": [{**RETRY, "MaxAttempts": -1}]}, "MaxAttempts"),
        ({**TASK, "Retry": [{**RETRY, "BackoffRate": 0.5}]}, "BackoffRate"),
        ({**TASK, "Retry": [{**RETRY, "JitterStrategy": "HALF"}]}, "FULL or NONE"),
        ({**TASK, "Retry": [{**RETRY, "Next": "End"}]}, "unknown field 'Next'"),
        ({**TASK, "Retry": [{"ErrorEquals": ["States.ALL", "A"]}]}, "must stand alone"),
        ({**TASK, "Retry": [{"ErrorEquals": ["States.ALL"]}, RETRY]}, "must come last"),
        ({**TASK, "Retry": [{"ErrorEquals": []}]}, "a list of error names"),
        ({**TASK, "Catch": [{"ErrorEquals": ["A"]}]}, "Next is required"),
        ({"Type": "Pass", "End": True, "Catch": []}, "unknown field 'Catch'"),
        ({"Type": "Pass", "End": True, "InputPath": "$.a[*]"}, "not a reference path"),
        ({"Type": "Succeed", "Next": "End"}, "unknown field 'Next'"),
        ({"Type": "Fail", "Error": "A", "ErrorPath": "$.a"}, "exclude each other"),
        ({"Type": "Fail", "CausePath": "States.Nope($)"}, "does not have States.Nope"),
        ({"Type": "Fail", "Error": "x" * 257}, "more than 256"),
        ({**CHOICE, "Choices": []}, "at least one rule"),
        ({**CHOICE, "Choices": [7]}, "a choice rule is an object"),
        ({**CHOICE, "Choices": [{"Variable": "$.a", "IsNull": True}]}, "Next is required"),
        ({**CHOICE, "Choices": [{"Variable": "$.a", "Next": "End"}]}, "exactly one operator"),
        ({**CHOICE, "Choices": [{"Variable": "$.a", "Equals": 1, "Next": "End"}]}, "unknown operator"),
        ({**CHOICE, "Choices": [{"IsNull": True, "Next": "End"}]}, "a path is required"),
        ({**CHOICE, "Choices": [{"Variable": "$.a", "IsNull": "yes", "Next": "End"}]}, "true or false"),
        (
            {**CHOICE, "Choices": [{"Variable": "$.a", "NumericEquals": "1", "Next": "End"}]},
            "operator's type",
        ),
        ({**CHOICE, "Choices": [{"Variable": "$.a", "BooleanEqualsPath": 1, "Next": "End"}]}, "path"),
        ({**CHOICE, "Choices": [{"And": [], "Next": "End"}]}, "at least one rule"),
        (
            {**CHOICE, "Choices": [{"Not": {"Variable": "$.a", "IsNull": True, "Next": "x"}, "Next": "End"}]},
            "outermost",
        ),
        ({**CHOICE, "Choices": [{"Condition": "{% true %}", "Next": "End"}]}, "unknown operator"),
    ],
)
def test_a_faulty_state_is_refused_with_the_reason(state: Any, says: str) -> None:
    message = state_refused(state)
    assert "/States/Sought" in message
    assert says in message


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"StartAt": "Nowhere"}, "StartAt names the state 'Nowhere'"),
        ({"StartAt": None}, "StartAt is required"),
        ({"States": {}}, "at least one state"),
        ({"States": []}, "at least one state"),
        ({"QueryLanguage": "JSONata"}, "JSONPath"),
        ({"Version": "2.0"}, "1.0"),
        ({"TimeoutSeconds": 0}, "positive integer"),
        ({"Surprise": 1}, "unknown field 'Surprise'"),
    ],
)
def test_a_faulty_definition_is_refused_with_the_reason(changes: dict[str, Any], says: str) -> None:
    assert says in refused({**DEFINITION, **changes})


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"StartAt": NaN}'])
def test_a_definition_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(definition.DefinitionInvalid):
        definition.load(text)


@pytest.mark.parametrize(
    ("state", "field"),
    [("Receive", "Next"), ("Approved?", "Default"), ("Approved?", "Choices"), ("Notify", "Catch")],
)
def test_a_dangling_transition_is_refused_by_the_states_name(state: str, field: str) -> None:
    broken = copy.deepcopy(DEFINITION)
    holder = broken["States"][state]
    if isinstance(holder[field], list):
        holder[field][0]["Next"] = "Gone"
    else:
        holder[field] = "Gone"
    message = refused(broken)
    assert "'Gone' is not there" in message
    assert f"/States/{state}" in message


def test_an_unreachable_state_is_refused_by_its_name() -> None:
    broken = copy.deepcopy(DEFINITION)
    broken["States"]["Island"] = {"Type": "Succeed"}
    assert "no transition leads to the state 'Island'" in refused(broken)


def test_every_fault_is_told_at_once() -> None:
    states = {"A": {"Type": "Wait"}, "B": {"Type": "Pass"}}
    message = refused({"StartAt": "A", "States": states, "Surprise": 1})
    assert message.count("SCHEMA_VALIDATION_FAILED") == 3
