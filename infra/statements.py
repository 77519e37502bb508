"""Policy statements by what they allow, the building blocks of every role in the stack."""

from collections.abc import Iterable, Mapping
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

from infra.arns import Arns
from infra.wildcards import REASONS
from tunestep import names

READABLE = (names.PREFIX_DATA, names.PREFIX_OUTPUT, names.PREFIX_DATASETS, names.PREFIX_REQUESTS)
"""Parts of the stack's bucket that a request may name as data."""

_KEY_USERS = ("s3", "dynamodb", "sns", "sqs", "secretsmanager")
"""Services that may use the customer's keys for the stack's functions."""

Statements = list[iam.PolicyStatement]


def allow(
    actions: Iterable[str], resources: Iterable[str], conditions: Mapping[str, Any] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=list(actions), resources=list(resources), conditions=dict(conditions) if conditions else None
    )


def everywhere(*actions: str) -> iam.PolicyStatement:
    """Actions on ``*``; KeyError for one without a stated reason."""
    missing = [action for action in actions if action not in REASONS]
    if missing:
        raise KeyError(f"no reason in infra/wildcards.py for {', '.join(missing)} on *")
    return allow(actions, ["*"])


def writes_logs(group: str, arns: Arns) -> Statements:
    return [allow(["logs:CreateLogStream", "logs:PutLogEvents"], [arns.log_streams(group)])]


def traces(_: Arns) -> Statements:
    return [everywhere("xray:PutTraceSegments", "xray:PutTelemetryRecords")]


def joins_network(arns: Arns) -> Statements:
    """What Lambda does with the role of a function in a VPC.

    Source: Lambda developer guide, "Giving Lambda functions access to resources in an Amazon VPC". Interfaces
    are made in the subnets and groups of the settings alone; their ids are Lambda's own.
    """
    network = arns.settings.functions_vpc
    if network is None:
        return []
    return [
        allow(
            ["ec2:CreateNetworkInterface"],
            [
                arns.ec2("network-interface", "*"),
                *(arns.ec2("subnet", subnet) for subnet in network.subnets),
                *(arns.ec2("security-group", group) for group in network.security_groups),
            ],
        ),
        everywhere(
            *("ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"),
            *("ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
        ),
    ]


def uses_keys(arns: Arns) -> Statements:
    """Customer-managed keys, only through the services that keep the stack's data."""
    if not arns.keys:
        return []
    services = [f"{service}.{Aws.REGION}.amazonaws.com" for service in _KEY_USERS]
    return [
        allow(
            ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
            arns.keys,
            {"StringEquals": {"kms:ViaService": services}},
        )
    ]


def reads_table(arns: Arns) -> Statements:
    return [allow(["dynamodb:GetItem"], [arns.table])]


def adds_items(arns: Arns) -> Statements:
    return [allow(["dynamodb:PutItem"], [arns.table])]


def changes_items(arns: Arns) -> Statements:
    """UpdateItem, which makes an item that is not there."""
    return [allow(["dynamodb:UpdateItem"], [arns.table])]


def removes_items(arns: Arns) -> Statements:
    """What waits no more, a claim that is given back, a run that never began."""
    return [allow(["dynamodb:DeleteItem"], [arns.table])]


def writes_table(arns: Arns) -> Statements:
    return [*adds_items(arns), *changes_items(arns), *removes_items(arns)]


def lists_runs(arns: Arns) -> Statements:
    return [allow(["dynamodb:Query"], [arns.kind_index])]


def reads_evidence(arns: Arns) -> Statements:
    """Acceptances of licences: the items of one model at a time, and the files beside them."""
    below = {"StringLike": {"s3:prefix": f"{names.PREFIX_EVIDENCE}*"}}
    return [
        allow(["dynamodb:Query"], [arns.evidence_table]),
        allow(["s3:GetObject"], arns.objects(names.PREFIX_EVIDENCE)),
        allow(["s3:ListBucket"], [arns.bucket], below),
    ]


def looks_up_evidence(arns: Arns) -> Statements:
    """One acceptance by its id, and the file that says how it was taken back already."""
    return [
        allow(["dynamodb:GetItem"], [arns.evidence_table]),
        allow(["s3:GetObject"], arns.objects(names.PREFIX_EVIDENCE)),
    ]


def writes_evidence(arns: Arns) -> Statements:
    """Adds acceptances. No role updates or deletes an item, and S3 takes a file only where there is none."""
    return [
        allow(["dynamodb:PutItem"], [arns.evidence_table]),
        allow(
            ["s3:PutObject"],
            arns.objects(names.PREFIX_EVIDENCE),
            {"Null": {"s3:if-none-match": "false"}},
        ),
    ]


def reads_run_files(arns: Arns) -> Statements:
    return [
        allow(["s3:GetObject"], arns.objects(names.PREFIX_RUNS)),
        # Without it S3 answers 403 instead of 404 for a file that is not there yet.
        allow(["s3:ListBucket"], [arns.bucket], {"StringLike": {"s3:prefix": f"{names.PREFIX_RUNS}*"}}),
    ]


def writes_run_files(arns: Arns) -> Statements:
    return [allow(["s3:PutObject"], arns.objects(names.PREFIX_RUNS))]


def receives_requests(arns: Arns) -> Statements:
    return [
        allow(
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
            ],
            [arns.request_queue],
        )
    ]


def reads_presets(arns: Arns) -> Statements:
    return [
        allow(["s3:GetObject"], arns.objects(names.PREFIX_PRESETS)),
        allow(["s3:ListBucket"], [arns.bucket], {"StringLike": {"s3:prefix": f"{names.PREFIX_PRESETS}*"}}),
    ]


