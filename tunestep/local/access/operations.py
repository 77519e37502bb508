"""The one table from operations of AWS's APIs to the actions and resources that IAM decides on.

Every row follows the Service Authorization Reference, the page named at each service
(docs.aws.amazon.com/service-authorization/latest/reference/list_PAGE.html); tests compare the actions and
their resource types with the copy of it that cfn-lint brings. An operation without a row is refused to
roles.

In resources and context, ``{Name}`` is a member of the request, ``{region}`` and ``{account}`` are the
call's. A member that is an ARN already stands for the whole resource.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Need(NamedTuple):
    """One action that an operation takes, on one resource.

    ``only_with`` is a member without which it is not needed. ``context`` are condition keys; one whose
    value names a member that the request lacks is absent.
    """

    action: str
    resource: str = "*"
    only_with: str = ""
    context: Mapping[str, str] = {}


class Service(NamedTuple):
    """The page of the Service Authorization Reference, and the needs of each operation."""

    page: str
    operations: Mapping[str, tuple[Need, ...]]


def _same(needs: tuple[Need, ...], *operations: str) -> dict[str, tuple[Need, ...]]:
    return dict.fromkeys(operations, needs)


def _here(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{{region}}:{{account}}:{resource}"


_BUCKET, _OBJECT = "arn:aws:s3:::{Bucket}", "arn:aws:s3:::{Bucket}/{Key}"
_PUT = (Need("s3:PutObject", _OBJECT, context={"s3:if-none-match": "{if-none-match}"}),)
_LIST = (Need("s3:ListBucket", _BUCKET, context={"s3:prefix": "{prefix}"}),)
_READ = (Need("s3:GetObject", _OBJECT),)
_READ_VERSION = (Need("s3:GetObjectVersion", _OBJECT),)
_S3: dict[str, tuple[Need, ...]] = {
    **_same(_READ, "GetObject", "HeadObject"),
    **_same(_READ_VERSION, "GetObjectOfVersion", "HeadObjectOfVersion"),
    **_same(_LIST, "ListObjects", "ListObjectsV2"),
    "HeadBucket": (Need("s3:ListBucket", _BUCKET),),
    "GetBucketLocation": (Need("s3:GetBucketLocation", _BUCKET),),
    "GetBucketVersioning": (Need("s3:GetBucketVersioning", _BUCKET),),
    **_same(_PUT, "PutObject", "CompleteMultipartUpload"),
    # Its parts are no objects yet, so there is nothing that a condition on if-none-match could be about.
    **_same((Need("s3:PutObject", _OBJECT),), "CreateMultipartUpload", "UploadPart"),
    "CopyObject": (*_PUT, Need("s3:GetObject", "arn:aws:s3:::{CopySource}")),
    "AbortMultipartUpload": (Need("s3:AbortMultipartUpload", _OBJECT),),
    "ListParts": (Need("s3:ListMultipartUploadParts", _OBJECT),),
    "DeleteObject": (Need("s3:DeleteObject", _OBJECT),),
}

ABSENCE = Need("s3:ListBucket", _BUCKET, context={"s3:prefix": "{Key}"})
"""What it takes to be told that an object is not there; S3 answers 403 to others.

Source: S3 API reference, "GetObject"; that the key counts as the prefix is seen of S3 and not written there.
"""

TELL_ABSENCE = frozenset({"GetObject", "HeadObject", "GetObjectOfVersion", "HeadObjectOfVersion"})
"""Operations of S3 that answer 404."""

_TABLE = _here("dynamodb", "table/{TableName}")
_DYNAMODB = {
    **{name: (Need(f"dynamodb:{name}", _TABLE),) for name in ("GetItem", "PutItem", "UpdateItem")},
    "DeleteItem": (Need("dynamodb:DeleteItem", _TABLE),),
    "Query": (Need("dynamodb:Query", f"{_TABLE}{{index}}"),),
    "Scan": (Need("dynamodb:Scan", f"{_TABLE}{{index}}"),),
}

_JOB = _here("sagemaker", "training-job/{TrainingJobName}")
_GROUP = _here("sagemaker", "model-package-group/{ModelPackageGroupName}")
_PACKAGE = _here("sagemaker", "model-package/{ModelPackageName}")
_HUB = "arn:aws:sagemaker:{region}:{hub_account}:hub/{hub}"
_CONTENT = "arn:aws:sagemaker:{region}:{hub_account}:hub-content/{hub}/{HubContentType}/{HubContentName}"
_APP = _here("sagemaker", "mlflow-app/{Arn}")
_SAGEMAKER = {
    "CreateTrainingJob": (
        Need("sagemaker:CreateTrainingJob", _JOB),
        Need("sagemaker:AddTags", _JOB, only_with="Tags"),
        Need("iam:PassRole", "{RoleArn}", context={"iam:PassedToService": "sagemaker.amazonaws.com"}),
    ),
    "DescribeTrainingJob": (Need("sagemaker:DescribeTrainingJob", _JOB),),
    "StopTrainingJob": (Need("sagemaker:StopTrainingJob", _JOB),),
    "ListTags": (Need("sagemaker:ListTags", "{ResourceArn}"),),
    "AddTags": (Need("sagemaker:AddTags", "{ResourceArn}"),),
    "CreateModelPackageGroup": (
        Need("sagemaker:CreateModelPackageGroup", _GROUP),
        Need("sagemaker:AddTags", _GROUP, only_with="Tags"),
    ),
    "DescribeModelPackageGroup": (Need("sagemaker:DescribeModelPackageGroup", _GROUP),),
    "DescribeModelPackage": (Need("sagemaker:DescribeModelPackage", _PACKAGE),),
    "ListModelPackages": (
        Need("sagemaker:ListModelPackages", _here("sagemaker", "model-package/{ModelPackageGroupName}")),
    ),
    "DescribeHub": (Need("sagemaker:DescribeHub", _HUB),),
    "CreateHub": (Need("sagemaker:CreateHub", _HUB),),
    "ListHubContents": (Need("sagemaker:ListHubContents", _HUB),),
    **{
        name: (Need(f"sagemaker:{name}", _HUB), Need(f"sagemaker:{name}", f"{_CONTENT}/{{version}}"))
        for name in ("DescribeHubContent", "ImportHubContent")
    },
    "ListHubContentVersions": (
        Need("sagemaker:ListHubContentVersions", _HUB),
        Need("sagemaker:ListHubContentVersions", _CONTENT),
    ),
    "ListMlflowApps": (Need("sagemaker:ListMlflowApps"),),
    "DescribeMlflowApp": (Need("sagemaker:DescribeMlflowApp", _APP),),
}


def _mlflow(action: str) -> tuple[Need, ...]:
    """An app is called through an action of SageMaker's own, a tracking server is not."""
    return (
        Need("sagemaker:CallMlflowAppApi", "{app}", only_with="app"),
        Need(f"sagemaker-mlflow:{action}", "{resource}"),
    )


