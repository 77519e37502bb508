"""Records what the real MLflow client asks and what the real MLflow server answers.

Run by hand, in an environment that has mlflow (3.17.2 when the fixture was made) and a server:

    mlflow server --port 5177 --backend-store-uri sqlite:///captured.db
    python tests/local/mlflow_capture.py http://127.0.0.1:5177 tests/local/data/mlflow_exchanges.json
"""

import json
import math
import os
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Exchanges = list[dict[str, Any]]


class Recorder(ThreadingHTTPServer):
    """A proxy in front of a server that keeps every exchange."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.exchanges: Exchanges = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def log_message(self, *args: Any) -> None:
        pass

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.server.upstream + self.path,
            data=body or None,
            method=self.command,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as fault:
            status, text = fault.code, fault.read()
        self.server.exchanges.append(
            {
                "method": self.command,
                "path": self.path,
                "body": body.decode(),
                "status": status,
                "answer": text.decode(),
            }
        )
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = _forward  # noqa: N815 - http.server's names


def scenario(url: str) -> None:
    """What a trainer writes and a collector reads, and the mistakes both can make."""
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    from mlflow import MlflowClient  # noqa: PLC0415 - not needed to replay
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    client = MlflowClient(url)

    def refused(call: Any, *args: Any, **kwargs: Any) -> None:
        try:
            call(*args, **kwargs)
        except MlflowException:
            return
        raise AssertionError(f"{call} was not refused")

    experiment = client.create_experiment("support", tags={"team": "a"})
    refused(client.create_experiment, "support")
    client.get_experiment_by_name("support")
    client.get_experiment_by_name("nobody")
    client.get_experiment(experiment)
    refused(client.get_experiment, "999999")
    client.search_experiments(filter_string="name = 'support'")

    run = client.create_run(
        experiment, run_name="first", start_time=1700000000000, tags={"a": "b"}
    ).info.run_id
    for step in range(7):
        client.log_metric(run, "critic/rewards/mean", step / 2, timestamp=1700000000000 + step, step=step)
    client.log_metric(run, "total_loss", 2.5, timestamp=1700000000500, step=0)
    client.log_metric(run, "total_loss", 1.5, timestamp=1700000000400, step=1)
    client.log_metric(run, "total_loss", 1.5, timestamp=1700000000400, step=1)
    for value in (math.nan, math.inf, -math.inf):
        client.log_metric(run, "odd", value, timestamp=1700000000600, step=3)
    client.log_batch(
        run,
        metrics=[Metric("val_eval_total_loss", 0.25 * n, 1700000001000 + n, n) for n in range(3)],
        params=[Param("max_epochs", "2"), Param("learning_rate", "0.003")],
        tags=[RunTag("mlflow.note.content", "a note"), RunTag("stage", "train")],
    )
    client.log_param(run, "seed", 7)
    client.log_param(run, "seed", 7)
    refused(client.log_param, run, "seed", 8)
    client.set_tag(run, "stage", "eval")
    client.get_run(run)
    for key in ("critic/rewards/mean", "total_loss", "odd", "val_eval_total_loss", "never-logged"):
        client.get_metric_history(run, key)

    second = client.create_run(experiment, start_time=1700000005000, run_name="second").info.run_id
    client.log_metric(second, "total_loss", 0.5, timestamp=1700000006000, step=4)
    client.set_terminated(second, "FAILED", end_time=1700000009000)
    client.update_run(run, status="FINISHED", name="renamed")
    client.get_run(second)
    refused(client.get_run, "0" * 32)
    for filter_string in (
        "",
        "attributes.run_name = 'renamed'",
        "attributes.status = 'FAILED'",
        "tags.mlflow.runName = 'second'",
        "tags.stage = 'eval' and params.seed = '7'",
        "metrics.total_loss < 1",
        "attributes.run_name LIKE 'sec%'",
        f"attributes.run_id = '{second}'",
        "params.seed = 'none'",
    ):
        client.search_runs([experiment], filter_string)
    client.search_runs([experiment], order_by=["attributes.start_time DESC"], max_results=1)
    client.search_runs([experiment], order_by=["metrics.total_loss ASC"])
    refused(client.search_runs, [experiment], "nonsense ===")
    refused(client.log_metric, run, "bad@name", 1.0, timestamp=1, step=0)

    _raw(url, "GET", f"metrics/get-history?run_id={run}&metric_key=critic%2Frewards%2Fmean&max_results=3")
    _raw(url, "GET", f"metrics/get-history?run_id={'f' * 32}&metric_key=total_loss")
    _raw(url, "GET", "runs/get")
    _raw(url, "POST", "runs/create", {"experiment_id": "999999"})
    _raw(url, "POST", "runs/log-batch", {"run_id": "f" * 32, "metrics": []})
    _raw(url, "POST", "runs/log-metric", {"run_id": run, "key": "x", "value": "text", "timestamp": 1})
    _raw(url, "POST", "runs/log-metric", {"run_id": run, "value": 1.0, "timestamp": 1})
    _raw(url, "POST", "experiments/create", {})
    _raw(url, "POST", "runs/search", {"experiment_ids": [experiment], "max_results": 1})
    _raw(url, "POST", "runs/search", {"experiment_ids": ["999999"]})


def _raw(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{url}/api/2.0/mlflow/{path}", data=data, method=method, headers={"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(request).close()  # noqa: S310 - loopback
    except urllib.error.HTTPError as fault:
        fault.close()


def record(upstream: str) -> Exchanges:
    """The exchanges of the scenario with the server at ``upstream``."""
    recorder = Recorder(upstream)
    threading.Thread(target=recorder.serve_forever, daemon=True).start()
    try:
        scenario(recorder.url)
    finally:
        recorder.shutdown()
        recorder.server_close()
    return recorder.exchanges


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(record(sys.argv[1]), indent=1) + "\n", encoding="utf-8")
