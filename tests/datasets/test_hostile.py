"""Files that are damaged, or made to do damage: never a crash, and nothing wrong is taken for right."""

import contextlib
import csv
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.datasets.samples import RIGHT, Made, checked, codes, lines, right, written
from tunestep import datasets
from tunestep.datasets import blocks, csv_files, json_files
from tunestep.datasets.blocks import Unreadable
from tunestep.datasets.formats import FORMATS
from tunestep.datasets.sources import Source

PAIRS = [right("prompt_completion") | {"id": str(number)} for number in range(30)]
_BYTES = [
    b"",
    b"\0",
    b'"',
    b"\\",
    b"\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\u",
    b" ",
    b"\r",
]

damage = st.lists(
    st.tuples(
        st.integers(0, 5000), st.sampled_from(["cut", "set", "insert", "double"]), st.sampled_from(_BYTES)
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    """The content with bytes lost, changed, added, or a part of it repeated."""
    for where, what, piece in changes:
        place = where % (len(content) + 1)
        if what == "cut":
            content = content[:place]
        elif what == "double":
            content = content[:place] + content[place // 2 :]
        else:
            content = content[:place] + piece + content[place + (what == "set") * len(piece) :]
    return content


def strictly(line: bytes) -> Any:
    """A row as the strictest reader takes it. Raises ValueError."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    return json.loads(line.decode(), object_pairs_hook=once)


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "jsonl.gz"])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(FORMATS)), changes=damage)
def test_damaged_files_end_in_a_report_that_can_be_written_down(
    kind: str, name: str, changes: list[tuple[int, str, bytes]]
) -> None:
    content = lines(RIGHT[name] * 3)
    if kind == "json":
        content = json.dumps(RIGHT[name] * 3, indent=1).encode()
    elif kind == "csv":
        content = b'prompt,completion\n"a, ""b""\nc",d\ne,f\n'
    content = damaged(gzip.compress(content) if kind.endswith("gz") else content, changes)
    with tempfile.TemporaryDirectory() as folder:
        report = checked(written(Path(folder), content, f"rows.{kind}"), name)

    assert json.dumps(report.to_document())
    assert report.ok or report.findings


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(FORMATS)), changes=damage)
def test_a_line_that_the_strictest_reader_refuses_is_never_taken_for_right(
    name: str, changes: list[tuple[int, str, bytes]]
) -> None:
    content = damaged(lines(RIGHT[name] * 2), changes)
    refused = set()
    for number, line in enumerate(content.removeprefix(blocks.BOM).split(b"\n"), 1):
        if line.strip(b" \t\r"):
            try:
                strictly(line)
            except (ValueError, RecursionError):
                refused.add(number)
    found: set[int] = set()
    with tempfile.TemporaryDirectory() as folder:
        report = checked(
            written(Path(folder), content),
            name,
            findings_sink=lambda entry: found.add(json.loads(entry)["line"]),
        )

    if not {"FILE_NOT_UTF8", "GZIP_BROKEN"} & set(codes(report)):
        assert refused <= found


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.integers(0, 3).map(lambda n: RIGHT["chat"][n % 2]), max_size=3),
    changes=damage,
    step=st.integers(1, 40),
)
def test_an_array_is_read_only_if_it_is_one(
    rows: list[Any], changes: list[tuple[int, str, bytes]], step: int
) -> None:
    content = damaged(json.dumps(rows, indent=1).encode(), changes)
    pieces = [content[start : start + step] for start in range(0, len(content), step)]
    try:
        whole = json.loads(content.decode("utf-8-sig"))
    except ValueError:
        whole = None
    if not content.lstrip(b" \t\r\n").startswith(b"["):
        return
    parts: list[Any] = []
    with contextlib.suppress(Unreadable, ValueError):
        found = b"".join(json_files.lines(pieces))
        parts = [json.loads(line) for line in found.split(b"\n") if line.strip()]

    assert parts == (whole or [])


@settings(max_examples=200, deadline=None)
@given(
    cells=st.lists(
        st.tuples(*[st.text("ab\"',;\n\r\x0b\x0c\x1c\x85\u2028\u2029é ", min_size=1, max_size=6)] * 2),
        max_size=5,
    ),
    step=st.integers(1, 9),
)
def test_csv_is_read_as_it_was_written_whatever_the_cells_hold(
    cells: list[tuple[str, str]], step: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("question", "answer"), *cells])
    content = text.getvalue().encode()
    pieces = [content[start : start + step] for start in range(0, len(content), step)]
    found = b"".join(csv_files.lines(pieces)).splitlines()

    assert [tuple(json.loads(line).values()) for line in found] == cells


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_text_in_another_unicode_encoding_is_told_as_such(encoding: str, name: str, tmp_path: Path) -> None:
    content = lines(PAIRS).decode().encode(encoding)

    assert codes(checked(written(tmp_path, content, name), "prompt_completion")) == ["FILE_NOT_UTF8"]


@pytest.mark.parametrize("row", [
    b'{"messages":[{"role":"user","content":"a","content":"b"},{"role":"assistant","content":"c"}]}',
    b'{"messages":[{"role":"user","role":"user","content":"b"},{"role":"assistant","content":"c"}]}',
    b'{"messages":[],"mess\\u0061ges":[{"role":"user","content":"b"},{"role":"assistant","content":"c"}]}',
    b'{"prompt":"a","completion":"b","completion":"c"}',
    b'{"prompt":[{"role":"user","content":"a","content":"b"}],"completion":"c"}',
])  # fmt: skip
def test_a_key_that_stands_twice_is_found_at_any_depth_and_however_it_is_written(
    row: bytes, tmp_path: Path
) -> None:
    content = lines([right("chat")] * 3) + row + b"\n"
    report = checked(written(tmp_path, content), "chat")

    assert [group.first[0].line for group in report.training.groups if group.rule == "DUPLICATE_KEY"] == [4]


def test_names_of_the_formats_fields_may_stand_in_other_fields(tmp_path: Path) -> None:
    extra = {"content": {"role": "x", "content": "y"}, "ground_truth": "4", "prompt": "p"}
    rows = [right("rl") | {"extra_info": extra, "id": number} for number in range(100)]

    assert codes(checked(written(tmp_path, lines(rows)), "rl")) == []


@pytest.mark.parametrize("content", [b"[{},]", b"[,{}]", b"[{},,{}]", b"[{}}", b'[{"a": "b\nc"}]', b"[ , ]"])
def test_an_array_with_a_row_missing_or_a_text_broken_off_is_no_array(content: bytes, tmp_path: Path) -> None:
    assert "JSON_BROKEN" in codes(checked(written(tmp_path, content, "rows.json"), "chat"))


def test_a_csv_header_with_a_name_twice_is_a_finding(tmp_path: Path) -> None:
    content = b"prompt,completion,prompt\na,b,c\n"
    assert codes(checked(written(tmp_path, content, "rows.csv"), "prompt_completion")) == ["CSV_BROKEN"]


def test_records_that_are_not_utf8_are_no_duplicates_of_each_other(tmp_path: Path) -> None:
    content = b"prompt,completion\n\xff,b\nc,\xfe\n"
    assert codes(checked(written(tmp_path, content, "rows.csv"), "prompt_completion")) == ["ROW_NOT_UTF8"]


def test_csv_rows_before_a_broken_record_are_checked(tmp_path: Path) -> None:
    content = b'prompt,completion\na,b\n,c\n"x"y,z\n'
    report = checked(written(tmp_path, content, "rows.csv"), "prompt_completion")

    assert codes(report)[:2] == ["CSV_BROKEN", "TEXT_EMPTY"]
    assert report.training.rows == 2


def test_gzip_of_many_empty_members_and_padding_is_read_to_its_end(tmp_path: Path) -> None:
    content = gzip.compress(b"") * 5000 + gzip.compress(lines(PAIRS)) + b"\0" * 100_000
    report = checked(written(tmp_path, content, "rows.jsonl.gz"), "prompt_completion")

    assert (codes(report), report.training.rows) == (["GZIP_UNCONFIRMED"], 30)


def test_gzip_with_something_behind_its_end_is_a_finding(tmp_path: Path) -> None:
    content = gzip.compress(lines(PAIRS)) + b"behind"
    assert "GZIP_BROKEN" in codes(checked(written(tmp_path, content, "rows.jsonl.gz"), "prompt_completion"))


@pytest.mark.parametrize(("query", "name", "expected"), [
    ("SELECT [{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}] AS messages",
     "chat", []),
    ("SELECT MAP {'a': 1} AS prompt, 'b' AS completion", "prompt_completion", ["FIELD_TYPE"]),
    ("SELECT 'a' AS prompt, 'b' AS completion, 'NaN'::DOUBLE AS \"s\"\"c\", '-inf'::FLOAT AS f",
     "prompt_completion", []),
    ("SELECT 'a' AS prompt, 'b' AS completion, now() AS t, 'x'::BLOB AS b, uuid() AS u, NULL AS n, "
     "INTERVAL 1 DAY AS i, 1.5::DECIMAL(38, 10) AS d", "prompt_completion", []),
    ("SELECT ['aa', 'bb'][i % 2 + 1] AS prompt, 'c' || i AS completion FROM range(20000) t(i)",
     "prompt_completion", []),
    ("SELECT 'a' AS prompt, 'b' AS completion WHERE 1 = 0", "chat", ["FILE_EMPTY", "DATA_EMPTY"]),
    ("SELECT 'a' AS words", "chat", ["FORMAT_UNKNOWN"]),
])  # fmt: skip
def test_columns_of_every_type_are_read(query: str, name: str, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    duckdb.connect().execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")

    assert codes(checked(path, name)) == expected


def test_empty_markers_beside_the_data_are_a_warning_and_empty_data_files_an_error(tmp_path: Path) -> None:
    written(tmp_path, lines(PAIRS), "part-0.jsonl")
    written(tmp_path, b"", "_SUCCESS")
    report = checked(tmp_path, "prompt_completion")
    assert (report.ok, codes(report)) == (True, ["FILE_IS_MARKER"])

    written(tmp_path, b"", "part-1.jsonl")
    assert "FILE_EMPTY" in codes(checked(tmp_path, "prompt_completion"))


def test_many_small_files_with_strange_names_are_one_data_set() -> None:
    names = [f"p/{number}/..\n\x1b[31m{number}.jsonl" for number in range(2000)]
    files = tuple(Made(iter([lines([PAIRS[0] | {"id": name}])]), name) for name in names)
    report = datasets.check(Source("s3://bucket/p/", files), technique="SFT", family="open-weights")

    assert (report.training.files_read, report.training.rows, codes(report)) == (2000, 2000, [])
    assert "\x1b" not in json.dumps(report.to_document())
