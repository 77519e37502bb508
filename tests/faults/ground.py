"""What all schedules of one process share: the account's S3 and IAM, the template's machine and rules."""

import gc
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import botocore.endpoint
import botocore.retries.quota
from boto3.dynamodb.types import TypeDeserializer
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends

from infra.definition import Place, resolve, state_machine_definition
from tests.faults import ceremony
from tests.faults.wire import Wire, WiredClients
from tests.infra.support import of_type, run_app
from tunestep import names
from tunestep.local.interpreter.clock import VirtualClock
from tunestep.local.moto_backend import attributes
from tunestep.local.world import World
from tunestep.settings import Approver

REGION, ACCOUNT, STACK = "us-west-2", "123456789012", "tunestep"
BUCKET = names.bucket_name(STACK, ACCOUNT, REGION)
APPROVER = Approver(id="ann", email="ann@example.com")
ROWS = "".join(
    json.dumps({"prompt": f"Question {number}?", "completion": f"Answer {number}."}) + "\n"
    for number in range(40)
)


@dataclass
class Ground:
    """Made once for a process, because synthesizing and seeding take seconds."""

    wire: Wire
    clients: WiredClients
    world: World
    definition: dict[str, Any]
    rules: list[tuple[dict[str, Any], str]]
    """Event patterns of the template and the verb that each starts."""
    clock: VirtualClock
    table: str
    """The runs table."""
    furnished: dict[str, list[Any]]
    """The versions of each object that the bucket has before anything happens."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def clear(self) -> None:
        """Nothing is left of the schedule before, past HTTP: a bucket that only grows makes each slower."""
        for table in dynamodb_backends[ACCOUNT][REGION].tables.values():
            table.items.clear()
        keys = _objects()
        for name in keys.keys() - self.furnished.keys():
            keys.setlist(name, [])
            dict.pop(keys, name)
        for name, versions in self.furnished.items():
            keys.setlist(name, list(versions))
        for topic in sns_backends[ACCOUNT][REGION].topics.values():
            topic.sent_notifications.clear()

    def items(self, table: str, sk: str = "") -> list[dict[str, Any]]:
        """Every item of a table, or those with this sort key, past HTTP: looking on takes no part."""
        kept = dynamodb_backends[ACCOUNT][REGION].tables[table]
        return [
            {name: _deserialize(value) for name, value in attributes(item).items()}
            for item in kept.all_items()
            if not sk or item.range_key.value == sk
        ]


_deserialize = TypeDeserializer().deserialize


def _objects() -> Any:
    """moto's own versions of every object of the bucket."""
    return s3_backends[ACCOUNT]["aws"].buckets[BUCKET].keys


def template() -> dict[str, Any]:
    """The template as app.py synthesizes it for the laptop."""
    with tempfile.TemporaryDirectory() as folder:
        done = run_app(Path(folder))
        assert done.returncode == 0, done.stderr
        (file,) = Path(folder).rglob("*.template.json")
        read: dict[str, Any] = json.loads(file.read_text())
        return read


_CREATE_TABLE = (
    *("TableName", "KeySchema", "AttributeDefinitions"),
    *("GlobalSecondaryIndexes", "BillingMode"),
)


def tables(synthesized: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The template's tables, as CreateTable takes them."""
    return [
        {name: _resolved(table[name], synthesized, Place()) for name in _CREATE_TABLE if name in table}
        for table in of_type(synthesized, "AWS::DynamoDB::Table").values()
    ]


def event_rules(synthesized: Mapping[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """(event pattern, verb) of every rule of the template that an event of AWS starts a function by."""
    place, found = Place(), []
    for rule in of_type(synthesized, "AWS::Events::Rule").values():
        if "EventPattern" not in rule or rule.get("EventBusName"):
            continue
        pattern = _resolved(rule["EventPattern"], synthesized, place)
        for target in rule["Targets"]:
            arn = _resolved(target["Arn"], synthesized, place)
            if pattern and arn and ":function:" in arn:
                verb = arn.rpartition(f":{STACK}-")[2].replace("-", "_")
                found.append((pattern, verb))
    return found


def _resolved(value: Any, synthesized: Mapping[str, Any], place: Place) -> Any:
    try:
        return resolve(value, synthesized["Resources"], place)
    except ValueError:
        return None


class _Moment:
    """botocore waits between attempts by this module's ``time``: here waiting moves the virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def sleep(self, seconds: float) -> None:
        self._clock.advance(seconds)


@contextmanager
def ground() -> Iterator[Ground]:
    """The shared part of a process's schedules."""
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "MOTO_ACCOUNT_ID": ACCOUNT,
        "AWS_LAMBDA_LOG_LEVEL": "FATAL",
        "POWERTOOLS_SERVICE_NAME": "tunestep",
        "POWERTOOLS_METRICS_NAMESPACE": "Tunestep",
        "POWERTOOLS_METRICS_DISABLED": "true",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        **ceremony.ENVIRONMENT,
    }
    synthesized = template()
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment))
        stack.enter_context(mock_aws())
        clock, wire = VirtualClock(), Wire(account=ACCOUNT, region=REGION)
        stack.enter_context(patch.object(botocore.endpoint, "time", _Moment(clock)))
        # A schedule's faults must not use up the patience of the next one's clients.
        stack.enter_context(patch.object(botocore.retries.quota.RetryQuota, "acquire", lambda *_: True))
        ceremony.leave_out(stack)
        world = World.builtin(REGION, ACCOUNT)
        clients = WiredClients(wire, region=REGION)
        _furnish(clients, world)
        for table in tables(synthesized):
            clients.dynamodb.create_table(**table)
        furnished = {name: list(_objects().getlist(name)) for name in _objects()}
        made = Ground(
            wire=wire,
            clients=clients,
            world=world,
            definition=state_machine_definition(synthesized),
            rules=event_rules(synthesized),
            clock=clock,
            table=names.table_name(STACK),
            furnished=furnished,
        )
        gc.collect()
        gc.freeze()
        yield made
        wire.permissions.keep(STACK)


def _furnish(clients: WiredClients, world: World) -> None:
    where = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
    clients.s3.create_bucket(Bucket=BUCKET, **where)
    clients.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    world.seed(clients)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    clients.iam.create_role(
        RoleName=names.execution_role_name(STACK, REGION), AssumeRolePolicyDocument=json.dumps(trust)
    )
    clients.iam.put_role_policy(
        RoleName=names.execution_role_name(STACK, REGION),
        PolicyName="everything",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        ),
    )
    clients.sns.create_topic(Name=names.topic_name(STACK))
    asked = clients.sns.create_topic(Name=names.approver_topic_name(STACK, APPROVER.id))["TopicArn"]
    clients.sns.subscribe(TopicArn=asked, Protocol="email", Endpoint=APPROVER.email)
    clients.s3.put_object(Bucket=BUCKET, Key="data/train.jsonl", Body=ROWS.encode())
