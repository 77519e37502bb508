"""The template is deployed as it is; what cannot be is named before anything is created."""

import json
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from tests.local.cloud_support import function, write_assembly
from tunestep.local import moto_backend
from tunestep.local.access import policy
from tunestep.local.deployer import Deployer, read_assembly
from tunestep.local.front import Front, MotoService, Server
from tunestep.local.interpreter.engine import Invocation
from tunestep.local.intrinsics import Resolver, TemplateUnsupported
from tunestep.local.stepfunctions import StepFunctionsService

ACCOUNT, REGION = "123456789012", "us-west-2"


class Functions(dict):
    """Where functions are put."""

    def put(self, function):
        self[function.name] = function

    get = dict.__getitem__


class World:
    """moto and Step Functions on a port, and what was deployed into them."""

    def __init__(self, folder: Path) -> None:
        moto_backend.install(on_email=lambda *_: None, on_event=lambda *_: None)
        self.functions = Functions()
        self.machines = StepFunctionsService(
            folder / "sfn.sqlite",
            invoke=lambda *_: Invocation(b"{}", False),
            emit=lambda _: None,
            region=REGION,
            account=ACCOUNT,
        )
        moto = MotoService(moto_backend.application(), account=ACCOUNT, kept=None)
        self.server = Server(Front(moto=moto, stepfunctions=self.machines), 0)
        self.server.start()
        self.session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=REGION)
        self.clients = {}

    def client(self, service):
        if service not in self.clients:
            config = Config(retries={"total_max_attempts": 1})
            self.clients[service] = self.session.client(service, endpoint_url=self.server.url, config=config)
        return self.clients[service]

    def deploy(self, folder, resources, **template):
        assembly = read_assembly(write_assembly(folder, resources, **template))
        return Deployer(
            assembly, clients=self.client, pool=self.functions, region=REGION, account=ACCOUNT
        ).deploy()


@pytest.fixture
def world(tmp_path):
    from moto.backends import get_backend  # noqa: PLC0415 - moto reads its environment at import

    for service in ("s3", "dynamodb", "iam", "sns", "sqs", "events"):
        for account in list(get_backend(service).values()):
            account.reset()
    world = World(tmp_path)
    yield world
    world.server.close()
    world.machines.close()


def role(name, *statements):
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": name,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
            "Policies": [
                {
                    "PolicyName": "p",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)},
                }
            ],
        },
    }


STACK = {
    "Rule": {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventPattern": {"source": ["mine"]},
            "Targets": [{"Id": "T", "Arn": {"Fn::GetAtt": ["Work", "Arn"]}}],
        },
    },
    "Tick": {
        "Type": "AWS::Events::Rule",
        "Properties": {"ScheduleExpression": "rate(5 minutes)", "Targets": []},
    },
    **function(
        "Work",
        "work",
        Environment={"Variables": {"TABLE": {"Ref": "Table"}, "BUCKET": {"Fn::Sub": "${Bucket.Arn}/x"}}},
        Role={"Fn::GetAtt": ["Role", "Arn"]},
    ),
    "Retries": {
        "Type": "AWS::Lambda::EventInvokeConfig",
        "Properties": {"FunctionName": {"Ref": "Work"}, "MaximumRetryAttempts": 0},
    },
    "Role": role("worker", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}),
    "Bucket": {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "BucketName": {"Fn::Join": ["-", ["demo", {"Ref": "AWS::AccountId"}]]},
            "VersioningConfiguration": {"Status": "Enabled"},
        },
    },
    "TlsOnly": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "Bucket"}}},
    "Table": {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "TableName": "runs",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        },
    },
    "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "notices"}},
    "Mail": {
        "Type": "AWS::SNS::Subscription",
        "Properties": {"TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": "a@b.example"},
    },
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": 1209600}},
    "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/work"}},
    "Machine": {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "StateMachineName": "machine",
            "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            "DefinitionString": '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
        },
    },
}


