"""The WSGI app for ``/api/2.0/mlflow/``: paths, methods and answers of MLflow 3.17.2's REST API."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tunestep.local.mlflow import fields, search
from tunestep.local.mlflow.faults import MlflowFault, invalid
from tunestep.local.mlflow.store import Metric, Store

PREFIX = "/api/2.0/mlflow/"
VERSION = "3.17.2"
MAX_BODY = 4 * 1024 * 1024
"""Largest request body read, in bytes; MLflow asks for batches below 1 MB."""

_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
_STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
_ERROR_CLASS = {
    "INVALID_PARAMETER_VALUE": "INVALID_PARAMETER_VALUE",
    "RESOURCE_DOES_NOT_EXIST": "RESOURCE_NOT_FOUND",
    "RESOURCE_ALREADY_EXISTS": "RESOURCE_ALREADY_EXISTS",
}

Params = dict[str, Any]


class MlflowService:
    """The part of MLflow that a training job writes and a collector reads."""

    def __init__(self, db_path: Path | str) -> None:
        self._store = Store(db_path)
        self._routes: dict[tuple[str, str], Callable[[Params], Params]] = {
            ("POST", "experiments/create"): self._create_experiment,
            ("GET", "experiments/get"): self._get_experiment,
            ("GET", "experiments/get-by-name"): self._get_experiment_by_name,
            ("POST", "experiments/search"): self._search_experiments,
            ("GET", "experiments/search"): self._search_experiments,
            ("POST", "runs/create"): self._create_run,
            ("GET", "runs/get"): self._get_run,
            ("POST", "runs/update"): self._update_run,
            ("POST", "runs/search"): self._search_runs,
            ("POST", "runs/log-metric"): self._log_metric,
            ("POST", "runs/log-batch"): self._log_batch,
            ("POST", "runs/log-parameter"): self._log_parameter,
            ("POST", "runs/set-tag"): self._set_tag,
            ("GET", "metrics/get-history"): self._get_history,
        }

    def close(self) -> None:
        self._store.close()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI entry."""
        path = environ.get("PATH_INFO", "")
        if path in ("/health", "/version"):
            return _answer(start_response, 200, "OK" if path == "/health" else VERSION)
        try:
            status, answer = 200, self._dispatch(environ["REQUEST_METHOD"], path, environ)
        except MlflowFault as fault:
            status, answer = fault.status, {"error_code": fault.code, "message": fault.message}
            if fault.code in _ERROR_CLASS:
                answer |= {"sqlstate": "KAM00", "error_class": _ERROR_CLASS[fault.code]}
        return _answer(start_response, status, answer)

    def _dispatch(self, method: str, path: str, environ: dict[str, Any]) -> Params:
        route = self._routes.get((method, path.removeprefix(PREFIX))) if path.startswith(PREFIX) else None
        if route is None:
            raise MlflowFault("ENDPOINT_NOT_FOUND", f"{method} {path} is not part of this store", 404)
        return route(_params(method, environ))

    def _create_experiment(self, params: Params) -> Params:
        return {
            "experiment_id": self._store.create_experiment(
                fields.required(params, "name"), _pairs(params, "tags")
            )
        }

    def _get_experiment(self, params: Params) -> Params:
        return {"experiment": self._store.experiment(fields.required(params, "experiment_id"))}

    def _get_experiment_by_name(self, params: Params) -> Params:
        return {"experiment": self._store.experiment_by_name(fields.required(params, "experiment_name"))}

    def _search_experiments(self, params: Params) -> Params:
        documents = [{"info": experiment, "data": {}} for experiment in self._store.experiments()]
        found = search.matching(documents, str(params.get("filter") or ""))
        return _page("experiments", [document["info"] for document in found], params, default=1000)

    def _create_run(self, params: Params) -> Params:
        run = self._store.create_run(
            fields.required(params, "experiment_id"),
            name=str(params.get("run_name") or ""),
            user=str(params.get("user_id") or ""),
            started=fields.integer(params, "start_time", 0),
            tags=_pairs(params, "tags"),
        )
        return {"run": self._store.run(run)}

    def _get_run(self, params: Params) -> Params:
        return {"run": self._store.run(fields.run_id(params)) | {"outputs": {}}}

    def _update_run(self, params: Params) -> Params:
        status = params.get("status")
        if status is not None and status not in _STATUSES:
            raise invalid(f"Invalid value \"{status}\" for parameter 'status' supplied")
        ended = fields.integer(params, "end_time", 0) or None
        name = params.get("run_name") or None
        run = self._store.update_run(fields.run_id(params), status=status, ended=ended, name=name)
        return {"run_info": run}

    def _search_runs(self, params: Params) -> Params:
        experiments = [str(item) for item in params.get("experiment_ids") or []]
        runs = [run | {"outputs": {}} for run in self._store.runs(experiments)]
        runs = search.matching(runs, str(params.get("filter") or ""))
        runs = search.ordered(runs, [str(item) for item in params.get("order_by") or []])
        return _page("runs", runs, params, default=1000)

    def _log_metric(self, params: Params) -> Params:
        run = fields.run_id(params)
        self._store.log(run, metrics=[_metric(params)])
        return {}

    def _log_batch(self, params: Params) -> Params:
        run = fields.run_id(params)
        for name, most in _BATCH.items():
            count = len(fields.listed(params, name))
            if count > most:
                raise invalid(
                    f"A batch logging request can contain at most {most} {name}. Got {count} {name}."
                )
        self._store.log(
            run,
            metrics=[_metric(item) for item in fields.listed(params, "metrics")],
            params=_pairs(params, "params"),
            tags=_pairs(params, "tags"),
        )
        return {}

    def _log_parameter(self, params: Params) -> Params:
        self._store.log(fields.run_id(params), params=[_pair(params)])
        return {}

    def _set_tag(self, params: Params) -> Params:
        self._store.log(fields.run_id(params), tags=[_pair(params)])
        return {}

    def _get_history(self, params: Params) -> Params:
        run, key = fields.run_id(params), fields.required(params, "metric_key")
        start, size = fields.page_start(params), fields.integer(params, "max_results", 0)
        points = self._store.history(run, key, offset=start, limit=size + 1 if size > 0 else -1)
        answer: Params = {"metrics": points[:size] if size > 0 else points} if points else {}
        if 0 < size < len(points):
            answer["next_page_token"] = fields.page_token(start + size)
        return answer