_MLFLOW = {
    "GET experiments/get": _mlflow("GetExperiment"),
    "GET experiments/get-by-name": _mlflow("GetExperimentByName"),
    "GET experiments/search": _mlflow("SearchExperiments"),
    "POST experiments/search": _mlflow("SearchExperiments"),
    "POST experiments/create": _mlflow("CreateExperiment"),
    "POST runs/create": _mlflow("CreateRun"),
    "GET runs/get": _mlflow("GetRun"),
    "POST runs/update": _mlflow("UpdateRun"),
    "POST runs/search": _mlflow("SearchRuns"),
    "POST runs/log-metric": _mlflow("LogMetric"),
    "POST runs/log-batch": _mlflow("LogBatch"),
    "POST runs/log-parameter": _mlflow("LogParam"),
    "POST runs/set-tag": _mlflow("SetTag"),
    "GET metrics/get-history": _mlflow("GetMetricHistory"),
}

_FUNCTION = _here("lambda", "function:{FunctionName}")
_MODEL = "arn:aws:bedrock:{region}::foundation-model/{modelId}"
_STREAMS = _here("logs", "log-group:{logGroupName}:log-stream:{logStreamName}")

SERVICES: dict[str, Service] = {
    "s3": Service("amazons3", _S3),
    "dynamodb": Service("amazondynamodb", _DYNAMODB),
    "sagemaker": Service("amazonsagemaker", _SAGEMAKER),
    "sagemaker-mlflow": Service("amazonsagemakerwithmlflow", _MLFLOW),
    "states": Service(
        "awsstepfunctions",
        {
            "StartExecution": (Need("states:StartExecution", "{stateMachineArn}"),),
            "DescribeExecution": (Need("states:DescribeExecution", "{executionArn}"),),
            "StopExecution": (Need("states:StopExecution", "{executionArn}"),),
            "SendTaskSuccess": (Need("states:SendTaskSuccess"),),
            "SendTaskFailure": (Need("states:SendTaskFailure"),),
        },
    ),
    "lambda": Service(
        "awslambda",
        {
            "Invoke": (Need("lambda:InvokeFunction", _FUNCTION),),
            "GetFunctionConfiguration": (Need("lambda:GetFunctionConfiguration", _FUNCTION),),
            "GetFunction": (Need("lambda:GetFunction", _FUNCTION),),
            "ListTags": (Need("lambda:ListTags", _FUNCTION),),
        },
    ),
    "bedrock": Service(
        "amazonbedrock",
        _same((Need("bedrock:InvokeModel", _MODEL),), "Converse", "InvokeModel"),
    ),
    "iam": Service(
        "awsidentityandaccessmanagementiam",
        {
            "GetRole": (Need("iam:GetRole", "{role}"),),
            "SimulatePrincipalPolicy": (Need("iam:SimulatePrincipalPolicy", "{PolicySourceArn}"),),
        },
    ),
    "sns": Service(
        "amazonsns",
        {
            "Publish": (Need("sns:Publish", "{TopicArn}"),),
            "ListSubscriptionsByTopic": (Need("sns:ListSubscriptionsByTopic", "{TopicArn}"),),
        },
    ),
    # Nobody is refused this: it works even with an explicit deny (API reference of GetCallerIdentity).
    "sts": Service("awssecuritytokenservice", {"GetCallerIdentity": ()}),
    "secretsmanager": Service(
        "awssecretsmanager",
        {"GetSecretValue": (Need("secretsmanager:GetSecretValue", "{secret}"),)},
    ),
    "logs": Service(
        "amazoncloudwatchlogs",
        {
            "DescribeLogStreams": (
                Need("logs:DescribeLogStreams", _here("logs", "log-group:{logGroupName}:log-stream:")),
            ),
            "GetLogEvents": (Need("logs:GetLogEvents", _STREAMS),),
        },
    ),
}
"""By the name that requests are signed for."""

UNCALLED_KEYS = frozenset({"kms:viaservice", "kms:grantisforawsresource"})
"""Condition keys of actions that are no operation of a table above: the laptop's services encrypt nothing."""

CONDITION_KEYS = UNCALLED_KEYS | {
    key.lower()
    for service in SERVICES.values()
    for needs in service.operations.values()
    for need in needs
    for key in need.context
}
"""The condition keys that calls come with, in lower case; a policy with another one is refused."""
