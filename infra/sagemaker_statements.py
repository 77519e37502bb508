"""Policy statements about SageMaker: hubs, evaluators, packages, jobs with their logs, and MLflow apps."""

from infra.arns import Arns
from infra.statements import Statements, allow, everywhere, execution_roles
from tunestep import names


def reads_hub(arns: Arns) -> Statements:
    """The service's hub with its cache bucket, and the account's own hubs (data sets, evaluators)."""
    return [
        allow(["sagemaker:DescribeHubContent"], [*arns.public_hub, *arns.sagemaker("hub", "hub-content")]),
        allow(["s3:GetObject"], [f"{arns.hub_cache}/*"]),
        allow(["s3:ListBucket"], [arns.hub_cache]),
    ]


def lists_models(arns: Arns) -> Statements:
    """The names of the service's hub, for the nearest one to a name that is not there."""
    return [allow(["sagemaker:ListHubContents"], arns.public_hub)]


def reads_packages(arns: Arns) -> Statements:
    return [allow(["sagemaker:DescribeModelPackage"], arns.sagemaker("model-package"))]


def lists_packages(arns: Arns) -> Statements:
    return [
        allow(["sagemaker:ListModelPackages"], arns.sagemaker("model-package", "model-package-group")),
    ]


def reads_groups(arns: Arns) -> Statements:
    return [allow(["sagemaker:DescribeModelPackageGroup"], arns.sagemaker("model-package-group"))]


def registers_evaluators(arns: Arns) -> Statements:
    """Makes the account's registry hub and imports evaluators into it."""
    hub, content = arns.sagemaker_named("hub", arns.registry_hub), f"{arns.registry_hub}/JsonDoc/*"
    return [
        allow(["sagemaker:CreateHub", "sagemaker:DescribeHub"], [hub]),
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
        "sagemaker-mlflow:GetMetricHistory",
        "sagemaker-mlflow:GetRun",
    )


def writes_metrics(arns: Arns) -> Statements:
    """What a training job does in MLflow, which finds its experiment and its runs as well."""
    actions = (
        *("GetExperiment", "GetExperimentByName", "SearchExperiments", "SearchRuns"),
        *("CreateExperiment", "CreateModelVersion", "CreateRegisteredModel", "CreateRun"),
        *("LogBatch", "LogInputs", "LogMetric", "LogModel", "LogOutputs", "LogParam", "ListArtifacts"),
        *("SetExperimentTag", "SetTag", "UpdateExperiment", "UpdateRun"),
    )
    described = "sagemaker:DescribeMlflowApp"
    return _on_apps(arns, described, *(f"sagemaker-mlflow:{action}" for action in actions))


def _on_apps(arns: Arns, *actions: str) -> Statements:
    return [allow(actions, arns.mlflow_apps)] if arns.mlflow_apps else []


def reads_jobs(arns: Arns) -> Statements:
    return [allow(["sagemaker:DescribeTrainingJob"], arns.sagemaker("training-job"))]


def knows_own_jobs(arns: Arns) -> Statements:
    """Reads the tags that tell whose a job is."""
    return [allow(["sagemaker:ListTags"], arns.sagemaker("training-job"))]


def reads_job_logs(arns: Arns) -> Statements:
    """The last lines of a failed job's log."""
    group = names.TRAINING_LOG_GROUP
    return [allow(["logs:DescribeLogStreams", "logs:GetLogEvents"], [arns.log_streams(group)])]


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
