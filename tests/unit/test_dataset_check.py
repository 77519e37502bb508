"""The check of a run's data: the planned version and no other, all its rows, and no content anywhere."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.run_world import REQUEST, RUN_ID, World, make_plan, world
from tunestep import data_summary, dataset_check, estimate, record
from tunestep.approvals import request_approval
from tunestep.context import Context
from tunestep.data_pins import fingerprint
from tunestep.dataset_check import check_dataset
from tunestep.errors import PlanChanged
from tunestep.plan_model import ApprovalPlan, BudgetPlan, DataPlan, Plan, RecipePlan, RewardPlan
from tunestep.request import parse, request_hash
from tunestep.settings import Approver, Settings

SECRET = "patient-4711"
GOOD = {"prompt": "a", "completion": "b"}


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _rows(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _put(w: World, body: bytes, key: str = "train.jsonl") -> DataPlan:
    answer = w.s3.put_object(Bucket="data", Key=key, Body=body)
    return DataPlan(
        uri=f"s3://data/{key}",
        kind="object",
        etag=answer["ETag"].strip('"'),
        version_id=answer.get("VersionId", ""),
        size=len(body),
        objects=1,
    )


def _check(w: World, body: bytes, *, key: str = "train.jsonl", **plan: Any) -> dict[str, Any]:
    w.begin(make_plan(training_data=_put(w, body, key), **plan))
    return check_dataset(w.context, w.event())


def _codes(report: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in report["findings"]]


def _file(w: World, name: str) -> bytes:
    return (w.files.get(RUN_ID, name) or (b"", ""))[0]


def _strict(w: World, plan: Plan) -> dict[str, Any]:
    request = {**REQUEST, "dataset": {"strict": True}}
    w.begin(msgspec.structs.replace(plan, request_hash=request_hash(parse(request))))
    return check_dataset(w.context, w.event(request=request))


def test_every_row_is_read_and_described(w: World) -> None:
    plan = RecipePlan(name="r", technique="SFT", sequence_length="4K")
    report = _check(w, _rows(*[GOOD] * 5000, {"prompt": "a", "completion": "b" * 40_000}), recipe=plan)
    assert (report["ok"], report["rows_checked"], report["checked"]) == (True, 5001, "every row")
    training = report["report"]["training"]
    assert (training["duplicates"], training["tokens"]["rows_cut"]) == (4999, 1)
    assert training["tokens"]["sequence_length"] == 4096
    assert len(training["content_sha256"]) == 64
    assert len(json.dumps(report)) < 4000
    whole = json.loads(_file(w, "dataset.json"))
    assert whole["whole"]["training"]["rows"] == 5001
    assert not _file(w, "dataset_findings.jsonl")


def test_bad_rows_are_counted_by_rule_and_quoted_in_the_findings_file_alone(w: World) -> None:
    body = _rows(GOOD) + b"\n" + SECRET.encode() + b" not json\n" + _rows({"prompt": SECRET}, [SECRET])
    report = _check(w, body)
    assert _codes(report) == ["ROW_NOT_JSON", "FIELD_MISSING", "ROW_NOT_OBJECT"]
    assert [found["where"] for found in report["findings"]] == [
        f"s3://data/train.jsonl line {line}" for line in (3, 4, 5)
    ]
    assert SECRET not in json.dumps(report)
    assert SECRET not in json.dumps(w.runs.run(RUN_ID))
    assert SECRET.encode() not in _file(w, "dataset.json")
    quotes = [json.loads(line) for line in _file(w, "dataset_findings.jsonl").splitlines()]
    assert [quote["line"] for quote in quotes] == [3, 4, 5]
    assert SECRET in quotes[0]["quote"]
    assert report["findings_uri"].endswith(f"/runs/{RUN_ID}/dataset_findings.jsonl")


def test_a_document_carries_twenty_findings_and_the_file_all_of_them(w: World) -> None:
    names = [f"f{number}" for number in range(30)]
    report = _check(w, _rows(*[{"messages": [{"role": "user", "content": [n]} for n in names]}] * 30))
    assert len(report["findings"]) <= 20
    assert report["findings_total"] == len(json.loads(_file(w, "dataset.json"))["findings"])


@pytest.mark.parametrize("body", [b"", b"\n\n \n"])
def test_no_rows_is_an_error(w: World, body: bytes) -> None:
    report = _check(w, body)
    assert "DATA_EMPTY" in _codes(report)
    assert not report["ok"]


def test_data_that_changed_after_the_plan_ends_the_run(w: World) -> None:
    data = _put(w, _rows(GOOD))
    _put(w, _rows(GOOD, GOOD))
    w.begin(make_plan(training_data=data))
    with pytest.raises(PlanChanged, match=f"other content.*tunestep retry {RUN_ID}"):
        check_dataset(w.context, w.event())


def test_data_that_vanished_ends_the_run(w: World) -> None:
    w.begin(make_plan(training_data=DataPlan(uri="s3://data/gone.jsonl", kind="object", etag="0" * 32)))
    with pytest.raises(PlanChanged, match="can no longer be read"):
        check_dataset(w.context, w.event())


def test_data_that_changes_while_it_is_looked_at_ends_the_run(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _put(w, _rows(GOOD))
    w.begin(make_plan(training_data=data))
    known = dataset_check.data_sources.opened

    def opened(*arguments: Any) -> Any:
        found = known(*arguments)
        _put(w, _rows(GOOD, GOOD))
        return found

    monkeypatch.setattr(dataset_check.data_sources, "opened", opened)
    with pytest.raises(PlanChanged, match="no longer the one that was listed"):
        check_dataset(w.context, w.event())


def test_the_version_that_is_checked_is_named(w: World) -> None:
    w.s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    report = _check(w, _rows(GOOD))
    assert report["report"]["training"]["s3_version"]
    assert "S3 version" in data_summary.sentences(report["report"])[-1]


def _prefix(w: World, *names: str) -> DataPlan:
    entries = []
    for name in names:
        etag = w.s3.put_object(Bucket="data", Key=f"set/{name}", Body=_rows(GOOD))["ETag"].strip('"')
        entries.append((f"set/{name}", etag, len(_rows(GOOD))))
    w.s3.put_object(Bucket="data", Key="set/", Body=b"")
    return DataPlan(
        uri="s3://data/set/", kind="prefix", fingerprint=fingerprint(entries), objects=len(entries)
    )


def test_a_prefix_is_compared_as_a_whole_and_every_file_of_it_read(w: World) -> None:
    w.begin(make_plan(training_data=_prefix(w, f"{SECRET}.jsonl", "b.jsonl")))
    report = check_dataset(w.context, w.event())
    assert report["rows_checked"] == 2
    assert SECRET not in json.dumps(report)
    w.s3.put_object(Bucket="data", Key="set/c.jsonl", Body=_rows(GOOD))
    with pytest.raises(PlanChanged, match="holds other objects"):
        check_dataset(w.context, w.event())


def test_a_registered_data_set_is_read_where_the_registry_says_it_lies(w: World) -> None:
    pinned = _prefix(w, "a.jsonl", "b.jsonl")
    arn = "arn:aws:sagemaker:us-west-2:123456789012:hub-content/H/DataSet/rows/1.0.0"
    data = msgspec.structs.replace(pinned, uri=arn, kind="dataset", location=pinned.uri)
    w.begin(make_plan(training_data=data))
    assert check_dataset(w.context, w.event())["rows_checked"] == 2
    w.s3.put_object(Bucket="data", Key="set/a.jsonl", Body=_rows(GOOD, GOOD))
    with pytest.raises(PlanChanged, match="holds other objects"):
        check_dataset(w.context, w.event())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (DataPlan(uri="arn:x", kind="dataset"), "the registry does not say"),
        (DataPlan(uri="arn:x", kind="dataset", location="s3://nowhere/x/"), "may not be listed"),
        (DataPlan(uri="s3://data/not-yet.jsonl", kind="object"), "cannot be read"),
    ],
)
def test_what_cannot_be_checked_says_why_and_is_an_error_if_strict(
    w: World, data: DataPlan, why: str
) -> None:
    w.begin(make_plan(training_data=data))
    report = check_dataset(w.context, w.event())
    assert (report["ok"], _codes(report), report["warnings"]) == (True, ["ROWS_NOT_CHECKED"], 1)
    assert "not checked because" in report["checked"]
    assert why in report["checked"]
    strict = _strict(w, make_plan(training_data=data))
    assert (strict["ok"], _codes(strict)) == (False, ["ROWS_NOT_CHECKED"])


def test_validation_data_alone_is_reported_as_such(w: World) -> None:
    plan = make_plan(
        training_data=DataPlan(uri="arn:x", kind="dataset"), validation_data=_put(w, _rows(GOOD))
    )
    w.begin(plan)
    assert set(check_dataset(w.context, w.event())["report"]) == {"validation", "seconds"}


def test_the_deadline_leaves_the_rest_unchecked_and_says_how_far_it_got(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_check, "DEADLINE_SECONDS", -1.0)
    report = _check(w, _rows(GOOD))
    assert (report["ok"], _codes(report)) == (True, ["DEADLINE"])
    assert report["checked"] == "the first 0 rows"
    strict = _strict(w, make_plan(training_data=_put(w, _rows(GOOD))))
    assert (strict["ok"], _codes(strict)) == (False, ["DEADLINE"])


def test_both_channels_are_checked_and_compared(w: World) -> None:
    validation = _put(w, _rows(GOOD, {"prompt": "c", "completion": "d"}), "val.jsonl")
    report = _check(w, _rows(GOOD), validation_data=validation)
    assert _codes(report) == ["VALIDATION_OVERLAP"]
    assert report["report"]["overlap"] == {"rows": 1, "sampled": 1}
    assert "too: 1." in data_summary.sentences(report["report"])[-1]


def test_everything_about_the_data_is_said_in_lines_that_a_mail_shows_whole(w: World) -> None:
    w.s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    rows = [{"prompt": f"{n}", "chosen": "yes " * 1200, "rejected": "no"} for n in range(3)]
    plan = RecipePlan(name="r", technique="DPO", sequence_length="1K")
    held = _put(w, _rows(*rows[:2]), "val.jsonl")
    report = _check(w, _rows(*rows, rows[0]), technique="DPO", recipe=plan, validation_data=held)
    said = data_summary.sentences(report["report"])
    assert len(said) <= 10
    assert max(map(len, said)) < 200
    for part in (
        "Training data: 4 rows (preference)",
        "bytes; 1 duplicates",
        "tokens: about 4,8",
        "(estimated: 4 ASCII characters",
        "median 1,2",
        "90% up to 1,2",
        "99% up to 1,2",
        "longest 1,2",
        "4 longer than the recipe's 1,024",
        "times as long as rejected ones, longer in 100%",
        f"SHA-256 {report['report']['training']['content_sha256']}; S3 version",
        "training rows too: 2.",
    ):
        assert part in "\n".join(said)


def test_gzip_is_read(w: World) -> None:
    report = _check(w, gzip.compress(_rows(GOOD)), key="train.jsonl.gz")
    assert (report["ok"], report["rows_checked"], _codes(report)) == (True, 1, ["GZIP_UNCONFIRMED"])


def test_the_record_the_question_and_the_notice_say_what_the_data_is_like(w: World) -> None:
    report = _check(w, _rows(GOOD, GOOD))
    event = w.event(token="t")
    request_approval(w.context, event)
    item = w.runs.approval(RUN_ID) or {}
    assert item["dataset"]["sha256"] == report["sha256"]
    assert item["dataset"]["content_sha256"]["training"] == report["report"]["training"]["content_sha256"]
    (notice,) = w.notices()
    assert "Training data: 2 rows (prompt_completion)" in notice["Message"]
    assert f"1 warnings; {report['uri']} (SHA-256 {report['sha256']})" in notice["Message"]
    made = record.build(w.context, RUN_ID, outcome="FAILED", request=REQUEST, sections={})
    record.store(w.context, made)
    written = json.loads(_file(w, "record.json"))
    assert written["dataset"]["report"] == report["report"]
    assert written["approval"]["dataset"]["sha256"] == report["sha256"]


def test_a_report_that_was_replaced_is_not_in_the_record(w: World) -> None:
    _check(w, _rows(GOOD))
    w.files.put(RUN_ID, "dataset.json", {"ok": True})
    made = record.build(w.context, RUN_ID, outcome="FAILED", request=REQUEST, sections={})
    record.store(w.context, made)
    assert json.loads(_file(w, "record.json"))["dataset"] is None


ASKED = {"prompt": [{"role": "user", "content": "2+2?"}], "reward_model": {"ground_truth": "4"}}
REWARD: dict[str, Any] = {"technique": "RLVR", "reward": RewardPlan(kind="preset", value="x")}


@pytest.mark.parametrize("key", ["train.jsonl", "train.json", "train.jsonl.gz"])
def test_rows_for_the_reward_are_laid_beside_the_plan_whatever_the_format(w: World, key: str) -> None:
    rows = [ASKED | {"n": number} for number in range(40)]
    body = json.dumps(rows).encode() if key.endswith(".json") else _rows(*rows)
    report = _check(w, gzip.compress(body) if key.endswith(".gz") else body, key=key, **REWARD)
    assert report["ok"]
    assert [json.loads(line) for line in _file(w, "reward_rows.jsonl").splitlines()] == rows


def test_rows_of_a_prefix_and_of_a_registered_data_set_are_laid_there_too(w: World) -> None:
    pinned = _prefix(w, "a.jsonl", "b.jsonl")
    arn = "arn:aws:sagemaker:us-west-2:123456789012:hub-content/H/DataSet/rows/1.0.0"
    for data in (pinned, msgspec.structs.replace(pinned, uri=arn, kind="dataset", location=pinned.uri)):
        w.begin(make_plan(training_data=data, reward=REWARD["reward"]))
        check_dataset(w.context, w.event())
        assert _file(w, "reward_rows.jsonl") == _rows(GOOD, GOOD)


@pytest.mark.parametrize(
    ("body", "plan"),
    [(_rows(GOOD), {}), (_rows(ASKED, {"prompt": 7}), REWARD)],
    ids=["no reward", "rows that are wrong"],
)
def test_no_rows_are_copied_that_no_reward_is_tried_on(w: World, body: bytes, plan: dict[str, Any]) -> None:
    _check(w, body, **plan)
    assert not _file(w, "reward_rows.jsonl")


def test_validation_rows_never_stand_in_for_training_rows(w: World) -> None:
    unread = DataPlan(uri="arn:x", kind="dataset")
    w.begin(make_plan(training_data=unread, validation_data=_put(w, _rows(ASKED)), **REWARD))
    check_dataset(w.context, w.event())
    assert not _file(w, "reward_rows.jsonl")


def test_a_plan_with_errors_skips_the_check_and_says_so(w: World) -> None:
    report = check_dataset(w.context, w.event(plan={"ok": False}))
    assert (report["ok"], report["checked"]) == (True, "not checked because the plan has errors")


def test_a_forged_plan_hash_or_request_is_refused(w: World) -> None:
    w.begin()
    with pytest.raises(PlanChanged):
        check_dataset(w.context, w.event(plan={"ok": True, "sha256": "0" * 64}))
    with pytest.raises(PlanChanged):
        check_dataset(w.context, w.event(request={**REQUEST, "dataset": {"strict": True}}))


def _spending(w: World, settings: Settings, laptop: str = "settings", **plan: Any) -> dict[str, Any]:
    env = msgspec.structs.replace(w.context.env, settings=settings, laptop=laptop)
    context = Context(env=env, clients=w.context.clients, now=w.clock)
    ungated = ApprovalPlan(needed=False, reason="", timeout_seconds=9)
    recipe = RecipePlan(name="r", technique="SFT", metering="Token-based")
    rows = _rows(*[{"prompt": str(number), "completion": "b"} for number in range(10)])
    changes = {"approval": ungated, "recipe": recipe, "training_data": _put(w, rows), **plan}
    w.begin(make_plan(**changes))
    return check_dataset(context, w.event())


def test_what_the_run_will_use_is_estimated_from_its_rows_and_kept_in_the_table(w: World) -> None:
    report = _spending(w, Settings(), budget=BudgetPlan(usd_per_million_tokens=100.0))
    tokens = report["report"]["training"]["tokens"]["estimated"]
    assert report["estimate"]["tokens"] == 2 * tokens
    assert report["estimate"]["usd"] == pytest.approx(2 * tokens / 10_000)
    assert report["review_needed"] is False
    assert estimate.read((w.runs.run(RUN_ID) or {})["estimate"]) == msgspec.convert(
        report["estimate"], estimate.Estimate
    )


def test_a_passed_limit_is_an_error_of_the_kind_budget_alone(w: World) -> None:
    report = _spending(w, Settings(), budget=BudgetPlan(max_tokens=1))
    assert _codes(report) == ["TOKENS_ABOVE_LIMIT"]
    assert report["errors"] == {"prerequisite": 0, "budget": 1, "reward": 0}


@pytest.mark.parametrize(
    ("threshold", "unit", "asked"),
    [(None, 1.0, False), (1.0, 1.0, False), (0.0, 1.0, True), (9e9, None, True)],
)
def test_a_cost_above_the_threshold_or_unknown_asks_a_person(
    w: World, threshold: float | None, unit: float | None, asked: bool
) -> None:
    budget = BudgetPlan(review_above_usd=threshold, usd_per_million_tokens=unit)
    assert _spending(w, Settings(), budget=budget)["review_needed"] is asked


def test_a_cost_that_nobody_is_there_to_review_is_an_error(w: World) -> None:
    budget = BudgetPlan(review_above_usd=0.0, usd_per_million_tokens=1.0)
    assert _codes(_spending(w, Settings(), laptop="", budget=budget)) == ["NO_APPROVER"]
    named = Settings(approvers=(Approver(id="ann", email="ann@example.com"),))
    assert _codes(_spending(w, named, laptop="", budget=budget)) == []


def test_a_check_that_is_skipped_still_answers_the_machine(w: World) -> None:
    w.begin()
    assert check_dataset(w.context, w.event(plan={"ok": False}))["review_needed"] is False
