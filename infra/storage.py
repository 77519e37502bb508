"""What the stack keeps: two tables and one bucket, all of which outlive it."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.acknowledged import ACCESS_LOG, acknowledge
from infra.arns import Arns
from tunestep import names


class Storage(Construct):
    """The runs table, the evidence table and the bucket."""

    def __init__(self, scope: Construct, id_: str, *, arns: Arns, key: kms.IKey | None) -> None:
        super().__init__(scope, id_)
        self.table = dynamodb.Table(
            self,
            "Runs",
            table_name=names.table_name(arns.stack),
            partition_key=_text("pk"),
            sort_key=_text("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else dynamodb.TableEncryption.DEFAULT,
            encryption_key=key,
            time_to_live_attribute=names.FORGET_AT,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        self.table.add_global_secondary_index(
            index_name=names.KIND_INDEX, partition_key=_text("kind"), sort_key=_text("created_at")
        )
        self._evidence(arns, key)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=arns.bucket_name,
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="old-versions",
                    noncurrent_version_expiration=cdk.Duration.days(90),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                )
            ],
        )
        acknowledge(
            self.bucket,
            (
                ACCESS_LOG,
                "an access log would need a second bucket, which nobody reads; who reads what is told by "
                "CloudTrail's data events, which are for the account to switch on",
            ),
        )
        self._tell_events()

    def _evidence(self, arns: Arns, key: kms.IKey | None) -> None:
        """Who accepted which licence. Nothing of the stack may change or delete an item of it."""
        dynamodb.Table(
            self,
            "Evidence",
            table_name=names.evidence_table_name(arns.stack),
            partition_key=_text("pk"),
            sort_key=_text("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else dynamodb.TableEncryption.DEFAULT,
            encryption_key=key,
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def _tell_events(self) -> None:
        """Have S3 tell EventBridge what is uploaded. CDK's own switch would add a function that does it."""
        bucket = self.bucket.node.default_child
        assert isinstance(bucket, s3.CfnBucket)  # noqa: S101 - for the type checker
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
