"""The place of botocore's HTTP: every call of the functions passes here, and may fail here.

Below it are moto and the laptop's SageMaker and Step Functions; above it the real clients with their real
serializers, parsers and retries.
"""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber

from tests.faults import short
from tests.faults.direct import Answers, Asked, DirectCalls, Wired
from tests.faults.dynamodb import Tables
from tests.faults.objects import Objects
from tests.faults.permissions import Permissions
from tunestep.aws import Client, Clients
from tunestep.local import iam, moto_backend

Kind = Literal[
    "refused", "unreachable", "throttled", "answer lost", "failed after", "dies", "dies after", "meets"
]
BEFORE: frozenset[str] = frozenset({"refused", "unreachable", "throttled", "dies"})
AFTER: frozenset[str] = frozenset({"answer lost", "failed after", "dies after"})


class Died(BaseException):
    """The function's process ends here: no handler of the code sees it."""


class Call(NamedTuple):
    """One HTTP request of a function: whose, which invocation of it, which call within it, and from where."""

    verb: str
    invocation: int
    number: int
    operation: str
    site: str


@dataclass(frozen=True)
class Fault:
    """What goes wrong at the ``number``-th call of the ``invocation``-th run of a function (both from 1).

    ``times`` is how many attempts of the client it takes with it; "meets" lets ``other`` happen first.
    ``place`` ("file service.Operation") names the call in place of its number.
    """

    verb: str
    invocation: int
    number: int
    kind: Kind
    times: int = 1
    other: str = ""
    place: str = ""

    def __str__(self) -> str:
        more = f" x{self.times}" if self.times > 1 else f" {self.other}" if self.other else ""
        return f"{self.verb} #{self.invocation}, call {self.place or self.number}: {self.kind}{more}"

    def strikes(self, call: Call) -> bool:
        if (self.verb, self.invocation) != (call.verb, call.invocation):
            return False
        if not self.place:
            return self.number == call.number
        return self.place == f"{call.site.partition(':')[0]} {call.operation}"


@dataclass
class Frame:
    """A function that is running."""

    verb: str
    invocation: int
    calls: int = 0
    key: Any = None
    """The call in progress: its attempts share one number."""


