"""Experiments, runs, metrics, parameters and tags in one SQLite file."""

import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tunestep.local.mlflow.faults import MlflowFault, absent, invalid

_SCHEMA = """
create table if not exists experiments(
  id integer primary key autoincrement, name text not null unique, created integer not null);
create table if not exists experiment_tags(
  experiment integer not null, key text not null, value text not null, primary key(experiment, key));
create table if not exists runs(
  seq integer primary key autoincrement, id text not null unique, experiment integer not null,
  name text not null, user text not null, status text not null, started integer not null, ended integer);
create table if not exists metrics(
  run text not null, key text not null, value real not null, timestamp integer not null,
  step integer not null, is_nan integer not null,
  primary key(run, key, timestamp, step, value, is_nan));
create table if not exists params(
  run text not null, key text not null, value text not null, primary key(run, key));
create table if not exists tags(
  run text not null, key text not null, value text not null, primary key(run, key));
"""
_RUN_NAME = "mlflow.runName"


class Metric(NamedTuple):
    key: str
    value: float
    timestamp: int
    step: int
    is_nan: bool


class Store:
    """Every method may be called from any thread; answers have the shapes of MLflow's REST API."""

    def __init__(self, path: Path | str) -> None:
        if str(path) != ":memory:":
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._lock = threading.RLock()
        self._db = sqlite3.connect(str(path), check_same_thread=False)
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + _SCHEMA)
        with self._lock, self._db:
            self._db.execute("insert or ignore into experiments values(0, 'Default', ?)", (_now(),))

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def create_experiment(self, name: str, tags: Iterable[tuple[str, str]]) -> str:
        try:
            with self._lock, self._db:
                row = self._db.execute("insert into experiments(name, created) values(?,?)", (name, _now()))
                self._db.executemany(
                    "insert or replace into experiment_tags values(?,?,?)",
                    [(row.lastrowid, key, value) for key, value in tags],
                )
        except sqlite3.IntegrityError:
            raise MlflowFault(
                "RESOURCE_ALREADY_EXISTS", f"Experiment(name={name}) already exists.", 400
            ) from None
        return str(row.lastrowid)

    def experiment(self, experiment_id: str) -> dict[str, Any]:
        rows = self._rows("select id, name, created from experiments where cast(id as text)=?", experiment_id)
        if not rows:
            raise absent(f"No Experiment with id={experiment_id} exists")
        return self._experiment(rows[0])

    def experiment_by_name(self, name: str) -> dict[str, Any]:
        rows = self._rows("select id, name, created from experiments where name=?", name)
        if not rows:
            raise absent(f"Could not find experiment with name '{name}'")
        return self._experiment(rows[0])

    def experiments(self) -> list[dict[str, Any]]:
        """All experiments, the newest first."""
        return [
            self._experiment(row)
            for row in self._rows("select id, name, created from experiments order by created desc, id desc")
        ]

    def create_run(
        self, experiment_id: str, *, name: str, user: str, started: int, tags: list[tuple[str, str]]
    ) -> str:
        self.experiment(experiment_id)
        run = uuid.uuid4().hex
        name = name or dict(tags).get(_RUN_NAME) or f"run-{run[:8]}"
        with self._lock, self._db:
            self._db.execute(
                "insert into runs(id, experiment, name, user, status, started) values(?,?,?,?,?,?)",
                (run, int(experiment_id), name, user or "unknown", "RUNNING", started or _now()),
            )
            self._set("tags", run, [*tags, (_RUN_NAME, name)])
        return run

    def update_run(
        self, run: str, *, status: str | None, ended: int | None, name: str | None
    ) -> dict[str, Any]:
        with self._lock, self._db:
            self.info(run)
            self._db.execute(
                "update runs set status=coalesce(?,status), ended=coalesce(?,ended), "
                "name=coalesce(?,name) where id=?",
                (status, ended, name, run),
            )
            if name:
                self._set("tags", run, [(_RUN_NAME, name)])
        return self.info(run)

    def log(
        self,
        run: str,
        *,
        metrics: Iterable[Metric] = (),
        params: Iterable[tuple[str, str]] = (),
        tags: Iterable[tuple[str, str]] = (),
    ) -> None:
        """All or nothing. A parameter keeps its first value; logging it again otherwise is refused."""
        with self._lock, self._db:
            self.info(run)
            self._db.executemany(
                "insert or ignore into metrics(run, key, value, timestamp, step, is_nan) values(?,?,?,?,?,?)",
                [(run, m.key, m.value, m.timestamp, m.step, int(m.is_nan)) for m in metrics],
            )
            known = dict(self._rows("select key, value from params where run=?", run))
            for key, value in params:
                if known.setdefault(key, value) != value:
                    raise invalid(
                        f"Changing param values is not allowed. Param with key='{key}' was already logged "
                        f"with value='{known[key]}' for run ID='{run}'. Attempted logging new value "
                        f"'{value}'."
                    )
            self._set("params", run, known.items())
            self._set("tags", run, tags)

    def info(self, run: str) -> dict[str, Any]:
        rows = self._rows(
            "select id, experiment, name, user, status, started, ended from runs where id=?", run
        )
        if not rows:
            raise absent(f"Run with id={run} not found")
        identity, experiment, name, user, status, started, ended = rows[0]
        return {
            "run_uuid": identity,
            "run_id": identity,
            "experiment_id": str(experiment),
            "run_name": name,
            "user_id": user,
            "status": status,
            "start_time": started,
            **({"end_time": ended} if ended is not None else {}),
            "artifact_uri": f"mlflow-artifacts:/{experiment}/{identity}/artifacts",
            "lifecycle_stage": "active",
        }

    def run(self, run: str) -> dict[str, Any]:
        data = {
            "metrics": [_metric(row) for row in self._latest(run)],
            "params": self._pairs("params", run),
            "tags": self._pairs("tags", run),
        }
        return {"info": self.info(run), "data": {k: v for k, v in data.items() if v}, "inputs": {}}

    def runs(self, experiments: list[str]) -> list[dict[str, Any]]:
        """The runs of the experiments, the latest start first."""
        marks = ",".join("?" * len(experiments))
        rows = self._rows(
            # Only question marks are inserted.
            f"select id from runs where cast(experiment as text) in ({marks}) "  # noqa: S608
            "order by started desc, id",
            *experiments,
        )
        return [self.run(row[0]) for row in rows]

    def history(self, run: str, key: str, *, offset: int, limit: int) -> list[dict[str, Any]]:
        """A metric's values by timestamp, step and value; an unknown run has none. ``limit`` -1 is all."""
        rows = self._rows(
            "select key, value, timestamp, step, is_nan from metrics where run=? and key=? "
            "order by timestamp, step, value limit ? offset ?",
            run,
            key,
            limit,
            offset,
        )
        return [_metric(row) for row in rows]

    def _latest(self, run: str) -> list[tuple[Any, ...]]:
        """The last value of each metric: by step, then timestamp, then value."""
        newest: dict[str, tuple[Any, ...]] = {}
        for row in self._rows(
            "select key, value, timestamp, step, is_nan from metrics where run=? "
            "order by step, timestamp, value",
            run,
        ):
            newest[row[0]] = row
        return list(newest.values())

    def _pairs(self, table: str, run: str) -> list[dict[str, str]]:
        rows = self._rows(f"select key, value from {table} where run=? order by rowid", run)  # noqa: S608 - our names
        return [{"key": key, "value": value} for key, value in rows]

    def _set(self, table: str, run: str, pairs: Iterable[tuple[str, str]]) -> None:
        self._db.executemany(
            f"insert into {table}(run, key, value) values(?,?,?) "
            "on conflict(run, key) do update set value=excluded.value",
            [(run, key, value) for key, value in pairs],
        )

    def _experiment(self, row: tuple[Any, ...]) -> dict[str, Any]:
        tags = self._rows("select key, value from experiment_tags where experiment=? order by rowid", row[0])
        return {
            "experiment_id": str(row[0]),
            "name": row[1],
            "artifact_location": f"mlflow-artifacts:/{row[0]}",
            "lifecycle_stage": "active",
            "last_update_time": row[2],
            "creation_time": row[2],
            **({"tags": [{"key": key, "value": value} for key, value in tags]} if tags else {}),
        }

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()


def _metric(row: tuple[Any, ...]) -> dict[str, Any]:
    key, value, timestamp, step, is_nan = row
    return {"key": key, "value": "NaN" if is_nan else value, "timestamp": timestamp, "step": step}


def _now() -> int:
    return int(time.time() * 1000)
