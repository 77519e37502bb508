"""Topics, queues and event rules."""

import json
from datetime import UTC, datetime
from typing import Any

from tunestep.local import event_patterns, events
from tunestep.local.events import DEFAULT_BUS
from tunestep.local.intrinsics import TemplateUnsupported
from tunestep.local.resources.context import Context, Deployed, found
from tunestep.local.schedules import Scheduled, ScheduleInvalid, next_after

_TARGETS = frozenset({"lambda", "sns", "sqs"})


def topic(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::SNS::Topic with the subscriptions it lists."""
    sns = context.clients("sns")
    name = context.name(logical_id, properties.get("TopicName"), 256)
    arn = context.arn("sns", name)
    if found(lambda: sns.get_topic_attributes(TopicArn=arn), "NotFound", "NotFoundException") is None:
        sns.create_topic(Name=name, Attributes={"DisplayName": properties.get("DisplayName", "")})
    for wanted in properties.get("Subscription", []):
        _subscribe(context, arn, wanted)
    return Deployed(arn, {"TopicArn": arn, "TopicName": name})


def subscription(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::SNS::Subscription: to an e-mail address (the outbox) or a queue."""
    arn = _subscribe(context, properties["TopicArn"], properties)
    return Deployed(arn, {"Arn": arn})


def _subscribe(context: Context, topic_arn: str, wanted: dict[str, Any]) -> str:
    protocol, endpoint = wanted["Protocol"], wanted["Endpoint"]
    if protocol not in {"email", "email-json", "sqs"}:
        raise TemplateUnsupported(f"SNS subscriptions of protocol {protocol} are not emulated on a laptop")
    sns = context.clients("sns")
    for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn):
        for there in page["Subscriptions"]:
            if (there["Protocol"], there["Endpoint"]) == (protocol, endpoint):
                return str(there["SubscriptionArn"])
    answer = sns.subscribe(
        TopicArn=topic_arn, Protocol=protocol, Endpoint=endpoint, ReturnSubscriptionArn=True
    )
    return str(answer["SubscriptionArn"])


def queue(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::SQS::Queue."""
    sqs = context.clients("sqs")
    name = context.name(logical_id, properties.get("QueueName"), 80)
    absent = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
    there = found(lambda: sqs.get_queue_url(QueueName=name), *absent)
    kept = ("VisibilityTimeout", "MessageRetentionPeriod")
    attributes = {key: str(properties[key]) for key in kept if key in properties}
    if redrive := properties.get("RedrivePolicy"):
        attributes["RedrivePolicy"] = json.dumps(redrive)
    url = (there or sqs.create_queue(QueueName=name, Attributes=attributes))["QueueUrl"]
    return Deployed(url, {"Arn": context.arn("sqs", name), "QueueName": name, "QueueUrl": url})


def event_bus(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::Events::EventBus; who may use it is not asked on a laptop."""
    client = context.clients("events")
    name = properties["Name"]
    if found(lambda: client.describe_event_bus(Name=name), "ResourceNotFoundException") is None:
        client.create_event_bus(Name=name)
    return Deployed(name, {"Arn": context.arn("events", f"event-bus/{name}"), "Name": name})


def schedule(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::Scheduler::Schedule, checked to be one that the laptop's clock can do."""
    name, target = context.name(logical_id, properties.get("Name"), 64), properties["Target"]
    made = Scheduled(
        name, properties["ScheduleExpression"], properties.get("ScheduleExpressionTimezone", "UTC"), target
    )
    now = datetime.now(UTC)
    try:
        next_after(made.expression, made.timezone, now, now)
    except ScheduleInvalid as fault:
        raise TemplateUnsupported(f"AWS::Scheduler::Schedule ({logical_id}): {fault}") from None
    _check_targets("AWS::Scheduler::Schedule", logical_id, [{"Arn": target["Arn"]}])
    if properties.get("State", "ENABLED") == "ENABLED":
        context.schedules.append(made)
    return Deployed(name, {"Arn": context.arn("scheduler", f"schedule/default/{name}")})


def rule(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::Events::Rule with its targets, checked to be something that EventBus can do."""
    client = context.clients("events")
    name = context.name(logical_id, properties.get("Name"), 64)
    bus = properties.get("EventBusName", DEFAULT_BUS)
    pattern, schedule = properties.get("EventPattern"), properties.get("ScheduleExpression")
    targets = properties.get("Targets", [])
    _check(logical_id, pattern, schedule, targets)
    context.rule_names.add(name)
    on = {"EventBusName": bus}
    state = properties.get("State", "ENABLED")
    there = found(lambda: client.describe_rule(Name=name, **on), "ResourceNotFoundException")
    same = (
        there is not None
        and json.loads(there.get("EventPattern") or "null") == pattern
        and there.get("ScheduleExpression") == schedule
        and there["State"] == state
    )
    if not same:
        timing = {"EventPattern": json.dumps(pattern)} if pattern else {"ScheduleExpression": schedule}
        client.put_rule(Name=name, State=state, Description=properties.get("Description", ""), **on, **timing)
    existing = client.list_targets_by_rule(Rule=name, **on)["Targets"]
    if existing != targets:
        if gone := [target["Id"] for target in existing if target["Id"] not in {t["Id"] for t in targets}]:
            client.remove_targets(Rule=name, Ids=gone, **on)
        client.put_targets(Rule=name, Targets=targets, **on)
    return Deployed(name, {"Arn": context.arn("events", f"rule/{name}")})


def _check(logical_id: str, pattern: Any, schedule: str | None, targets: list[dict[str, Any]]) -> None:
    try:
        if pattern:
            event_patterns.check(pattern)
        if schedule:
            events.rate_seconds(schedule)
    except event_patterns.PatternInvalid as fault:
        raise TemplateUnsupported(f"AWS::Events::Rule ({logical_id}): {fault}") from None
    _check_targets("AWS::Events::Rule", logical_id, targets)


def _check_targets(kind: str, logical_id: str, targets: list[dict[str, Any]]) -> None:
    for target in targets:
        service = target["Arn"].split(":")[2]
        if service not in _TARGETS:
            raise TemplateUnsupported(f"{kind} ({logical_id}): targets of service {service} are not emulated")


def remove_rules(context: Context) -> None:
    """Remove this stack's rules that the template no longer has."""
    client = context.clients("events")
    for bus in client.list_event_buses()["EventBuses"]:
        on = {"EventBusName": bus["Name"]}
        for there in client.list_rules(NamePrefix=f"{context.stack}-", **on)["Rules"]:
            if there["Name"] not in context.rule_names:
                targets = client.list_targets_by_rule(Rule=there["Name"], **on)["Targets"]
                if targets:
                    client.remove_targets(Rule=there["Name"], Ids=[target["Id"] for target in targets], **on)
                client.delete_rule(Name=there["Name"], **on)
