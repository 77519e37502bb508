"""Every kind of file, and files that mean harm: always a report, within bounds of time and memory."""

import gzip
import io
import itertools
import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from botocore.exceptions import ClientError, IncompleteReadError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from tests.datasets.samples import Made, checked, codes, lines, right, written
from tunestep import datasets
from tunestep.datasets import blocks, json_files, parquet_files
from tunestep.datasets.blocks import MAX_LINE, Unreadable
from tunestep.datasets.sources import Source
from tunestep.errors import TransientFault

ROWS = [right("prompt_completion") | {"id": str(number)} for number in range(50)]


def made(pieces: Iterator[bytes], name: str = "made.jsonl") -> datasets.DatasetReport:
    source = Source("made", (Made(pieces, name),))
    return datasets.check(source, technique="SFT", family="open-weights")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([b"", b"a", b"\n", b"\r\n", b"bc\nd", blocks.BOM, b"e" * 30]), max_size=30))
def test_blocks_are_the_lines_of_the_stream_whatever_the_reads(pieces: list[bytes]) -> None:
    whole = b"".join(pieces).removeprefix(blocks.BOM) if pieces and pieces[0] else None
    if whole is None:
        return
    cut = list(blocks.blocks(pieces))
    expected = whole.split(b"\n") if not whole.endswith(b"\n") else whole.split(b"\n")[:-1]

    assert [line for block in cut for line in block.lines] == (expected if whole else [])
    assert [block.first for block in cut] == [
        1 + count for count in itertools.accumulate([0, *(len(block.lines) for block in cut[:-1])])
    ][: len(cut)]


def test_mark_carriage_returns_blank_lines_and_a_missing_last_newline_are_no_faults(tmp_path: Path) -> None:
    content = blocks.BOM + b"\r\n" + b"\r\n \t\r\n".join(lines([row]).strip() for row in ROWS)
    report = checked(written(tmp_path, content), "prompt_completion")

    assert codes(report) == []
    assert report.training.rows == 50


def test_lines_are_counted_with_the_blank_ones(tmp_path: Path) -> None:
    report = checked(written(tmp_path, b"\n\r\n" + lines(ROWS[:2]) + b"\n{}\n"), "prompt_completion")

    assert report.training.groups[0].first[0].line == 6


def test_a_folder_is_all_its_files_and_names_them_by_number(tmp_path: Path) -> None:
    written(tmp_path, lines(ROWS[:20]), "a/secret-1.jsonl")
    written(tmp_path, lines(ROWS[20:]) + b"[]\n", "secret-2.jsonl")
    written(tmp_path, b"junk", ".hidden")
    report = checked(tmp_path, "prompt_completion")

    assert (report.training.files_read, report.training.rows) == (2, 51)
    assert [finding.where for finding in report.findings] == [f"{tmp_path} file 2 of 2 line 31"]
    assert "secret" not in json.dumps(report.to_document())


def test_an_array_in_a_json_file_is_read_row_by_row(tmp_path: Path) -> None:
    rows = [*ROWS, {"prompt": 'a "quote", [brackets]}', "completion": "\\"}, {"prompt": 1, "completion": "x"}]
    report = checked(written(tmp_path, json.dumps(rows, indent=1).encode(), "rows.json"), "prompt_completion")

    assert report.training.rows == 52
    assert [(group.rule, group.first[0].line) for group in report.training.groups] == [("FIELD_TYPE", 52)]


_values = st.recursive(
    st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_values, min_size=1, max_size=6), st.integers(1, 7), st.sampled_from([None, 2]))
def test_an_array_comes_apart_into_its_elements_wherever_it_is_cut(
    rows: list[Any], step: int, indent: int | None
) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=False).encode()
    pieces = [text[start : start + step] for start in range(0, len(text), step)]
    found = b"".join(json_files.lines(pieces)).split(b"\n")

    assert [json.loads(element) for element in found] == rows


@pytest.mark.parametrize("text", [b"[{}", b'["', b"[] {}", b"[]]", b"[1] 2"])
def test_an_array_that_does_not_end_well_is_a_finding(text: bytes, tmp_path: Path) -> None:
    assert "JSON_BROKEN" in codes(checked(written(tmp_path, text, "rows.json"), "chat"))


