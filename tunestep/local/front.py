"""One port, many services: each request goes to the service that AWS would send it to."""

import contextlib
import io
import json
import secrets
import socketserver
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

from tunestep.local import fake_slack, iam, journal, judge, moto_backend, security
from tunestep.local.awsjson import AwsError

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

_CHUNK = 1024 * 1024
_ACCESS_DENIED = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class BodyTooLargeError(Exception):
    """A chunked body went past security.MAX_BODY."""


def read_body(environ: Environ) -> bytes:
    """The whole body, chunked or not; raises BodyTooLargeError."""
    stream = environ["wsgi.input"]
    if environ.get("CONTENT_LENGTH"):
        return bytes(stream.read(int(environ["CONTENT_LENGTH"])))
    if not environ.get("wsgi.input_terminated"):
        return b""
    parts, size = [], 0
    while part := stream.read(_CHUNK):
        size += len(part)
        if size > security.MAX_BODY:
            raise BodyTooLargeError
        parts.append(part)
    return b"".join(parts)


class MotoService:
    """moto behind the journal: one call at a time, because moto's stores are not made for threads.

    ``journal`` None keeps nothing. ``put_events`` takes the entries of PutEvents.
    """

    def __init__(
        self,
        app: Wsgi,
        *,
        account: str,
        kept: journal.Journal | None,
        put_events: Callable[[list[dict[str, Any]]], list[str]] | None = None,
    ) -> None:
        self._app, self._account, self._journal = app, account, kept
        self._put_events = put_events
        self._lock = threading.RLock()
        self.replaying = False
        self.forbidden: frozenset[str] = frozenset()
        """Buckets that answer 403 to everybody, as those of another account do."""

    def replay(self, host: str) -> int:
        """Make every kept call again; returns how many there were."""
        count = 0
        self.replaying = True
        try:
            for call in self._journal.calls() if self._journal else ():
                count += 1
                with self._lock, moto_backend.serving(call.at, call.seed):
                    _collect(self._app, journal.request(call, host))
        finally:
            self.replaying = False
        return count

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            body = read_body(environ)
        except BodyTooLargeError:
            return _plain(start_response, "413 Content Too Large", "the body is too large")
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        name = journal.operation(environ, body)
        if not name and environ["PATH_INFO"].lstrip("/").partition("/")[0] in self.forbidden:
            return _plain(start_response, "403 Forbidden", _ACCESS_DENIED, "application/xml")
        if name == "SimulatePrincipalPolicy":
            return iam.answer(body, moto_backend.roles(self._account), start_response)
        if name == "PutEvents" and self._put_events:
            return self._events(self._put_events, body, start_response)
        call = journal.Call(time.time(), secrets.randbits(63), dict(environ), body)
        # A long poll would hold up everybody else.
        polls = name == "ReceiveMessage" and b"WaitTimeSeconds" in body
        with contextlib.nullcontext() if polls else self._lock:
            with moto_backend.serving(call.at, call.seed):
                status, headers, data = _collect(self._app, environ)
            # What was received has to be known again when it is deleted.
            received = name == "ReceiveMessage" and not polls and b"ReceiptHandle" in data
            changed = received or journal.changes_something(call.environ, body)
            if self._journal and status < "4" and changed:
                self._journal.keep(call)
        start_response(status, headers)
        return [data]

    @staticmethod
    def _events(
        put_events: Callable[[list[dict[str, Any]]], list[str]], body: bytes, start_response: StartResponse
    ) -> Iterable[bytes]:
        try:
            ids = put_events(json.loads(body)["Entries"])
            status, answer = "200 OK", {"FailedEntryCount": 0, "Entries": [{"EventId": id_} for id_ in ids]}
        except AwsError as fault:
            status, answer = "400 Bad Request", {"__type": fault.code, "message": fault.message}
        except (ValueError, KeyError, TypeError):
            status = "400 Bad Request"
            answer = {"__type": "ValidationException", "message": "the body is not a PutEvents request"}
        data = json.dumps(answer).encode()
        start_response(
            status, [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(data)))]
        )
        return [data]


def _collect(app: Wsgi, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
    answer: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        answer[:] = [status, headers]
        return lambda data: None

    result = app(environ, start)
    try:
        data = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    return answer[0], answer[1], data


def _plain(
    start_response: StartResponse, status: str, text: str, kind: str = "text/plain"
) -> Iterable[bytes]:
    data = f"{text}\n".encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(data)))])
    return [data]


class HttpApi(Protocol):
    """An API whose requests are told by path and signature; a WSGI application."""

    def serves(self, environ: Environ) -> bool: ...

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]: ...


class Guard(Protocol):
    """Lets a call through to its service, or answers that the caller may not make it."""

    def __call__(self, app: Wsgi, environ: Environ, start_response: StartResponse) -> Iterable[bytes]: ...


class Front:
    """Routes by X-Amz-Target and path; what nobody else serves is moto's. ``guard`` is asked first."""

    def __init__(
        self,
        *,
        moto: Wsgi,
        sagemaker: Wsgi | None = None,
        stepfunctions: Wsgi | None = None,
        functions: Wsgi | None = None,
        mlflow: Wsgi | None = None,
        bedrock: Wsgi | None = None,
        http_api: HttpApi | None = None,
        slack: Wsgi | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.moto, self.sagemaker, self.stepfunctions = moto, sagemaker, stepfunctions
        self.functions, self.mlflow, self.bedrock = functions, mlflow, bedrock
        self.http_api = http_api
        self.slack = slack
        self.guard = guard

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        service = self._service(environ)
        if self.guard is None:
            return service(environ, start_response)
        return self.guard(service, environ, start_response)

    def _service(self, environ: Environ) -> Wsgi:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        path = environ.get("PATH_INFO", "")
        for service, ours in (
            (self.sagemaker, target.startswith("SageMaker.")),
            (self.stepfunctions, target.startswith("AWSStepFunctions.")),
            (self.functions, path.startswith(("/2015-03-31/functions", "/2017-03-31/tags/arn:aws:lambda:"))),
            (self.mlflow, path.startswith("/api/2.0/mlflow/")),
            (self.slack, path.startswith(fake_slack.PREFIX)),
            (self.bedrock, bool(judge.PATH.fullmatch(path))),
        ):
            if ours:
                return service or _absent
        if self.http_api and self.http_api.serves(environ):
            return self.http_api
        return self.moto


def _absent(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    data = json.dumps(
        {"__type": "NotImplemented", "message": "this service is not part of this cloud"}
    ).encode()
    start_response(
        "501 Not Implemented",
        [
            ("Content-Type", "application/x-amz-json-1.1"),
            ("x-amzn-RequestId", str(uuid.uuid4())),
            ("Content-Length", str(len(data))),
        ],
    )
    return [data]


def _handler() -> type[WSGIRequestHandler]:
    from moto.moto_server.werkzeug_app import MotoRequestHandler  # noqa: PLC0415 - after MOTO_ variables

    class Handler(MotoRequestHandler):
        """Keeps connections alive, and keeps small answers from waiting for the client's ACK."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            """Silence: the log is for what goes wrong."""

    return Handler


class Server:
    """The Gate and the Front on 127.0.0.1, one thread per connection."""

    def __init__(self, front: Wsgi, port: int) -> None:
        """``port`` 0 takes any. Raises OSError when the port is taken."""
        socketserver.ThreadingMixIn.block_on_close = False
        self._http: BaseWSGIServer = ThreadedWSGIServer(
            "127.0.0.1", port, security.Gate(front, lambda: self.port), handler=_handler()
        )
        self.port: int = self._http.server_port
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.1,), name="http", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)
