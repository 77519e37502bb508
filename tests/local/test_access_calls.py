"""What a request asks for, read from the requests that boto3 really sends."""

import json
from urllib.parse import urlsplit

import boto3
import botocore.awsrequest
import pytest
from botocore.config import Config

from tunestep.local.access import calls, keys

REGION, ACCOUNT = "us-west-2", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"


class _Sent(Exception):  # noqa: N818 - ends a call before the network
    pass


def environ_of(service: str, operation: str, /, **params) -> dict:
    """The WSGI environ of the request that boto3 sends for a call."""
    client = boto3.client(
        service,
        region_name=REGION,
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id=keys.of_role(ROLE),
        aws_secret_access_key="s",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
    seen: list[botocore.awsrequest.AWSPreparedRequest] = []

    def stop(request, **_):
        seen.append(request)
        raise _Sent

    client.meta.events.register("before-send", stop)
    with pytest.raises(_Sent):
        getattr(client, operation)(**params)
    (request,) = seen
    url = urlsplit(request.url)
    text = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    body = request.body or b""
    body = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else b""
    from urllib.parse import unquote  # noqa: PLC0415

    return {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(url.path, encoding="utf-8").encode().decode("latin-1"),
        "QUERY_STRING": url.query,
        "CONTENT_TYPE": text.get("Content-Type", ""),
        "body": body,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in text.items()},
    }


def demanded(service: str, operation: str, /, **params) -> list[tuple]:
    environ = environ_of(service, operation, **params)
    who = keys.credential(environ)
    assert who is not None
    assert (who.key, who.region) == (keys.of_role(ROLE), REGION)
    call = calls.read(environ, environ["body"], who.service)
    found = calls.demands(
        call,
        region=REGION,
        account=ACCOUNT,
        role_arn=lambda name: f"arn:aws:iam::{ACCOUNT}:role/teams/{name}",
    )
    return [(d.action, d.resource, dict(d.context)) for d in found]


SAGEMAKER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
HUB = f"arn:aws:sagemaker:{REGION}:aws"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/runs"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
KEY = {"TableName": "runs", "Key": {"pk": {"S": "a"}}}
OBJECT = {"Bucket": "b", "Key": "data/ä {region}.jsonl"}
OBJECT_ARN = "arn:aws:s3:::b/data/ä {region}.jsonl"
CONTENT = {"HubName": "SageMakerPublicHub", "HubContentType": "Model", "HubContentName": "m"}
JOB = {
    "TrainingJobName": "j",
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://b/output/"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 1},
}

