"""The data set check against the ways in use today, and its bounds on memory.

Row checks are what the peers do too: every row, its fields, types, roles and texts. The whole check adds
duplicates, lengths, keys that stand twice and the content hash, which no peer has.
"""

import functools
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from benchmarks import dataset_files, dataset_peers
from benchmarks.harness import Claim, Limit
from tunestep import datasets, s3uri
from tunestep.datasets import sources
from tunestep.plan_model import Technique

_KINDS: tuple[tuple[str, str, Technique], ...] = (
    ("SFT chat", "chat", "SFT"),
    ("DPO", "preference", "DPO"),
    ("RLVR", "rl", "RLVR"),
)
_SDK_KINDS: tuple[tuple[str, str, Technique], ...] = (
    ("SFT prompt and completion", "pair", "SFT"),
    ("DPO", "preference", "DPO"),
    ("RLVR", "rl", "RLVR"),
)
_PIECE = 1 << 20


def everything() -> list[Claim | Limit]:
    """All measurements of the data set check."""
    return [*_by_hand(), *_by_sdk(), _streamed(), *_memory(), *_hostile()]


def rows_checked(source: sources.Source, technique: Technique, statistics: bool = False) -> int:
    """Rows of a right data set. Raises AssertionError when a fault is found."""
    report = datasets.check(source, technique=technique, family="open-weights", statistics=statistics)
    if not report.ok:
        raise AssertionError([finding.code for finding in report.findings])
    return report.rows


def _of_file(kind: str, technique: Technique, path: Path) -> int:
    return rows_checked(datasets.local(path), technique)


def _same(ours: Any, peer: Any) -> None:
    if peer is not None and ours != peer:
        raise AssertionError(f"{ours} rows against {peer}")


def _size(path: Path) -> int:
    return path.stat().st_size


def _read_by_hand(kind: str, path: Path) -> int:
    with path.open("rb") as file:
        return dataset_peers.checked_by_hand(kind, file)


def _by_hand() -> Iterator[Claim]:
    for title, kind, technique in _KINDS:
        yield Claim(
            name=f"data, {title}, row checks",
            peer_name="json.loads and the same checks by hand",
            at_least=2.5,
            unit="bytes",
            prepare=lambda number, kind=kind: dataset_files.path(kind),  # type: ignore[misc]
            ours=functools.partial(_of_file, kind, technique),
            peer=functools.partial(_read_by_hand, kind),
            items=_size,
            agree=_same,
        )


def _by_sdk() -> Iterator[Claim]:
    if not dataset_peers.has_sdk():
        return
    for title, kind, technique in _SDK_KINDS:
        yield Claim(
            name=f"data, {title}, row checks against the SDK",
            peer_name="sagemaker-train validate_dataset",
            at_least=4,
            unit="bytes",
            prepare=lambda number, kind=kind: dataset_files.path(kind),  # type: ignore[misc]
            ours=functools.partial(_of_file, kind, technique),
            peer=lambda path, technique=technique: dataset_peers.checked_by_sdk(path, technique.lower()),  # type: ignore[misc]
            items=_size,
            agree=_same,
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers every GET with one file, as S3 answers GetObject."""

    protocol_version = "HTTP/1.1"
    path_served = Path()

    def do_GET(self) -> None:
        with self.path_served.open("rb") as file:
            self.send_response(200)
            self.send_header("Content-Length", str(self.path_served.stat().st_size))
            self.send_header("ETag", '"etag"')
            self.end_headers()
            while piece := file.read(_PIECE):
                self.wfile.write(piece)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing: a line per request would be noise in the results."""


@functools.cache
def _client() -> Any:
    """An S3 client whose bucket is a file of rows, served by a process of its own."""
    import boto3  # noqa: PLC0415 - what is measured for memory does without it
    from botocore.config import Config  # noqa: PLC0415

    path = dataset_files.path("chat")
    code = (
        "import http.server, sys, pathlib; from benchmarks.datasets import _Handler as H;"
        "H.path_served = pathlib.Path(sys.argv[1]); s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H);"
        "print(s.server_port, flush=True); s.serve_forever()"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)  # noqa: S603
    threading.Thread(target=_ended_with_us, args=(server,), daemon=True).start()
    port = int(cast(Any, server.stdout).readline())
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-west-2",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106 - a loopback server asks for none
        config=Config(s3={"addressing_style": "path"}),
    )


def _ended_with_us(server: "subprocess.Popen[str]") -> None:
    threading.main_thread().join()
    server.kill()


