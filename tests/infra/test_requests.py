"""What may start a run, read from the template: patterns, queue, bus, schedules, alarms."""

import json
from typing import Any

import pytest

from infra.definition import resolve
from infra.functions import SIZES
from tests.infra.support import FULL_STACK, of_type
from tunestep import names
from tunestep.local import event_patterns
from tunestep.trigger_events import Event

BUCKET = names.bucket_name("tunestep", "123456789012", "us-west-2")


def _rules(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rules that lead to the queue, by the end of their id."""
    rules = {
        logical_id: {**rule, "EventPattern": resolve(rule["EventPattern"], template["Resources"])}
        for logical_id, rule in of_type(template, "AWS::Events::Rule").items()
        if logical_id.startswith("Requests")
    }
    assert len(rules) == 3
    return rules


def _matching(template: dict[str, Any], event: dict[str, Any]) -> list[str]:
    found = [
        logical_id
        for logical_id, rule in _rules(template).items()
        if event_patterns.matches(rule["EventPattern"], event)
    ]
    return sorted(found)


def _created(key: str, bucket: str = BUCKET, **changes: Any) -> dict[str, Any]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail, **changes}


@pytest.mark.parametrize(
    "key",
    ["requests/a.json", "requests/team/a b.yaml", "requests/x.yml", "requests/A.JSON", "requests/a.txt"],
)
def test_whatever_is_uploaded_as_a_request_matches_one_rule(template: dict[str, Any], key: str) -> None:
    (rule,) = _matching(template, _created(key))
    assert rule.startswith("RequestsRequestFiles")


def test_data_below_datasets_matches_one_rule(template: dict[str, Any]) -> None:
    (rule,) = _matching(template, _created("datasets/support/2026/train.jsonl"))
    assert rule.startswith("RequestsDatasets")


WRITTEN = (
    names.PREFIX_DATA,
    names.PREFIX_OUTPUT,
    names.PREFIX_RUNS,
    names.PREFIX_EVIDENCE,
    names.PREFIX_PRESETS,
    names.PREFIX_STATE,
    names.PREFIX_REJECTED,
)


@pytest.mark.parametrize("prefix", WRITTEN)
@pytest.mark.parametrize("below", ["a.json", "requests/a.json", "datasets/p/train.jsonl"])
def test_nothing_that_the_stack_or_a_job_writes_matches_a_rule(
    template: dict[str, Any], prefix: str, below: str
) -> None:
    assert _matching(template, _created(prefix + below)) == []


@pytest.mark.parametrize(
    "event",
    [
        _created("Requests/a.json"),
        _created("requests.json"),
        _created("requests/a.json", bucket="another"),
        _created("requests/a.json", source="mine"),
        _created("requests/a.json") | {"detail-type": "Object Deleted"},
        {"source": "tunestep", "detail-type": names.DETAIL_SCHEDULED, "detail": {}},
        {"source": "aws.sagemaker", "detail-type": names.DETAIL_REQUESTED, "detail": {}},
    ],
)
def test_other_events_match_no_rule(template: dict[str, Any], event: dict[str, Any]) -> None:
    assert _matching(template, event) == []


def test_the_bucket_tells_events_and_no_function_of_cdk_does(template: dict[str, Any]) -> None:
    (bucket,) = of_type(template, "AWS::S3::Bucket").values()
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert not [r for r in template["Resources"].values() if r["Type"].startswith("Custom::")]


def test_every_rule_has_the_queue_as_its_target_and_dead_letters(template: dict[str, Any]) -> None:
    for rule in _rules(template).values():
        (target,) = rule["Targets"]
        assert target["DeadLetterConfig"]["Arn"]
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 86_400
        assert "Input" not in target


def _queue(template: dict[str, Any]) -> dict[str, Any]:
    queues = of_type(template, "AWS::SQS::Queue").values()
    (queue,) = [found for found in queues if found.get("QueueName") == "tunestep-requests"]
    return queue


def test_the_queue_is_encrypted_takes_tls_only_and_gives_up_after_five(template: dict[str, Any]) -> None:
    queue = _queue(template)
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 5
    assert queue["VisibilityTimeout"] >= 6 * SIZES["trigger"].timeout
    dead = [q for q in of_type(template, "AWS::SQS::Queue").values() if "RedrivePolicy" not in q]
    assert [q["MessageRetentionPeriod"] for q in dead] == [14 * 86_400]
    for policy in of_type(template, "AWS::SQS::QueuePolicy").values():
        statements = policy["PolicyDocument"]["Statement"]
        denied = [s for s in statements if s["Effect"] == "Deny"]
        assert denied[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in statements:
            if statement["Effect"] == "Allow":
                assert statement["Principal"] == {"Service": "events.amazonaws.com"}
                assert "aws:SourceArn" in statement["Condition"]["ArnEquals"]


def test_the_function_reports_which_messages_failed(template: dict[str, Any]) -> None:
    (mapping,) = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 5}


def test_the_bus_lets_in_whom_settings_name_for_one_type_of_event(full_template: dict[str, Any]) -> None:
    policies = of_type(full_template, "AWS::Events::EventBusPolicy").values()
    statements = [resolve(policy["Statement"], full_template["Resources"]) for policy in policies]
    assert {json.dumps(s["Principal"]) for s in statements} == {
        '{"AWS": "arn:aws:iam::210987654321:root"}',
        '{"AWS": "arn:aws:iam::210987654321:role/data/publisher"}',
    }
    for statement in statements:
        assert statement["Action"] == "events:PutEvents"
        assert statement["Condition"] == {"StringEquals": {"events:detail-type": names.DETAIL_REQUESTED}}


def test_without_principals_the_bus_has_no_policy(template: dict[str, Any]) -> None:
    assert of_type(template, "AWS::Events::EventBusPolicy") == {}


def test_schedules_send_an_event_that_the_function_reads(full_template: dict[str, Any]) -> None:
    schedules = {s["Name"]: s for s in of_type(full_template, "AWS::Scheduler::Schedule").values()}
    assert set(schedules) == {f"{FULL_STACK}-nightly", f"{FULL_STACK}-off"}
    nightly = schedules[f"{FULL_STACK}-nightly"]
    assert (nightly["ScheduleExpression"], nightly["ScheduleExpressionTimezone"], nightly["State"]) == (
        "cron(0 3 * * ? *)",
        "Europe/Berlin",
        "ENABLED",
    )
    assert schedules[f"{FULL_STACK}-off"]["State"] == "DISABLED"
    for schedule in schedules.values():
        sent = json.loads(schedule["Target"]["Input"])
        event = Event(
            **{"source": sent["source"], "detail_type": sent["detail-type"], "detail": sent["detail"]}
        )
        assert event.detail_type == names.DETAIL_SCHEDULED
        assert sent["time"] == "<aws.scheduler.scheduled-time>"
        assert schedule["Target"]["DeadLetterConfig"]["Arn"]