def test_csv_rows_are_read_with_the_headers_names(tmp_path: Path) -> None:
    content = b'prompt,completion\n"How\nmany?",Four.\nWhat?,\n"a","b","c"\n'
    report = checked(written(tmp_path, content, "rows.csv"), "prompt_completion")

    found = [(group.rule, group.path, group.first[0].line) for group in report.training.groups]
    assert sorted(found) == [("ROW_NOT_OBJECT", "$", 3), ("TEXT_EMPTY", "$.completion", 2)]


def test_csv_cells_hold_messages_as_json(tmp_path: Path) -> None:
    cell = json.dumps(right("chat")["messages"]).replace('"', '""')
    report = checked(written(tmp_path, f'messages\n"{cell}"\n'.encode(), "rows.csv"), "chat")

    assert report.ok
    assert report.training.formats[0].format == "chat"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "CSV_BROKEN"),
        (b'a,b\n"x"y,z\n', "CSV_BROKEN"),
        (b"a,b\n\xff,1\n", "ROW_NOT_UTF8"),
        (b",".join([b"c"] * 10_000) + b"\n", "COLUMNS_TOO_MANY"),
        (b'prompt,completion\n"' + b"x\n" * (MAX_LINE // 2 + 10), "ROW_TOO_LONG"),
        (b"x" * (MAX_LINE + 10), "ROW_TOO_LONG"),
    ],
)
def test_broken_csv_is_a_finding(content: bytes, code: str, tmp_path: Path) -> None:
    assert code in codes(checked(written(tmp_path, content, "rows.csv"), "chat"))


def _parquet(path: Path, query: str) -> Path:
    duckdb.connect().execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    return path


def test_parquet_rows_are_checked(tmp_path: Path) -> None:
    query = (
        "SELECT 'q' || i AS prompt, CASE i WHEN 7 THEN '' ELSE 'a' END AS completion FROM range(5000) t(i)"
    )
    report = checked(_parquet(tmp_path / "rows.parquet", query), "prompt_completion")

    assert [(group.rule, group.first[0].line) for group in report.training.groups] == [("TEXT_EMPTY", 8)]
    assert report.training.rows == 5000


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT repeat('x', 1000000) AS prompt FROM range(3000)", {"PARQUET_MEMORY", "EXPANDS_TOO_FAR"}),
        pytest.param(
            "SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaa' AS prompt FROM range(8000000)",
            {"EXPANDS_TOO_FAR"},
            marks=pytest.mark.slow,
        ),
        ("SELECT " + ", ".join(f"1 AS c{number}" for number in range(2000)), {"COLUMNS_TOO_MANY"}),
    ],
)
def test_parquet_that_means_harm_is_a_finding_and_reading_stops(
    query: str, expected: set[str], tmp_path: Path
) -> None:
    path = _parquet(tmp_path / "rows.parquet", query)
    report = checked(path, "prompt_completion", statistics=False)

    assert expected & set(codes(report))
    assert report.training.expanded < 80 * 1024 * 1024
    assert not report.training.complete


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", b"{}\n"])
def test_what_is_no_parquet_is_a_finding(content: bytes, tmp_path: Path) -> None:
    assert "PARQUET_BROKEN" in codes(checked(written(tmp_path, content, "rows.parquet"), "chat"))


def test_parquet_from_s3_goes_through_a_temporary_file_that_does_not_stay(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "rows.parquet", "SELECT 'a' AS prompt, 'b' AS completion")
    copies: list[Path] = []

    def use(copy: Path) -> Iterator[bytes]:
        copies.append(copy)
        return parquet_files.lines(copy, 100)

    assert (
        b"".join(parquet_files.fetched([path.read_bytes()], 100, use)) == b'{"prompt":"a","completion":"b"}\n'
    )
    assert not copies[0].exists()


def test_gzip_is_read_and_said_to_be_unconfirmed(tmp_path: Path) -> None:
    content = gzip.compress(lines(ROWS[:20])) + gzip.compress(lines(ROWS[20:]))
    report = checked(written(tmp_path, content, "train.jsonl.gz"), "prompt_completion")

    assert codes(report) == ["GZIP_UNCONFIRMED"]
    assert report.training.rows == 50


