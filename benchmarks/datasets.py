"""The data set check against the ways in use today.

Row checks are what the peers do too: every row, its fields, types, roles and texts. The whole check adds
duplicates, lengths, keys that stand twice and the content hash, which no peer has.
"""

import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from benchmarks import dataset_files, dataset_limits, dataset_peers
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

NOTES = f"""The data set check reads files of {dataset_files.MEGABYTES} MB (chats, preferences, rows for
reinforcement, prompts with completions) from the page cache. Both sides of a row check read every row and
apply the same rules (`tunestep data check --rows-only`); what the check does beyond that by default and in
a run (duplicates, lengths, keys that stand twice, the SHA-256) no peer does: it is in the rows of "the whole
check" alone. "One process" is held against the peer by processor time.
"Two processes" is what `tunestep data check` and CheckDataset do on two cores from 8 MB on; it is held by
the clock, so that it needs a second core that is free, and the processor time of both processes together
stands beside it. The SDK's validator runs in a process of its own with the SDK loaded and its telemetry
left out; it takes no chats, so that prompts with completions stand for SFT. Its way of reading from S3 is
`iter_lines` with its default of 1,024 bytes, then `json.loads`."""


def everything() -> list[Claim | Limit]:
    """All measurements of the data set check."""
    return [*_by_hand(), *_by_sdk(), _streamed(), *_whole(), *dataset_limits.everything()]


def rows_checked(source: sources.Source, technique: Technique, processors: int | None = None) -> int:
    """Rows of a right data set. Raises AssertionError when a fault is found."""
    report = datasets.check(
        source, technique=technique, family="open-weights", statistics=False, processors=processors
    )
    if not report.ok:
        raise AssertionError([finding.code for finding in report.findings])
    return report.rows


def _of_file(technique: Technique, processors: int | None, path: Path) -> int:
    return rows_checked(datasets.local(path), technique, processors)


def _all_of_file(technique: Technique, path: Path) -> int:
    report = datasets.check(datasets.local(path), technique=technique, family="open-weights", processors=1)
    if not report.ok:
        raise AssertionError([finding.code for finding in report.findings])
    return report.rows


def _same(ours: Any, peer: Any) -> None:
    if peer is not None and ours != peer:
        raise AssertionError(f"{ours} rows against {peer}")


def _size(path: Path) -> int:
    return path.stat().st_size


def _megabytes(path: Path) -> float:
    return _size(path) / 1e6


def _read_by_hand(kind: str, path: Path) -> int:
    with path.open("rb") as file:
        return dataset_peers.checked_by_hand(kind, file)


def _by_hand() -> Iterator[Claim]:
    for processors, title in ((1, "one process"), (None, "two processes")):
        for kind_title, kind, technique in _KINDS:
            yield Claim(
                name=f"data, {kind_title}, row checks in {title}",
                peer_name="json.loads and the same checks by hand",
                at_least=2.5,
                unit="MB",
                prepare=lambda number, kind=kind: dataset_files.path(kind),  # type: ignore[misc]
                ours=functools.partial(_of_file, technique, processors),
                peer=functools.partial(_read_by_hand, kind),
                items=_megabytes,
                agree=_same,
                processor=processors == 1,
                work_too=processors is None,
            )


def _whole() -> Iterator[Claim]:
    for kind_title, kind, technique in _KINDS:
        yield Claim(
            name=f"data, {kind_title}, the whole check in one process",
            peer_name="json.loads and the row checks alone by hand",
            at_least=0.5,
            unit="MB",
            prepare=lambda number, kind=kind: dataset_files.path(kind),  # type: ignore[misc]
            ours=functools.partial(_all_of_file, technique),
            peer=functools.partial(_read_by_hand, kind),
            items=_megabytes,
            agree=_same,
            processor=True,
        )


def _by_sdk() -> Iterator[Claim]:
    if not dataset_peers.has_sdk():
        return
    for title, kind, technique in _SDK_KINDS:
        yield Claim(
            name=f"data, {title}, row checks in two processes",
            peer_name="sagemaker-train validate_dataset",
            at_least=4,
            unit="MB",
            prepare=lambda number, kind=kind: dataset_files.path(kind),  # type: ignore[misc]
            ours=functools.partial(_of_file, technique, None),
            peer=lambda path, technique=technique: dataset_peers.checked_by_sdk(path, technique.lower()),  # type: ignore[misc]
            items=_megabytes,
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
        return dataset_peers.checked_by_hand("chat", (line.decode("utf-8-sig") for line in body.iter_lines()))

    return Claim(
        name="data, SFT chat from a loopback S3, row checks in two processes",
        peer_name="the SDK's way of reading (iter_lines, json.loads) and the same checks by hand",
        at_least=5,
        unit="MB",
        prepare=lambda number: dataset_files.path("chat"),
        ours=ours,
        peer=peer,
        items=_megabytes,
        agree=_same,
        work_too=True,
    )
