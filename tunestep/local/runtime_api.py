"""The Lambda Runtime API for one worker: what awslambdaric long-polls and answers to.

Paths, headers and status codes: AWS Lambda developer guide, "Using the Lambda runtime API".
"""

import contextlib
import http.server
import json
import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tunestep.local.interpreter.engine import Invocation

MAX_PAYLOAD = 6 * 1024 * 1024
"""Largest request and answer of a synchronous invocation, in bytes (Lambda quotas)."""

_PREFIX = "/2018-06-01/runtime/"


@dataclass
class Job:
    """One invocation on its way through a worker. ``deadline`` is in epoch seconds."""

    payload: bytes
    timeout: float
    arn: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answer: "queue.Queue[Invocation]" = field(default_factory=queue.Queue)


class RuntimeApi:
    """A loopback server for one worker.

    ``ready`` is set once the runtime asks for work or reports that it cannot start; ``init_error`` then
    holds the error document.
    """

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.init_error: bytes | None = None
        self._inbox: queue.Queue[Job | None] = queue.Queue()
        self._current: Job | None = None
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="runtime-api", daemon=True
        ).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def submit(self, job: Job) -> None:
        self._inbox.put(job)

    def next(self) -> Job | None:
        """The next invocation; waits for it. None when the worker shall end."""
        self.ready.set()
        job = self._inbox.get()
        with self._lock:
            self._current = job
        return job

    def abandon(self, answer: Callable[[Job], Invocation]) -> None:
        """Answer whatever is waiting or on its way: the worker is gone."""
        jobs: list[Job | None] = []
        with self._lock:
            jobs.append(self._current)
            self._current = None
        with contextlib.suppress(queue.Empty):
            while True:
                jobs.append(self._inbox.get_nowait())
        for job in jobs:
            if job is not None:
                job.answer.put(answer(job))

    def finish(self, job_id: str, invocation: Invocation) -> bool:
        """Answer the current invocation; false when it is another one."""
        with self._lock:
            job = self._current
            if job is None or job_id != job.id:
                return False
            self._current = None
        if len(invocation.payload) > MAX_PAYLOAD:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."
            invocation = failure("Function.ResponseSizeTooLarge", message)
        job.answer.put(invocation)
        return True

    def close(self) -> None:
        """End the server without waiting for its loop to notice."""
        self._inbox.put(None)
        threading.Thread(target=self._shut_down, daemon=True).start()

    def _shut_down(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def failure(kind: str, message: str) -> Invocation:
    """An error in the form in which Lambda reports its own."""
    return Invocation(json.dumps({"errorType": kind, "errorMessage": message}).encode(), True)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    api: RuntimeApi


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # answers in one packet: without it a warm call takes 88 ms instead of 0.4
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def _from_a_page(self) -> bool:
        return "Origin" in self.headers or "Sec-Fetch-Site" in self.headers

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def do_GET(self) -> None:
        api = self.server.api
        if self._from_a_page() or self.path != f"{_PREFIX}invocation/next":
            self._send(HTTPStatus.NOT_FOUND)
            return
        job = api.next()
        if job is None:
            self.close_connection = True
            self._send(HTTPStatus.GONE)
            return
        self._send(
            HTTPStatus.OK,
            job.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": job.id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + job.timeout) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": job.arn,
                "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000",
                "Content-Type": "application/json",
            },
        )

    def do_POST(self) -> None:
        body = self._body()
        if self._from_a_page() or body is None or not self.path.startswith(_PREFIX):
            self._send(HTTPStatus.NOT_FOUND)
            return
        api = self.server.api
        match self.path.removeprefix(_PREFIX).split("/"):
            case ["init", "error"]:
                api.init_error = body
                api.ready.set()
                known = True
            case ["invocation", job_id, "response"]:
                known = api.finish(job_id, Invocation(body, False))
            case ["invocation", job_id, "error"]:
                known = api.finish(job_id, Invocation(body, True))
            case _:
                known = False
        self._send(HTTPStatus.ACCEPTED if known else HTTPStatus.BAD_REQUEST, b'{"status":"OK"}')

    def _body(self) -> bytes | None:
        """None for a body over the limit, which is not read to its end."""
        limit = MAX_PAYLOAD + 1
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(min(length, limit))
            self._skip(length - len(data))
            return data
        parts: list[bytes] = []
        kept = 0
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            part = self.rfile.read(size)
            self.rfile.readline()
            if kept < limit:
                parts.append(part[: limit - kept])
                kept += len(parts[-1])
        self.rfile.readline()
        return b"".join(parts)

    def _skip(self, count: int) -> None:
        while count > 0 and (part := self.rfile.read(min(count, 65536))):
            count -= len(part)