CASES = [
    ("s3", "get_object", OBJECT, [("s3:GetObject", OBJECT_ARN, {})]),
    ("s3", "get_object", {**OBJECT, "VersionId": "v"}, [("s3:GetObjectVersion", OBJECT_ARN, {})]),
    ("s3", "head_object", OBJECT, [("s3:GetObject", OBJECT_ARN, {})]),
    ("s3", "head_object", {**OBJECT, "VersionId": "v"}, [("s3:GetObjectVersion", OBJECT_ARN, {})]),
    ("s3", "head_bucket", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b", {})]),
    ("s3", "list_objects_v2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b", {})]),
    (
        "s3",
        "list_objects_v2",
        {"Bucket": "b", "Prefix": "runs/x y"},
        [("s3:ListBucket", "arn:aws:s3:::b", {"s3:prefix": ["runs/x y"]})],
    ),
    ("s3", "put_object", {**OBJECT, "Body": b"x"}, [("s3:PutObject", OBJECT_ARN, {})]),
    (
        "s3",
        "put_object",
        {**OBJECT, "Body": b"x", "IfNoneMatch": "*"},
        [("s3:PutObject", OBJECT_ARN, {"s3:if-none-match": ["*"]})],
    ),
    (
        "s3",
        "copy_object",
        {**OBJECT, "CopySource": {"Bucket": "from", "Key": "k"}},
        [("s3:PutObject", OBJECT_ARN, {}), ("s3:GetObject", "arn:aws:s3:::from/k", {})],
    ),
    ("s3", "create_multipart_upload", OBJECT, [("s3:PutObject", OBJECT_ARN, {})]),
    (
        "s3",
        "upload_part",
        {**OBJECT, "UploadId": "u", "PartNumber": 1, "Body": b"x"},
        [("s3:PutObject", OBJECT_ARN, {})],
    ),
    (
        "s3",
        "abort_multipart_upload",
        {**OBJECT, "UploadId": "u"},
        [("s3:AbortMultipartUpload", OBJECT_ARN, {})],
    ),
    ("s3", "get_bucket_versioning", {"Bucket": "b"}, [("s3:GetBucketVersioning", "arn:aws:s3:::b", {})]),
    ("s3", "get_bucket_location", {"Bucket": "b"}, [("s3:GetBucketLocation", "arn:aws:s3:::b", {})]),
    ("dynamodb", "get_item", KEY, [("dynamodb:GetItem", TABLE, {})]),
    (
        "dynamodb",
        "query",
        {"TableName": "runs", "IndexName": "by_kind", "KeyConditionExpression": "a = :a"},
        [("dynamodb:Query", f"{TABLE}/index/by_kind", {})],
    ),
    (
        "dynamodb",
        "query",
        {"TableName": "runs", "KeyConditionExpression": "a"},
        [("dynamodb:Query", TABLE, {})],
    ),
    (
        "sagemaker",
        "create_training_job",
        JOB,
        [
            ("sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/j", {}),
            ("iam:PassRole", ROLE, {"iam:passedtoservice": ["sagemaker.amazonaws.com"]}),
        ],
    ),
    (
        "sagemaker",
        "create_training_job",
        {**JOB, "Tags": [{"Key": "k", "Value": "v"}]},
        [
            ("sagemaker:CreateTrainingJob", f"{SAGEMAKER}:training-job/j", {}),
            ("sagemaker:AddTags", f"{SAGEMAKER}:training-job/j", {}),
            ("iam:PassRole", ROLE, {"iam:passedtoservice": ["sagemaker.amazonaws.com"]}),
        ],
    ),
    (
        "sagemaker",
        "describe_hub_content",
        {**CONTENT, "HubContentVersion": "1.0.0"},
        [
            ("sagemaker:DescribeHubContent", f"{HUB}:hub/SageMakerPublicHub", {}),
            ("sagemaker:DescribeHubContent", f"{HUB}:hub-content/SageMakerPublicHub/Model/m/1.0.0", {}),
        ],
    ),
    (
        "sagemaker",
        "list_hub_contents",
        {"HubName": f"{SAGEMAKER}:hub/mine", "HubContentType": "JsonDoc"},
        [("sagemaker:ListHubContents", f"{SAGEMAKER}:hub/mine", {})],
    ),
    (
        "sagemaker",
        "describe_model_package",
        {"ModelPackageName": f"{SAGEMAKER}:model-package/g/1"},
        [("sagemaker:DescribeModelPackage", f"{SAGEMAKER}:model-package/g/1", {})],
    ),
    ("sagemaker", "list_mlflow_apps", {}, [("sagemaker:ListMlflowApps", "*", {})]),
    (
        "lambda",
        "invoke",
        {"FunctionName": "f", "Payload": b"{}"},
        [("lambda:InvokeFunction", f"{FUNCTION}:f", {})],
    ),
    (
        "lambda",
        "get_function_configuration",
        {"FunctionName": f"{FUNCTION}:f:live"},
        [("lambda:GetFunctionConfiguration", f"{FUNCTION}:f:live", {})],
    ),
    ("lambda", "list_tags", {"Resource": f"{FUNCTION}:f"}, [("lambda:ListTags", f"{FUNCTION}:f", {})]),
    (
        "bedrock-runtime",
        "converse",
        {"modelId": "vendor.judge-1:0", "messages": []},
        [("bedrock:InvokeModel", f"arn:aws:bedrock:{REGION}::foundation-model/vendor.judge-1:0", {})],
    ),
    ("iam", "get_role", {"RoleName": "r"}, [("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/teams/r", {})]),
    (
        "iam",
        "simulate_principal_policy",
        {"PolicySourceArn": ROLE, "ActionNames": ["s3:GetObject"]},
        [("iam:SimulatePrincipalPolicy", ROLE, {})],
    ),
    (
        "sns",
        "publish",
        {"TopicArn": "arn:aws:sns:r:1:t", "Message": "m"},
        [("sns:Publish", "arn:aws:sns:r:1:t", {})],
    ),
    (
        "stepfunctions",
        "send_task_success",
        {"taskToken": "t", "output": "{}"},
        [("states:SendTaskSuccess", "*", {})],
    ),
    (
        "stepfunctions",
        "start_execution",
        {"stateMachineArn": "arn:aws:states:r:1:stateMachine:m"},
        [("states:StartExecution", "arn:aws:states:r:1:stateMachine:m", {})],
    ),
    (
        "secretsmanager",
        "get_secret_value",
        {"SecretId": "slack"},
        [
            (
                "secretsmanager:GetSecretValue",
                f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:slack-000000",
                {},
            )
        ],
    ),
    (
        "logs",
        "get_log_events",
        {"logGroupName": "/g", "logStreamName": "s"},
        [("logs:GetLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/g:log-stream:s", {})],
    ),
    ("sts", "get_caller_identity", {}, []),
]


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    CASES,
    ids=[f"{c[0]}-{c[1]}-{n}" for n, c in enumerate(CASES)],
)
def test_a_call_takes_the_actions_and_resources_of_its_row(service, operation, params, expected):
    assert demanded(service, operation, **params) == expected


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("s3", "put_object_acl", {"Bucket": "b", "Key": "k", "ACL": "private"}),
        ("s3", "put_bucket_policy", {"Bucket": "b", "Policy": "{}"}),
        ("s3", "delete_objects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}]}}),
        ("s3", "create_bucket", {"Bucket": "b"}),
        (
            "s3",
            "upload_part_copy",
            {"Bucket": "b", "Key": "k", "UploadId": "u", "PartNumber": 1, "CopySource": "c/k"},
        ),
        ("lambda", "delete_function", {"FunctionName": "f"}),
        ("iam", "put_role_policy", {"RoleName": "r", "PolicyName": "p", "PolicyDocument": "{}"}),
        ("sagemaker", "delete_hub", {"HubName": "h"}),
        ("sqs", "send_message", {"QueueUrl": "http://127.0.0.1:9/q", "MessageBody": "m"}),
        ("events", "put_events", {"Entries": [{"Source": "s"}]}),
    ],
)
def test_an_operation_without_a_row_has_no_answer(service, operation, params):
    with pytest.raises(KeyError):
        demanded(service, operation, **params)


