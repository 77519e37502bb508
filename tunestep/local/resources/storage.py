"""Buckets, tables and keys: created once, kept with what is in them."""

from typing import Any

from tunestep.local.intrinsics import TemplateUnsupported
from tunestep.local.resources.context import Context, Deployed, found

_TABLE_KEYS = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")


def bucket(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::S3::Bucket: versioning and EventBridge notification count, the rest does not."""
    s3 = context.clients("s3")
    name = context.name(logical_id.lower(), properties.get("BucketName"), 63)
    if found(lambda: s3.head_bucket(Bucket=name), "404", "NoSuchBucket") is None:
        location = {"LocationConstraint": context.region}
        placed = {} if context.region == "us-east-1" else {"CreateBucketConfiguration": location}
        s3.create_bucket(Bucket=name, **placed)
    versioning = properties.get("VersioningConfiguration", {}).get("Status")
    if versioning and s3.get_bucket_versioning(Bucket=name).get("Status") != versioning:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": versioning})
    if "EventBridgeConfiguration" in properties.get("NotificationConfiguration", {}):
        # moto does not say whether it is on, and setting it again changes nothing.
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    return Deployed(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{context.region}.amazonaws.com",
        },
    )


def table(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::DynamoDB::Table. Raises TemplateUnsupported when one with other keys is there."""
    dynamodb = context.clients("dynamodb")
    name = context.name(logical_id, properties.get("TableName"), 255)
    existing = found(lambda: dynamodb.describe_table(TableName=name), "ResourceNotFoundException")
    if existing is None:
        wanted = {key: properties[key] for key in _TABLE_KEYS if key in properties}
        description = dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **wanted)[
            "TableDescription"
        ]
    else:
        description = existing["Table"]
        if description["KeySchema"] != properties["KeySchema"] or _indexes(description) != _indexes(
            properties
        ):
            raise TemplateUnsupported(
                f"the table {name} is there with other keys or indexes; `tunestep local reset` starts afresh"
            )
    return Deployed(name, {"Arn": description["TableArn"]})


def _indexes(description: dict[str, Any]) -> set[str]:
    return {index["IndexName"] for index in description.get("GlobalSecondaryIndexes", [])}


def key(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::KMS::Key, found again by its description."""
    kms = context.clients("kms")
    mark = f"{context.stack}-{logical_id}"
    for listed in kms.list_keys()["Keys"]:
        metadata = kms.describe_key(KeyId=listed["KeyId"])["KeyMetadata"]
        if metadata["Description"] == mark:
            break
    else:
        metadata = kms.create_key(Description=mark)["KeyMetadata"]
    return Deployed(metadata["KeyId"], {"Arn": metadata["Arn"], "KeyId": metadata["KeyId"]})


def alias(context: Context, logical_id: str, properties: dict[str, Any]) -> Deployed:
    """AWS::KMS::Alias."""
    kms = context.clients("kms")
    name = properties["AliasName"]
    if name not in {listed["AliasName"] for listed in kms.list_aliases()["Aliases"]}:
        kms.create_alias(AliasName=name, TargetKeyId=properties["TargetKeyId"].rpartition("/")[2])
    return Deployed(name, {})
