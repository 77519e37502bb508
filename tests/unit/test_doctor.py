"""What the doctor says of an account: nothing where all is well, one broken line with a fix per fault."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import answering
from tests.support.answering import Answers
from tests.support.world_clients import TRUST, Refused
from tunestep import names, settings
from tunestep.aws import Clients
from tunestep.operate.doctor import CHECKS, Diagnosis, examine
from tunestep.operate.doctor.machinery import RULES
from tunestep.operate.stack import Stack, look

ACCOUNT, REGION, NAME = "111122223333", "us-west-2", "tunestep"
APP = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/app-ABCDEFGHIJKL"
TEAM_ROLE = f"arn:aws:iam::{ACCOUNT}:role/teams/research"
TOPICS = f"arn:aws:sns:{REGION}:{ACCOUNT}"
SETTINGS = {
    "mlflow_app": APP,
    "allowed": {"execution_roles": [TEAM_ROLE]},
    "notice_emails": ["team@example.com"],
    "approvers": [{"id": "ann", "email": "ann@example.com"}],
    "slack": {"team": "T0EXAMPLE", "app_id": "A0EXAMPLE", "channel": "C0EXAMPLE", "secret": "tunestep/slack"},
}
LAMBDA_TRUST = {
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]
}


def function(params: dict[str, Any]) -> dict[str, Any]:
    variables = {"TUNESTEP_SETTINGS": json.dumps(SETTINGS), "TUNESTEP_REWARDS": "exact_match"}
    return {
        "FunctionName": params["FunctionName"],
        "Role": f"arn:aws:iam::{ACCOUNT}:role/{params['FunctionName']}",
        "State": "Active",
        "Environment": {"Variables": variables},
    }


def role(params: dict[str, Any]) -> dict[str, Any]:
    name = params["RoleName"]
    jobs = name == "research" or "sagemaker-execution" in name
    path = "/teams/" if name == "research" else "/"
    return {
        "Role": {
            "Path": path,
            "RoleName": name,
            "RoleId": "AROA" + "X" * 17,
            "Arn": f"arn:aws:iam::{ACCOUNT}:role{path}{name}",
            "CreateDate": "2026-01-01T00:00:00Z",
            "AssumeRolePolicyDocument": json.dumps(TRUST if jobs else LAMBDA_TRUST),
        }
    }


def trusting(policy: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Every role with one trust policy."""
    return lambda params: {"Role": {**role(params)["Role"], "AssumeRolePolicyDocument": json.dumps(policy)}}


def rule(name: str, state: str = "ENABLED") -> dict[str, Any]:
    return {"Name": f"{NAME}-{name}1A2B3C4D-xYz", "State": state}


def subscribed(params: dict[str, Any]) -> dict[str, Any]:
    topic = params["TopicArn"]
    address = "ann@example.com" if "approver" in topic else "team@example.com"
    return {
        "Subscriptions": [
            {"SubscriptionArn": f"{topic}:1", "Protocol": "email", "Endpoint": address, "TopicArn": topic}
        ]
    }


HEALTHY: Answers = {
    "GetFunctionConfiguration": function,
    "GetRole": role,
    "GetParameter": {"Parameter": {"Value": "30"}},
    "DescribeStateMachine": {
        "stateMachineArn": "a",
        "name": "n",
        "definition": "{}",
        "roleArn": "r",
        "type": "STANDARD",
        "creationDate": 0,
        "status": "ACTIVE",
    },
    "ListRules": {
        "Rules": [rule(f"Triggers{one}") for one in RULES]
        + [rule("RequestsRequestFiles"), rule("RequestsDatasets")]
    },
    "DescribeTable": {"Table": {"TableStatus": "ACTIVE"}},
    "DescribeContinuousBackups": {
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"},
        }
    },
    "HeadBucket": {},
    "ListHubContents": {"HubContentSummaries": [answering.MODEL]},
    "DescribeHub": Refused("ResourceNotFound", "no such hub"),
    "DescribeMlflowApp": {"Arn": APP, "Status": "Created"},
    "ListSubscriptionsByTopic": subscribed,
    "GetSecretValue": {"SecretString": json.dumps({"token": "xoxb-1", "signing_secret": "s"})},
    "ListQueues": {"QueueUrls": ["https://sqs/tunestep-UndeliveredQueue"]},
    "GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}},
    "DescribeAlarms": {"MetricAlarms": [{"AlarmName": "tunestep-failed-runs", "StateValue": "OK"}]},
    "GetAccountSettings": {
        "AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 900}
    },
    "ListServiceQuotas": {
        "Quotas": [{"QuotaName": "Concurrent serverless customization jobs", "Value": 5.0}]
    },
}