def test_a_request_signed_for_another_service_than_it_asks_has_no_answer():
    environ = environ_of("dynamodb", "get_item", **KEY)
    call = calls.read(environ, environ["body"], "s3")
    with pytest.raises(KeyError):
        calls.demands(call, region=REGION, account=ACCOUNT, role_arn=str)


@pytest.mark.parametrize(
    ("header", "method", "path", "expected"),
    [
        (
            "HTTP_X_SM_MLFLOW_APP_ARN",
            "POST",
            "runs/log-batch",
            ["sagemaker:CallMlflowAppApi", "sagemaker-mlflow:LogBatch"],
        ),
        ("HTTP_X_MLFLOW_SM_TRACKING_SERVER_ARN", "GET", "runs/get", ["sagemaker-mlflow:GetRun"]),
    ],
)
def test_a_call_of_mlflow_takes_the_action_of_its_path_on_the_named_resource(header, method, path, expected):
    arn = f"{SAGEMAKER}:mlflow-app/app-1"
    environ = {"REQUEST_METHOD": method, "PATH_INFO": f"/api/2.0/mlflow/{path}", header: arn}
    call = calls.read(environ, b"", "sagemaker")
    found = calls.demands(call, region=REGION, account=ACCOUNT, role_arn=str)
    assert [(d.action, d.resource) for d in found] == [(action, arn) for action in expected]


def test_a_presigned_link_is_its_signer_s_call():
    client = boto3.client(
        "s3", region_name=REGION, aws_access_key_id=keys.of_role(ROLE), aws_secret_access_key="s",
        config=Config(signature_version="s3v4"),
    )  # fmt: skip
    url = urlsplit(client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"}))
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/b/k", "QUERY_STRING": url.query}
    who = keys.credential(environ)
    assert who == keys.Credential(keys.of_role(ROLE), REGION, "s3")
    assert calls.read(environ, b"", "s3").operation == "GetObject"


def test_the_key_of_a_role_is_the_same_after_a_restart_and_no_other_role_s():
    assert keys.of_role(ROLE) == "ASIALAPTOP" + keys.of_role(ROLE)[10:]
    assert len(keys.of_role(ROLE)) == 20
    assert keys.of_role(ROLE) != keys.of_role(ROLE + "s")
    assert keys.credential({"HTTP_AUTHORIZATION": "Bearer xoxb", "QUERY_STRING": "a=b"}) is None


def test_a_body_that_is_not_json_names_no_members():
    environ = {"REQUEST_METHOD": "POST", "HTTP_X_AMZ_TARGET": "SageMaker.StopTrainingJob"}
    for body in (b"{", b"[]", b"3", json.dumps({"TrainingJobName": 3}).encode()):
        call = calls.read(environ, body, "sagemaker")
        assert call.operation == "StopTrainingJob"
        assert call.members.get("TrainingJobName", "given") == "given"
