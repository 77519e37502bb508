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


def uses_keys(arns: Arns) -> Statements:
    """Customer-managed keys, only through the services that keep the stack's data."""
    if not arns.keys:
        return []
    services = [f"{service}.{Aws.REGION}.amazonaws.com" for service in ("s3", "dynamodb", "sns", "sqs")]
    return [
        allow(
            ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
            arns.keys,
            {"StringEquals": {"kms:ViaService": services}},
        )
    ]


def reads_table(arns: Arns) -> Statements:
    return [allow(["dynamodb:GetItem", "dynamodb:Query"], [arns.table])]


def writes_table(arns: Arns) -> Statements:
    return [allow(["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [arns.table])]


def lists_runs(arns: Arns) -> Statements:
    return [allow(["dynamodb:Query"], [arns.kind_index])]


def reads_run_files(arns: Arns) -> Statements:
    return [
        allow(["s3:GetObject"], arns.objects(names.PREFIX_RUNS)),
        # Without it S3 answers 403 instead of 404 for a file that is not there yet.
        allow(["s3:ListBucket"], [arns.bucket], {"StringLike": {"s3:prefix": f"{names.PREFIX_RUNS}*"}}),
    ]


def writes_run_files(arns: Arns) -> Statements:
    return [allow(["s3:PutObject"], arns.objects(names.PREFIX_RUNS))]


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
    places = [(arns.bucket, prefix) for prefix in READABLE] + arns.locations()
    prefixes: dict[str, list[str]] = {}
    for bucket, prefix in places:
        prefixes.setdefault(bucket, []).append(f"{prefix}*")
    return [
        allow(["s3:GetObject", "s3:GetObjectVersion"], [f"{bucket}/{prefix}*" for bucket, prefix in places]),
        allow(["s3:GetBucketLocation", "s3:GetBucketVersioning"], list(prefixes)),
        *(
            allow(["s3:ListBucket"], [bucket], {"StringLikeIfExists": {"s3:prefix": below}})
            for bucket, below in prefixes.items()
        ),
    ]


def reads_hub(arns: Arns) -> Statements:
    """The service's hub with its cache bucket, and the account's own hubs (data sets, evaluators)."""
    return [
        allow(
            [
                "sagemaker:DescribeHub",
                "sagemaker:DescribeHubContent",
                "sagemaker:ListHubContents",
                "sagemaker:ListHubContentVersions",
            ],
            [*arns.public_hub, *arns.sagemaker("hub", "hub-content")],
        ),
        allow(["s3:GetObject"], [f"{arns.hub_cache}/*"]),
        allow(["s3:ListBucket"], [arns.hub_cache]),
    ]


def reads_registry(arns: Arns) -> Statements:
    return [
        allow(
            [
                "sagemaker:DescribeModelPackage",
                "sagemaker:DescribeModelPackageGroup",
                "sagemaker:ListModelPackages",
            ],
            arns.sagemaker("model-package", "model-package-group"),
        )
    ]


def looks_at_rewards(arns: Arns) -> Statements:
    """Reads code hash and configuration of the reward functions, and the tag that makes one the stack's."""
    listed = [named for arn in arns.settings.allowed.reward_functions for named in (arn, f"{arn}:*")]
    return [
        allow(["lambda:GetFunctionConfiguration"], [arns.own_rewards, *listed]),
        allow(["lambda:ListTags"], [arns.own_rewards]),
    ]


def invokes_rewards(arns: Arns) -> Statements:
    """The reward functions, without version or alias, because that is what a job calls."""
    functions = arns.reward_functions
    return [allow(["lambda:InvokeFunction"], functions)] if functions else []


def asks_judges(arns: Arns) -> Statements:
    return [allow(["bedrock:InvokeModel"], arns.judges)]


def registers_evaluators(arns: Arns) -> Statements:
    """Makes the account's registry hub and imports evaluators into it."""
    hub, content = arns.sagemaker_named("hub", arns.registry_hub), f"{arns.registry_hub}/JsonDoc/*"
    return [
        allow(["sagemaker:CreateHub"], [hub]),
        allow(["sagemaker:ImportHubContent"], [hub, arns.sagemaker_named("hub-content", content)]),
    ]


def creates_groups(arns: Arns) -> Statements:
    return [
        allow(
            ["sagemaker:CreateModelPackageGroup", "sagemaker:AddTags", "sagemaker:ListTags"],
            arns.sagemaker("model-package-group"),
        )
    ]


def finds_mlflow_apps(arns: Arns) -> Statements:
    listing = everywhere("sagemaker:ListMlflowApps")
    return [listing, *_on_apps(arns, "sagemaker:DescribeMlflowApp")]


def reads_metrics(arns: Arns) -> Statements:
    return _on_apps(
        arns,
        "sagemaker:CallMlflowAppApi",
        "sagemaker:DescribeMlflowApp",
        "sagemaker-mlflow:GetExperiment",
        "sagemaker-mlflow:GetExperimentByName",
        "sagemaker-mlflow:GetMetricHistory",
        "sagemaker-mlflow:GetRun",
        "sagemaker-mlflow:SearchExperiments",
        "sagemaker-mlflow:SearchRuns",
    )


def writes_metrics(arns: Arns) -> Statements:
    actions = (
        *("CreateExperiment", "CreateModelVersion", "CreateRegisteredModel", "CreateRun"),
        *("LogBatch", "LogInputs", "LogMetric", "LogModel", "LogOutputs", "LogParam", "ListArtifacts"),
        *("SetExperimentTag", "SetTag", "UpdateExperiment", "UpdateRun"),
    )
    return _on_apps(arns, *(f"sagemaker-mlflow:{action}" for action in actions))


def _on_apps(arns: Arns, *actions: str) -> Statements:
    return [allow(actions, arns.mlflow_apps)] if arns.mlflow_apps else []


def reads_roles(arns: Arns) -> Statements:
    """Looks at the execution roles a request may name, and simulates what they may do."""
    return [allow(["iam:GetRole", "iam:SimulatePrincipalPolicy"], execution_roles(arns))]


def execution_roles(arns: Arns) -> list[str]:
    return [arns.execution_role, *arns.settings.allowed.execution_roles]


def reads_jobs(arns: Arns) -> Statements:
    return [allow(["sagemaker:DescribeTrainingJob", "sagemaker:ListTags"], arns.sagemaker("training-job"))]


def stops_jobs(arns: Arns) -> Statements:
    return [allow(["sagemaker:StopTrainingJob"], arns.sagemaker("training-job"))]


def starts_jobs(arns: Arns) -> Statements:
    """CreateTrainingJob, and the right to hand exactly the listed roles to SageMaker and nobody else."""
    grants = [
        allow(["sagemaker:CreateTrainingJob", "sagemaker:AddTags"], arns.sagemaker("training-job")),
        allow(
            ["iam:PassRole"],
            execution_roles(arns),
            {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
    ]
    if arns.keys:
        grants.append(
            allow(["kms:CreateGrant"], arns.keys, {"Bool": {"kms:GrantIsForAWSResource": "true"}}),
        )
    return grants


def answers_tokens(_: Arns) -> Statements:
    return [everywhere("states:SendTaskSuccess", "states:SendTaskFailure")]


def starts_runs(arns: Arns) -> Statements:
    return [allow(["states:StartExecution"], [arns.machine])]


def reads_runs(arns: Arns) -> Statements:
    return [allow(["states:DescribeExecution"], [arns.executions])]


def stops_runs(arns: Arns) -> Statements:
    return [allow(["states:StopExecution"], [arns.executions])]


def sends_notices(arns: Arns) -> Statements:
    return [allow(["sns:Publish"], [arns.topic])]