def _streamed() -> Claim:
    def ours(path: Path) -> int:
        file = sources.S3File(_client(), s3uri.parse("s3://bucket/rows.jsonl"), _size(path), "etag")
        return rows_checked(sources.Source("s3://bucket/rows.jsonl", (file,)), "SFT")

    def peer(path: Path) -> int:
        body = _client().get_object(Bucket="bucket", Key="rows.jsonl")["Body"]
        return sum(1 for line in body.iter_lines() if json.loads(line))

    return Claim(
        name="data, SFT chat from a loopback S3",
        peer_name="iter_lines and json.loads, the SDK's way of reading",
        at_least=5,
        unit="bytes",
        prepare=lambda number: dataset_files.path("chat"),
        ours=ours,
        peer=peer,
        items=_size,
        agree=_same,
    )


class _Made:
    """A file that is made while it is read."""

    def __init__(self, pieces: Iterator[bytes], name: str = "rows.jsonl") -> None:
        self._pieces = pieces
        self.name, self.size, self.local = name, 0, None

    def open(self) -> "_Made":
        return self

    def read(self, size: int, /) -> bytes:
        return next(self._pieces, b"")


def _source(pieces: Iterator[bytes], name: str = "rows.jsonl") -> sources.Source:
    return sources.Source("generated", (_Made(pieces, name),))


def in_a_child(call: str) -> dict[str, Any]:
    """The peak memory (MB, its children included) and result of ``call``, a function of this module."""
    code = (
        "import json, resource; from benchmarks import datasets;"
        f"result = datasets.{call};"
        "both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN);"
        "peak = max(resource.getrusage(who).ru_maxrss for who in both);"
        "print(json.dumps({'mb': peak / 1024, 'result': result}))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def many_rows(gigabytes: float, statistics: bool) -> int:
    """Rows of a generated stream that were checked."""
    return rows_checked(_source(dataset_files.stream("chat", int(gigabytes * 1e9))), "SFT", statistics)


def _memory() -> Iterator[Limit]:
    for name, call, megabytes, seconds in (
        ("data, row checks of 1 GB within 100 MB", "many_rows(1, False)", 100, 30),
        ("data, the whole check of 5 GB within 300 MB", "many_rows(5, True)", 300, 120),
    ):
        yield _within(name, call, megabytes, seconds)


def _within(name: str, call: str, megabytes: int, seconds: float) -> Limit:
    def check(answer: dict[str, Any]) -> None:
        if answer["mb"] > megabytes:
            raise AssertionError(f"{name}: {answer['mb']:.0f} MB")
        if not answer["result"]:
            raise AssertionError(f"{name}: nothing found")

    return Limit(name, seconds, lambda number: call, in_a_child, check)


def _found(source: sources.Source) -> list[str]:
    report = datasets.check(source, technique="SFT", family="open-weights")
    return [
        finding.code
        for finding in report.findings
        if finding.severity == "error" or not report.training.complete
    ]


def gzip_bomb() -> list[str]:
    """A gigabyte of rows in about a megabyte."""
    packer = zlib.compressobj(9, wbits=31)
    piece = b'{"prompt": "a", "completion": "b"}\n' * 30_000
    packed = b"".join(packer.compress(piece) for _ in range(1000)) + packer.flush()
    return _found(
        _source(iter([packed[start : start + 262_144] for start in range(0, len(packed), 262_144)]), "b.gz")
    )


def endless_line() -> list[str]:
    """One line of a gigabyte."""
    piece = b"x" * 262_144
    return _found(_source(piece for _ in range(4096)))


def parquet_bomb() -> list[str]:
    """Gigabytes of text in a Parquet file of a few hundred bytes."""
    rows = "SELECT repeat('x', 1000000) AS prompt FROM range(3000)"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bomb.parquet"
        making = f"COPY ({rows}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
        command = [sys.executable, "-c", "import duckdb, sys; duckdb.execute(sys.argv[1])", making]
        subprocess.run(command, check=True)  # noqa: S603
        return _found(datasets.local(path))


def many_columns() -> list[str]:
    """A row of ten thousand fields."""
    return _found(_source(iter([json.dumps({f"c{number}": 1 for number in range(10_000)}).encode()])))


def deep_brackets() -> list[str]:
    """A hundred thousand brackets in each other."""
    return _found(_source(iter([b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"])))


def _hostile() -> Iterator[Limit]:
    for call in ("gzip_bomb", "endless_line", "parquet_bomb", "many_columns", "deep_brackets"):
        yield _within(f"data, hostile: {call.replace('_', ' ')}", f"{call}()", 300, 10)