def test_a_stack_is_deployed_whatever_the_order_of_its_resources(world, tmp_path):
    deployment = world.deploy(tmp_path / "a", STACK, Outputs={"Bucket": {"Value": {"Ref": "Bucket"}}})
    assert deployment.outputs == {"Bucket": f"demo-{ACCOUNT}"}
    work = world.functions["work"]
    assert work.variables == {"TABLE": "runs", "BUCKET": f"arn:aws:s3:::demo-{ACCOUNT}/x"}
    assert work.role == f"arn:aws:iam::{ACCOUNT}:role/worker"
    assert work.retries == 0
    targets = world.client("events").list_targets_by_rule(Rule="demo-Rule")["Targets"]
    assert targets == [{"Id": "T", "Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work"}]
    assert world.client("stepfunctions").list_state_machines()["stateMachines"][0]["name"] == "machine"


def test_deploying_again_keeps_the_data_and_applies_the_changes(world, tmp_path):
    world.deploy(tmp_path / "a", STACK)
    s3, dynamodb = world.client("s3"), world.client("dynamodb")
    s3.put_object(Bucket=f"demo-{ACCOUNT}", Key="k", Body=b"kept")
    dynamodb.put_item(TableName="runs", Item={"pk": {"S": "1"}})
    changed = {key: value for key, value in STACK.items() if key != "Tick"}
    changed["Role"] = role("worker", {"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    world.deploy(tmp_path / "b", changed)
    assert s3.get_object(Bucket=f"demo-{ACCOUNT}", Key="k")["Body"].read() == b"kept"
    assert dynamodb.scan(TableName="runs")["Count"] == 1
    assert [rule["Name"] for rule in world.client("events").list_rules()["Rules"]] == ["demo-Rule"]
    policy = world.client("iam").get_role_policy(RoleName="worker", PolicyName="p")["PolicyDocument"]
    assert policy["Statement"][0]["Effect"] == "Deny"
    subscriptions = world.client("sns").list_subscriptions()["Subscriptions"]
    assert len(subscriptions) == 1


def test_a_type_that_is_not_emulated_is_named_before_anything_is_created(world, tmp_path):
    resources = {**STACK, "Net": {"Type": "AWS::EC2::VPC", "Properties": {}}}
    with pytest.raises(TemplateUnsupported, match=r"AWS::EC2::VPC \(Net\)"):
        world.deploy(tmp_path / "a", resources)
    assert world.client("s3").list_buckets()["Buckets"] == []


BROKEN = {
    "unknown intrinsic": ({"Fn::GetAZs": ""}, "Fn::GetAZs"),
    "unknown attribute": ({"Fn::GetAtt": ["Queue", "Colour"]}, r"AWS::SQS::Queue \(Queue\).*Colour"),
    "unknown resource": ({"Ref": "Nobody"}, "Nobody"),
    "a circle": ({"Ref": "Topic"}, "circular dependency: Topic -> Topic"),
}


@pytest.mark.parametrize(("value", "message"), BROKEN.values(), ids=BROKEN)
def test_a_value_that_cannot_be_resolved_is_named(world, tmp_path, value, message):
    resources = {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": value}},
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}},
    }
    with pytest.raises(TemplateUnsupported, match=message):
        world.deploy(tmp_path / "a", resources)


@pytest.mark.parametrize(
    "properties",
    [
        {"ScheduleExpression": "cron(0 0 * * ? *)", "Targets": []},
        {"EventPattern": {"a": [{"cidr": "1.2.3.4/8"}]}, "Targets": []},
        {"EventPattern": {"a": ["b"]}, "Targets": [{"Id": "1", "Arn": "arn:aws:states:r:1:stateMachine:m"}]},
    ],
)
def test_a_rule_that_would_never_act_is_refused(world, tmp_path, properties):
    with pytest.raises(TemplateUnsupported, match="Rule"):
        world.deploy(tmp_path / "a", {"Rule": {"Type": "AWS::Events::Rule", "Properties": properties}})


