import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tunestep import documents
from tunestep.documents import DocumentInvalid, loads, read

REFUSED = [
    ("json", b"", "is empty"),
    ("json", b" \n ", "is empty"),
    ("json", b'{"a": }', "line 1, column 7"),
    ("json", b'{\n "a": 1,\n}', "line 3, column 1"),
    ("json", b'{"a": 1, "a": 2}', 'line 1: the key "a" appears twice'),
    ("json", b'{"x": {"a": 1,\n "b": [{}],\n "\\u0061": 1}}', "line 3: the key"),
    ("json", b'[{"a": {"b": 1}, "a" : 2}]', 'the key "a" appears twice'),
    ("json", b'{"a": NaN}', "NaN is not a finite number"),
    ("json", b'{"a": -Infinity}', "-Infinity is not a finite number"),
    ("json", b'{"a": 1e999}', "not finite"),
    ("json", b'{"a": ' + b"1" * 5000 + b"}", "more than 64 bits"),
    ("json", b"[" * 100_000, "nested deeper than 32"),
    ("json", b'{"a":' * 33 + b"1" + b"}" * 33, "nested deeper than 32"),
    ("json", b'{"a": "\\ud800"}', "surrogate"),
    ("json", b'{"\\udfff": 1}', "surrogate"),
    ("json", b'\n{"a": "\xff"}', "line 2 is not UTF-8"),
    ("json", b"\xff\xfe{\x00}\x00", "not UTF-8"),
    ("json", b'{"a": 1} {"b": 2}', "line 1, column 10"),
    ("json", b'"' + b'\\"' * 100_000, "Unterminated string"),
    ("yaml", b"a: [1", "line 2, column 1"),
    ("yaml", b"a: 1\na: 2", "line 2, column 1: the key 'a' appears twice"),
    ("yaml", b'{"a": 1, "a": 2}', "appears twice"),
    ("yaml", b"a: &x 1\nb: 2", "line 1, column 4: anchors and aliases"),
    ("yaml", b"a: &x [1]\nb: *x", "anchors and aliases"),
    ("yaml", b"b: *x", "anchors and aliases"),
    ("yaml", b"a: .nan", "not a finite number"),
    ("yaml", b"a: -.inf", "not a finite number"),
    ("yaml", b"a: 1e999", "not finite"),
    ("yaml", b"a: " + b"1" * 5000, "more than 64 bits"),
    ("yaml", b"a: !!python/object/apply:os.system [ls]", "tag"),
    ("yaml", b"a: !!timestamp 2024-01-01", "tag"),
    ("yaml", b"!mine {a: 1}", "tag"),
    ("yaml", b"1: one", "not text; put it in quotes"),
    ("yaml", b"? [a]\n: b", "not text"),
    ("yaml", b"[" * 100_000, "nested deeper than 32"),
    ("yaml", b"- " * 50 + b"x", "nested deeper than 32"),
    ("yaml", b"--- {a: 1}\n--- {b: 2}", "second document"),
    ("yaml", b"a\x00b: 1", "control characters"),
    ("yaml", b"\ta: 1", "line 1, column 1"),
    ("yaml", b"a: \xe9", "not UTF-8"),
    ("yaml", b"%YAML 3.0\n---\na: 1", "line 1, column 1"),
]


@pytest.mark.parametrize(("kind", "data", "says"), REFUSED)
def test_bad_document_is_refused_with_its_reason(kind: Any, data: bytes, says: str) -> None:
    with pytest.raises(DocumentInvalid) as refused:
        loads(data, kind, name="request.file")
    assert str(refused.value).startswith("request.file: ")
    assert says in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_byte_order_mark_is_skipped(kind: Any) -> None:
    assert loads(b'\xef\xbb\xbf{"a": "\xc3\xa9"}', kind) == {"a": "é"}


def test_same_key_in_different_objects_is_no_repetition() -> None:
    data = b'{"a": {"a": [{"a": ":", "b": "a"}, {"a": 1}]}, "b": "a\\":"}'
    assert loads(data, "json") == {"a": {"a": [{"a": ":", "b": "a"}, {"a": 1}]}, "b": 'a":'}


