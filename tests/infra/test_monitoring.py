"""Alarms, whom they tell, the dashboard, and what a customer-managed key needs for all of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import app
from infra import stack
from infra.definition import resolve
from infra.log_groups import retention
from infra.monitoring import Monitoring
from infra.publishing import refuse_silent_topics
from reward_functions import catalog
from tests.infra.support import FULL_STACK, of_type
from tunestep import names
from tunestep.key_policy import statements
from tunestep.operate.doctor import machinery
from tunestep.settings import SettingsInvalid
from tunestep.settings_faults import RETENTIONS

KEY = "arn:aws:kms:us-west-2:123456789012:key/66666666-7777-8888-9999-000000000000"
SERVICES_OF_THEIR_OWN = {"logs.us-west-2.amazonaws.com", "events.amazonaws.com", "cloudwatch.amazonaws.com"}


def _without_queue(value: Any) -> Any:
    """The queue has no fixed name, so a word stands for it."""
    if isinstance(value, list):
        return [_without_queue(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("Fn::GetAtt", [""])[0].startswith("Undelivered"):
        return "the queue"
    return {key: _without_queue(item) for key, item in value.items()}


def _alarms(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    alarms = _without_queue(of_type(template, "AWS::CloudWatch::Alarm"))
    found = {id_: resolve(alarm, template["Resources"]) for id_, alarm in alarms.items()}
    return {alarm["AlarmName"]: alarm for alarm in found.values()}


def _watched(alarm: dict[str, Any]) -> set[tuple[str, str]]:
    """Metric name and the value of its one dimension, of every metric behind an alarm."""
    if "MetricName" in alarm:
        return {(alarm["MetricName"], alarm["Dimensions"][0]["Value"])}
    metrics = [entry["MetricStat"]["Metric"] for entry in alarm["Metrics"] if "MetricStat" in entry]
    return {(metric["MetricName"], metric["Dimensions"][0]["Value"]) for metric in metrics}


def test_the_rules_that_the_doctor_looks_for_are_those_of_the_template(template: dict[str, Any]) -> None:
    wanted = [f"Triggers{rule}" for rule in machinery.RULES]
    wanted += [f"Requests{rule}" for rule in machinery.SOURCE_RULES.values()]
    made = of_type(template, "AWS::Events::Rule")
    rules = [name for name, rule in made.items() if "EventBusName" not in rule]
    assert sorted(re.sub(r"[0-9A-F]{8}$", "", name) for name in rules) == sorted(wanted)


def test_failed_runs_lost_events_rejections_and_errors_raise_alarms(template: dict[str, Any]) -> None:
    alarms = _alarms(template)
    machine = names.machine_arn("tunestep", "123456789012", "us-west-2")
    assert _watched(alarms.pop("tunestep-failed-runs")) == {
        ("ExecutionsFailed", machine),
        ("ExecutionsTimedOut", machine),
    }
    assert _watched(alarms.pop("tunestep-reconcile-errors")) == {("Errors", "tunestep-reconcile")}
    assert _watched(alarms.pop("tunestep-rejected")) == {("RejectedTriggers", "tunestep")}
    ((metric, _),) = _watched(alarms.pop("tunestep-undelivered"))
    assert metric == "ApproximateNumberOfMessagesVisible"
    for reward in catalog.names():
        assert _watched(alarms.pop(f"tunestep-reward-{reward.replace('_', '-')}-errors")) == {
            ("Errors", names.reward_function_name("tunestep", reward, contract))
            for contract in names.REWARD_CONTRACTS
        }
    assert alarms == {}


def test_one_is_enough_and_silence_is_no_alarm(template: dict[str, Any]) -> None:
    for alarm in _alarms(template).values():
        assert (alarm["Threshold"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (
            1,
            1,
            "notBreaching",
        )


def test_alarms_notify_nobody_without_a_key_that_lets_them(template: dict[str, Any]) -> None:
    assert not any("AlarmActions" in alarm for alarm in _alarms(template).values())


def test_with_a_customer_s_key_every_alarm_notifies_the_topic(full_template: dict[str, Any]) -> None:
    topics = of_type(full_template, "AWS::SNS::Topic")
    (notices,) = [id_ for id_, topic in topics.items() if topic["TopicName"] == names.topic_name(FULL_STACK)]
    for alarm in of_type(full_template, "AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [{"Ref": notices}]
    (policy,) = [
        found
        for found in of_type(full_template, "AWS::SNS::TopicPolicy").values()
        if found["Topics"] == [{"Ref": notices}]
    ]
    (allowed,) = [rule for rule in policy["PolicyDocument"]["Statement"] if rule["Effect"] == "Allow"]
    readable = resolve(allowed["Condition"], full_template["Resources"])
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"
    assert readable["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert readable["ArnLike"] == {
        "aws:SourceArn": f"arn:aws:cloudwatch:us-west-2:123456789012:alarm:{FULL_STACK}-*"
    }


def _topic_and(type_: str, properties: dict[str, Any], key: Any) -> dict[str, Any]:
    return {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": key}},
            "Sender": {"Type": type_, "Properties": properties},
        }
    }


OWN_KEY = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":kms:::alias/aws/sns"]]}
SENDERS = [
    ("AWS::CloudWatch::Alarm", {"AlarmActions": [{"Ref": "Topic"}]}),
    ("AWS::CloudWatch::Alarm", {"OKActions": [{"Ref": "Topic"}]}),
    ("AWS::CloudWatch::CompositeAlarm", {"InsufficientDataActions": [{"Ref": "Topic"}]}),
    ("AWS::Events::Rule", {"Targets": [{"Arn": {"Ref": "Topic"}, "Id": "one"}]}),
]


@pytest.mark.parametrize(("type_", "properties"), SENDERS)
def test_publishing_to_a_topic_under_sns_s_own_key_is_refused(type_: str, properties: dict[str, Any]) -> None:
    with pytest.raises(SettingsInvalid, match=r"Sender would publish to Topic.*\$\.kms_key"):
        refuse_silent_topics(_topic_and(type_, properties, OWN_KEY))
    refuse_silent_topics(_topic_and(type_, properties, KEY))


def test_a_stack_whose_alarms_would_be_lost_is_not_synthesized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Telling(Monitoring):
        """Monitoring that notifies the topic of notices whether or not there is a customer's key."""

        def __init__(self, scope: Any, id_: str, **told: Any) -> None:
            super().__init__(scope, id_, **{**told, "notices": scope.node.find_child("Notices").topic})

    monkeypatch.setattr(stack, "Monitoring", Telling)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNESTEP_SYNTH", "local")
    monkeypatch.setenv("CDK_OUTDIR", str(tmp_path / "cdk.out"))
    assert app.main() == 2
    assert re.search(r"would publish to Notices.*alias/aws/sns.*\$\.kms_key", capsys.readouterr().err)