def _page(member: str, items: list[Params], params: Params, *, default: int) -> Params:
    start, size = fields.page_start(params), fields.integer(params, "max_results", default)
    if size < 1:
        raise invalid(f"Invalid value {size} for parameter 'max_results' supplied: It must be at least 1.")
    shown = items[start : start + size]
    answer: Params = {member: shown} if shown else {}
    if start + size < len(items):
        answer["next_page_token"] = fields.page_token(start + size)
    return answer


def _metric(params: Params) -> Metric:
    name = fields.metric_name(params)
    value, is_nan = fields.metric_value(params)
    timestamp, step = fields.integer(params, "timestamp", None), fields.integer(params, "step", 0)
    return Metric(name, value, timestamp, step, is_nan)


def _pair(params: Params) -> tuple[str, str]:
    return fields.required(params, "key"), str(params.get("value") or "")


def _pairs(params: Params, name: str) -> list[tuple[str, str]]:
    return [_pair(item) for item in fields.listed(params, name)]


def _params(method: str, environ: dict[str, Any]) -> Params:
    if method == "GET":
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        return {name: values[-1] for name, values in query.items()}
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = MAX_BODY + 1
    if not 0 <= length <= MAX_BODY:
        raise MlflowFault("BAD_REQUEST", f"a request body has at most {MAX_BODY} bytes", 413)
    try:
        body = json.loads(environ["wsgi.input"].read(length) or b"{}")
    except (ValueError, RecursionError):
        raise MlflowFault("BAD_REQUEST", "the body is not JSON", 400) from None
    if not isinstance(body, dict):
        raise MlflowFault("BAD_REQUEST", "the body is not a JSON object", 400)
    return body


def _answer(start_response: Callable[..., Any], status: int, answer: Params | str) -> Iterable[bytes]:
    plain = isinstance(answer, str)
    data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
    start_response(
        f"{status} {'OK' if status == 200 else 'Error'}",
        [
            ("Content-Type", "text/plain" if plain else "application/json"),
            ("Content-Length", str(len(data))),
        ],
    )
    return [data]
