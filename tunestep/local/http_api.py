"""API Gateway's HTTP API on the laptop port: routes of the template, each request an event for a function.

Behaviour: API Gateway developer guide, "Routes for HTTP APIs" and "Lambda proxy integrations" (payload 2.0).
IAM routes want a signature but nobody checks it, as nothing on a laptop does: what the
function is told of the caller is the access key that the caller claims.
"""

import base64
import json
import re
import threading
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from http.client import responses
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote

from tunestep.local.awsjson import AwsError
from tunestep.local.front import BodyTooLargeError, Environ, StartResponse, read_body
from tunestep.local.functions import FunctionPool

MAX_BODY = 6 * 1024 * 1024
"""Bytes of a request that a function can be given (Lambda quotas); the gateway answers 413 above."""

_SIGNATURE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[\w-]{1,128})/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request\b"
)
_TEXT = re.compile(r"text/|application/(json|javascript|xml)\b", re.IGNORECASE)
_PARAMETER = re.compile(r"\{(\w+)\}")


class Route(NamedTuple):
    """One route of the template: ``GET /path/{name}``, the function's ARN, and whether IAM guards it."""

    key: str
    function: str
    signed: bool

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The path's parameters, or None when the request is not this route's."""
        wanted, _, pattern = self.key.partition(" ")
        if wanted not in (method, "ANY"):
            return None
        found = re.fullmatch(_PARAMETER.sub(r"(?P<\1>[^/]+)", pattern), path)
        return found.groupdict() if found else None


class HttpApi:
    """WSGI application over a FunctionPool; the deployer gives it its routes."""

    def __init__(self, pool: FunctionPool, *, account: str) -> None:
        self._pool, self._account = pool, account
        self._routes: tuple[Route, ...] = ()
        self._prefixes: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def put(self, routes: Iterable[Route]) -> None:
        """Replace the routes."""
        made = tuple(routes)
        with self._lock:
            self._routes = made
            self._prefixes = frozenset(route.key.partition(" ")[2].split("/")[1] for route in made)

    def serves(self, environ: Environ) -> bool:
        """Whether a request is the API's: its path begins like a route, signed for no other service."""
        parts = environ.get("PATH_INFO", "").split("/")
        if len(parts) < 2 or parts[1] not in self._prefixes:
            return False
        signature = _SIGNATURE.match(environ.get("HTTP_AUTHORIZATION", ""))
        return signature is None or signature["service"] == "execute-api"

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        status, headers, data = self._answer(environ)
        headers["Content-Length"] = str(len(data))
        start_response(f"{status} {responses.get(status, 'Answer')}", list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [data]

    def _answer(self, environ: Environ) -> tuple[int, dict[str, str], bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        for route in self._routes:
            parameters = route.match(method, path)
            if parameters is not None:
                return self._invoke(route, environ, parameters)
        return _message(404, "Not Found")

    def _invoke(
        self, route: Route, environ: Environ, parameters: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        signature = _SIGNATURE.match(environ.get("HTTP_AUTHORIZATION", ""))
        if route.signed and signature is None:
            return _message(403, "Forbidden")
        try:
            body = read_body(environ)
        except BodyTooLargeError:
            body = b"\0" * (MAX_BODY + 1)
        if len(body) > MAX_BODY:
            return _message(413, "Request Entity Too Large")
        event = self._event(route, environ, parameters, body)
        if route.signed and signature:
            event["requestContext"]["authorizer"] = {"iam": self._caller(signature["key"])}
        try:
            invocation = self._pool.invoke(route.function, json.dumps(event).encode())
        except AwsError:
            return _message(503, "Service Unavailable")
        return _message(500, "Internal Server Error") if invocation.error else _response(invocation.payload)

    def _caller(self, access_key: str) -> dict[str, Any]:
        return {
            "accessKey": access_key,
            "accountId": self._account,
            "callerId": access_key,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": f"arn:aws:iam::{self._account}:user/{access_key}",
            "userId": access_key,
        }

    def _event(
        self, route: Route, environ: Environ, parameters: dict[str, str], body: bytes
    ) -> dict[str, Any]:
        """The event, payload format 2.0. A body that is not text arrives in base64, and so do forms."""
        headers = _headers(environ)
        path, now = quote(environ.get("PATH_INFO", ""), safe="/~:@!$&'()*+,;=-._"), time.time()
        text = bool(_TEXT.match(headers.get("content-type", "")))
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route.key,
            "rawPath": path,
            "rawQueryString": environ.get("QUERY_STRING", ""),
            "headers": headers,
            "requestContext": {
                "accountId": self._account,
                "apiId": "laptop",
                "domainName": environ.get("HTTP_HOST", ""),
                "domainPrefix": "laptop",
                "http": {
                    "method": environ["REQUEST_METHOD"],
                    "path": path,
                    "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                    "sourceIp": environ.get("REMOTE_ADDR", ""),
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": str(uuid.uuid4()),
                "routeKey": route.key,
                "stage": "$default",
                "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
                "timeEpoch": int(now * 1000),
            },
            "isBase64Encoded": bool(body) and not text,
        }
        if parameters:
            event["pathParameters"] = parameters
        if query := _query(environ.get("QUERY_STRING", "")):
            event["queryStringParameters"] = query
        if body:
            event["body"] = body.decode("utf-8", "replace") if text else base64.b64encode(body).decode()
        return event


def _headers(environ: Environ) -> dict[str, str]:
    found = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    return {name: value for name, value in found.items() if value}


def _query(text: str) -> dict[str, str]:
    """Parameters by name; several of one name are joined by commas."""
    joined: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _response(payload: bytes) -> tuple[int, dict[str, str], bytes]:
    """What the function answered; what is no response of format 2.0 is a fault of the function's."""
    try:
        answer = json.loads(payload)
        body = answer.get("body") or ""
        data = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        headers = {str(name): str(value) for name, value in (answer.get("headers") or {}).items()}
        return int(answer["statusCode"]), headers, data
    except (ValueError, KeyError, TypeError, AttributeError):
        return _message(500, "Internal Server Error")


def _message(status: int, text: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps({"message": text}).encode()
