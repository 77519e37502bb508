"""The first look at data: version and first rows, line numbers and rules, never content."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.run_world import World, make_plan, world
from tunestep.checks.data import fingerprint
from tunestep.dataset_check import HEAD_BYTES, check_dataset
from tunestep.errors import PlanChanged
from tunestep.plan_model import DataPlan
from tunestep.row_shapes import fault

SECRET = "patient-4711"


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _check(w: World, body: bytes, *, key: str = "train.jsonl", **plan: Any) -> dict[str, Any]:
    etag = w.s3.put_object(Bucket="data", Key=key, Body=body)["ETag"].strip('"')
    data = DataPlan(uri=f"s3://data/{key}", kind="object", etag=etag, size=len(body))
    w.begin(make_plan(training_data=data, **plan))
    return check_dataset(w.context, w.event())


def _codes(report: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in report["findings"]]


def _rows(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


GOOD = {"prompt": "a", "completion": "b"}


def test_good_rows_pass_and_only_twenty_are_looked_at(w: World) -> None:
    report = _check(w, _rows(*[GOOD] * 50))
    assert (report["ok"], report["rows_checked"], report["findings"]) == (True, 20, [])
    assert w.files.get("support-1234abcd-1", "dataset.json")


def test_bad_rows_are_named_by_line_and_rule_and_never_quoted(w: World) -> None:
    body = _rows(GOOD) + b"\n" + SECRET.encode() + b" not json\n" + _rows({"prompt": SECRET}, [SECRET])
    report = _check(w, body)
    assert _codes(report) == ["ROW_NOT_JSON", "ROW_SHAPE", "ROW_SHAPE"]
    assert [finding["where"] for finding in report["findings"]] == [
        f"s3://data/train.jsonl line {line}" for line in (3, 4, 5)
    ]
    assert SECRET not in json.dumps(report)
    stored, _ = w.files.get("support-1234abcd-1", "dataset.json") or (b"", "")
    assert SECRET.encode() not in stored


@pytest.mark.parametrize("body", [b"", b"\n\n \n"])
def test_no_rows_is_an_error(w: World, body: bytes) -> None:
    assert _codes(_check(w, body)) == ["DATA_EMPTY"]


def test_data_that_changed_after_the_plan_is_an_error(w: World) -> None:
    w.s3.put_object(Bucket="data", Key="train.jsonl", Body=b"{}")
    w.begin(make_plan(training_data=DataPlan(uri="s3://data/train.jsonl", kind="object", etag="0" * 32)))
    assert _codes(check_dataset(w.context, w.event())) == ["DATA_CHANGED"]


def test_data_that_vanished_is_an_error(w: World) -> None:
    w.begin(make_plan(training_data=DataPlan(uri="s3://data/gone.jsonl", kind="object", etag="0" * 32)))
    assert _codes(check_dataset(w.context, w.event())) == ["DATA_CHANGED"]


def test_a_row_cut_off_by_the_range_is_not_judged(w: World) -> None:
    long = {"prompt": "a" * HEAD_BYTES, "completion": "b"}
    report = _check(w, _rows(GOOD, long))
    assert (report["ok"], report["rows_checked"]) == (True, 1)
    report = _check(w, _rows(long, GOOD))
    assert (report["ok"], report["rows_checked"]) == (True, 0)
    assert "longer than 256 KB" in report["checked"]


def test_a_row_that_is_deep_enough_to_crash_a_parser_is_a_finding(w: World) -> None:
    assert _codes(_check(w, b"[" * 100_000 + b"\n")) == ["ROW_NOT_JSON"]


@pytest.mark.parametrize("key", ["train.parquet", "train.csv", "train.json"])
def test_other_formats_say_that_they_are_not_checked(w: World, key: str) -> None:
    report = _check(w, b"PAR1", key=key)
    assert (report["ok"], _codes(report), report["warnings"]) == (True, ["ROWS_NOT_CHECKED"], 1)
    assert "not checked because" in report["checked"]


def test_a_prefix_is_compared_as_a_whole_and_its_first_file_read(w: World) -> None:
    entries = []
    for name in ("a.jsonl", "b.jsonl"):
        etag = w.s3.put_object(Bucket="data", Key=f"set/{name}", Body=_rows(GOOD))["ETag"].strip('"')
        entries.append((f"set/{name}", etag, len(_rows(GOOD))))
    w.s3.put_object(Bucket="data", Key="set/", Body=b"")
    data = DataPlan(uri="s3://data/set/", kind="prefix", fingerprint=fingerprint(entries), objects=2)
    w.begin(make_plan(training_data=data))
    assert check_dataset(w.context, w.event())["rows_checked"] == 1
    w.s3.put_object(Bucket="data", Key="set/c.jsonl", Body=_rows(GOOD))
    assert _codes(check_dataset(w.context, w.event())) == ["DATA_CHANGED"]


def test_both_channels_are_looked_at(w: World) -> None:
    w.s3.put_object(Bucket="data", Key="val.jsonl", Body=b"nope\n")
    validation = DataPlan(uri="s3://data/val.jsonl", kind="object")
    report = _check(w, _rows(GOOD), validation_data=validation)
    assert [finding["where"] for finding in report["findings"]] == ["s3://data/val.jsonl line 1"]


def test_a_plan_with_errors_skips_the_look_and_says_so(w: World) -> None:
    report = check_dataset(w.context, w.event(plan={"ok": False}))
    assert (report["ok"], report["checked"]) == (True, "not checked because the plan has errors")


def test_a_forged_plan_hash_is_refused(w: World) -> None:
    w.begin()
    with pytest.raises(PlanChanged):
        check_dataset(w.context, w.event(plan={"ok": True, "sha256": "0" * 64}))


USER, REPLY = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
CANDIDATES = [{"preferenceLabel": "preferred"}, {"preferenceLabel": "non-preferred"}]


@pytest.mark.parametrize(
    ("technique", "family", "row"),
    [
        ("SFT", "open-weights", GOOD),
        ("SFT", "open-weights", {"input": "a", "output": "b"}),
        ("SFT", "open-weights", {"messages": [USER, REPLY]}),
        ("SFT", "nova", {"messages": [{"role": "user", "content": [{"text": "q"}]}, REPLY]}),
        ("DPO", "open-weights", {"prompt": "p", "chosen": "a", "rejected": "b"}),
        ("DPO", "open-weights", {"chosen": [USER, REPLY], "rejected": [USER, {**REPLY, "content": "z"}]}),
        ("DPO", "nova", {"messages": [USER, {"role": "assistant", "candidates": CANDIDATES}]}),
        ("RLVR", "open-weights", {"prompt": [USER], "reward_model": {"ground_truth": "4"}}),
        ("RLVR", "nova", {"messages": [USER], "reference_answer": {"a": 1}}),
        ("RLAIF", "open-weights", {"prompt": "p"}),
    ],
)
def test_rows_of_the_services_shapes_pass(technique: Any, family: Any, row: Any) -> None:
    assert fault(row, technique, family) == ""


@pytest.mark.parametrize(
    ("technique", "family", "row"),
    [
        ("SFT", "open-weights", 1),
        ("SFT", "open-weights", None),
        ("SFT", "open-weights", {}),
        ("SFT", "open-weights", {"prompt": "a", "completion": " "}),
        ("SFT", "open-weights", {"prompt": 1, "completion": "b"}),
        ("SFT", "open-weights", {"messages": [USER]}),
        ("SFT", "open-weights", {"messages": [USER, USER]}),
        ("SFT", "open-weights", {"messages": [USER, {"role": "robot", "content": "x"}]}),
        ("SFT", "open-weights", {"messages": "x"}),
        ("SFT", "open-weights", {"messages": [1, 2]}),
        ("SFT", "nova", GOOD),
        ("DPO", "open-weights", {"prompt": "p", "chosen": "a"}),
        ("DPO", "open-weights", {"prompt": "p", "chosen": "a", "rejected": "a"}),
        ("DPO", "open-weights", {"chosen": "a", "rejected": "b"}),
        ("DPO", "nova", {"messages": [USER, REPLY]}),
        ("DPO", "nova", {"messages": [USER, {"role": "assistant", "candidates": [{}, {}]}]}),
        ("RLVR", "open-weights", {"question": "x"}),
        ("RLVR", "open-weights", {"prompt": []}),
    ],
)
def test_rows_of_other_shapes_do_not(technique: Any, family: Any, row: Any) -> None:
    assert fault(row, technique, family) or row is None
