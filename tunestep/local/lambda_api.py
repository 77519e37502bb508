"""The Lambda API on the laptop port, in the shapes boto3 parses: Invoke, the reading operations, functions
that clients create, change and delete."""

import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from tunestep.local.awsjson import AwsError
from tunestep.local.created_functions import CreatedFunctions
from tunestep.local.front import BodyTooLargeError, read_body
from tunestep.local.functions import Function, FunctionPool
from tunestep.local.interpreter.engine import Invocation

Environ = dict[str, Any]
Headers = list[tuple[str, str]]

_PATH = re.compile(
    r"/2015-03-31/functions(?:/(?P<name>[^/]+)(?:/(?P<part>invocations|configuration|code))?)?/?"
)
_TAGS = re.compile(r"/2017-03-31/tags/(?P<arn>[^/]+)/?")
_RETRY_DELAYS = (60.0, 120.0)
_LOG = logging.getLogger(__name__)


class LambdaApi:
    """WSGI application over a FunctionPool; ``sleep`` waits between the attempts of an Event invocation."""

    def __init__(
        self,
        pool: FunctionPool,
        created: CreatedFunctions | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        retry_scale: float = 1.0,
    ) -> None:
        self._pool, self._created, self._sleep, self._scale = pool, created, sleep, retry_scale

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            status, headers, body = self._answer(environ)
        except AwsError as fault:
            status = fault.status
            headers = [("x-amzn-ErrorType", fault.code), ("Content-Type", "application/json")]
            body = json.dumps({"Type": "User", "Message": fault.message}).encode()
        headers += [("x-amzn-RequestId", str(uuid.uuid4())), ("Content-Length", str(len(body)))]
        start_response(f"{status} {'OK' if status < 300 else 'Error'}", headers)
        return [body]

    def _answer(self, environ: Environ) -> tuple[int, Headers, bytes]:
        tags = _TAGS.fullmatch(environ["PATH_INFO"])
        if tags and environ["REQUEST_METHOD"] == "GET":
            return _json({"Tags": dict(self._pool.get(unquote(tags["arn"])).tags)})
        found = _PATH.fullmatch(environ["PATH_INFO"])
        if found is None:
            raise AwsError("NotImplementedException", "this operation is not part of the laptop cloud", 501)
        name = unquote(found["name"] or "")
        match environ["REQUEST_METHOD"], bool(name), found["part"]:
            case "POST", True, "invocations":
                return self._invoke(name, environ)
            case "GET", True, "configuration":
                return _json(_configuration(self._pool.get(name)))
            case "GET", True, None:
                function = self._pool.get(name)
                code = {"RepositoryType": "S3", "Location": function.code.as_uri()}
                return _json({"Configuration": _configuration(function), "Code": code})
            case "GET", False, _:
                return _json({"Functions": [_configuration(function) for function in self._pool.all()]})
            case ("POST", False, None) | ("PUT", True, "code") | ("DELETE", True, None) if self._created:
                return self._change(self._created, name, environ)
        raise AwsError("NotImplementedException", "this operation is not part of the laptop cloud", 501)

    @staticmethod
    def _change(created: CreatedFunctions, name: str, environ: Environ) -> tuple[int, Headers, bytes]:
        created.check_caller(environ.get("HTTP_AUTHORIZATION", ""))
        if environ["REQUEST_METHOD"] == "DELETE":
            created.delete(name)
            return 204, [], b""
        try:
            params = json.loads(read_body(environ))
        except (BodyTooLargeError, ValueError):
            params = None
        if not isinstance(params, dict):
            raise AwsError("InvalidRequestContentException", "the body is not a JSON object")
        if name:
            return _json(_configuration(created.update_code(name, params)))
        return 201, *_json(_configuration(created.create(params)))[1:]

    def _invoke(self, name: str, environ: Environ) -> tuple[int, Headers, bytes]:
        function = self._pool.get(name)
        try:
            payload = read_body(environ)
            json.loads(payload or b"{}")
        except BodyTooLargeError:
            raise AwsError("RequestTooLargeException", "the payload is too large", 413) from None
        except ValueError as fault:
            raise AwsError(
                "InvalidRequestContentException", f"Could not parse request body into json: {fault}"
            ) from None
        match environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse"):
            case "DryRun":
                return 204, [], b""
            case "Event":
                self.invoke_later(function.name, payload)
                return 202, [("Content-Type", "application/json")], b""
        invocation = self._pool.invoke(function.name, payload)
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")]
        if invocation.error:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
        return 200, headers, invocation.payload

    def invoke_later(
        self, name: str, payload: bytes, on_failure: Callable[[Invocation], None] = lambda _: None
    ) -> None:
        """Asynchronous invocation: on a thread of its own, tried again as often as the function says.

        ``on_failure`` gets the last answer when every attempt failed.
        """

        def deliver() -> None:
            retries = self._pool.get(name).retries
            invocation = self._attempt(name, payload)
            for delay in _RETRY_DELAYS[:retries]:
                if not invocation.error:
                    return
                self._sleep(delay * self._scale)
                invocation = self._attempt(name, payload)
            if invocation.error:
                _LOG.warning("asynchronous invocation of %s failed for good", name)
                on_failure(invocation)

        threading.Thread(target=deliver, name=f"invoke-{name}", daemon=True).start()

    def _attempt(self, name: str, payload: bytes) -> Invocation:
        try:
            return self._pool.invoke(name, payload)
        except AwsError as fault:
            return Invocation(
                json.dumps({"errorType": fault.code, "errorMessage": fault.message}).encode(), True
            )


def _json(document: dict[str, Any]) -> tuple[int, Headers, bytes]:
    return 200, [("Content-Type", "application/json")], json.dumps(document).encode()


def _configuration(function: Function) -> dict[str, Any]:
    return {
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Runtime": function.runtime,
        "Role": function.role,
        "Handler": function.handler,
        "Description": function.description,
        "Timeout": function.timeout,
        "MemorySize": function.memory,
        "CodeSha256": function.code_sha256,
        "CodeSize": 0,
        "Version": "$LATEST",
        "LastModified": "1970-01-01T00:00:00.000+0000",
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Environment": {"Variables": dict(function.variables)},
    }