def reads_request_files(arns: Arns) -> Statements:
    """The version that the event names; a request that was deleted meanwhile is 404 only with the listing."""
    return [
        allow(["s3:GetObject", "s3:GetObjectVersion"], arns.objects(names.PREFIX_REQUESTS)),
        allow(["s3:ListBucket"], [arns.bucket], {"StringLike": {"s3:prefix": f"{names.PREFIX_REQUESTS}*"}}),
    ]


def writes_rejections(arns: Arns) -> Statements:
    return [allow(["s3:PutObject"], arns.objects(names.PREFIX_REJECTED))]


def reads_group_records(arns: Arns) -> Statements:
    """Which model package groups this stack made: state/groups/<name>.json."""
    below = {"StringLike": {"s3:prefix": f"{names.PREFIX_GROUPS}*"}}
    return [
        allow(["s3:GetObject"], arns.objects(names.PREFIX_GROUPS)),
        allow(["s3:ListBucket"], [arns.bucket], below),
    ]


def writes_group_records(arns: Arns) -> Statements:
    return [allow(["s3:PutObject"], arns.objects(names.PREFIX_GROUPS))]


def reads_data(arns: Arns) -> Statements:
    """Objects that a request may name, in the stack's bucket and in the locations of the settings.

    HeadBucket is s3:ListBucket without a prefix, hence the condition that applies only where one is given.
    """
    places = _data_places(arns)
    prefixes: dict[str, list[str]] = {}
    for bucket, prefix in places:
        prefixes.setdefault(bucket, []).append(f"{prefix}*")
    return [
        allow(["s3:GetObject"], [f"{bucket}/{prefix}*" for bucket, prefix in places]),
        *(
            allow(["s3:ListBucket"], [bucket], {"StringLikeIfExists": {"s3:prefix": below}})
            for bucket, below in prefixes.items()
        ),
    ]


def reads_versions(arns: Arns) -> Statements:
    """The very version that was planned with, whatever was written since."""
    return [allow(["s3:GetObjectVersion"], [f"{bucket}/{prefix}*" for bucket, prefix in _data_places(arns)])]


def _data_places(arns: Arns) -> list[tuple[str, str]]:
    return [(arns.bucket, prefix) for prefix in READABLE] + arns.locations()


def looks_at_rewards(arns: Arns) -> Statements:
    """Reads code hash and configuration of the reward functions."""
    listed = [named for arn in arns.settings.allowed.reward_functions for named in (arn, f"{arn}:*")]
    return [allow(["lambda:GetFunctionConfiguration"], [arns.own_rewards, *listed])]


def tells_rewards(arns: Arns) -> Statements:
    """Reads the tag that makes a function one of the stack's rewards."""
    return [allow(["lambda:ListTags"], [arns.own_rewards])]


def invokes_rewards(arns: Arns) -> Statements:
    """The reward functions, without version or alias, because that is what a job calls."""
    functions = arns.reward_functions
    return [allow(["lambda:InvokeFunction"], functions)] if functions else []


def asks_judges(arns: Arns) -> Statements:
    return [allow(["bedrock:InvokeModel"], arns.judges)]


def reads_roles(arns: Arns) -> Statements:
    """Looks at the execution roles a request may name, and simulates what they may do."""
    return [allow(["iam:GetRole", "iam:SimulatePrincipalPolicy"], execution_roles(arns))]


def execution_roles(arns: Arns) -> list[str]:
    return [arns.execution_role, *arns.settings.allowed.execution_roles]


def answers_tokens(_: Arns) -> Statements:
    return [everywhere("states:SendTaskSuccess")]


def fails_tokens(_: Arns) -> Statements:
    """Ends a waiting state with an error."""
    return [everywhere("states:SendTaskFailure")]


def starts_runs(arns: Arns) -> Statements:
    return [allow(["states:StartExecution"], [arns.machine])]


def reads_runs(arns: Arns) -> Statements:
    return [allow(["states:DescribeExecution"], [arns.executions])]


def stops_runs(arns: Arns) -> Statements:
    return [allow(["states:StopExecution"], [arns.executions])]


def mails_approvers(arns: Arns) -> Statements:
    """Publishes to each approver's topic, once it is known that the address was confirmed."""
    topics = arns.approver_topics
    return [allow(["sns:Publish", "sns:ListSubscriptionsByTopic"], topics)] if topics else []


def finds_approvers(arns: Arns) -> Statements:
    """Looks whether the approvers' addresses were confirmed."""
    topics = arns.approver_topics
    return [allow(["sns:ListSubscriptionsByTopic"], topics)] if topics else []


def talks_to_slack(arns: Arns) -> Statements:
    """Reads the one secret with Slack's token and signing secret."""
    secret = arns.slack_secret
    return [allow(["secretsmanager:GetSecretValue"], [secret])] if secret else []


def has_decisions_shown(arns: Arns) -> Statements:
    """Calls notify after a decision, to bring the messages up to date."""
    return [allow(["lambda:InvokeFunction"], [arns.function("notify")])] if arns.settings.slack else []


def has_notices_sent(arns: Arns) -> Statements:
    """Calls notify, which tells people while a run goes on."""
    return [allow(["lambda:InvokeFunction"], [arns.function("notify")])]


def sends_notices(arns: Arns) -> Statements:
    return [allow(["sns:Publish"], [arns.topic])]
