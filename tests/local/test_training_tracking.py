"""Metrics to MLflow: the calls made, and that no fault of the server reaches the training."""

import socket
from collections.abc import Mapping
from typing import Any

import pytest

from tunestep.local.training import tracking
from tunestep.local.training.tracking import Tracker, TrackingError, http_sender


class Server:
    """Answers as an MLflow server does, and can be told to fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.failing: set[str] = set()
        self.failing_once: set[str] = set()
        self.known = False

    def __call__(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        verb = path.partition("?")[0]
        self.calls.append((f"{method} {path}", body))
        if verb in self.failing or verb in self.failing_once:
            self.failing_once.discard(verb)
            raise TrackingError("HTTP 500", "INTERNAL_ERROR")
        if verb == "experiments/get-by-name" and not self.known:
            raise TrackingError("HTTP 404", "RESOURCE_DOES_NOT_EXIST")
        return {
            "experiments/get-by-name": {"experiment": {"experiment_id": "7"}},
            "experiments/create": {"experiment_id": "8"},
            "runs/create": {"run": {"info": {"run_id": "r1"}}},
        }.get(verb, {})

    def verbs(self) -> list[str]:
        return [call.partition("?")[0] for call, _ in self.calls]


def opened(server: Server) -> Tracker:
    tracker = Tracker(server, clock=lambda: 12.5)
    tracker.open("my exp/1", "run")
    return tracker


def test_a_missing_experiment_is_created_and_its_name_escaped() -> None:
    server = Server()
    tracker = opened(server)
    assert (tracker.experiment_id, tracker.run_id) == ("8", "r1")
    assert server.calls[0][0].endswith("experiment_name=my%20exp%2F1")
    server.known = True
    assert opened(server).experiment_id == "7"


def test_metrics_go_in_batches_that_mlflow_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "BATCH", 4)
    server = Server()
    tracker = opened(server)
    for step in range(1, 6):
        tracker.log(step, {"a": 1.0, "b": 2.0})
    tracker.close("FINISHED")
    sent = [body["metrics"] for call, body in server.calls if call.endswith("log-batch")]
    assert [len(part) for part in sent] == [4, 4, 2]
    assert sent[0][0] == {"key": "a", "value": 1.0, "timestamp": 12500, "step": 1}
    last = {"run_id": "r1", "status": "FINISHED", "end_time": 12500}
    assert server.calls[-1] == ("POST runs/update", last)


def test_what_could_not_be_sent_is_sent_later() -> None:
    server = Server()
    tracker = opened(server)
    server.failing.add("runs/log-batch")
    tracker.log(1, {"a": 1.0})
    tracker.flush()
    server.failing.clear()
    tracker.close("FINISHED")
    assert server.calls[-2][1] == {
        "run_id": "r1",
        "metrics": [{"key": "a", "value": 1.0, "timestamp": 12500, "step": 1}],
    }


def test_a_server_that_keeps_failing_is_left_alone_and_noted() -> None:
    server = Server()
    tracker = opened(server)
    server.failing.add("runs/log-batch")
    for step in range(10):
        tracker.log(step, {"a": 1.0})
        tracker.flush()
    tracker.close("FINISHED")
    assert server.verbs().count("POST runs/log-batch") == tracking.GIVE_UP_AFTER
    assert "goes on without it" in tracker.notes[-1]


@pytest.mark.parametrize("verb", ["experiments/get-by-name", "experiments/create", "runs/create"])
def test_a_run_that_cannot_be_opened_is_noted_and_everything_else_does_nothing(verb: str) -> None:
    server = Server()
    server.failing.add(verb)
    tracker = opened(server)
    calls = len(server.calls)
    tracker.log(1, {"a": 1.0})
    tracker.params({"a": "b"})
    tracker.close("FINISHED")
    assert len(server.calls) == calls
    assert len(tracker.notes) == 1


@pytest.mark.parametrize("verb", ["experiments/get-by-name", "experiments/create", "runs/create"])
def test_a_server_that_went_away_while_a_run_was_opened_costs_no_metrics(verb: str) -> None:
    server = Server()
    server.failing_once.add(verb)
    tracker = opened(server)
    assert (tracker.run_id, tracker.notes) == ("r1", [])


def test_a_server_that_went_away_during_the_last_call_gets_the_rest() -> None:
    server = Server()
    tracker = opened(server)
    tracker.log(1, {"a": 1.0})
    server.failing_once.add("runs/log-batch")
    tracker.close("FINISHED")
    assert server.verbs()[-3:] == ["POST runs/log-batch", "POST runs/log-batch", "POST runs/update"]


def test_no_server_at_all_says_nothing() -> None:
    tracker = Tracker(None)
    tracker.open("e", "r")
    tracker.log(1, {"a": 1.0})
    tracker.close("FINISHED")
    assert tracker.notes == []


def test_a_port_that_nobody_answers_is_a_tracking_error() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        send = http_sender(f"http://127.0.0.1:{held.getsockname()[1]}")
        with pytest.raises(TrackingError, match="ConnectionRefused"):
            send("POST", "runs/create", {})


@pytest.mark.parametrize("url", ["https://example.org", "file:///etc/passwd", "127.0.0.1:80", ""])
def test_only_plain_http_is_spoken(url: str) -> None:
    with pytest.raises(TrackingError, match="not http"):
        http_sender(url)
