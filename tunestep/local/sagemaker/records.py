"""Where the local SageMaker keeps its state: documents by kind and key, in one SQLite file."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MEMORY = ":memory:"

_SCHEMA = """
create table if not exists records(
  seq integer primary key autoincrement,
  kind text not null,
  key text not null,
  origin text not null,
  document text not null,
  unique(kind, key));
"""

Document = dict[str, Any]


class Taken(Exception):  # noqa: N818 - a state, not a fault
    """Another record of this kind has the key."""


class Records:
    """Documents in the order they were added; every method may be called from any thread.

    ``origin`` tells what a world file brought (replaced whenever a world is loaded) from what calls made.
    """

    def __init__(self, path: Path | str) -> None:
        if str(path) != MEMORY:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + _SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; may be nested, and then the outermost one commits."""
        with self._lock:
            if not self._depth:
                self._db.execute("begin immediate")
            self._depth += 1
            try:
                yield
            except BaseException:
                if self._depth == 1:
                    self._db.execute("rollback")
                raise
            else:
                if self._depth == 1:
                    self._db.execute("commit")
            finally:
                self._depth -= 1

    def get(self, kind: str, key: str) -> Document | None:
        with self._lock:
            row = self._db.execute(
                "select document from records where kind=? and key=?", (kind, key)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def all(self, kind: str, prefix: str = "") -> list[Document]:
        """Documents of a kind in the order they were added; with a prefix, those whose key starts so."""
        with self._lock:
            rows = self._db.execute(
                "select document from records where kind=? and substr(key, 1, ?)=? order by seq",
                (kind, len(prefix), prefix),
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def add(self, kind: str, key: str, document: Document, origin: str = "account") -> None:
        """Store a new document; raises Taken when the key is in use."""
        try:
            with self._lock:
                self._db.execute(
                    "insert into records(kind, key, origin, document) values(?,?,?,?)",
                    (kind, key, origin, json.dumps(document)),
                )
        except sqlite3.IntegrityError:
            raise Taken(f"{kind} {key}") from None

    def put(self, kind: str, key: str, document: Document) -> None:
        """Store a document, in its old place when it had one."""
        with self._lock:
            self._db.execute(
                "insert into records(kind, key, origin, document) values(?,?,'account',?) "
                "on conflict(kind, key) do update set document=excluded.document, origin='account'",
                (kind, key, json.dumps(document)),
            )

    def delete(self, kind: str, key: str) -> None:
        with self._lock:
            self._db.execute("delete from records where kind=? and key=?", (kind, key))

    def replace_world(self, documents: list[tuple[str, str, Document]]) -> None:
        """Exchange what the last world brought for (kind, key, document); what calls made stays as it is."""
        with self.transaction():
            self._db.execute("delete from records where origin='world'")
            for kind, key, document in documents:
                try:
                    self.add(kind, key, document, origin="world")
                except Taken:
                    continue