@pytest.mark.parametrize("cut", [5, 30, 60])
def test_damaged_gzip_is_a_finding(cut: int, tmp_path: Path) -> None:
    content = gzip.compress(lines(ROWS))
    assert "GZIP_BROKEN" in codes(checked(written(tmp_path, content[:cut], "a.jsonl.gz"), "chat"))
    damaged = content[:cut] + bytes([content[cut] ^ 255]) + content[cut + 1 :]
    report = checked(written(tmp_path, damaged, "b.jsonl.gz"), "prompt_completion")
    assert not report.ok or report.training.rows == 50


def test_a_gzip_bomb_is_a_finding_soon(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    zeros = b'{"prompt": "a", "completion": "b"}\n' * 30_000
    content = b"".join(packer.compress(zeros) for _ in range(300)) + packer.flush()
    report = checked(written(tmp_path, content, "bomb.jsonl.gz"), "prompt_completion", statistics=False)

    assert "EXPANDS_TOO_FAR" in codes(report)
    assert report.training.expanded < 70 * 1024 * 1024


def test_a_line_without_end_is_one_finding_and_fills_no_memory() -> None:
    piece = b"x" * blocks.READ
    report = made(itertools.chain([b"{}\n"], itertools.repeat(piece, 4000), [b'"\n{}\n']))

    long = next(group for group in report.training.groups if group.rule == "ROW_TOO_LONG")
    assert long.found == f"a line of {4000 * blocks.READ + 1} bytes"
    assert [place.line for place in long.first] == [2]
    assert report.training.rows == 3


@pytest.mark.parametrize(
    "row",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"messages":' * 100_000,
        b'{"messages": [], "extra": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    ],
)
def test_absurd_depth_is_a_finding(row: bytes, tmp_path: Path) -> None:
    report = checked(written(tmp_path, lines([right("chat")]) + row + b"\n"), "chat")

    assert [(group.rule, group.first[0].line) for group in report.training.groups] == [("ROW_TOO_DEEP", 2)]


@pytest.mark.parametrize(
    "row", [b'{"id":' + b"9" * 100_000 + b"}", b'{"id": 1e999999}', b'{"id": NaN}', b'"\\ud800"']
)
def test_numbers_and_escapes_beyond_reason_are_findings(row: bytes, tmp_path: Path) -> None:
    report = checked(written(tmp_path, row + b"\n"), "chat")

    assert not report.ok
    assert report.training.rows == 1


def test_ten_thousand_columns_are_a_finding(tmp_path: Path) -> None:
    row = {f"c{number}": number for number in range(10_000)}
    assert "FORMAT_UNKNOWN" in codes(checked(written(tmp_path, lines([row])), "chat"))


@pytest.mark.parametrize("name", ["train.jsonl", "a.json", "train.txt"])
def test_an_empty_file_is_a_finding(name: str, tmp_path: Path) -> None:
    assert {"FILE_EMPTY", "DATA_EMPTY"} <= set(codes(checked(written(tmp_path, b" \n", name), "chat")))


def test_nothing_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        datasets.local(tmp_path / "none")
    with pytest.raises(Unreadable):
        datasets.local(tmp_path)


class _Body:
    def __init__(self, content: bytes, breaks: int) -> None:
        self._content, self._breaks = io.BytesIO(content), breaks

    def read(self, size: int) -> bytes:
        if self._breaks and self._content.tell() >= self._breaks:
            raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
        return self._content.read(size)

    def close(self) -> None:
        self._content.close()


class _S3:
    """As much of S3 as a read needs. The first answer, or every one, breaks off when asked to; after
    ``fine`` answers it refuses with ``code``, if there is one."""

    def __init__(
        self, content: bytes, breaks: int = 0, code: str = "", fine: int = 0, always: bool = False
    ) -> None:
        self.calls: list[dict[str, Any]] = []
        self._content, self._breaks, self._code = content, breaks, code
        self._fine, self._always = fine, always

    def get_object(self, **call: Any) -> dict[str, Any]:
        self.calls.append(call)
        if self._code and len(self.calls) > self._fine:
            raise ClientError({"Error": {"Code": self._code, "Message": "secret"}}, "GetObject")
        start = int(call.get("Range", "bytes=0-")[6:-1])
        breaks = self._breaks if self._always or len(self.calls) == 1 else 0
        return {"Body": _Body(self._content[start:], min(breaks, len(self._content) - start))}


def _from_s3(client: _S3) -> datasets.DatasetReport:
    file = datasets.sources.S3File(client, datasets.sources.s3uri.parse("s3://bucket/key.jsonl"), 10, "etag")
    return datasets.check(Source("s3://bucket/key.jsonl", (file,)), technique="SFT", family="open-weights")


def test_a_connection_that_breaks_is_taken_up_where_it_broke_in_the_same_version() -> None:
    content = lines([right("prompt_completion") | {"id": str(number)} for number in range(20_000)])
    client = _S3(content, breaks=blocks.READ)
    report = _from_s3(client)

    assert report.ok
    assert report.training.rows == 20_000
    assert client.calls[1]["Range"] == f"bytes={blocks.READ}-"
    assert {call["IfMatch"] for call in client.calls} == {'"etag"'}


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("PreconditionFailed", "DATA_CHANGED"),
        ("NoSuchKey", "DATA_CHANGED"),
        ("NoSuchVersion", "DATA_CHANGED"),
        ("AccessDenied", "DATA_UNREADABLE"),
        ("InvalidObjectState", "DATA_UNREADABLE"),
    ],
)
def test_s3_refusals_are_findings_without_its_message(code: str, finding: str) -> None:
    report = _from_s3(_S3(b"", code=code))

    assert finding in codes(report)
    assert "secret" not in json.dumps(report.to_document())


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "ServiceUnavailable"])
@pytest.mark.parametrize("breaks", [0, blocks.READ], ids=["at once", "in the middle"])
def test_what_passes_by_itself_is_no_finding_but_another_try(code: str, breaks: int) -> None:
    client = _S3(lines([right("prompt_completion")] * 20_000), breaks, code, fine=1 if breaks else 0)

    with pytest.raises(TransientFault, match=rf"\({code}\)") as caught:
        _from_s3(client)
    assert "secret" not in str(caught.value)


