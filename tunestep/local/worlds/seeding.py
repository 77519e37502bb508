"""Making a world real: its buckets, objects and roles, through the same API that everybody uses."""

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tunestep.aws import error_code
from tunestep.local.worlds.parts import is_plain, split_uri

if TYPE_CHECKING:
    from tunestep.local.world import World

LARGEST_BODY = 32 * 1024 * 1024
"""Objects described by their size alone are filled up to this many bytes."""

_EULA_STAND_IN = """STAND-IN TEXT - this is not the licence of {model}.

The laptop cloud has no copy of it. Read the text that the model's provider publishes before you accept
it on AWS. Accepting here accepts nothing: it rehearses the step of a run at which a named person decides.
"""
_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "EntityAlreadyExists"}


def seed(world: "World", clients: Any) -> None:
    """Buckets first, then what lies in them, then roles."""
    objects = _objects(world)
    for name, bucket in world.buckets.items():
        if bucket is not None:
            create_bucket(clients, name, bucket.get("region", world.region))
    # An access point's objects lie in a bucket of its name (see Clients.s3).
    for name in sorted({split_uri(uri)[0].rpartition("/")[2] for uri in objects} - set(world.buckets)):
        create_bucket(clients, name, world.region)
    for uri, body in objects.items():
        put_object(clients, uri, body)
    for arn, role in world.roles.items():
        if role is not None:
            create_role(clients, arn, role["trust_policy"], role.get("policies"))


def create_bucket(clients: Any, name: str, region: str) -> None:
    """Make a bucket in a region, unless it is there."""
    client = clients.s3
    if client.meta.region_name != region:
        client = clients.session.client("s3", region_name=region, endpoint_url=client.meta.endpoint_url)
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    _unless_there(client.create_bucket, Bucket=name, **place)


def put_object(clients: Any, uri: str, body: bytes) -> None:
    """Store an object, unless one is there."""
    bucket, key = split_uri(uri)
    try:
        clients.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as fault:
        if error_code(fault) not in ("404", "NoSuchKey"):
            raise
        clients.s3.put_object(Bucket=bucket, Key=key, Body=body)


def create_role(clients: Any, arn: str, trust: dict[str, Any], policies: list[dict[str, Any]] | None) -> None:
    """Make a role with inline policies (by default one that allows everything), unless it is there."""
    path, _, name = arn.partition(":role")[2].rpartition("/")
    _unless_there(
        clients.iam.create_role,
        RoleName=name,
        Path=f"{path}/",
        AssumeRolePolicyDocument=json.dumps(trust),
    )
    for index, policy in enumerate([_EVERYTHING] if policies is None else policies):
        clients.iam.put_role_policy(
            RoleName=name, PolicyName=f"world-{index}", PolicyDocument=json.dumps(policy)
        )


def _unless_there(call: Any, **arguments: Any) -> None:
    try:
        call(**arguments)
    except ClientError as fault:
        if error_code(fault) not in _THERE:
            raise


def _objects(world: "World") -> dict[str, bytes]:
    """Every object of the world by URI: override specs, licence texts, and the listed ones."""
    found = {uri: json.dumps(spec, indent=1).encode() for uri, spec in world.override_specs.items()}
    for key, versions in world.hub.items():
        for version in versions:
            eula = version["document"].get("HostingEulaUri")
            if isinstance(eula, str) and is_plain(eula):
                found[eula] = _EULA_STAND_IN.format(model=key.rpartition("/")[2]).encode()
    for uri, description in world.objects.items():
        if description is None:
            found.pop(uri, None)
        else:
            found[uri] = _body(description)
    return found


def _body(description: dict[str, Any]) -> bytes:
    if "list" in description:
        return _lines(description["list"])
    body = description.get("body")
    if body is None:
        size: int = description.get("size", 1)
        return b" " * min(size, LARGEST_BODY)
    if isinstance(body, list):
        return _lines(body)
    text: str = body if isinstance(body, str) else json.dumps(body)
    return text.encode()


def _lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
