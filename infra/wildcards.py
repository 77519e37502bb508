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
    "ec2:AssignPrivateIpAddresses": "on interfaces that Lambda made and named; only with functions_vpc",
    "ec2:UnassignPrivateIpAddresses": "on interfaces that Lambda made and named; only with functions_vpc",
    "ec2:DeleteNetworkInterface": "on interfaces that Lambda made and named; only with functions_vpc",
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

BELOW: dict[str, str] = {
    "arn:*:s3:::jumpstart-cache-prod-*/[*]": "the service's public bucket; its keys differ by model",
    "arn:*:s3:::*/*": "objects below one prefix, whose names are made by requests and runs",
    "arn:*:logs:*:log-group:/aws/lambda/*:[*]": "the streams of the function's own log group",
    "arn:*:logs:*:log-group:/aws/sagemaker/*:[*]": "the service names groups and streams of training jobs",
    "arn:*:states:*:execution:*:[*]": "executions of the stack's one machine",
    "arn:*:lambda:*:function:*-SageMaker-reward-[*]": "names that only rewards of this stack can have",
    "arn:*:lambda:*:function:*:[*]": "versions of one function that the settings list",
    "arn:*:sagemaker:*:aws:hub-content/SageMakerPublicHub/[*]": "every model of the service's hub",
    "arn:*:sagemaker:*:hub/[*]": "data sets and evaluators may lie in any hub of the account",
    "arn:*:sagemaker:*:hub-content/[*]": "data sets and evaluators may lie in any hub of the account",
    "arn:*:sagemaker:*:hub-content/*/JsonDoc/[*]": "evaluators in the account's registry hub",
    "arn:*:sagemaker:*:model-package*/[*]": "requests name groups, and the service numbers packages",
    "arn:*:sagemaker:*:training-job/[*]": "names of jobs begin with a base name that requests choose",
    "arn:*:sagemaker:*:action/[*]": "the service names the lineage of a job",
    "arn:*:sagemaker:*:artifact/[*]": "the service names the lineage of a job",
    "arn:*:sagemaker:*:context/[*]": "the service names the lineage of a job",
    "arn:*:ecr:*:repository/[*]": "the service's own registries, which differ by region",
    "arn:*:bedrock:[*]::foundation-model/*": "a judge reached through a cross-region profile runs elsewhere",
    "arn:*:bedrock:*:inference-profile/[*].*": "the name of a judge's profile begins with where it leads",
    "arn:*:ec2:*:network-interface/[*]": "interfaces get their ids when a job or Lambda makes them",
}
"""Wildcards inside an ARN, each with the reason, by a pattern in which ``[*]`` is the star itself; the first
that fits counts."""
