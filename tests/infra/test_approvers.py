"""How approvers are reached, and who may read Slack's secret, in the synthesized template."""

from typing import Any

import pytest

from infra.arns import Arns
from infra.definition import resolve
from tests.infra.support import FULL_STACK, function_role, of_type, statements
from tunestep import names, settings

TOPIC = "arn:aws:sns:us-west-2:123456789012:" + FULL_STACK + "-approver-{}"
SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:research/slack-??????"


def _may(template: dict[str, Any], action: str) -> dict[str, set[str]]:
    """Resources of an action by the verb that may call it."""
    found: dict[str, set[str]] = {}
    for verb in names.FUNCTIONS:
        for rule in statements(template, function_role(verb)):
            if action in rule["Action"]:
                found.setdefault(verb, set()).update(rule["Resource"])
    return found


def _topics(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Topics of approvers: logical id to properties."""
    topics = of_type(template, "AWS::SNS::Topic")
    return {id_: topic for id_, topic in topics.items() if "-approver-" in topic["TopicName"]}


def test_without_approvers_there_is_no_topic_and_no_grant(template: dict[str, Any]) -> None:
    assert _topics(template) == {}
    assert _may(template, "secretsmanager:GetSecretValue") == {}
    assert _may(template, "sns:ListSubscriptionsByTopic") == {}


def test_each_address_has_a_topic_of_its_own(full_template: dict[str, Any]) -> None:
    topics = _topics(full_template)
    subscribed = {
        subscription["TopicArn"]["Ref"]: (subscription["Protocol"], subscription["Endpoint"])
        for subscription in of_type(full_template, "AWS::SNS::Subscription").values()
        if subscription["TopicArn"]["Ref"] in topics
    }
    assert {topics[id_]["TopicName"]: to for id_, to in subscribed.items()} == {
        f"{FULL_STACK}-approver-ann": ("email", "ann@example.com"),
        f"{FULL_STACK}-approver-bob-b": ("email", "bob@example.com"),
    }
    assert all("KmsMasterKeyId" in topic for topic in topics.values())


def test_what_is_delivered_to_an_approver_is_not_logged(full_template: dict[str, Any]) -> None:
    for topic in _topics(full_template).values():
        assert not [name for name in topic if "Feedback" in name or "Logging" in name]


def test_nobody_else_can_join_an_approver_s_topic_nor_publish_in_the_clear(
    full_template: dict[str, Any],
) -> None:
    addresses = {
        f"{FULL_STACK}-approver-ann": "ann@example.com",
        f"{FULL_STACK}-approver-bob-b": "bob@example.com",
    }
    topics = _topics(full_template)
    seen = set()
    for policy in of_type(full_template, "AWS::SNS::TopicPolicy").values():
        (reference,) = [topic["Ref"] for topic in policy["Topics"]]
        if reference not in topics:
            continue
        name = topics[reference]["TopicName"]
        seen.add(name)
        rules = policy["PolicyDocument"]["Statement"]
        assert {rule["Effect"] for rule in rules} == {"Deny"}
        denied = [
            (rule["Action"], rule["Condition"]) for rule in rules if rule["Principal"] in ({"AWS": "*"}, "*")
        ]
        assert ("sns:Subscribe", {"StringNotEquals": {"sns:Endpoint": addresses[name]}}) in denied
        assert ("sns:Subscribe", {"StringNotEquals": {"sns:Protocol": "email"}}) in denied
        assert ("sns:Publish", {"Bool": {"aws:SecureTransport": "false"}}) in denied
        assert {str(resolve(rule["Resource"], full_template["Resources"])) for rule in rules}
    assert seen == set(addresses)


def test_only_those_who_ask_may_publish_to_approvers(full_template: dict[str, Any]) -> None:
    topics = {TOPIC.format("ann"), TOPIC.format("bob-b")}
    able = {
        verb: found & topics for verb, found in _may(full_template, "sns:Publish").items() if found & topics
    }
    assert able == {"request_approval": topics, "reconcile": topics}
    looking = {"request_approval", "reconcile", "validate", "check_dataset"}
    assert set(_may(full_template, "sns:ListSubscriptionsByTopic")) == looking


def test_only_those_who_talk_to_slack_may_read_its_secret_and_no_other(full_template: dict[str, Any]) -> None:
    readers = ("request_approval", "approvals_api", "notify", "reconcile")
    assert _may(full_template, "secretsmanager:GetSecretValue") == {verb: {SECRET} for verb in readers}


def test_whoever_takes_decisions_or_waits_for_quota_can_have_people_told(
    full_template: dict[str, Any],
) -> None:
    notify = f"arn:aws:lambda:us-west-2:123456789012:function:{FULL_STACK}-notify"
    able = {verb for verb, found in _may(full_template, "lambda:InvokeFunction").items() if notify in found}
    assert able == {"approvals_api", "clean_up", "decide", "reconcile", "start_training", "stop"}


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ({"id": "a.b"}, {"id": "a_b"}, "topic"),
        ({"id": "a"}, {"id": "a"}, "topic"),
        ({"id": "a", "slack_user": "U0ANN"}, {"id": "b", "slack_user": "U0ANN"}, "Slack user"),
        (
            {"id": "a", "iam_principal": "arn:aws:iam::123456789012:user/x"},
            {"id": "b", "iam_principal": "arn:aws:iam::123456789012:user/x"},
            "IAM principal",
        ),
        (
            {"id": "a", "iam_principal": "arn:aws:iam::123456789012:role/people/legal/Reviewer"},
            {"id": "b", "iam_principal": "arn:aws:iam::123456789012:role/Reviewer"},
            "IAM principal",
        ),
    ],
)
def test_approvers_who_could_be_taken_for_one_another_are_refused(
    first: dict[str, str], second: dict[str, str], shared: str
) -> None:
    with pytest.raises(settings.SettingsInvalid, match=rf"approvers\[1\].*approvers\[0\].*{shared}"):
        settings.check({"approvers": [first, second]})


def test_an_approver_without_an_address_has_no_topic() -> None:
    chosen = settings.check({"approvers": [{"id": "ann", "slack_user": "U0ANN"}]})
    assert Arns(chosen).approver_topics == []


@pytest.mark.parametrize("stack", ["tunestep", FULL_STACK])
@pytest.mark.parametrize("approver", ["a", "ann.lee_2", "x" * 40])
def test_a_topic_s_name_is_one_that_sns_takes(stack: str, approver: str) -> None:
    name = names.approver_topic_name(stack, approver)
    assert len(name) <= 256 and name.replace("-", "").isalnum()
