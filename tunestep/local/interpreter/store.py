"""Executions, machines and histories in one SQLite file: one transaction per transition.

Write-ahead logging with synchronous=NORMAL: a killed process loses nothing that was committed; only a
power cut could lose the last transitions, and those are taken again.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunestep.local.interpreter.documents import dumps, loads
from tunestep.local.interpreter.execution import Execution, Transition

_SCHEMA = """
CREATE TABLE IF NOT EXISTS machines (
  arn TEXT PRIMARY KEY, name TEXT NOT NULL, revision TEXT NOT NULL, created REAL NOT NULL,
  settings TEXT NOT NULL, tags TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS revisions (
  id TEXT PRIMARY KEY, machine_arn TEXT NOT NULL, definition TEXT NOT NULL, role_arn TEXT NOT NULL,
  updated REAL NOT NULL);
CREATE TABLE IF NOT EXISTS executions (
  number INTEGER PRIMARY KEY AUTOINCREMENT, arn TEXT UNIQUE NOT NULL, machine_arn TEXT NOT NULL,
  revision TEXT NOT NULL, status TEXT NOT NULL, due REAL, state TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS executions_by_due ON executions (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS executions_by_machine ON executions (machine_arn, status);
CREATE TABLE IF NOT EXISTS history (
  arn TEXT NOT NULL, id INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (arn, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, arn TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
"""

Row = tuple[Any, ...]


class StoreClosedError(Exception):
    """The store was closed while somebody still wanted to write."""


class Store:
    """The file and its lock. Writes happen inside ``transaction()``."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        if str(path) != ":memory:":
            # SQLite gives its journal files the mode of the database: inputs may hold anything.
            path.touch(mode=0o600)
        self._connection: sqlite3.Connection | None = sqlite3.connect(
            path, check_same_thread=False, isolation_level=None
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; later calls raise StoreClosedError."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Run one statement and fetch everything."""
        with self._lock:
            if self._connection is None:
                raise StoreClosedError
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a statement."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, one writer at a time."""
        with self._lock:
            self.rows("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.rows("ROLLBACK")
                raise
            self.rows("COMMIT")

    def insert(self, execution: Execution, revision: str) -> None:
        """Store a new execution of a revision of its machine."""
        self.rows(
            "INSERT INTO executions (arn, machine_arn, revision, status, due, state) VALUES (?,?,?,?,?,?)",
            execution.arn,
            execution.machine_arn,
            revision,
            execution.status,
            execution.due(),
            _text(execution),
        )

    def load(self, arn: str) -> tuple[Execution, str] | None:
        """An execution and the revision that it runs."""
        found = self.row("SELECT state, revision FROM executions WHERE arn=?", arn)
        return None if found is None else (_execution(found[0]), found[1])

    def save(self, transition: Transition, announcement: dict[str, Any] | None) -> None:
        """Store a transition: the execution, its history, a new token, an announcement to be sent."""
        run = transition.execution
        self.rows(
            "UPDATE executions SET status=?, due=?, state=? WHERE arn=?",
            run.status,
            run.due(),
            _text(run),
            run.arn,
        )
        for event in transition.history:
            self.rows("INSERT INTO history VALUES (?,?,?)", run.arn, event["id"], dumps(event))
        if run.token is not None:
            self.rows("INSERT OR IGNORE INTO tokens VALUES (?,?)", run.token, run.arn)
        if announcement is not None:
            self.announce(announcement)

    def announce(self, event: dict[str, Any]) -> None:
        """Keep an event until it has been sent."""
        self.rows("INSERT INTO outbox (event) VALUES (?)", dumps(event))

    def announcements(self) -> list[tuple[int, dict[str, Any]]]:
        """Events still to be sent, oldest first."""
        return [(number, loads(text)) for number, text in self.rows("SELECT * FROM outbox ORDER BY number")]

    def announced(self, number: int) -> None:
        """Forget an event that has been sent."""
        self.rows("DELETE FROM outbox WHERE number=?", number)

    def running(self) -> list[Execution]:
        """Every execution that has not ended."""
        found = self.rows("SELECT state FROM executions WHERE status='RUNNING' ORDER BY number")
        return [_execution(state) for (state,) in found]

    def executions(self, machine_arn: str, status: str | None, first: int, count: int) -> list[Execution]:
        """Some executions of a machine, newest first, of one status or all, from an offset on."""
        found = self.rows(
            "SELECT state FROM executions WHERE machine_arn=? AND status=COALESCE(?, status) "
            "ORDER BY number DESC LIMIT ? OFFSET ?",
            machine_arn,
            status,
            count,
            first,
        )
        return [_execution(state) for (state,) in found]

    def next_due(self) -> float | None:
        """The earliest time at which time alone moves an execution."""
        found = self.row("SELECT MIN(due) FROM executions WHERE due IS NOT NULL")
        return found[0] if found else None

    def due(self, now: float) -> Sequence[str]:
        """The ARNs of the executions whose time has come."""
        return [arn for (arn,) in self.rows("SELECT arn FROM executions WHERE due <= ? ORDER BY due", now)]

    def history(self, arn: str, first: int, count: int, *, newest_first: bool) -> list[dict[str, Any]]:
        """Events from an offset on, in the API's shape."""
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT event FROM history WHERE arn=? ORDER BY id {order} LIMIT ? OFFSET ?"  # noqa: S608 - constants
        return [loads(event) for (event,) in self.rows(sql, arn, count, first)]

    def token_owner(self, token: str) -> str | None:
        """The execution that a token was made for, ended or not."""
        found = self.row("SELECT arn FROM tokens WHERE token=?", token)
        return found[0] if found else None


def _text(execution: Execution) -> str:
    return dumps(vars(execution))


def _execution(text: str) -> Execution:
    return Execution(**loads(text))