@dataclass
class Wire:
    """Where requests go, what was planned to go wrong, and what did."""

    account: str
    region: str
    services: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    meet: Callable[[str], None] = lambda _: None
    seen: list[Call] = field(default_factory=list)
    struck: list[tuple[Fault, Call]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    permissions: Permissions = field(default_factory=Permissions)
    _left: dict[Fault, int] = field(default_factory=dict)

    def reset(self, faults: list[Fault]) -> None:
        self.faults, self.seen, self.struck, self.frames = faults, [], [], []
        self._left = {fault: fault.times for fault in faults}

    def send(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        """Answer a request, unless the schedule says otherwise. Called by botocore before it would send."""
        if not self.frames:
            return self._deliver(event_name, request)
        call = self._numbered(event_name, request)
        fault = self._fault(call)
        if fault is not None and fault.kind == "meets":
            self.meet(fault.other)
        if fault is None or fault.kind == "meets":
            answer = self._deliver(event_name, request)
            self.permissions.note(call.verb, event_name, request, answer.status_code)
            return answer
        if fault.kind in BEFORE:
            return _strike(fault.kind, request)
        self._deliver(event_name, request)
        return _strike(fault.kind, request)

    def coming(self, operation: str) -> Call | None:
        """The call that comes next; None while no function runs, and for one that a fault will strike."""
        if not self.frames:
            return None
        frame = self.frames[-1]
        call = Call(frame.verb, frame.invocation, frame.calls + 1, operation, _site())
        struck = any(fault.strikes(call) and self._left[fault] > 0 for fault in self.faults)
        return None if struck else call

    def passed(self, call: Call, asked: Asked, *, absent: bool = False) -> None:
        """The call was answered without a request; ``absent`` if it told that an object is not there."""
        self.frames[-1].calls, self.frames[-1].key = call.number, None
        self.seen.append(call)
        self.permissions.note_plain(call.verb, call.operation, of_version="VersionId" in asked, absent=absent)

    def _numbered(self, event_name: str, request: AWSPreparedRequest) -> Call:
        frame = self.frames[-1]
        # Attempts of one call share the invocation id that botocore gives it.
        key = request.headers.get("amz-sdk-invocation-id")
        if key is None or key != frame.key:
            frame.key = key
            frame.calls += 1
        operation = ".".join(event_name.split(".")[1:])
        call = Call(frame.verb, frame.invocation, frame.calls, operation, _site())
        self.seen.append(call)
        return call

    def _fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if fault.strikes(call) and self._left[fault] > 0:
                self._left[fault] -= 1
                self.struck.append((fault, call))
                return fault
        return None

    def _deliver(self, event_name: str, request: AWSPreparedRequest) -> AWSResponse:
        _, name, operation = event_name.split(".")
        if operation == "SimulatePrincipalPolicy":
            return _over_wsgi(self._simulate_policy, request)
        service = self.services.get(name)
        if service is None:
            return short.deliver(event_name, request)
        return _over_wsgi(service, request)

    def _simulate_policy(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        roles = moto_backend.roles(self.account)
        return iam.answer(environ["wsgi.input"].read(), roles, start_response)


def _over_wsgi(service: Any, request: AWSPreparedRequest) -> AWSResponse:
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    told: list[Any] = []
    environ = {
        "HTTP_X_AMZ_TARGET": _text(request.headers.get("X-Amz-Target", "")),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    data = b"".join(service(environ, lambda status, headers: told.extend((status, headers))))
    return AWSResponse(request.url, int(told[0].split()[0]), dict(told[1]), MockRawResponse(data))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _strike(kind: str, request: AWSPreparedRequest) -> AWSResponse:
    if kind.startswith("dies"):
        raise Died(kind)
    if kind == "unreachable":
        raise EndpointConnectionError(endpoint_url=request.url)
    if kind == "answer lost":
        raise ReadTimeoutError(endpoint_url=request.url)
    codes = {
        "refused": (400, "AccessDeniedException"),
        "throttled": (400, "ThrottlingException"),
        "failed after": (500, "InternalServerError"),
    }
    status, code = codes[kind]
    return AWSResponse(request.url, status, {"Content-Type": "x"}, MockRawResponse(_error(request, code)))


def _error(request: AWSPreparedRequest, code: str) -> bytes:
    """An error in the protocol of the service that was asked: JSON, or XML for S3 and SNS."""
    if "X-Amz-Target" in request.headers:
        return json.dumps({"__type": code, "message": "injected"}).encode()
    inner = f"<Code>{code}</Code><Message>injected</Message>"
    if ".s3." in request.url or "s3.amazonaws" in request.url or "//s3" in request.url:
        return f"<Error>{inner}</Error>".encode()
    return f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error></ErrorResponse>".encode()


_HELPERS = ("/tunestep/runs.py", "/tunestep/run_files.py", "/tunestep/tokens.py", "/tunestep/aws.py")
"""Modules that make calls on behalf of others: the place that asked them counts."""


def _site() -> str:
    """The place in tunestep/ that made the call."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if "/tunestep/" in path and "site-packages" not in path and not path.endswith(_HELPERS):
            return f"{path.rpartition('/tunestep/')[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "?"


class WiredClients(Clients):
    """The product's clients with their HTTP replaced."""

    def __init__(self, wire: Wire, *, region: str) -> None:
        super().__init__(region=region)
        self._wire, self._wired = wire, Wired(wire.coming, wire.passed)
        self._answers: dict[str, Answers] = {
            "dynamodb": Tables(wire.account, wire.region),
            "s3": Objects(wire.account),
        }

    def _make(self, service: str, *args: Any, **options: Any) -> Client:
        client = super()._make(service, *args, **options)
        # All handlers of the event are called, so moto must not answer by itself as well.
        client.meta.events.unregister("before-send", botocore_stubber)
        client.meta.events.register_first("before-send.*.*", self._wire.send)
        answers = self._answers.get(service)
        if answers is not None:
            client._make_api_call = DirectCalls(client, self._wired, answers)
        return client
