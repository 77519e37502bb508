"""Metrics to an MLflow server over its REST API (mlflow.org/docs/latest/rest-api.html).

Tracking is a witness, not a part of the training: a server that is down is noted and never fails a job.
"""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.awsrequest import AWSRequest

BATCH = 1000
"""Most metrics of one log-batch call (MLflow's own limit)."""
GIVE_UP_AFTER = 3
"""Failed calls after which the server is left alone."""
OPENING_TRIES = 3
"""Times that opening a run is tried: without it all metrics are lost, and a restart takes only a moment."""
TIMEOUT = 5.0
"""Seconds that one call may take."""

_API = "/api/2.0/mlflow/"


class TrackingError(Exception):
    """The server did not do what was asked; ``code`` is its error code, empty when it gave none."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


Send = Callable[[str, str, Mapping[str, Any] | None], dict[str, Any]]
"""``send(method, path below the API root, body)`` answers the decoded JSON or raises TrackingError."""


Sign = Callable[[str, str, Mapping[str, Any] | None], AWSRequest]
"""``sign(method, path below the API root, body)`` gives the request with the headers of a signature."""


def http_sender(url: str, sign: Sign | None = None) -> Send:
    """Calls over plain HTTP to the server at ``url`` (scheme http, loopback), with a signature or without."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise TrackingError("the MLflow URL is not http://host:port")
    host, port, root = parts.hostname, parts.port or 80, parts.path.rstrip("/")

    def send(method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        try:
            payload = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json"}
            if sign:
                headers |= dict(sign(method, path, body).headers.items())
            connection.request(method, root + _API + path, payload, headers)
            answer = connection.getresponse()
            return _decoded(answer.status, answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise TrackingError(f"{type(error).__name__} at {host}:{port}") from None
        finally:
            connection.close()

    return send


def _decoded(status: int, raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw or b"{}")
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    if status >= 400:
        raise TrackingError(f"HTTP {status}", str(document.get("error_code", "")))
    return document


class Tracker:
    """One run's metrics: kept until sent, sent in batches, given up after repeated failures."""

    def __init__(self, send: Send | None, *, clock: Callable[[], float] = time.time) -> None:
        self._send, self._clock = send, clock
        self._waiting: list[dict[str, Any]] = []
        self._failures = 0
        self.experiment_id = ""
        self.run_id = ""
        self.notes: list[str] = []

    @property
    def active(self) -> bool:
        """Whether a run was opened and the server still answers."""
        return bool(self._send and self.run_id and self._failures < GIVE_UP_AFTER)

    def open(self, experiment: str, run: str) -> None:
        """Finds or creates the experiment and creates the run."""
        for left in reversed(range(OPENING_TRIES)):
            try:
                self._open(experiment, run)
            except (TrackingError, KeyError, TypeError) as error:
                if not left:
                    self._note("the run could not be created", error)
                continue
            return

    def _open(self, experiment: str, run: str) -> None:
        if self._send is None:
            return
        self.experiment_id = self._experiment(self._send, experiment)
        body = {"experiment_id": self.experiment_id, "run_name": run, "start_time": self._now()}
        self.run_id = str(self._send("POST", "runs/create", body)["run"]["info"]["run_id"])

    def _experiment(self, send: Send, name: str) -> str:
        try:
            found = send("GET", f"experiments/get-by-name?experiment_name={quote(name, safe='')}", None)
            return str(found["experiment"]["experiment_id"])
        except TrackingError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
        return str(send("POST", "experiments/create", {"name": name})["experiment_id"])

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Keeps metrics of ``step`` for the next :meth:`flush`."""
        if self.active:
            now = self._now()
            self._waiting += [
                {"key": key, "value": value, "timestamp": now, "step": step} for key, value in metrics.items()
            ]

    def flush(self) -> None:
        """Sends what waits; what cannot be sent waits on."""
        while self._send and self._waiting and self.active:
            part = self._waiting[:BATCH]
            try:
                self._send("POST", "runs/log-batch", {"run_id": self.run_id, "metrics": part})
            except TrackingError as error:
                self._failures += 1
                self._note(f"{len(self._waiting)} metrics could not be sent", error)
                return
            del self._waiting[: len(part)]

    def params(self, values: Mapping[str, str]) -> None:
        """Logs what the run was made with."""
        if self._send and self.active:
            pairs = [{"key": key, "value": value[:500]} for key, value in list(values.items())[:100]]
            self._quietly("runs/log-batch", {"run_id": self.run_id, "params": pairs})

    def close(self, status: str) -> None:
        """Sends the rest and ends the run: FINISHED, FAILED or KILLED."""
        self.flush()
        # A server that went away in the middle of a call has had time to come back.
        self.flush()
        if self._send and self.active:
            body = {"run_id": self.run_id, "status": status, "end_time": self._now()}
            self._quietly("runs/update", body)

    def _quietly(self, path: str, body: Mapping[str, Any]) -> None:
        try:
            if self._send:
                self._send("POST", path, body)
        except TrackingError as error:
            self._failures += 1
            self._note(f"{path} failed", error)

    def _note(self, what: str, error: Exception) -> None:
        self.notes.append(f"MLflow: {what} ({error}); training goes on without it.")

    def _now(self) -> int:
        return int(self._clock() * 1000)
