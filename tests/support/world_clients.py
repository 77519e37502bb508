"""boto3 clients for planner tests: moto below S3 and IAM, a world file below SageMaker.

The clients are real ones, so that parameters are validated and errors raised as in production; only the
HTTP exchange is replaced. Answers for SageMaker are checked against the published output shapes.
"""

import io
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3
from botocore.validate import ParamValidator

Answer = dict[str, Any]

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
_TIME = 1764000000


class Refused(Exception):  # noqa: N818
    """Raised by an answering function to make a call fail as the service would."""

    def __init__(self, code: str, message: str = "refused", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


class Call(NamedTuple):
    operation: str
    parameters: dict[str, Any]


class _Http(NamedTuple):
    status_code: int


class WorldClients:
    """s3, iam, sagemaker and lambda_ clients; ``calls`` records every call of all, in order.

    ``world["functions"]`` is by function name: a configuration, with ``Tags`` beside it.

    ``overrides`` maps an operation name to a function that answers instead of the world (parameters ->
    answer), or raises Refused.
    """

    def __init__(self, world: dict[str, Any], region: str = "us-west-2") -> None:
        self.world = world
        self.calls: list[Call] = []
        self.overrides: dict[str, Callable[[dict[str, Any]], Answer | None]] = {}
        self.overrides["SimulatePrincipalPolicy"] = allow_everything
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self.s3 = boto3.client("s3", region, **keys)
        self.iam = boto3.client("iam", region, **keys)
        self.sagemaker = boto3.client("sagemaker", region, **keys)
        self.lambda_ = boto3.client("lambda", region, **keys)
        for client in (self.s3, self.iam, self.sagemaker, self.lambda_):
            service = client.meta.service_model.service_id.hyphenize()
            client.meta.events.register(f"provide-client-params.{service}.*", self._record)
            client.meta.events.register(f"before-call.{service}.*", self._answer)
        self._pending: dict[str, Any] = {}

    def operations(self) -> list[str]:
        return [call.operation for call in self.calls]

    def mentions(self, text: str) -> list[Call]:
        """The calls that have the text anywhere in their parameters."""
        return [call for call in self.calls if text in json.dumps(call.parameters, default=str)]

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append(Call(model.name, params))
        self._pending = params

    def _answer(self, model: Any, **_: Any) -> tuple[_Http, Answer] | None:
        answering = self.overrides.get(model.name) or getattr(self, f"_{model.name}", None)
        if answering is None:
            if model.service_model.service_name in ("sagemaker", "lambda"):
                raise AssertionError(f"the planner may not call {model.name}")
            return None
        try:
            answer = answering(self._pending)
            if answer is None:
                return None
        except Refused as fault:
            metadata = {"HTTPStatusCode": fault.status, "HTTPHeaders": {}}
            error = {"Code": fault.code, "Message": fault.message}
            return _Http(fault.status), {"Error": error, "ResponseMetadata": metadata}
        if "Body" not in answer:
            report = ParamValidator().validate(answer, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        return _Http(200), answer | {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

    def _GetObject(self, params: dict[str, Any]) -> Answer | None:
        """Objects behind access points, which moto does not serve; the others come from moto."""
        if not params["Bucket"].startswith("arn:"):
            return None
        uri = f"s3://{params['Bucket']}/{params['Key']}".replace(self.world["account"], "{customer_id}")
        return {"Body": io.BytesIO(json.dumps(self.world["override_specs"][uri]).encode())}

    def _DescribeHubContent(self, params: dict[str, Any]) -> Answer:
        kind, name = params["HubContentType"], params["HubContentName"]
        versions = self.world["hub"].get(f"{params['HubName']}/{kind}/{name}")
        if not versions:
            raise Refused("ResourceNotFound", f"{name} is not in the hub")
        latest = versions[-1]
        owner = "aws" if kind == "Model" else self.world["account"]
        return {
            "HubContentName": name,
            "HubContentArn": f"arn:aws:sagemaker:{self.world['region']}:{owner}:hub-content/"
            f"{params['HubName']}/{kind}/{name}/{latest['version']}",
            "HubContentVersion": latest["version"],
            "HubContentType": kind,
            "DocumentSchemaVersion": "2.2.0",
            "HubName": params["HubName"],
            "HubArn": f"arn:aws:sagemaker:{self.world['region']}:{owner}:hub/{params['HubName']}",
            "HubContentDocument": json.dumps(latest["document"]),
            "HubContentStatus": "Available",
            "CreationTime": _TIME,
        }

    def _function(self, arn: str) -> dict[str, Any]:
        name = arn.partition(":function:")[2]
        functions: dict[str, Any] = self.world.get("functions", {})
        found = functions.get(name) or functions.get(name.partition(":")[0])
        if found is None:
            raise Refused("ResourceNotFoundException", f"Function not found: {arn}", 404)
        return dict(found)

    def _GetFunctionConfiguration(self, params: dict[str, Any]) -> Answer:
        found = self._function(params["FunctionName"])
        return {key: value for key, value in found.items() if key != "Tags"}

    def _ListTags(self, params: dict[str, Any]) -> Answer:
        return {"Tags": self._function(params["Resource"]).get("Tags", {})}

    def _ListHubContents(self, params: dict[str, Any]) -> Answer:
        names = sorted(key.split("/")[2] for key in self.world["hub"] if "/Model/" in key)
        start = int(params.get("NextToken", 0))
        page = names[start : start + 2]
        hub = "arn:aws:sagemaker:us-west-2:aws:hub-content/SageMakerPublicHub/Model"
        entries = [
            {
                "HubContentName": name,
                "HubContentArn": f"{hub}/{name}/1.0.0",
                "HubContentVersion": "1.0.0",
                "HubContentType": "Model",
                "DocumentSchemaVersion": "2.2.0",
                "HubContentStatus": "Available",
                "CreationTime": _TIME,
            }
            for name in page
        ]
        more = {"NextToken": str(start + 2)} if start + 2 < len(names) else {}
        return {"HubContentSummaries": entries, **more}

    def _DescribeModelPackage(self, params: dict[str, Any]) -> Answer:
        package = self.world["model_packages"].get(params["ModelPackageName"])
        if package is None:
            raise Refused("ValidationException", "ModelPackage does not exist.")
        return {"ModelPackageName": params["ModelPackageName"], **package}

    def _DescribeModelPackageGroup(self, params: dict[str, Any]) -> Answer:
        name = params["ModelPackageGroupName"]
        if name not in self.world.get("groups", []):
            raise Refused("ValidationException", f"ModelPackageGroup {name} does not exist.")
        return {
            "ModelPackageGroupName": name,
            "ModelPackageGroupArn": f"arn:aws:sagemaker:{self.world['region']}:{self.world['account']}:"
            f"model-package-group/{name}",
            "CreationTime": _TIME,
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
        }

    def _ListMlflowApps(self, params: dict[str, Any]) -> Answer:
        wanted = params.get("AccountDefaultStatus")
        apps = [a for a in self.world["mlflow_apps"] if wanted in (None, a["AccountDefaultStatus"])]
        shown = ("Arn", "Name", "Status", "MlflowVersion")
        return {"Summaries": [{key: app[key] for key in shown} for app in apps]}

    def _DescribeMlflowApp(self, params: dict[str, Any]) -> Answer:
        for app in self.world["mlflow_apps"]:
            if app["Arn"] == params["Arn"]:
                return {key: app[key] for key in ("Arn", "Name", "Status", "MlflowVersion")}
        raise Refused("ResourceNotFound", "no such app")


def allow_everything(params: dict[str, Any]) -> Answer:
    """What SimulatePrincipalPolicy answers for a role that may do all of it."""
    return simulation(params, "allowed")


def deny_everything(params: dict[str, Any]) -> Answer:
    return simulation(params, "implicitDeny")


def simulation(params: dict[str, Any], decision: str) -> Answer:
    return {
        "EvaluationResults": [
            {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision}
            for action in params["ActionNames"]
            for resource in params["ResourceArns"]
        ]
    }


def seed(clients: WorldClients, *, buckets: tuple[str, ...] = ("my-data-bucket",)) -> None:
    """Put the world's override specs and licence texts, and empty buckets, into moto's S3."""
    region = {"LocationConstraint": clients.world["region"]}
    for bucket in (f"jumpstart-cache-prod-{clients.world['region']}", *buckets):
        clients.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
    for uri, spec in clients.world["override_specs"].items():
        if uri.startswith("s3://arn:"):
            continue
        put(clients, uri, json.dumps(spec))
    for versions in clients.world["hub"].values():
        eula = versions[-1]["document"].get("HostingEulaUri")
        if eula:
            put(clients, eula, "The licence.")
    clients.calls.clear()


def put(clients: WorldClients, uri: str, text: str = '{"prompt": "a"}\n') -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    clients.s3.put_object(Bucket=bucket, Key=key, Body=text.encode())


def create_role(clients: WorldClients, name: str, trust: dict[str, Any] | None = None) -> None:
    clients.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust or TRUST))
