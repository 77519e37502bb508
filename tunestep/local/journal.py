"""What makes moto's memory outlive the process: every call that changes something, kept and replayed.

A call is applied, then kept, then answered: what a client saw survives a kill. A call that failed is
not kept. Large bodies are files next to the database, named by their SHA-256.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

Environ = dict[str, Any]

INLINE_BODY = 32 * 1024
"""Bodies above this many bytes become files."""

_READS = (
    "Get", "List", "Describe", "Head", "BatchGet", "Query", "Scan", "TransactGet", "Simulate", "Filter",
    "Search", "Lookup", "Validate", "Test", "Check", "AssumeRole", "Decode", "Estimate", "ReceiveMessage",
    "Publish", "PutEvents", "StartQuery", "GenerateDataKey", "Encrypt", "Decrypt",
)  # fmt: skip
"""Operations by the beginning of their name: those that leave nothing behind that a client reads later.

Publish and PutEvents are delivered once, not again at every start. A ReceiveMessage that waits is not kept,
so that what it received becomes visible again after a restart, as it does on AWS when a consumer dies.
"""

_KEPT_KEYS = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_URI", "CONTENT_TYPE")
_UNKEPT_HEADERS = frozenset({"HTTP_CONNECTION", "HTTP_EXPECT", "HTTP_HOST", "HTTP_TRANSFER_ENCODING"})
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, seed INTEGER NOT NULL, environ TEXT NOT NULL,
    body BLOB, body_sha256 TEXT
)
"""
_INSERT = "INSERT INTO calls (at, seed, environ, body, body_sha256) VALUES (?,?,?,?,?)"


class Call(NamedTuple):
    """One request to moto: the moment (epoch seconds), the seed of its identifiers, environ and body."""

    at: float
    seed: int
    environ: Environ
    body: bytes


def operation(environ: Environ, body: bytes) -> str:
    """Name of the operation where the protocol carries one, else empty (REST)."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target.rpartition(".")[2])
    action = parse_qs(environ.get("QUERY_STRING", "")).get("Action")
    form = str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
    if not action and form:
        action = parse_qs(body[: 1024 * 1024].decode("utf-8", "replace")).get("Action")
    return action[0] if action else ""


def changes_something(environ: Environ, body: bytes) -> bool:
    """Whether a call has to be kept. In doubt it has."""
    name = operation(environ, body)
    if name:
        return not name.startswith(_READS)
    if environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
        return False
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return "select" not in query


class Journal:
    """The kept calls of one home folder. ``path`` is the database, ``objects`` the folder of bodies."""

    def __init__(self, path: Path, objects: Path) -> None:
        self._objects = objects
        objects.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = _open(path)

    def keep(self, call: Call) -> None:
        """Returns once the call will survive this process."""
        kept = {
            key: value
            for key, value in call.environ.items()
            if isinstance(value, str)
            and (key in _KEPT_KEYS or (key.startswith("HTTP_") and key not in _UNKEPT_HEADERS))
        }
        if names := call.environ.get("moto.preserved_header_names"):
            kept["moto.preserved_header_names"] = names
        inline, digest = (call.body, None) if len(call.body) <= INLINE_BODY else (None, self._file(call.body))
        with self._lock, self._db:
            self._db.execute(_INSERT, (call.at, call.seed, json.dumps(kept), inline, digest))

    def count(self, targets: Sequence[str], scope: str) -> int:
        """How many kept calls have one of these X-Amz-Target headers, and this in their signature's scope."""
        ((count,),) = self._db.execute(f"SELECT count(*) {_chosen(targets)}", (*targets, scope))
        return int(count)

    def replace(self, targets: Sequence[str], scope: str, target: str, bodies: Sequence[bytes]) -> None:
        """Put calls of one target with these bodies, last, in the place of those that count() counts.

        All or nothing, whenever the process ends. There has to be one such call.
        """
        chosen = _chosen(targets)
        with self._lock, self._db:
            ((at, environ),) = self._db.execute(
                f"SELECT at, environ {chosen} ORDER BY id DESC LIMIT 1", (*targets, scope)
            )
            like = json.dumps({**json.loads(environ), "HTTP_X_AMZ_TARGET": target})
            self._db.execute(f"DELETE {chosen}", (*targets, scope))
            self._db.executemany(_INSERT, [(at, 0, like, body, None) for body in bodies])

    def _file(self, body: bytes) -> str:
        digest = hashlib.sha256(body).hexdigest()
        final = self._objects / digest
        if not final.is_file() or final.stat().st_size != len(body):
            partial = final.with_suffix(f".{threading.get_ident()}")
            partial.write_bytes(body)
            partial.replace(final)
        return digest

    def calls(self) -> Iterator[Call]:
        """Every kept call, oldest first; one whose body is lost or damaged is left out and logged."""
        rows = self._db.execute("SELECT id, at, seed, environ, body, body_sha256 FROM calls ORDER BY id")
        for row_id, at, seed, environ, inline, digest in rows:
            body = inline
            if digest:
                body = b""
                with contextlib.suppress(OSError):
                    body = (self._objects / digest).read_bytes()
                if hashlib.sha256(body).hexdigest() != digest:
                    logging.warning("journal: call %s is left out: its body %s is damaged", row_id, digest)
                    continue
            yield Call(at, seed, json.loads(environ), body or b"")

    def close(self) -> None:
        self._db.close()


def _chosen(targets: Sequence[str]) -> str:
    """The FROM and WHERE of the calls that count() counts."""
    marks = ",".join("?" * len(targets))
    return (
        f"FROM calls WHERE json_extract(environ, '$.HTTP_X_AMZ_TARGET') IN ({marks})"
        " AND instr(json_extract(environ, '$.HTTP_AUTHORIZATION'), ?)"
    )


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, check_same_thread=False, isolation_level="IMMEDIATE")
    # With a write-ahead log, a tail torn by a power cut is dropped at the next opening.
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(_SCHEMA)
    db.commit()
    return db


def request(call: Call, host: str) -> Environ:
    """A WSGI environ that makes the call again."""
    return {
        **call.environ,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": host.rpartition(":")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SCRIPT_NAME": "",
        "HTTP_HOST": host,
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(call.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