Examined = Callable[..., list[Diagnosis]]


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[Answers, Clients]]:
    with answering.account(REGION) as made:
        yield made


@pytest.fixture
def examined(account: tuple[Answers, Clients], monkeypatch: pytest.MonkeyPatch) -> Examined:
    """Looks an account over that differs from the healthy one in these answers."""
    monkeypatch.setattr("slack_sdk.WebClient.api_call", lambda *_, **__: {"ok": True, "team_id": "T0EXAMPLE"})
    answers, clients = account

    def look_over(changed: Answers | None = None, region: str = REGION) -> list[Diagnosis]:
        answers.clear()
        answers.update({**HEALTHY, **(changed or {})})
        stack = look(name=NAME, region=region, account=ACCOUNT, clients=clients, laptop=False)
        return list(examine(stack))

    return look_over


def test_a_healthy_stack_has_nothing_to_mend(examined: Examined) -> None:
    found = examined()
    assert {one.state for one in found} == {"ok"}, [one for one in found if one.state != "ok"]
    assert {one.check for one in found} == {check.name for check in CHECKS}


GONE = Refused("ResourceNotFoundException", "gone", 404)


@pytest.mark.parametrize(
    ("check", "state", "said", "fix", "changed"),
    [
        (
            "bootstrap",
            "broken",
            "not bootstrapped",
            "tunestep deploy --bootstrap",
            {"GetParameter": Refused("ParameterNotFound")},
        ),
        (
            "bootstrap",
            "broken",
            "older than 6",
            "tunestep deploy --bootstrap",
            {"GetParameter": {"Parameter": {"Value": "5"}}},
        ),
        (
            "bootstrap",
            "broken",
            "older than 6",
            "tunestep deploy --bootstrap",
            {"GetParameter": {"Parameter": {"Value": "x"}}},
        ),
        ("functions", "broken", "no such function", "tunestep deploy", {"GetFunctionConfiguration": GONE}),
        (
            "machine",
            "broken",
            "no such state machine",
            "deploy",
            {"DescribeStateMachine": Refused("StateMachineDoesNotExist")},
        ),
        ("rules", "broken", "not there", "deploy", {"ListRules": {"Rules": []}}),
        (
            "rules",
            "broken",
            "DISABLED",
            "Switch it on",
            {
                "ListRules": {
                    "Rules": [*HEALTHY["ListRules"]["Rules"][1:], rule("TriggersTrainingEnded", "DISABLED")]
                }
            },
        ),
        ("storage", "broken", "no such table", "deploy", {"DescribeTable": GONE}),
        ("storage", "broken", "no such bucket", "deploy", {"HeadBucket": Refused("404", "nothing", 404)}),
        (
            "storage",
            "warning",
            "point in time",
            "deploy",
            {
                "DescribeContinuousBackups": {
                    "ContinuousBackupsDescription": {"ContinuousBackupsStatus": "DISABLED"}
                }
            },
        ),
        (
            "execution-roles",
            "broken",
            "no such role",
            "allowed.execution_roles",
            {"GetRole": Refused("NoSuchEntity", status=404)},
        ),
        (
            "execution-roles",
            "broken",
            "does not let SageMaker",
            "sagemaker.amazonaws.com",
            {"GetRole": trusting(LAMBDA_TRUST)},
        ),
        (
            "execution-roles",
            "broken",
            "has its name",
            "Correct the path",
            {
                "GetRole": lambda p: {
                    "Role": {**role(p)["Role"], "Arn": f"arn:aws:iam::{ACCOUNT}:role/x/{p['RoleName']}"}
                }
            },
        ),
        (
            "function-roles",
            "broken",
            "Lambda may not assume",
            "Deploy",
            {"GetRole": trusting(TRUST)},
        ),
        ("hub", "broken", "no such hub", "another region", {"ListHubContents": Refused("ResourceNotFound")}),
        (
            "hub",
            "broken",
            "lists no models",
            "another region",
            {"ListHubContents": {"HubContentSummaries": []}},
        ),
        (
            "mlflow",
            "broken",
            "no such app",
            "Correct the ARN",
            {"DescribeMlflowApp": Refused("ResourceNotFound")},
        ),
        (
            "mlflow",
            "broken",
            "CreateFailed",
            "create another",
            {"DescribeMlflowApp": {"Status": "CreateFailed"}},
        ),
        (
            "subscriptions",
            "broken",
            "not subscribed",
            "Deploy",
            {"ListSubscriptionsByTopic": {"Subscriptions": []}},
        ),
        (
            "subscriptions",
            "broken",
            "waits to be confirmed",
            "approvers confirm",
            {
                "ListSubscriptionsByTopic": lambda p: {
                    "Subscriptions": [
                        {**subscribed(p)["Subscriptions"][0], "SubscriptionArn": "PendingConfirmation"}
                    ]
                }
            },
        ),
        (
            "subscriptions",
            "broken",
            "no topic",
            "Deploy",
            {"ListSubscriptionsByTopic": Refused("NotFound", status=404)},
        ),
        ("slack", "broken", "could not be read", "docs/approvers.md", {"GetSecretValue": GONE}),
        (
            "slack",
            "broken",
            "is not a JSON object",
            "docs/approvers.md",
            {"GetSecretValue": {"SecretString": "xoxb-1"}},
        ),
        (
            "dead-letters",
            "broken",
            "3 events",
            "STACK-undelivered",
            {"GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "3"}}},
        ),
        ("dead-letters", "broken", "no queue", "deploy", {"ListQueues": {}}),
        (
            "alarms",
            "warning",
            "gone off",
            "STACK-failed-runs",
            {
                "DescribeAlarms": {
                    "MetricAlarms": [{"AlarmName": "tunestep-failed-runs", "StateValue": "ALARM"}]
                }
            },
        ),
        ("alarms", "broken", "none", "deploy", {"DescribeAlarms": {"MetricAlarms": []}}),
        (
            "quotas",
            "warning",
            "5 of 10",
            "Service Quotas",
            {
                "GetAccountSettings": {
                    "AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 5}
                }
            },
        ),
        (
            "quotas",
            "warning",
            "quota is 0",
            "Service Quotas",
            {"ListServiceQuotas": {"Quotas": [{"QuotaName": "serverless jobs", "Value": 0.0}]}},
        ),
        ("quotas", "unknown", "names none", "", {"ListServiceQuotas": {"Quotas": []}}),
        (
            "registry",
            "broken",
            "CreateFailed",
            "Studio",
            {
                "DescribeHub": {
                    "HubName": "h",
                    "HubArn": "arn:aws:sagemaker:us-west-2:111122223333:hub/h",
                    "HubStatus": "CreateFailed",
                    "CreationTime": 0,
                    "LastModifiedTime": 0,
                }
            },
        ),
    ],
)
def test_a_fault_is_one_diagnosis_with_its_fix(
    *,
    check: str,
    state: str,
    said: str,
    fix: str,
    changed: Answers,
    examined: Examined,
) -> None:
    found = [one for one in examined(changed) if one.check == check and one.state == state]
    assert any(said in one.message and fix in one.fix for one in found), examined(changed)


@pytest.mark.parametrize("operation", sorted(set(HEALTHY) - {"GetSecretValue", "ListSubscriptionsByTopic"}))
def test_what_may_not_be_looked_at_is_unknown_and_keeps_nothing_else_back(
    operation: str, examined: Examined
) -> None:
    found = examined({operation: Refused("AccessDeniedException", "not you", 403)})
    unknown = [one for one in found if one.state == "unknown"]
    assert unknown
    assert all("allowed to yourself" in one.fix for one in unknown)
    assert {one.check for one in found} | {"function-roles"} == {check.name for check in CHECKS}


def test_a_check_that_fails_is_a_diagnosis(examined: Examined) -> None:
    found = examined({"ListRules": Refused("InternalFailure", "down", 500)})
    (one,) = [diagnosis for diagnosis in found if diagnosis.check == "rules"]
    assert (one.state, "down" in one.message) == ("unknown", True)
    assert {diagnosis.check for diagnosis in found} == {check.name for check in CHECKS}


def test_another_team_than_that_of_the_settings_is_told(
    examined: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slack_sdk.WebClient.api_call", lambda *_, **__: {"ok": True, "team_id": "T0OTHER"})
    assert any("T0OTHER" in one.message for one in examined() if one.state == "broken")


def test_a_region_without_serverless_customization_is_told(examined: Examined) -> None:
    assert any("not known to be offered" in one.message for one in examined(region="sa-east-1"))


def test_no_secret_is_in_a_diagnosis(examined: Examined) -> None:
    secret = {"GetSecretValue": {"SecretString": json.dumps({"token": "xoxb-CANARY", "signing_secret": ""})}}
    assert "CANARY" not in str(examined(secret))


def test_functions_of_rewards_are_looked_for_in_both_contracts() -> None:
    stack = Stack(name=NAME, region=REGION, account=ACCOUNT, clients=None, rewards=("exact_match",))  # type: ignore[arg-type]
    assert len(stack.functions) == len(names.FUNCTIONS) + len(names.REWARD_CONTRACTS)
    assert settings.check(SETTINGS)