def test_a_refusal_in_the_middle_is_a_finding_with_the_rows_before_it() -> None:
    client = _S3(lines([right("prompt_completion")] * 20_000), blocks.READ, "AccessDenied", fine=1)
    report = _from_s3(client)

    assert "DATA_UNREADABLE" in codes(report)
    assert 0 < report.training.rows < 20_000
    assert not report.training.complete


def test_a_connection_that_never_holds_is_another_try() -> None:
    client = _S3(lines([right("prompt_completion")]), breaks=-1, always=True)

    with pytest.raises(TransientFault, match="again and again"):
        _from_s3(client)
    assert len(client.calls) < 10


def test_importing_the_checker_loads_no_library_for_other_types_and_no_sdk() -> None:
    code = "import sys, tunestep.datasets; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603

    assert not {"boto3", "botocore", "duckdb", "csv"} & set(done.stdout.split())


@pytest.mark.parametrize("name", ["rows[1].parquet", "rows*.parquet", "it's.parquet"])
def test_a_parquet_files_name_is_no_pattern(name: str, tmp_path: Path) -> None:
    made = _parquet(tmp_path / "made.parquet", "SELECT 'a' AS prompt, 'b' AS completion")
    made.rename(tmp_path / name)
    _parquet(tmp_path / "rows1.parquet", "SELECT 1 AS other FROM range(9)")

    assert checked(tmp_path / name, "prompt_completion").training.rows == 1


def test_a_prefix_in_s3_is_what_lies_below_it() -> None:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="data-bucket")
        for key in ("train/", "train/a.jsonl", "train/b/c.jsonl", "train-old/d.jsonl", "train/empty.jsonl"):
            client.put_object(Bucket="data-bucket", Key=key, Body=b"" if "/d" in key else lines(ROWS[:1]))
        client.put_object(Bucket="data-bucket", Key="train/", Body=b"")
        source = datasets.in_s3(client, "s3://data-bucket/train")
        report = datasets.check(source, technique="SFT", family="open-weights")

        assert [file.name.rpartition("train/")[2] for file in source.files] == [
            "a.jsonl",
            "b/c.jsonl",
            "empty.jsonl",
        ]
        assert (report.training.rows, codes(report)) == (3, ["ROWS_DUPLICATE"])
        assert datasets.in_s3(client, "s3://data-bucket/train/a.jsonl").files[0].size == len(lines(ROWS[:1]))
        for missing in ("s3://data-bucket/none", "s3://no-such-bucket/x", "s3://UPPER/x"):
            with pytest.raises(Unreadable):
                datasets.in_s3(client, missing)
