"""What the policy of a customer-managed key has to say for the services that keep a stack's data.

The stack is given the key by ARN and cannot change its policy; whoever owns the key adds these statements.
Logs, events and alarms act as themselves, the other services for whoever calls them. Sources: CloudWatch
Logs user guide, "Encrypt log data"; SNS developer guide, "Key management"; SQS developer guide, "Key
management"; EventBridge user guide, "Encrypting Amazon SQS queues".
"""

from typing import Any

_USED_FOR_CALLERS = ("dynamodb", "s3", "secretsmanager", "sns", "sqs")


def statements(key: str, stack: str) -> list[dict[str, Any]]:
    """Statements for the policy of ``key``, an ARN, which names partition, region and account."""
    _, partition, _, region, account, _ = key.split(":", 5)
    prefix = f"arn:{partition}"
    source = {"StringEquals": {"aws:SourceAccount": account}}
    return [
        _allow(
            "TunestepLogs",
            {"Service": f"logs.{region}.amazonaws.com"},
            ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": [
                        f"{prefix}:logs:{region}:{account}:log-group:/aws/{group}/{stack}-*"
                        for group in ("lambda", "vendedlogs", "vendedlogs/states")
                    ]
                }
            },
        ),
        _allow(
            "TunestepEventsAndAlarms",
            {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
            ["kms:Decrypt", "kms:GenerateDataKey*"],
            source,
        ),
        _allow(
            "TunestepServicesForTheirCallers",
            {"AWS": f"{prefix}:iam::{account}:root"},
            ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            {
                "StringEquals": {
                    "kms:ViaService": [f"{service}.{region}.amazonaws.com" for service in _USED_FOR_CALLERS]
                }
            },
        ),
        _allow(
            "TunestepTrainingJobs",
            {"AWS": f"{prefix}:iam::{account}:root"},
            ["kms:CreateGrant"],
            {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]


def _allow(
    sid: str, principal: dict[str, Any], actions: list[str], condition: dict[str, Any]
) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": actions,
        "Resource": "*",
        "Condition": condition,
    }
