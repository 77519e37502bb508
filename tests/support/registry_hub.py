"""A registry hub in memory below a real boto3 client: parameters are validated, calls are recorded.

Only the HTTP exchange is replaced; answers are checked against the published output shapes.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3
from botocore.validate import ParamValidator

_TIME = 1764000000


class Refusal(NamedTuple):
    code: str
    message: str = "refused"


class RegistryHub:
    """Hubs and contents of one account. ``calls`` are (operation, parameters) in order.

    ``hub_statuses`` and ``content_statuses`` are given one per look, the last one for good; ``before``
    is called with each operation's name and parameters and may answer with a Refusal.
    """

    def __init__(self, region: str = "us-west-2", account: str = "111122223333") -> None:
        self.region, self.account = region, account
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.hubs: set[str] = set()
        self.contents: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.hub_statuses = ["InService"]
        self.content_statuses = ["Available"]
        self.before: Callable[[str, dict[str, Any]], Refusal | None] = lambda *_: None
        self.sleeps: list[float] = []
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self.client = boto3.client("sagemaker", region, **keys)
        events = self.client.meta.events
        events.register("provide-client-params.sagemaker.*", self._record)
        events.register("before-call.sagemaker.*", self._answer)
        self._parameters: dict[str, Any] = {}

    def operations(self) -> list[str]:
        return [name for name, _ in self.calls]

    def put(self, hub: str, name: str, version: str, document: str, status: str = "Available") -> None:
        self.hubs.add(hub)
        self.contents.setdefault((hub, name), []).append(
            {"HubContentVersion": version, "HubContentDocument": document, "HubContentStatus": status}
        )

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((model.name, params))
        self._parameters = params

    def _answer(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        answer = self.before(model.name, self._parameters) or getattr(self, f"_{model.name}")(
            self._parameters
        )
        if isinstance(answer, Refusal):
            error = {"Code": answer.code, "Message": answer.message}
            return _Http(400), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}
        report = ParamValidator().validate(answer, model.output_shape)
        assert not report.has_errors(), report.generate_report()
        return _Http(200), answer | {"ResponseMetadata": {"HTTPStatusCode": 200}}

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    @staticmethod
    def _next(statuses: list[str]) -> str:
        return statuses.pop(0) if len(statuses) > 1 else statuses[0]

    def _DescribeHub(self, params: dict[str, Any]) -> dict[str, Any] | Refusal:
        name = params["HubName"]
        if name not in self.hubs:
            return Refusal("ResourceNotFound", f"Hub {name} does not exist")
        times = {"CreationTime": _TIME, "LastModifiedTime": _TIME}
        arn = self._arn("hub", name)
        return {"HubName": name, "HubArn": arn, "HubStatus": self._next(self.hub_statuses), **times}

    def _CreateHub(self, params: dict[str, Any]) -> dict[str, Any] | Refusal:
        if params["HubName"] in self.hubs:
            return Refusal("ResourceInUse")
        self.hubs.add(params["HubName"])
        return {"HubArn": self._arn("hub", params["HubName"])}

    def _ImportHubContent(self, params: dict[str, Any]) -> dict[str, Any] | Refusal:
        versions = self.contents.setdefault((params["HubName"], params["HubContentName"]), [])
        if any(known["HubContentVersion"] == params["HubContentVersion"] for known in versions):
            return Refusal("ResourceInUse")
        taken = ("HubContentVersion", "HubContentDocument")
        versions.append({**{name: params[name] for name in taken}, "HubContentStatus": ""})
        path = f"{params['HubName']}/JsonDoc/{params['HubContentName']}/{params['HubContentVersion']}"
        hub = self._arn("hub", params["HubName"])
        return {"HubArn": hub, "HubContentArn": self._arn("hub-content", path)}

    def _DescribeHubContent(self, params: dict[str, Any]) -> dict[str, Any] | Refusal:
        hub, name = params["HubName"], params["HubContentName"]
        wanted = params.get("HubContentVersion")
        versions = self.contents.get((hub, name), [])
        found = [known for known in versions if wanted in (None, known["HubContentVersion"])]
        if not found:
            return Refusal("ResourceNotFound", f"{name} does not exist")
        content = found[-1]
        status = content["HubContentStatus"] or self._next(self.content_statuses)
        path = f"{hub}/JsonDoc/{name}/{content['HubContentVersion']}"
        return {
            "HubContentName": name,
            "HubContentArn": self._arn("hub-content", path),
            "HubContentType": "JsonDoc",
            "DocumentSchemaVersion": "2.0.0",
            "HubName": hub,
            "HubArn": self._arn("hub", hub),
            "CreationTime": _TIME,
            **content,
            "HubContentStatus": status,
            **({"FailureReason": "no such function"} if status == "ImportFailed" else {}),
        }


class _Http(NamedTuple):
    status_code: int


def document(reference: str, kind: str) -> str:
    inner = json.dumps({"Reference": reference, "EvaluatorType": kind})
    return json.dumps({"SubType": "AWS/Evaluator", "JsonContent": inner})
