"""Actions that IAM cannot limit to a resource, each with the reason; nothing else is granted on ``*``.

Source: the resource types column of AWS's service authorization reference.
"""

REASONS: dict[str, str] = {
    "xray:PutTraceSegments": "trace segments are not a resource",
    "xray:PutTelemetryRecords": "telemetry records are not a resource",
    "xray:GetSamplingRules": "sampling rules are read for the account",
    "xray:GetSamplingTargets": "sampling targets are read for the account",
    "states:SendTaskSuccess": "no resource type; possession of the task token is the permission",
    "states:SendTaskFailure": "no resource type; possession of the task token is the permission",
    "sagemaker:ListMlflowApps": "a list over the account; finds the account's default app",
    "ecr:GetAuthorizationToken": "a token for the whole registry; needed to pull the training image",
    "cloudwatch:PutMetricData": "metrics are not a resource; SageMaker's SDK simulates the role for it",
    "ec2:DescribeNetworkInterfaces": "no resource type; granted only when settings list subnets",
    "ec2:DescribeVpcs": "no resource type; granted only when settings list subnets",
    "ec2:DescribeDhcpOptions": "no resource type; granted only when settings list subnets",
    "ec2:DescribeSubnets": "no resource type; granted only when settings list subnets",
    "ec2:DescribeSecurityGroups": "no resource type; granted only when settings list subnets",
    "logs:CreateLogDelivery": "log deliveries have no resource type; the machine's log needs them",
    "logs:GetLogDelivery": "log deliveries have no resource type; the machine's log needs them",
    "logs:UpdateLogDelivery": "log deliveries have no resource type; the machine's log needs them",
    "logs:DeleteLogDelivery": "log deliveries have no resource type; the machine's log needs them",
    "logs:ListLogDeliveries": "log deliveries have no resource type; the machine's log needs them",
    "logs:PutResourcePolicy": "resource policies have no resource type; the machine's log needs them",
    "logs:DescribeResourcePolicies": "resource policies have no resource type; the machine's log needs them",
    "logs:DescribeLogGroups": "a list over the account; the machine's log needs it",
}