def test_yaml_scalars_are_those_of_json_and_nothing_else() -> None:
    text = """
    rate: 1e-4
    half: .5
    count: -3
    when: 2024-01-01
    time: 12:30:00
    no: no
    on: yes
    account: 012345678901
    hexadecimal: 0x1f
    quoted: "1"
    merge: {<<: {a: 1}}
    empty:
    none: ~
    yes: true
    block: |
      two
      lines
    """
    assert loads(text.encode(), "yaml") == {
        "rate": 0.0001,
        "half": 0.5,
        "count": -3,
        "when": "2024-01-01",
        "time": "12:30:00",
        "no": "no",
        "on": "yes",
        "account": "012345678901",
        "hexadecimal": "0x1f",
        "quoted": "1",
        "merge": {"<<": {"a": 1}},
        "empty": None,
        "none": None,
        "yes": True,
        "block": "two\nlines\n",
    }


@pytest.mark.parametrize("data", [b"", b"# only a comment\n", b"---\n"])
def test_yaml_without_content_is_none(data: bytes) -> None:
    assert loads(data, "yaml") is None


def test_pure_python_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_Loader", yaml.SafeLoader)
    assert loads(b"a: [1, {b: 'x'}]\n", "yaml") == {"a": [1, {"b": "x"}]}
    with pytest.raises(DocumentInvalid, match="line 1, column 4"):
        loads(b"a: *x", "yaml")


def test_large_file_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "large.json"
    with file.open("wb") as handle:
        handle.truncate(50 * 1024 * 1024)
    monkeypatch.setattr(Path, "open", lambda *_args, **_more: pytest.fail("opened"))
    with pytest.raises(DocumentInvalid, match="52,428,800 bytes, and at most 262,144"):
        read(file)


def test_document_at_the_limit_is_read_and_one_byte_more_is_not() -> None:
    data = json.dumps("x" * (documents.MAX_BYTES - 2)).encode()
    assert len(data) == documents.MAX_BYTES
    assert loads(data, "json")
    with pytest.raises(DocumentInvalid, match="at most"):
        loads(data + b" ", "json")


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_largest_hostile_documents_take_no_time(kind: Any) -> None:
    began = time.process_time()
    for unit in (b"[", b'{"', b'"\\', b"a: ", b"- ", b"{a: ", b"? ", b"!", b"&a ", b"%", b"|\n", b"# "):
        with pytest.raises(DocumentInvalid):
            loads(b"a: 1\n]" + unit * (250_000 // len(unit)), kind)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("r.json", b'{"a": 1}'),
        ("r.YAML", b"a: 1"),
        ("r.yml", b"a: 1"),
        ("r", b' {"a": 1}'),
        ("r.txt", b"a: 1"),
    ],
)
def test_suffix_or_first_character_tells_the_form(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert read(tmp_path / name) == {"a": 1}


def test_absent_file_folder_and_pipe_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DocumentInvalid, match=r"absent\.json: no such file"):
        read(tmp_path / "absent.json")
    with pytest.raises(DocumentInvalid, match="is not a file"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DocumentInvalid, match="is not a file"):
        read(tmp_path / "pipe")
    with pytest.raises(DocumentInvalid, match="cannot be read"):
        read("a\0b")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_json_reads_back_what_was_written(value: Any) -> None:
    assert loads(json.dumps(value).encode(), "json") == value


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=2), max_size=6))
def test_json_object_is_read_exactly_when_its_keys_differ(keys: list[str]) -> None:
    text = "{" + ", ".join(f"{json.dumps(key)}: {{}}" for key in keys) + "}"
    if len(set(keys)) == len(keys):
        assert loads(text.encode(), "json") == {key: {} for key in keys}
    else:
        with pytest.raises(DocumentInvalid, match="appears twice"):
            loads(text.encode(), "json")


@given(VALUES)
def test_yaml_reads_json_that_is_ascii_alike(value: Any) -> None:
    data = json.dumps(value).encode()
    if b"\\u" not in data and b"\\/" not in data and b"\x7f" not in data:
        assert loads(data, "yaml") == value


@given(st.binary(max_size=400), st.sampled_from(["json", "yaml"]))
def test_any_bytes_give_a_value_or_a_refusal(data: bytes, kind: Any) -> None:
    try:
        loads(data, kind)
    except DocumentInvalid as refused:
        assert str(refused)


@given(st.text(alphabet="ab:-[]{},&*!|>'\"%@#?~\n\t 01.eE", max_size=60), st.sampled_from(["json", "yaml"]))
def test_any_punctuation_gives_a_value_or_a_refusal(text: str, kind: Any) -> None:
    try:
        loads(text.encode(), kind)
    except DocumentInvalid as refused:
        assert str(refused)
