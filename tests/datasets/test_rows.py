"""Right rows pass, wrong rows are found at their line and path, on the fast path and off it."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets.samples import RIGHT, changed, checked, codes, lines, right, written
from tunestep.datasets.formats import FORMATS
from tunestep.datasets.rules import diagnose
from tunestep.datasets.shapes import SHAPES


@pytest.mark.parametrize("name", FORMATS)
def test_right_rows_have_no_fault_and_their_format_is_named(name: str, tmp_path: Path) -> None:
    report = checked(written(tmp_path, lines(RIGHT[name] * 40)), name)

    assert codes(report) == ["ROWS_DUPLICATE"]
    assert report.ok
    assert [(entry.format, entry.rows) for entry in report.training.formats] == [
        (name, len(RIGHT[name]) * 40)
    ]


WRONG: list[tuple[str, list[str | int], Any, str, str]] = [
    ("prompt_completion", ["prompt"], "", "TEXT_EMPTY", "$.prompt"),
    ("prompt_completion", ["completion"], " \n\t", "TEXT_EMPTY", "$.completion"),
    ("prompt_completion", ["completion"], 7, "FIELD_TYPE", "$.completion"),
    ("prompt_completion", ["completion"], ..., "FIELD_MISSING", "$.completion"),
    ("chat", ["messages"], [], "NO_MESSAGES", "$.messages"),
    ("chat", ["messages"], {}, "FIELD_TYPE", "$.messages"),
    ("chat", ["messages", 0], "hello", "FIELD_TYPE", "$.messages[0]"),
    ("chat", ["messages", 0, "role"], "human", "ROLE_UNKNOWN", "$.messages[0].role"),
    ("chat", ["messages", 0, "role"], ["user"], "ROLE_UNKNOWN", "$.messages[0].role"),
    ("chat", ["messages", 0, "role"], ..., "FIELD_MISSING", "$.messages[0].role"),
    ("chat", ["messages", 1, "content"], ..., "FIELD_MISSING", "$.messages[1].content"),
    ("chat", ["messages", 1, "content"], "", "TEXT_EMPTY", "$.messages[1].content"),
    ("chat", ["messages", 1, "content"], None, "FIELD_TYPE", "$.messages[1].content"),
    ("chat", ["messages", 1, "role"], "user", "ROLE_ORDER", "$.messages[1].role"),
    ("chat", ["messages", 0, "role"], "assistant", "ROLE_ORDER", "$.messages[0].role"),
    ("chat", ["messages", 1], ..., "LAST_NOT_ASSISTANT", "$.messages[0].role"),
    ("preference", ["chosen"], "Five.", "ANSWERS_EQUAL", "$.rejected"),
    ("preference", ["chosen"], ..., "FIELD_MISSING", "$.chosen"),
    ("preference", ["prompt"], ..., "FIELD_MISSING", "$.prompt"),
    ("preference", ["rejected"], None, "FIELD_TYPE", "$.rejected"),
    ("rl", ["prompt", 0, "role"], "assistant", "ROLE_ORDER", "$.prompt[0].role"),
    ("rl", ["prompt"], [], "NO_MESSAGES", "$.prompt"),
    ("rl", ["prompt"], [{"role": "system", "content": "Add."}], "LAST_NOT_USER", "$.prompt[0].role"),
    ("rl", ["data_source"], 4, "FIELD_TYPE", "$.data_source"),
    ("rl", ["reward_model"], "rule", "FIELD_TYPE", "$.reward_model"),
    ("nova_conversation", ["messages", 0, "role"], "system", "ROLE_UNKNOWN", "$.messages[0].role"),
    ("nova_conversation", ["messages", 0, "content"], "text", "FIELD_TYPE", "$.messages[0].content"),
    ("nova_conversation", ["messages", 0, "content"], [], "TEXT_EMPTY", "$.messages[0].content"),
    (
        "nova_conversation",
        ["messages", 1, "content", 0],
        {},
        "FIELD_MISSING",
        "$.messages[1].content[0].text",
    ),
    ("nova_conversation", ["system"], [{"text": ""}], "TEXT_EMPTY", "$.system[0].text"),
    (
        "nova_preference",
        ["messages", 1, "candidates", 0, "preferenceLabel"],
        "best",
        "LABEL_UNKNOWN",
        "$.messages[1].candidates[0].preferenceLabel",
    ),
    (
        "nova_preference",
        ["messages", 1, "candidates", 0, "preferenceLabel"],
        "non-preferred",
        "LABEL_MISSING",
        "$.messages[1].candidates",
    ),
    (
        "nova_preference",
        ["messages", 1, "candidates", 0, "content"],
        [{"text": "Five."}],
        "ANSWERS_EQUAL",
        "$.messages[1].candidates",
    ),
    ("nova_rl", ["messages", 0, "content"], " ", "TEXT_EMPTY", "$.messages[0].content"),
    ("nova_rl", ["messages", 0, "role"], "assistant", "ROLE_ORDER", "$.messages[0].role"),
]


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize(("name", "path", "value", "rule", "place"), WRONG)
def test_a_wrong_row_is_found_at_its_line_and_path(
    *, name: str, path: list[str | int], value: Any, rule: str, place: str, statistics: bool, tmp_path: Path
) -> None:
    rows = [right(name)] * 50 + [changed(name, path, value)] + [right(name)] * 9
    report = checked(written(tmp_path, lines(rows)), name, statistics=statistics)

    found = {
        (group.rule, first.path, first.line) for group in report.training.groups for first in group.first
    }
    assert (rule, place, 51) in found
    assert {line for _, _, line in found} == {51}
    assert not report.ok
    assert report.training.rows_bad == 1
    assert report.training.rows == 60


WARNED: list[tuple[str, list[str | int], Any, str]] = [
    ("rl", ["reward_model", "ground_truth"], "", "GROUND_TRUTH_ABSENT"),
    ("rl", ["reward_model"], ..., "GROUND_TRUTH_ABSENT"),
    ("nova_rl", ["reference_answer"], ..., "GROUND_TRUTH_ABSENT"),
    ("nova_conversation", ["schemaVersion"], ..., "SCHEMA_VERSION"),
    ("chat", ["messages", 0, "content"], [{"type": "text", "text": "How many?"}], "CONTENT_PARTS"),
]


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize(("name", "path", "value", "rule"), WARNED)
def test_what_may_be_meant_so_is_a_warning(
    *, name: str, path: list[str | int], value: Any, rule: str, statistics: bool, tmp_path: Path
) -> None:
    content = lines([right(name)] * 40 + [changed(name, path, value)])
    report = checked(written(tmp_path, content), name, statistics=statistics)

    assert rule in codes(report)
    assert report.ok
    assert report.training.rows_warned == 1


def test_input_and_output_pass_with_a_warning(tmp_path: Path) -> None:
    report = checked(written(tmp_path, lines([{"input": "a", "output": "b"}])), "prompt_completion")

    assert codes(report) == ["FORMAT_UNREGISTERED"]


def test_a_key_that_stands_twice_is_found(tmp_path: Path) -> None:
    rows = lines([right("prompt_completion")] * 3) + b'{"prompt": "a", "prompt": "b", "completion": "c"}\n'
    report = checked(written(tmp_path, rows), "prompt_completion")

    assert [(group.rule, group.first[0].line) for group in report.training.groups] == [("DUPLICATE_KEY", 4)]


def test_rows_of_mixed_formats_are_counted_and_named(tmp_path: Path) -> None:
    rows = [right("chat")] * 30 + [right("prompt_completion")] * 12 + [right("preference")]
    report = checked(written(tmp_path, lines(rows)), "chat")

    assert [(entry.format, entry.rows, entry.line) for entry in report.training.formats] == [
        ("chat", 30, 1),
        ("prompt_completion", 12, 31),
        ("preference", 1, 43),
    ]
    assert {"FORMATS_MIXED", "FORMAT_OTHER"} <= set(codes(report))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [("chat", "nova_conversation"), ("nova_preference", "preference"), ("rl", "nova_rl"), ("nova_rl", "rl")],
)
def test_a_format_of_the_other_family_says_whose_it_is_and_how_to_convert(
    data: str, wanted: str, tmp_path: Path
) -> None:
    report = checked(written(tmp_path, lines([right(data)] * 40)), wanted)

    finding = next(finding for finding in report.findings if finding.code == "FORMAT_OTHER")
    assert FORMATS[data].title in finding.message
    assert FORMATS[data].purpose in finding.message
    assert f"--to {wanted}" in finding.fix


def test_rows_of_no_known_format_say_which_fields_are_taken(tmp_path: Path) -> None:
    report = checked(written(tmp_path, b"prompt;completion\na;b\n", "rows.csv"), "prompt_completion")

    assert [finding.message for finding in report.findings] == [
        "1 row in no known format; SFT on open-weights models takes rows with prompt and completion, or "
        "messages with role and content (a text)."
    ]


def test_a_format_of_another_technique_says_which(tmp_path: Path) -> None:
    report = checked(written(tmp_path, lines([right("preference")] * 3)), "chat")

    finding = next(finding for finding in report.findings if finding.code == "FORMAT_OTHER")
    assert "DPO on open-weights models" in finding.message


@pytest.mark.parametrize("statistics", [True, False])
def test_every_planted_fault_in_many_rows_is_reported_at_its_line(statistics: bool, tmp_path: Path) -> None:
    rng = random.Random(4)  # noqa: S311 - reproducible data, nothing secret
    rows: list[bytes] = [
        json.dumps(changed("chat", ["messages", 0, "content"], "x" * rng.randint(1, 900))).encode()
        for _ in range(6000)
    ]
    planted = {place: rng.choice(_BAD_LINES) for place in rng.sample(range(6000), 120)}
    for place, bad in planted.items():
        rows[place] = bad
    found: list[int] = []
    report = checked(
        written(tmp_path, b"\n".join(rows)),
        "chat",
        findings_sink=lambda line: found.append(msgspec.json.decode(line)["line"]),
        statistics=statistics,
    )

    assert sorted(set(found)) == sorted(place + 1 for place in planted)
    assert report.training.rows_bad == 120
    assert report.training.rows == 6000


_BAD_LINES = [
    b'{"messages": [{"role": "user", "content": "a"}]}',
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}]}',
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]',
    b'{"messages": [{"role": "user", "content": "\xff"}, {"role": "assistant", "content": "b"}]}',
    b'{"messages": [], "messages": []}',
    b'{"id": "\xff", "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]} {}',
    b"[]",
    b"null",
    b"{}",
]

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", " ", "user", "assistant", "text", "é"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "text", "candidates", "messages"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@st.composite
def _mutated(draw: st.DrawFn) -> tuple[str, Any]:
    """A right row of some format in which some places hold other things."""
    name = draw(st.sampled_from(sorted(FORMATS)))
    row = json.loads(json.dumps(draw(st.sampled_from(RIGHT[name]))))
    for _ in range(draw(st.integers(0, 2))):
        place: Any = row
        while True:
            steps: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not steps:
                break
            step = draw(st.sampled_from(steps))
            if isinstance(place[step], dict | list) and draw(st.booleans()):
                place = place[step]
                continue
            place[step] = draw(_json)
            break
    extra = draw(
        st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "chosen",
                    "rejected",
                    "completion",
                    "prompt",
                    "schemaVersion",
                    "reference_answer",
                    "system",
                    "input",
                    "output",
                    "query",
                    "response",
                    "reward_model",
                    "id",
                ]
            ),
            _json,
            max_size=2,
        )
    )
    return name, {**extra, **row} if draw(st.booleans()) else {**row, **extra}


@settings(max_examples=400, deadline=None)
@given(_mutated())
def test_the_fast_path_lets_no_row_pass_that_the_rules_refuse(case: tuple[str, Any]) -> None:
    _, row = case
    line = json.dumps(row).encode()
    for name, shape in SHAPES.items():
        for technique in FORMATS[name].techniques:
            try:
                rows = shape.decoder.decode_lines(line)
                good = shape.good(rows, technique)
            except msgspec.DecodeError:
                continue
            if good:
                assert diagnose(row, (name,), technique) == (name, [])
                assert shape.lengths(rows)


_any_line: Callable[[], st.SearchStrategy[bytes]] = lambda: st.one_of(  # noqa: E731
    st.binary(max_size=60),
    _json.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(_BAD_LINES),
    st.sampled_from([json.dumps(rows[0]).encode() for rows in RIGHT.values()]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_any_line(), max_size=8), st.sampled_from(sorted(FORMATS)), st.sampled_from([b"\n", b"\r\n"]))
def test_whatever_the_bytes_are_a_report_comes_back(
    tmp_path_factory: pytest.TempPathFactory, content: list[bytes], name: str, end: bytes
) -> None:
    report = checked(written(tmp_path_factory.mktemp("data"), end.join(content)), name)

    assert json.dumps(report.to_document())
    assert report.training.complete