REQUESTS = {
    **function("Work", "work"),
    "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "demo-bus"}},
    "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
    "Queue": {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "QueueName": "requests",
            "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 5},
        },
    },
    "Read": {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
            "FunctionName": {"Ref": "Work"},
            "BatchSize": 5,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        },
    },
    "OnBus": {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventBusName": {"Ref": "Bus"},
            "EventPattern": {"source": ["mine"]},
            "Targets": [{"Id": "T", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}],
        },
    },
    "Nightly": {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "Name": "nightly",
            "ScheduleExpression": "cron(0 3 * * ? *)",
            "ScheduleExpressionTimezone": "Europe/Berlin",
            "Target": {"Arn": {"Fn::GetAtt": ["Queue", "Arn"]}, "RoleArn": "r", "Input": "{}"},
        },
    },
}


def _off(name):
    return {name: {**REQUESTS[name], "Properties": {**REQUESTS[name]["Properties"], **_OFF[name]}}}


_OFF = {"Nightly": {"State": "DISABLED"}, "Read": {"Enabled": False}}


def test_queues_buses_and_schedules_are_deployed(world, tmp_path):
    deployment = world.deploy(tmp_path / "a", REQUESTS)
    (read,) = deployment.queues
    assert (read.queue, read.function, read.batch_size, read.partial) == ("requests", "work", 5, True)
    (nightly,) = deployment.schedules
    assert (nightly.expression, nightly.timezone) == ("cron(0 3 * * ? *)", "Europe/Berlin")
    sqs = world.client("sqs")
    url = sqs.get_queue_url(QueueName="requests")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    assert '"maxReceiveCount": 5' in attributes["RedrivePolicy"].replace('"5"', "5")
    events = world.client("events")
    assert [rule["Name"] for rule in events.list_rules(EventBusName="demo-bus")["Rules"]] == ["demo-OnBus"]
    again = (
        {name: part for name, part in REQUESTS.items() if name != "OnBus"} | _off("Nightly") | _off("Read")
    )
    deployment = world.deploy(tmp_path / "b", again)
    assert (deployment.queues, deployment.schedules) == ((), ())
    assert events.list_rules(EventBusName="demo-bus")["Rules"] == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Read", {"EventSourceArn": "arn:aws:kinesis:r:1:stream/s"}),
        ("Read", {"FilterCriteria": {"Filters": []}, "EventSourceArn": "arn:aws:dynamodb:r:1:table/t"}),
        ("Nightly", {"ScheduleExpression": "cron(0 3 L * ? *)"}),
        ("Nightly", {"Target": {"Arn": "arn:aws:states:r:1:stateMachine:m"}}),
    ],
)
def test_what_a_queue_or_schedule_cannot_do_here_is_refused(world, tmp_path, name, changes):
    resource = {**REQUESTS[name], "Properties": {**REQUESTS[name]["Properties"], **changes}}
    with pytest.raises(TemplateUnsupported, match=name):
        world.deploy(tmp_path / "a", {**REQUESTS, name: resource})


def test_a_resource_whose_condition_is_false_is_left_out(world, tmp_path):
    resources = {"Topic": {**STACK["Topic"], "Condition": "Wanted"}}
    conditions = {"Wanted": {"Fn::Equals": [{"Ref": "AWS::Region"}, "elsewhere"]}}
    world.deploy(tmp_path / "a", resources, Conditions=conditions)
    assert world.client("sns").list_topics()["Topics"] == []


