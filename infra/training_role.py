"""The role that training jobs run under when a request names none.

What the service needs is what SageMaker's own SDK puts into a training role, less the starting and
stopping of jobs, plus Bedrock for the judge of RLAIF. Objects are limited to the stack's data and output
and to the locations of the settings.
"""

from aws_cdk import Aws
from constructs import Construct

from infra import sagemaker_statements as sagemaker
from infra import statements as may
from infra.arns import Arns
from infra.roles import role_for_sagemaker
from infra.statements import Statements, allow, everywhere
from tunestep import names

# The groups of training and evaluation jobs: /aws/sagemaker/TrainingJobs and its like.
_LOG_GROUPS = "/aws/sagemaker/*"


def _objects(arns: Arns) -> Statements:
    writable = [(arns.bucket, names.PREFIX_OUTPUT), *arns.locations()]
    return [
        allow(
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            [f"{bucket}/{prefix}*" for bucket, prefix in writable],
        )
    ]


def _buckets(arns: Arns) -> Statements:
    """What clients of S3 ask of a bucket before they read from it."""
    buckets = dict.fromkeys([arns.bucket, *(bucket for bucket, _ in arns.locations())])
    return [allow(["s3:GetBucketLocation", "s3:GetBucketVersioning"], buckets)]


def _hubs(arns: Arns) -> Statements:
    """Whole hubs: the trainer's ways through them are the service's own."""
    return [
        allow(
            ["sagemaker:DescribeHub", "sagemaker:ListHubContents", "sagemaker:ListHubContentVersions"],
            [*arns.public_hub, *arns.sagemaker("hub", "hub-content")],
        )
    ]


def _logs_and_metrics(arns: Arns) -> Statements:
    return [
        allow(
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [arns.log_streams(_LOG_GROUPS)],
        ),
        everywhere("cloudwatch:PutMetricData"),
    ]


def _images(arns: Arns) -> Statements:
    """Images lie in registries of the service's own accounts, which differ by region."""
    return [
        everywhere("ecr:GetAuthorizationToken"),
        allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [f"arn:{Aws.PARTITION}:ecr:{Aws.REGION}:*:repository/*"],
        ),
    ]


def _registry(arns: Arns) -> Statements:
    return [
        allow(
            [
                "sagemaker:AddTags",
                "sagemaker:CreateModelPackage",
                "sagemaker:CreateModelPackageGroup",
                "sagemaker:DescribeModelPackage",
                "sagemaker:DescribeModelPackageGroup",
                "sagemaker:ListModelPackages",
                "sagemaker:UpdateModelPackage",
            ],
            arns.sagemaker("model-package", "model-package-group"),
        ),
        allow(["sagemaker:DescribeTrainingJob"], arns.sagemaker("training-job")),
    ]


def _lineage(arns: Arns) -> Statements:
    return [
        allow(
            [
                "sagemaker:AddAssociation",
                "sagemaker:CreateAction",
                "sagemaker:CreateArtifact",
                "sagemaker:CreateContext",
                "sagemaker:DescribeAction",
                "sagemaker:DescribeArtifact",
                "sagemaker:DescribeContext",
            ],
            arns.sagemaker("action", "artifact", "context"),
        )
    ]


def _rewards(arns: Arns) -> Statements:
    """Exactly the reward functions that a request may name, and the judges of RLAIF."""
    return [*may.invokes_rewards(arns), allow(["bedrock:InvokeModel"], arns.judges_of_jobs)]


def _network(arns: Arns) -> Statements:
    """Only when settings list subnets: without one no job can be put into a VPC."""
    allowed = arns.settings.allowed
    if not allowed.subnets:
        return []
    return [
        everywhere(
            "ec2:DescribeDhcpOptions",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        ),
        allow(
            [
                "ec2:CreateNetworkInterface",
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
            ],
            [
                arns.ec2("network-interface", "*"),
                *(arns.ec2("subnet", subnet) for subnet in allowed.subnets),
                *(arns.ec2("security-group", group) for group in allowed.security_groups),
            ],
        ),
    ]


def _keys(arns: Arns) -> Statements:
    if not arns.keys:
        return []
    return [
        allow(
            [
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:GenerateDataKeyWithoutPlaintext",
            ],
            arns.keys,
        ),
        allow(["kms:CreateGrant"], arns.keys, {"Bool": {"kms:GrantIsForAWSResource": "true"}}),
    ]


class TrainingRole(Construct):
    """Assumed by SageMaker alone, and only on behalf of this account."""

    def __init__(self, scope: Construct, id_: str, *, arns: Arns) -> None:
        super().__init__(scope, id_)
        policies = {
            "Data": [
                *may.reads_data(arns),
                *may.reads_versions(arns),
                *_buckets(arns),
                *_objects(arns),
            ],
            "Hub": [*sagemaker.reads_hub(arns), *_hubs(arns), *_images(arns)],
            "Registry": [*_registry(arns), *_lineage(arns)],
            "Metrics": [
                *_logs_and_metrics(arns),
                *sagemaker.reads_metrics(arns),
                *sagemaker.writes_metrics(arns),
            ],
            "Rewards": _rewards(arns),
            "Network": _network(arns),
            "Keys": _keys(arns),
        }
        self.role = role_for_sagemaker(
            self,
            "Role",
            policies,
            description="SageMaker training jobs started by Tunestep",
            name=names.execution_role_name(arns.stack, Aws.REGION),
        )
