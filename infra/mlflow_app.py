"""An MLflow app of the stack's own, where settings say ``mlflow_app: create``.

What the app stores lies below ``mlflow/`` in the stack's bucket, which no rule starts a run from and no
request may name.
"""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.arns import Arns
from infra.roles import role_for_sagemaker
from infra.statements import Statements, allow, uses_keys
from tunestep import names


class MlflowApp(Construct):
    """The app and its role. ``arn`` is known to CloudFormation alone, since SageMaker makes the app's id."""

    def __init__(self, scope: Construct, id_: str, *, arns: Arns) -> None:
        super().__init__(scope, id_)
        role = role_for_sagemaker(
            self,
            "Role",
            {"Artifacts": _artifacts(arns), "Keys": uses_keys(arns)},
            description="MLflow app of Tunestep: keeps artifacts in the stack's bucket",
        )
        app = sagemaker.CfnMlflowApp(
            self,
            "App",
            name=names.mlflow_app_name(arns.stack),
            artifact_store_uri=f"s3://{arns.bucket_name}/{names.PREFIX_MLFLOW.rstrip('/')}",
            role_arn=role.role_arn,
            model_registration_mode="AutoModelRegistrationDisabled",
        )
        # What was measured is kept as long as the records that cite it; and the app can be given no other
        # role (UpdateMlflowApp), so that without this one nobody could read it.
        app.apply_removal_policy(RemovalPolicy.RETAIN)
        role.apply_removal_policy(RemovalPolicy.RETAIN)
        app.node.add_dependency(role)
        self.arn = app.attr_arn


def _artifacts(arns: Arns) -> Statements:
    """What an app does with its store; registering models is switched off, so nothing of the registry."""
    below = {"StringLike": {"s3:prefix": f"{names.PREFIX_MLFLOW}*"}}
    return [
        allow(["s3:GetObject", "s3:PutObject"], arns.objects(names.PREFIX_MLFLOW)),
        allow(["s3:ListBucket"], [arns.bucket], below),
    ]