def test_the_dashboard_shows_every_function_the_rewards_and_the_runs(template: dict[str, Any]) -> None:
    (board,) = of_type(template, "AWS::CloudWatch::Dashboard").values()
    body = json.loads(resolve(_without_queue(board["DashboardBody"]), template["Resources"]))
    shown = json.dumps([widget["properties"]["metrics"] for widget in body["widgets"]])
    for function in of_type(template, "AWS::Lambda::Function").values():
        assert f'"{function["FunctionName"]}"' in shown
    for metric in ("ExecutionsSucceeded", "ExecutionsFailed", "RejectedTriggers", "NumberOfMessagesVisible"):
        assert metric in shown


def test_a_customer_s_key_protects_logs_and_queues_too(full_template: dict[str, Any]) -> None:
    for group in of_type(full_template, "AWS::Logs::LogGroup").values():
        assert group["KmsKeyId"] == KEY
    for queue in of_type(full_template, "AWS::SQS::Queue").values():
        assert queue["KmsMasterKeyId"] == KEY


def test_the_key_s_policy_names_every_service_that_acts_as_itself() -> None:
    rules = statements(KEY, FULL_STACK)
    services: set[str] = set()
    for rule in rules:
        found = rule["Principal"].get("Service", [])
        services.update([found] if isinstance(found, str) else found)
        assert rule["Condition"], rule["Sid"]
    assert services == SERVICES_OF_THEIR_OWN
    (callers,) = [rule for rule in rules if "ForTheirCallers" in rule["Sid"]]
    assert {"sns.us-west-2.amazonaws.com", "sqs.us-west-2.amazonaws.com"} <= set(
        callers["Condition"]["StringEquals"]["kms:ViaService"]
    )


def test_the_key_s_policy_covers_every_log_group_of_the_stack(full_template: dict[str, Any]) -> None:
    (logs,) = [rule for rule in statements(KEY, FULL_STACK) if rule["Sid"] == "TunestepLogs"]
    covered = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    begins = tuple(pattern.removesuffix("*") for pattern in covered)
    for group in of_type(full_template, "AWS::Logs::LogGroup").values():
        arn = f"arn:aws:logs:us-west-2:123456789012:log-group:{group['LogGroupName']}"
        assert arn.startswith(begins), arn


def test_every_retention_that_settings_take_can_be_deployed() -> None:
    assert [retention(days).name for days in RETENTIONS]
    with pytest.raises(SettingsInvalid, match="nearest is 90"):
        retention(91)


def test_two_stacks_of_an_account_do_not_share_the_alarm_on_rejections(full_template: dict[str, Any]) -> None:
    watched = _watched(_alarms(full_template)[f"{FULL_STACK}-rejected"])
    functions = of_type(full_template, "AWS::Lambda::Function")
    (service,) = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for function in functions.values()
        if "POWERTOOLS_SERVICE_NAME" in function.get("Environment", {}).get("Variables", {})
    }
    assert watched == {("RejectedTriggers", service)} == {("RejectedTriggers", FULL_STACK)}
