"""Model package groups that this stack created, remembered in its own bucket.

A request may use a group that the stack made. Whether it did is answered by a record that only the
stack's functions can write, so that nothing has to be asked about a group that is not allowed.
"""

import json

from botocore.exceptions import ClientError

from tunestep import names
from tunestep.aws import Client, error_code, is_transient
from tunestep.errors import TransientFault


def record_key(name: str) -> str:
    """S3 key of the record of one group; the name must be a valid group name."""
    return f"{names.PREFIX_GROUPS}{name}.json"


def remember(s3: Client, bucket: str, name: str, arn: str) -> None:
    """Record that this stack created the group; doing so again changes nothing."""
    body = json.dumps({"name": name, "arn": arn}, sort_keys=True).encode()
    s3.put_object(Bucket=bucket, Key=record_key(name), Body=body, ContentType="application/json")


def created_here(s3: Client, bucket: str, name: str) -> bool:
    """Whether the record exists. What cannot be read counts as absent.

    Raises TransientFault for throttling and 5xx answers.
    """
    try:
        s3.head_object(Bucket=bucket, Key=record_key(name))
    except ClientError as fault:
        if is_transient(fault):
            raise TransientFault(f"S3 is busy ({error_code(fault)})") from fault
        return False
    return True
