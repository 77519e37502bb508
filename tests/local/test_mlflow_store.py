"""The small MLflow store against what a real MLflow server answered to a real client."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_server
from werkzeug.test import Client

from tunestep.local.mlflow import MlflowService
from tunestep.local.mlflow.service import MAX_BODY

_HERE = Path(__file__).parent
EXCHANGES = json.loads((_HERE / "data" / "mlflow_exchanges.json").read_text(encoding="utf-8"))
CAPTURE = _HERE / "mlflow_capture.py"
_IDS = ("run_id", "run_uuid", "experiment_id")
_OURS_ALONE = ("workspace", "artifact_uri", "creation_time", "last_update_time")
API = "/api/2.0/mlflow/"


def call(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    answer = client.open(API + path, method=method, data=data)
    return answer.status_code, answer.json


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    service = MlflowService(tmp_path / "mlflow.sqlite")
    yield Client(service)
    service.close()


@pytest.fixture
def run(client: Client) -> str:
    _, made = call(client, "POST", "experiments/create", {"name": "e"})
    _, answer = call(client, "POST", "runs/create", {"experiment_id": made["experiment_id"]})
    return str(answer["run"]["info"]["run_id"])


def paired_ids(theirs: Any, ours: Any) -> dict[str, str]:
    """Recorded ids and the ids that this store gave to the same things."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        pairs = {theirs[k]: ours[k] for k in _IDS if k in theirs and k in ours}
        for key in theirs.keys() & ours.keys():
            pairs |= paired_ids(theirs[key], ours[key])
        return pairs
    if isinstance(theirs, list) and isinstance(ours, list):
        return {k: v for a, b in zip(theirs, ours, strict=False) for k, v in paired_ids(a, b).items()}
    return {}


def comparable(value: Any) -> Any:
    """Without what is each server's own affair; the data of a run has no order."""
    if isinstance(value, dict):
        unordered = ("params", "tags", "metrics") if "tags" in value else ()
        return {
            key: comparable(sorted(item, key=lambda e: e["key"]) if key in unordered else item)
            for key, item in value.items()
            if key not in _OURS_ALONE
        }
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value


def test_every_recorded_exchange_is_answered_as_the_real_server_did(client: Client) -> None:
    renamed: dict[str, str] = {}
    for number, exchange in enumerate(EXCHANGES):
        path, body, expected = exchange["path"], exchange["body"], exchange["answer"]
        for theirs, ours in renamed.items():
            if len(theirs) == 32:
                path, body, expected = (text.replace(theirs, ours) for text in (path, body, expected))
        answer = client.open(path, method=exchange["method"], data=body.encode())
        theirs, ours = json.loads(expected), json.loads(answer.data)
        renamed |= paired_ids(theirs, ours)
        for old, new in renamed.items():
            if len(old) == 32:
                expected = expected.replace(old, new)
        theirs = json.loads(expected)
        if theirs.get("error_code") == "RESOURCE_ALREADY_EXISTS":
            theirs["message"] = theirs["message"].split(" Error:")[0]
        shown = f"exchange {number}: {exchange['method']} {path}"
        assert answer.status_code == exchange["status"], shown
        assert comparable(ours) == comparable(theirs), shown


def test_the_recording_covers_every_route_of_the_store() -> None:
    recorded = {(e["method"], urlsplit(e["path"]).path.removeprefix(API)) for e in EXCHANGES}
    routes = set(MlflowService(":memory:")._routes) - {("GET", "experiments/search")}
    assert routes <= recorded


