"""A role may do what its policies say; a denied call is the service's own AccessDenied."""

import io
import json
from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tunestep.local.access import keys, usage
from tunestep.local.access.guard import Guard
from tunestep.local.access.unlisted import Unlisted
from tunestep.local.access.usage import UsageLog, Use
from tunestep.local.front import Front, Server, read_body

REGION, ACCOUNT = "us-west-2", "123456789012"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/runs"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/laptop"
KEY = {"TableName": "runs", "Key": {"pk": {"S": "a"}}}


def role(name, *statements):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    return SimpleNamespace(name=name, arn=arn, policies={"P": json.dumps(document)}, managed_policies={})


def allow(action, resource, **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


WORKER = role(
    "worker",
    allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::b/data/*"),
    {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/data/secret/*"},
    allow("s3:ListBucket", "arn:aws:s3:::b", Condition={"StringLike": {"s3:prefix": "data/*"}}),
    allow("s3:PutObject", "arn:aws:s3:::b/evidence/*", Condition={"Null": {"s3:if-none-match": "false"}}),
    allow("dynamodb:GetItem", TABLE),
    allow(
        "sns:Publish", "arn:aws:sns:us-west-2:123456789012:t", Condition={"IpAddress": {"aws:SourceIp": "1"}}
    ),
    allow("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:own-f"),
)
BROAD = role("broad", allow("*", "*"))


def signed(by, service):
    """The Authorization header of a request."""
    return f"AWS4-HMAC-SHA256 Credential={keys.of_role(by.arn)}/20260101/{REGION}/{service}/aws4_request, S"


class Cloud:
    """A front whose services only note what reaches them."""

    def __init__(self, folder, unlisted=None):
        self.reached = []
        self.log = folder / usage.USAGE

        def service(environ, start_response):
            self.reached.append(read_body(environ))
            body = b"{}" if "HTTP_X_AMZ_TARGET" in environ else b""
            start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
            return [body]

        guard = Guard(
            account=ACCOUNT,
            roles=lambda: [WORKER, BROAD],
            usage=UsageLog(self.log),
            read_body=read_body,
            unlisted=unlisted,
        )
        self.server = Server(
            Front(moto=service, sagemaker=service, stepfunctions=service, functions=service, mlflow=service,
                  bedrock=service, guard=guard),
            0,
        )  # fmt: skip
        self.server.start()

    def client(self, service, key=None):
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.server.url,
            aws_access_key_id=key or keys.of_role(WORKER.arn),
            aws_secret_access_key="s",
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
            ),
        )

    def uses(self):
        return usage.read(self.log)


@pytest.fixture
def cloud(tmp_path):
    made = Cloud(tmp_path)
    yield made
    made.server.close()


XML_403, SNS_403 = ("AccessDenied", 403), ("AuthorizationError", 403)
JSON_400, REST_403 = ("AccessDeniedException", 400), ("AccessDeniedException", 403)
JOB = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/j"
RUN, SECRET, TOPIC = (
    "arn:aws:states:r:1:execution:m:x",
    "arn:aws:secretsmanager:r:1:secret:s-1",
    "arn:aws:sns:r:1:t",
)
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
MODEL = f"arn:aws:bedrock:{REGION}::foundation-model/m"
SECRET_VALUE = "secretsmanager:GetSecretValue"
DENIED = [
    (("s3", "get_object"), {"Bucket": "b", "Key": "k"}, XML_403, ("s3:GetObject", "arn:aws:s3:::b/k")),
    (("dynamodb", "put_item"), {"TableName": "runs", "Item": {}}, JSON_400, ("dynamodb:PutItem", TABLE)),
    (
        ("sagemaker", "stop_training_job"),
        {"TrainingJobName": "j"},
        JSON_400,
        ("sagemaker:StopTrainingJob", JOB),
    ),
    (("stepfunctions", "stop_execution"), {"executionArn": RUN}, JSON_400, ("states:StopExecution", RUN)),
    (("lambda", "invoke"), {"FunctionName": "f"}, REST_403, ("lambda:InvokeFunction", FUNCTION)),
    (
        ("bedrock-runtime", "converse"),
        {"modelId": "m", "messages": []},
        REST_403,
        ("bedrock:InvokeModel", MODEL),
    ),
    (("iam", "get_role"), {"RoleName": "worker"}, XML_403, ("iam:GetRole", WORKER.arn)),
    (("sns", "publish"), {"TopicArn": TOPIC, "Message": "m"}, SNS_403, ("sns:Publish", TOPIC)),
    (("secretsmanager", "get_secret_value"), {"SecretId": SECRET}, JSON_400, (SECRET_VALUE, SECRET)),
]


@pytest.mark.parametrize(("call", "params", "code", "denied"), DENIED, ids=[d[0][0] for d in DENIED])
def test_a_denied_call_is_the_services_own_access_denied(cloud, call, params, code, denied):
    (service, operation), (action, resource) = call, denied
    with pytest.raises(ClientError) as caught:
        getattr(cloud.client(service), operation)(**params)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == code
    assert answer["Error"]["Message"] == (
        f"User: {CALLER} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    assert cloud.reached == []
    assert cloud.uses() == [Use("worker", action, "implicitDeny", "")]


def test_an_explicit_deny_says_so_and_wins(cloud):
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        cloud.client("s3").get_object(Bucket="b", Key="data/secret/x")


def test_a_head_request_is_refused_without_a_body(cloud):
    with pytest.raises(ClientError) as caught:
        cloud.client("s3").head_object(Bucket="b", Key="runs/x")
    assert caught.value.response["Error"]["Code"] == "403"


def test_an_allowed_call_reaches_its_service_whole(cloud):
    cloud.client("dynamodb").get_item(**KEY)
    cloud.client("s3").put_object(Bucket="b", Key="data/x", Body=b"rows")
    assert json.loads(cloud.reached[0]) == KEY
    assert cloud.reached[1] == b"rows"
    assert cloud.uses() == [
        Use("worker", "dynamodb:GetItem", "allowed", "P/4"),
        Use("worker", "s3:PutObject", "allowed", "P/0"),
    ]


def test_the_user_is_the_administrator_and_leaves_no_trace(cloud):
    for key in ("laptop", "k", "AKIAUSER", "ASIAUSER"):
        cloud.client("dynamodb", key).get_item(**KEY)
    assert len(cloud.reached) == 4
    assert cloud.uses() == []


def test_a_key_of_a_role_that_is_not_there_is_no_key(cloud):
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        cloud.client("dynamodb", keys.of_role("arn:aws:iam::1:role/gone")).get_item(**KEY)


@pytest.mark.parametrize(
    ("operation", "params", "allowed"),
    [
        ("list_objects_v2", {"Bucket": "b", "Prefix": "data/x"}, True),
        ("list_objects_v2", {"Bucket": "b", "Prefix": "runs/"}, False),
        ("list_objects_v2", {"Bucket": "b"}, False),
        ("put_object", {"Bucket": "b", "Key": "evidence/x", "Body": b"", "IfNoneMatch": "*"}, True),
        ("put_object", {"Bucket": "b", "Key": "evidence/x", "Body": b""}, False),
    ],
)
def test_condition_keys_come_from_the_request(cloud, operation, params, allowed):
    client = cloud.client("s3")
    if allowed:
        getattr(client, operation)(**params)
    else:
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(client, operation)(**params)
    assert len(cloud.reached) == allowed


def test_a_condition_that_is_not_evaluated_refuses_and_names_itself(cloud):
    with pytest.raises(ClientError, match="IpAddress is not evaluated on a laptop"):
        cloud.client("sns").publish(TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:t", Message="m")


def test_an_operation_without_a_row_is_refused_even_to_a_role_that_may_do_everything(cloud):
    with pytest.raises(ClientError, match=r"DeleteTable of dynamodb has no row in .*operations\.py"):
        cloud.client("dynamodb", keys.of_role(BROAD.arn)).delete_table(TableName="runs")
    assert cloud.uses() == [Use("broad", "dynamodb DeleteTable", "unknown", "")]


def test_creating_a_job_is_refused_where_its_first_need_is(cloud):
    with pytest.raises(ClientError, match="sagemaker:CreateTrainingJob"):
        cloud.client("sagemaker").create_training_job(
            TrainingJobName="j",
            RoleArn=BROAD.arn,
            OutputDataConfig={"S3OutputPath": "s3://b/o/"},
            StoppingCondition={"MaxRuntimeInSeconds": 1},
        )


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/b/data/absent", "404 Not Found", b"<Code>NoSuchKey</Code>"),
        ("/b/evidence/absent", "403 Forbidden", b"<Code>AccessDenied</Code>"),
        ("/gone/evidence/absent", "404 Not Found", b"<Code>NoSuchBucket</Code>"),
    ],
)
def test_that_an_object_is_not_there_is_told_only_to_who_may_list_it(tmp_path, path, status, body):
    reader = role(
        "reader",
        allow("s3:GetObject", "arn:aws:s3:::*/*"),
        allow("s3:ListBucket", "arn:aws:s3:::b", Condition={"StringLike": {"s3:prefix": "data/*"}}),
    )
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_AUTHORIZATION": signed(reader, "s3")}
    answers = []

    def absent(_, start_response):
        start_response("404 Not Found", [])
        return [b"<Code>NoSuchBucket</Code>" if path.startswith("/gone") else b"<Code>NoSuchKey</Code>"]

    log = UsageLog(tmp_path / "u")
    guard = Guard(account=ACCOUNT, roles=lambda: [reader], usage=log, read_body=read_body)
    assert body in b"".join(guard(absent, environ, lambda given, _: answers.append(given)))
    assert answers == [status]


def test_mlflow_answers_in_its_own_words(cloud):
    answers = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/2.0/mlflow/runs/get",
        "HTTP_AUTHORIZATION": signed(WORKER, "sagemaker"),
        "HTTP_X_SM_MLFLOW_APP_ARN": "arn:app",
        "wsgi.input": io.BytesIO(b""),
    }  # fmt: skip
    guard = Guard(account=ACCOUNT, roles=lambda: [WORKER], usage=UsageLog(cloud.log), read_body=read_body)
    body = guard(lambda *_: [b"reached"], environ, lambda status, headers: answers.append(status))
    assert answers == ["403 Forbidden"]
    said = json.loads(b"".join(body))
    assert said["error_code"] == "PERMISSION_DENIED"
    assert "sagemaker:CallMlflowAppApi" in said["message"]


