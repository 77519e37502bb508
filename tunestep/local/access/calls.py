"""What a request asks for: the service, the operation, and the members that its resources are named by."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from tunestep import names
from tunestep.local.access.operations import ABSENCE, SERVICES, TELL_ABSENCE, Need

Environ = dict[str, Any]
Members = dict[str, str]

_TARGETS = {
    "SageMaker": "sagemaker",
    "AWSStepFunctions": "states",
    "DynamoDB_20120810": "dynamodb",
    "secretsmanager": "secretsmanager",
    "Logs_20140328": "logs",
}
"""Services that name the operation in X-Amz-Target, by what stands before it."""

MLFLOW_ROOT = "/api/2.0/mlflow/"
_MLFLOW_ARNS = ("HTTP_X_SM_MLFLOW_APP_ARN", "HTTP_X_MLFLOW_SM_TRACKING_SERVER_ARN")
_FUNCTION = re.compile(r"/2015-03-31/functions/(?P<name>[^/]+)(?:/(?P<part>invocations|configuration))?/?")
_FUNCTION_TAGS = re.compile(r"/2017-03-31/tags/(?P<arn>[^/]+)/?")
_MODEL = re.compile(r"/model/(?P<model>[^/]+)/(?P<operation>converse|invoke)")
_PLACEHOLDER = re.compile(r"\{([\w-]+)\}")


class Call(NamedTuple):
    """One operation asked for. ``members`` are the top-level texts of the request."""

    service: str
    operation: str
    members: Members


class Demand(NamedTuple):
    """One action on one resource that the caller has to be allowed, with the values of condition keys."""

    action: str
    resource: str
    context: Mapping[str, list[str]]


def has_operation_in_body(environ: Environ) -> bool:
    """Whether the body has to be read to know what is asked for."""
    return bool(environ.get("HTTP_X_AMZ_TARGET")) or "x-www-form-urlencoded" in environ.get(
        "CONTENT_TYPE", ""
    )


def read(environ: Environ, body: bytes, signed_for: str) -> Call:
    """The call of a request; ``signed_for`` is the service of its signature."""
    if target := environ.get("HTTP_X_AMZ_TARGET", ""):
        prefix, _, operation = target.rpartition(".")
        ours = _TARGETS.get(prefix, prefix) == signed_for
        return Call(signed_for, operation if ours else target, _json_members(body))
    if has_operation_in_body(environ) and signed_for != "s3":
        form = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
        return Call(signed_for, form.get("Action", ""), form)
    path = _text(environ.get("PATH_INFO", ""))
    by_path = _by_path(environ, path)
    if by_path is None and signed_for == "s3":
        return _s3(environ, path)
    return by_path or Call(signed_for, f"{_verb(environ)} {path}", {})


def _by_path(environ: Environ, path: str) -> Call | None:
    if path.startswith(MLFLOW_ROOT):
        return _mlflow(environ, path)
    if found := _FUNCTION.fullmatch(path):
        return _lambda(environ["REQUEST_METHOD"], found)
    if found := _FUNCTION_TAGS.fullmatch(path):
        return Call("lambda", "ListTags", {"FunctionName": unquote(found["arn"])})
    if found := _MODEL.fullmatch(path):
        operation = "Converse" if found["operation"] == "converse" else "InvokeModel"
        return Call("bedrock", operation, {"modelId": unquote(found["model"])})
    return None


def _verb(environ: Environ) -> str:
    return str(environ["REQUEST_METHOD"])


def _text(path: str) -> str:
    """WSGI gives the bytes of a path as Latin-1."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def _json_members(body: bytes) -> Members:
    """The texts of a request; of anything else only that it is there."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {key: value if isinstance(value, str) else "given" for key, value in document.items() if value}


def _mlflow(environ: Environ, path: str) -> Call:
    app, server = (environ.get(name, "") for name in _MLFLOW_ARNS)
    members = {"resource": app or server, **({"app": app} if app else {})}
    return Call("sagemaker-mlflow", f"{_verb(environ)} {path.removeprefix(MLFLOW_ROOT)}", members)


def _lambda(method: str, found: re.Match[str]) -> Call:
    operation = {
        ("POST", "invocations"): "Invoke",
        ("GET", "configuration"): "GetFunctionConfiguration",
        ("GET", None): "GetFunction",
    }.get((method, found["part"]), f"{method} {found['part'] or 'function'}")
    return Call("lambda", operation, {"FunctionName": unquote(found["name"])})


_S3_OPERATIONS: dict[tuple[str, bool, str], str] = {
    ("GET", True, ""): "GetObject",
    ("GET", True, "versionId"): "GetObjectOfVersion",
    ("GET", True, "uploadId"): "ListParts",
    ("HEAD", True, ""): "HeadObject",
    ("HEAD", True, "versionId"): "HeadObjectOfVersion",
    ("PUT", True, ""): "PutObject",
    ("PUT", True, "uploadId"): "UploadPart",
    ("POST", True, "uploads"): "CreateMultipartUpload",
    ("POST", True, "uploadId"): "CompleteMultipartUpload",
    ("DELETE", True, ""): "DeleteObject",
    ("DELETE", True, "uploadId"): "AbortMultipartUpload",
    ("GET", False, ""): "ListObjects",
    ("GET", False, "list-type"): "ListObjectsV2",
    ("GET", False, "location"): "GetBucketLocation",
    ("GET", False, "versioning"): "GetBucketVersioning",
    ("HEAD", False, ""): "HeadBucket",
}
"""By method, whether the path has a key, and the parameter that says what it is about (Amazon S3 API)."""

_S3_PLAIN = frozenset(
    {
        *("prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type", "marker"),
        *("fetch-owner", "partNumber", "part-number-marker", "max-parts", "x-id"),
    }
)
"""Parameters that say how, not what; X-Amz-* and response-* are such as well."""


def _s3(environ: Environ, path: str) -> Call:
    bucket, _, key = path.lstrip("/").partition("/")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    about = "+".join(
        sorted(
            name for name in query if name not in _S3_PLAIN and not name.startswith(("X-Amz-", "response-"))
        )
    )
    method = _verb(environ)
    operation = _S3_OPERATIONS.get(
        (method, bool(key), about), f"{method} {'key' if key else 'bucket'} {about}"
    )
    members = {"Bucket": bucket, "Key": key}
    if "prefix" in query:
        members["prefix"] = query["prefix"][0]
    if "HTTP_IF_NONE_MATCH" in environ:
        members["if-none-match"] = environ["HTTP_IF_NONE_MATCH"]
    if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
        members["CopySource"] = unquote(source).lstrip("/").partition("?")[0]
        operation = "CopyObject" if operation == "PutObject" else f"{operation} of a copy"
    return Call("s3", operation, members)


def demands(call: Call, *, region: str, account: str, role_arn: Callable[[str], str]) -> list[Demand]:
    """What the caller has to be allowed. ``role_arn`` gives the ARN of a role by its name.

    Raises KeyError for an operation that has no row in the table.
    """
    needs = SERVICES[call.service].operations[call.operation]
    members = {**call.members, "region": region, "account": account}
    members |= _derived(call, members, role_arn)
    return [_demand(need, members) for need in needs if not need.only_with or need.only_with in members]


def of_absence(call: Call) -> Demand | None:
    """What the caller has to be allowed to be told that there is no such object; None for other calls."""
    tells = call.service == "s3" and call.operation in TELL_ABSENCE
    return _demand(ABSENCE, call.members) if tells else None


def _derived(call: Call, members: Members, role_arn: Callable[[str], str]) -> Members:
    match call.service:
        case "dynamodb":
            return {"index": f"/index/{members['IndexName']}" if "IndexName" in members else ""}
        case "sagemaker" if "HubName" in members:
            hub = members["HubName"].rpartition("/")[2]
            owner = "aws" if hub == names.HUB else members["account"]
            return {"hub": hub, "hub_account": owner, "version": members.get("HubContentVersion", "latest")}
        case "iam" if "RoleName" in members:
            return {"role": role_arn(members["RoleName"])}
        case "secretsmanager":
            return {"secret": _secret(members.get("SecretId", ""), members)}
    return {}


def _secret(asked: str, members: Members) -> str:
    """The ARN of a secret; asked for by name, it ends in some six characters that only the service knows."""
    place = f"{members['region']}:{members['account']}"
    return asked if asked.startswith("arn:") else f"arn:aws:secretsmanager:{place}:secret:{asked}-000000"


def _demand(need: Need, members: Members) -> Demand:
    context = {
        key.lower(): [_filled(value, members)]
        for key, value in need.context.items()
        if all(name in members for name in _PLACEHOLDER.findall(value))
    }
    return Demand(need.action, _filled(need.resource, members), context)


def _filled(template: str, members: Members) -> str:
    """The template with its members; a member that is an ARN already stands for the whole."""
    given = [members.get(name, "") for name in _PLACEHOLDER.findall(template)]
    whole = [value for value in given if value.startswith("arn:")]
    return whole[0] if whole else _PLACEHOLDER.sub(lambda found: members.get(found[1], ""), template)