def test_history_pages_give_every_point_once(client: Client, run: str) -> None:
    points = [{"key": "loss", "value": n / 7, "timestamp": 1000 + n, "step": n} for n in range(200)]
    assert call(client, "POST", "runs/log-batch", {"run_id": run, "metrics": points}) == (200, {})
    found, token, pages = [], "", 0
    while True:
        query = f"metrics/get-history?run_id={run}&metric_key=loss&max_results=70&page_token={token}"
        _, answer = call(client, "GET", query)
        found += answer["metrics"]
        pages += 1
        token = answer.get("next_page_token", "")
        if not token:
            break
    assert (found, pages) == (points, 3)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("runs/log-metric", {"key": "a", "value": 1, "timestamp": 1}),
        ("runs/log-metric", {"run_id": 5, "key": "a", "value": 1, "timestamp": 1}),
        ("runs/log-metric", {"run_id": "RUN", "key": "a", "value": 1}),
        ("runs/log-metric", {"run_id": "RUN", "key": "a", "value": None, "timestamp": 1}),
        ("runs/log-metric", {"run_id": "RUN", "key": "a", "value": [1], "timestamp": 1}),
        ("runs/log-metric", {"run_id": "RUN", "key": "a@b", "value": 1, "timestamp": 1}),
        ("runs/log-batch", {"run_id": "RUN", "metrics": "many"}),
        ("runs/log-batch", {"run_id": "RUN", "metrics": [1]}),
        ("runs/log-batch", {"run_id": "RUN", "params": [{"key": str(n), "value": "v"} for n in range(101)]}),
        ("runs/update", {"run_id": "RUN", "status": "ASLEEP"}),
        ("runs/search", {"experiment_ids": ["1"], "filter": "a = 'b' or c = 'd'"}),
        ("runs/search", {"experiment_ids": ["1"], "filter": "x.y = 'b'"}),
        ("runs/search", {"experiment_ids": ["1"], "order_by": ["start_time SIDEWAYS"]}),
        ("runs/search", {"experiment_ids": ["1"], "page_token": "!"}),
        ("runs/search", {"experiment_ids": ["1"], "max_results": 0}),
    ],
)
def test_bad_input_is_refused_by_name_and_changes_nothing(
    client: Client, run: str, path: str, body: dict[str, Any]
) -> None:
    sent = json.loads(json.dumps(body).replace("RUN", run))
    status, answer = call(client, "POST", path, sent)
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    data = call(client, "GET", f"runs/get?run_id={run}")[1]["run"]["data"]
    assert [tag["key"] for tag in data["tags"]] == ["mlflow.runName"]
    assert set(data) == {"tags"}


def test_a_batch_with_one_bad_parameter_logs_none_of_it(client: Client, run: str) -> None:
    call(client, "POST", "runs/log-parameter", {"run_id": run, "key": "seed", "value": "1"})
    batch = {
        "run_id": run,
        "metrics": [{"key": "loss", "value": 1.0, "timestamp": 1}],
        "params": [{"key": "seed", "value": "2"}],
    }
    assert call(client, "POST", "runs/log-batch", batch)[0] == 400
    assert call(client, "GET", f"metrics/get-history?run_id={run}&metric_key=loss") == (200, {})


@pytest.mark.parametrize("data", [b"{", b"[]", b"7", b"[" * 5000])
def test_a_body_that_is_no_json_object_is_refused(client: Client, data: bytes) -> None:
    answer = client.post(API + "runs/create", data=data)
    assert (answer.status_code, answer.json["error_code"]) == (400, "BAD_REQUEST")


def test_a_body_over_the_cap_is_refused_unread(client: Client) -> None:
    environ = {"CONTENT_LENGTH": str(MAX_BODY + 1)}
    answer = client.post(API + "runs/create", environ_overrides=environ)
    assert answer.status_code == 413


def test_an_unknown_path_is_not_found(client: Client) -> None:
    assert call(client, "GET", "registered-models/list")[0] == 404
    assert client.get("/health").text == "OK"
    assert client.get("/version").text == "3.17.2"


def test_what_was_logged_is_there_after_a_restart(tmp_path: Path) -> None:
    first = MlflowService(tmp_path / "m.sqlite")
    _, made = call(Client(first), "POST", "experiments/create", {"name": "e"})
    first.close()
    second = MlflowService(tmp_path / "m.sqlite")
    assert (
        call(Client(second), "GET", "experiments/get-by-name?experiment_name=e")[1]["experiment"][
            "experiment_id"
        ]
        == made["experiment_id"]
    )
    assert (tmp_path / "m.sqlite").stat().st_mode & 0o777 == 0o600
    second.close()


def test_threads_log_to_one_run_without_losing_a_point(client: Client, run: str) -> None:
    def log(worker: int) -> None:
        for n in range(20):
            body = {"run_id": run, "key": "loss", "value": n, "timestamp": n, "step": worker}
            assert call(client, "POST", "runs/log-metric", body)[0] == 200

    threads = [threading.Thread(target=log, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = call(client, "GET", f"metrics/get-history?run_id={run}&metric_key=loss")[1]["metrics"]
    assert len(history) == 80


@pytest.mark.sdk
@pytest.mark.skipif("TUNESTEP_SDK_PYTHON" not in os.environ, reason="make test-sdk brings the real client")
def test_the_real_client_has_the_same_conversation_with_this_store(tmp_path: Path) -> None:
    service = MlflowService(tmp_path / "mlflow.sqlite")
    server = make_server("127.0.0.1", 0, service, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    recorded = tmp_path / "exchanges.json"
    try:
        subprocess.run(  # noqa: S603 - our own script
            [os.environ["TUNESTEP_SDK_PYTHON"], CAPTURE, f"http://127.0.0.1:{server.server_port}", recorded],
            check=True,
            timeout=120,
        )
    finally:
        server.shutdown()
        service.close()
    exchanges = json.loads(recorded.read_text())
    assert [e["status"] for e in exchanges] == [e["status"] for e in EXCHANGES]
