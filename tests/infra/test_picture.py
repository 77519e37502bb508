"""The picture of the machine and the reading of its definition."""

from typing import Any

import pytest

from infra.definition import Place, resolve, state_machine_definition
from infra.picture import mermaid

SMALL: dict[str, Any] = {
    "StartAt": "Work",
    "States": {
        "Work": {
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-west-2:123456789012:function:work",
            "Next": "Good?",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Tidy"}],
        },
        "Good?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.good", "BooleanEquals": True, "Next": "Ask"}],
            "Default": "Tidy",
        },
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Next": "Done",
            "Catch": [
                {"ErrorEquals": ["States.Timeout"], "Next": "Failed"},
                {"ErrorEquals": ["States.ALL"], "Next": "Tidy"},
            ],
        },
        "Tidy": {
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-west-2:123456789012:function:tidy",
            "Next": "Failed",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
        },
        "Done": {"Type": "Succeed"},
        "Failed": {"Type": "Fail"},
    },
}


def test_the_picture_shows_states_choices_waits_and_the_way_of_errors() -> None:
    assert mermaid(SMALL) == (
        "flowchart TD\n"
        '    s0["Work"]\n'
        '    s1{"Good?"}\n'
        '    s2[/"Ask: waits"/]\n'
        '    s3["Tidy"]\n'
        '    s4(["Done"])\n'
        '    s5(["Failed"])\n'
        '    errors(["any error"])\n'
        "    errors -.-> s3\n"
        "    s0 --> s1\n"
        '    s1 -->|"yes"| s2\n'
        '    s1 -->|"otherwise"| s3\n'
        "    s2 --> s4\n"
        '    s2 -.->|"States.Timeout"| s5\n'
        "    s3 --> s5\n"
    )


def test_the_picture_of_the_machine_names_every_state(definition: dict[str, Any]) -> None:
    text = mermaid(definition)
    for name in definition["States"]:
        assert f'"{name}"' in text or f'"{name}: waits"' in text


def test_a_rule_that_the_picture_has_no_words_for_is_refused() -> None:
    rule = {"Variable": "$.x", "IsPresent": True, "Next": "Done"}
    states = {"Choose": {"Type": "Choice", "Choices": [rule]}, "Done": {"Type": "Succeed"}}
    with pytest.raises(ValueError, match="IsPresent"):
        mermaid({"StartAt": "Choose", "States": states})


def test_references_become_names_and_arns_of_the_place() -> None:
    resources = {
        "Work": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "t-work"}},
        "Runs": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {"TableName": {"Fn::Join": ["-", ["t", {"Ref": "AWS::Region"}]]}},
        },
    }
    value = {
        "arn": {"Fn::GetAtt": ["Work", "Arn"]},
        "names": [{"Ref": "Runs"}, {"Ref": "Work"}],
        "joined": {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":x:", {"Ref": "AWS::AccountId"}]]},
        "literal": 3,
    }
    assert resolve(value, resources, Place(account="1" * 12, region="eu-west-1", partition="aws-x")) == {
        "arn": "arn:aws-x:lambda:eu-west-1:111111111111:function:t-work",
        "names": ["t-eu-west-1", "t-work"],
        "joined": "arn:aws-x:x:111111111111",
        "literal": 3,
    }


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Missing"},
        {"Fn::GetAtt": ["Queue", "Arn"]},
        {"Fn::GetAtt": ["Work", "QueueUrl"]},
        {"Fn::ImportValue": "other"},
    ],
)
def test_a_reference_without_a_fixed_name_is_refused(value: dict[str, Any]) -> None:
    resources = {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "Work": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "t-work"}},
    }
    with pytest.raises(ValueError, match=r"name|known|supported"):
        resolve(value, resources)


def test_a_template_without_a_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="0 state machines"):
        state_machine_definition({"Resources": {}})