RESOLVED = [
    ({"Fn::Join": [":", ["a", {"Ref": "AWS::Region"}]]}, "a:r"),
    ({"Fn::Sub": "${P}-${!Literal}-${X.Arn}"}, "default-${Literal}-X.Arn"),
    ({"Fn::Sub": ["${V}", {"V": {"Ref": "P"}}]}, "default"),
    ({"Fn::Select": ["1", {"Fn::Split": ["/", "a/b/c"]}]}, "b"),
    ({"Fn::If": ["Yes", 1, 2]}, 1),
    ({"Fn::If": [{"Fn::Not": [{"Condition": "Yes"}]}, 1, 2]}, 2),
    ([{"Ref": "AWS::NoValue"}, 1], [1]),
    ({"a": {"Ref": "AWS::NoValue"}, "b": {"Ref": "X"}}, {"b": "X"}),
    ({"Fn::GetAtt": "X.Arn"}, "X.Arn"),
    ({"Fn::Base64": "hi"}, "aGk="),
    ({"Ref": "P", "Other": 1}, {"Ref": "P", "Other": 1}),
]


@pytest.mark.parametrize(("value", "resolved"), RESOLVED, ids=str)
def test_intrinsics(value, resolved):
    resolver = Resolver(
        pseudo={"AWS::Region": "r"},
        parameters={"P": "default"},
        conditions={"Yes": {"Fn::Equals": ["a", "a"]}},
        ref=str,
        attribute=lambda logical_id, name: f"{logical_id}.{name}",
    )
    assert resolver.value(value) == resolved


STATEMENTS = [
    {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/data/*"},
    {"Effect": "Deny", "Action": ["s3:*"], "Resource": "arn:aws:s3:::b/data/secret/*"},
    {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
     "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}},
    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b",
     "Condition": {"StringLike": {"s3:prefix": ["data/*"]}}},
    {"Effect": "Allow", "NotAction": ["s3:*", "iam:*"], "Resource": "*"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "resource", "context", "decision"),
    [
        ("s3:GetObject", "arn:aws:s3:::b/data/x", {}, "allowed"),
        ("S3:getobject", "arn:aws:s3:::b/data/x", {}, "allowed"),
        ("s3:GetObject", "arn:aws:s3:::b/other", {}, "implicitDeny"),
        ("s3:GetObject", "arn:aws:s3:::b/data/secret/x", {}, "explicitDeny"),
        ("s3:PutObject", "arn:aws:s3:::b/data/x", {}, "implicitDeny"),
        ("iam:PassRole", "arn:r", {}, "implicitDeny"),
        ("iam:PassRole", "arn:r", {"iam:passedtoservice": ["sagemaker.amazonaws.com"]}, "allowed"),
        ("iam:PassRole", "arn:r", {"iam:passedtoservice": ["ec2.amazonaws.com"]}, "implicitDeny"),
        ("s3:ListBucket", "arn:aws:s3:::b", {"s3:prefix": ["data/x"]}, "allowed"),
        ("sqs:SendMessage", "arn:q", {}, "allowed"),
    ],
)
def test_the_simulation_decides_as_iam_does(action, resource, context, decision):
    statements = [policy.Statement("p", place, document) for place, document in enumerate(STATEMENTS)]
    assert policy.decide(statements, action, resource, context).outcome == decision


def test_boto3_reads_the_simulation(world, tmp_path):
    world.deploy(tmp_path / "a", {"Role": STACK["Role"]})
    client = world.client("iam")
    arn = client.get_role(RoleName="worker")["Role"]["Arn"]
    results = client.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject", "sqs:SendMessage"],
        ResourceArns=["arn:aws:s3:::b/k"],
    )["EvaluationResults"]
    assert [result["EvalDecision"] for result in results] == ["allowed", "implicitDeny"]
    with pytest.raises(client.exceptions.NoSuchEntityException):
        client.simulate_principal_policy(PolicySourceArn=arn + "x", ActionNames=["s3:GetObject"])


def test_an_assembly_without_its_one_template_is_refused(tmp_path):
    (tmp_path / "a.template.json").write_text(json.dumps({}))
    (tmp_path / "b.template.json").write_text(json.dumps({}))
    with pytest.raises(TemplateUnsupported, match="2 templates"):
        read_assembly(tmp_path)