@pytest.mark.parametrize(
    ("resource", "stand_in"),
    [
        ("arn:aws:s3:::theirs/k/x", "arn:aws:s3:::tunestep-laptop-unlisted/k/x"),
        ("arn:aws:s3:::theirs", "arn:aws:s3:::tunestep-laptop-unlisted"),
        ("arn:aws:s3:::own-123456789012-us-west-2/runs/x", None),
        ("arn:aws:s3:::own-123456789012-us-west-2", None),
        (
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:theirs:live",
            "arn:aws:lambda:us-east-1:000000000000:function:laptop-unlisted:live",
        ),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:own-start", None),
        (f"arn:aws:iam::{ACCOUNT}:role/teams/theirs", "arn:aws:iam::000000000000:role/laptop-unlisted"),
        (f"arn:aws:iam::{ACCOUNT}:role/own-role", None),
        (
            f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/app-1",
            "arn:aws:sagemaker:us-east-1:000000000000:mlflow-app/laptop-unlisted",
        ),
        (f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/theirs", None),
        ("*", None),
    ],
)
def test_without_a_settings_file_what_is_not_the_stack_s_counts_as_listed(resource, stand_in):
    assert Unlisted("own", region=REGION, account=ACCOUNT).stand_in(resource) == stand_in


def test_what_is_not_listed_is_as_far_open_as_listing_it_would_be(tmp_path):
    listed = role("listed", allow("s3:GetObject", "arn:aws:s3:::tunestep-laptop-unlisted/*"))

    def reached(_, start_response):
        start_response("200 OK", [])
        return [b"reached"]

    guard = Guard(
        account=ACCOUNT,
        roles=lambda: [listed],
        usage=UsageLog(tmp_path / "u"),
        read_body=read_body,
        unlisted=Unlisted("own", region=REGION, account=ACCOUNT),
    )

    def refused(method, path):
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "HTTP_AUTHORIZATION": signed(listed, "s3"),
        }
        return guard(reached, environ, lambda *_: None) != [b"reached"]

    assert not refused("GET", "/theirs/k")
    assert refused("PUT", "/theirs/k")
    assert refused("GET", "/own-123456789012-us-west-2/runs/k")
