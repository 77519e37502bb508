"""The HTTP API on the laptop port: which requests are its own, and the events it makes of them."""

import base64
import io
import json
from typing import Any

import pytest

from tunestep.local.awsjson import AwsError
from tunestep.local.http_api import MAX_BODY, HttpApi, Route
from tunestep.local.interpreter.engine import Invocation

PAGE = "arn:aws:lambda:us-west-2:123456789012:function:page"
ROUTES = [
    Route("GET /approvals/{approval_id}", PAGE, False),
    Route("POST /approvals/{approval_id}", PAGE, False),
    Route("POST /runs/{run}/decision", PAGE, True),
]
SIGNED = "AWS4-HMAC-SHA256 Credential={key}/20261122/us-west-2/{service}/aws4_request, SignedHeaders=host"


class Pool:
    """Keeps the events and gives one answer."""

    def __init__(self, answer: Any = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.answer = answer or {"statusCode": 200, "headers": {"X-Own": "1"}, "body": "hello"}

    def invoke(self, function: str, payload: bytes) -> Invocation:
        assert function == PAGE
        self.events.append(json.loads(payload))
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, Invocation):
            return self.answer
        return Invocation(json.dumps(self.answer).encode(), False)


def _api(pool: Pool) -> HttpApi:
    api = HttpApi(pool, account="123456789012")  # type: ignore[arg-type]
    api.put(ROUTES)
    return api


def _environ(method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:4000",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.input": io.BytesIO(body),
        **headers,
    }


def _send(api: HttpApi, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    seen: list[Any] = []
    data = b"".join(api(environ, lambda status, headers: seen.extend((status, headers))))
    return int(seen[0].split()[0]), dict(seen[1]), data


def test_a_request_becomes_an_event_of_format_2_and_the_answer_an_answer() -> None:
    pool = Pool()
    environ = _environ("GET", "/approvals/a b", "k=1&k=2&x=", HTTP_COOKIE="c=1", HTTP_USER_AGENT="me")
    status, headers, data = _send(_api(pool), environ)
    assert (status, headers["X-Own"], data) == (200, "1", b"hello")
    (event,) = pool.events
    assert event["version"] == "2.0"
    assert event["routeKey"] == "GET /approvals/{approval_id}"
    assert (event["rawPath"], event["rawQueryString"]) == ("/approvals/a%20b", "k=1&k=2&x=")
    assert event["queryStringParameters"] == {"k": "1,2", "x": ""}
    assert event["pathParameters"] == {"approval_id": "a b"}
    assert event["headers"]["user-agent"] == "me"
    context = event["requestContext"]
    assert (context["domainName"], context["http"]["method"]) == ("127.0.0.1:4000", "GET")
    assert "authorizer" not in context
    assert "body" not in event


@pytest.mark.parametrize(
    ("kind", "encoded"),
    [
        ("application/x-www-form-urlencoded", True),
        ("", True),
        ("image/png", True),
        ("application/json", False),
        ("text/plain; charset=utf-8", False),
    ],
)
def test_forms_and_binary_bodies_arrive_in_base64(kind: str, encoded: bool) -> None:
    pool = Pool()
    _send(_api(pool), _environ("POST", "/approvals/a", body=b"a=1", CONTENT_TYPE=kind))
    (event,) = pool.events
    assert event["isBase64Encoded"] is encoded
    assert event["body"] == (base64.b64encode(b"a=1").decode() if encoded else "a=1")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("OPTIONS", "/approvals/a"),
        ("DELETE", "/approvals/a"),
        ("GET", "/approvals/a/b"),
        ("GET", "/approvals/"),
    ],
)
def test_what_no_route_matches_reaches_no_function(method: str, path: str) -> None:
    pool = Pool()
    status, _, data = _send(_api(pool), _environ(method, path))
    assert (status, json.loads(data), pool.events) == (404, {"message": "Not Found"}, [])


def test_a_guarded_route_wants_a_signature_and_tells_whose_it_claims_to_be() -> None:
    pool = Pool()
    api = _api(pool)
    assert _send(api, _environ("POST", "/runs/r/decision", body=b"{}"))[0] == 403
    assert pool.events == []
    signature = SIGNED.format(key="AKIA1", service="execute-api")
    assert _send(api, _environ("POST", "/runs/r/decision", HTTP_AUTHORIZATION=signature))[0] == 200
    iam = pool.events[0]["requestContext"]["authorizer"]["iam"]
    assert (iam["accessKey"], iam["userArn"]) == ("AKIA1", "arn:aws:iam::123456789012:user/AKIA1")


@pytest.mark.parametrize(
    ("path", "service", "ours"),
    [
        ("/approvals/a", "", True),
        ("/approvals/a", "execute-api", True),
        ("/approvals/a", "s3", False),
        ("/runs/r/decision", "s3", False),
        ("/runs", "", True),
        ("/approvalsx/a", "", False),
        ("/", "", False),
        ("", "", False),
        ("/bucket/approvals/a", "", False),
    ],
)
def test_a_bucket_called_like_a_route_is_still_a_bucket(path: str, service: str, ours: bool) -> None:
    headers = {"HTTP_AUTHORIZATION": SIGNED.format(key="k", service=service)} if service else {}
    assert _api(Pool()).serves(_environ("GET", path, **headers)) is ours


def test_without_routes_nothing_is_its_own() -> None:
    assert not HttpApi(Pool(), account="1").serves(_environ("GET", "/approvals/a"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Invocation(b'{"errorMessage": "x"}', True), 500),
        (Invocation(b"not json", False), 500),
        (Invocation(b'"text"', False), 500),
        (Invocation(b'{"statusCode": "x"}', False), 500),
        (AwsError("TooManyRequestsException", "x", 429), 503),
        ({"statusCode": 303, "headers": {"Location": "/x"}}, 303),
        ({"statusCode": 200, "body": base64.b64encode(b"\x00").decode(), "isBase64Encoded": True}, 200),
    ],
)
def test_a_function_that_fails_or_answers_nonsense_is_a_server_error(answer: Any, status: int) -> None:
    assert _send(_api(Pool(answer)), _environ("GET", "/approvals/a"))[0] == status


def test_head_has_no_body_and_a_body_too_large_no_event() -> None:
    pool = Pool()
    api = _api(pool)
    api.put([*ROUTES, Route("HEAD /approvals/{approval_id}", PAGE, False)])
    status, headers, data = _send(api, _environ("HEAD", "/approvals/a"))
    assert (status, headers["Content-Length"], data) == (200, "5", b"")
    pool.events.clear()
    assert _send(api, _environ("POST", "/approvals/a", body=b"x" * (MAX_BODY + 1)))[0] == 413
    assert pool.events == []
