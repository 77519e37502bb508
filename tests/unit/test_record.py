"""The record ties everything to everything, its schema is the type's, and nothing secret is in it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.support.records import PACKAGE, as_json, record
from tests.support.run_world import (
    APP,
    BUCKET,
    MODEL,
    REQUEST,
    RUN_ID,
    World,
    described,
    job_request,
    make_plan,
    world,
)
from tunestep import job_facts, lineage, outcome_files, record_schema, runs
from tunestep import record as records
from tunestep.plan_model import BudgetPlan, DataPlan, ModelPlan, Plan, RewardPlan
from tunestep.record_model import Ancestor, MetricsFound, RunRecord
from tunestep.run_files import DATASET, REWARD

REPORT = {"training": {"rows": 48, "bytes": 2183, "complete": True, "tokens": {"estimated": 1000}}}


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def build(w: World, plan: Plan | None = None, *, job: Any = None, **sections: Any) -> RunRecord:
    if w.runs.run(RUN_ID) is None:
        w.begin(plan)
    return records.build(w.context, RUN_ID, outcome="SUCCEEDED", request=REQUEST, sections=sections, job=job)


def checked(w: World) -> None:
    """The run's data was checked: its file is stored and its hash recorded."""
    stored = w.files.put(RUN_ID, DATASET, {"ok": True, "report": REPORT, "findings": []})
    facts = {**stored._asdict(), "content_sha256": {"training": "ef" * 32}}
    w.runs.update_run(RUN_ID, {"dataset": facts})


def test_schema_file_and_type_are_in_step() -> None:
    assert record_schema.FILE.read_text(encoding="utf-8") == record_schema.text(), (
        "run: python -m tunestep.record_schema > tunestep/run_record.schema.json"
    )


def test_a_full_record_and_a_bare_one_fit_the_schema(w: World) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(record_schema.build())
    for made in (record(), build(w)):
        assert list(validator.iter_errors(as_json(made))) == []
    assert not validator.is_valid(as_json(record()) | {"outcome": "MAYBE"})
    assert msgspec.json.decode(msgspec.json.encode(record()), type=RunRecord) == record()


def test_data_is_tied_by_version_and_by_the_hash_of_what_was_read(w: World) -> None:
    data = DataPlan(uri="s3://data/train.jsonl", kind="object", version_id="v7", etag="e7", size=2183)
    w.begin(make_plan(training_data=data))
    checked(w)
    used = build(w).data["training"]
    assert (used.uri, used.version_id, used.etag) == ("s3://data/train.jsonl", "v7", "e7")
    assert (used.content_sha256, used.rows, used.bytes) == ("ef" * 32, 48, 2183)


def test_a_dataset_file_that_was_changed_is_not_believed(w: World) -> None:
    w.begin()
    checked(w)
    w.files.put(RUN_ID, DATASET, {"ok": True, "report": {"training": {"rows": 1_000_000}}})
    made = build(w)
    assert made.dataset is None
    assert made.data["training"].rows is None


def test_the_reward_is_tied_by_its_code_and_its_certification_without_rows(w: World) -> None:
    reward = RewardPlan(kind="function", value="math_answer", function_arn="arn:f", code_sha256="c0de")
    plan = make_plan(technique="RLVR", reward=reward)
    w.begin(plan)
    w.files.put(
        RUN_ID,
        REWARD,
        {
            "ok": True,
            "rows": 32,
            "probes": [{"name": "gold", "outcome": "pass", "score": 1.0}],
            "examples": [{"question": "a secret question", "response": "a secret answer"}],
        },
    )
    request = job_request(plan)
    request["ServerlessJobConfig"]["EvaluatorArn"] = "arn:evaluator/1"
    made = build(w, job=described(request, "Completed"))
    assert made.reward is not None
    assert (made.reward.code_sha256, made.reward.evaluator_arn) == ("c0de", "arn:evaluator/1")
    assert made.reward.certification["probes"][0]["name"] == "gold"
    assert made.reward.certification["uri"].endswith("/reward.json")
    assert "secret" not in msgspec.json.encode(made).decode()


def test_the_licence_names_the_evidence_that_was_relied_on(w: World) -> None:
    w.begin()
    w.runs.put(
        {
            "pk": f"RUN#{RUN_ID}",
            "sk": runs.APPROVAL,
            "state": "APPROVED",
            "actor": "ann",
            "evidence": "e1",
            "token": "T",
        }
    )
    made = build(w)
    assert made.licence is not None
    assert made.licence.gated
    assert made.licence.evidence == {"id": "e1", "uri": f"s3://{BUCKET}/evidence/e1.json"}
    assert made.approval is not None
    assert made.approval["actor"] == "ann"
    assert "token" not in made.approval


def test_the_estimate_stands_beside_what_was_billed(w: World) -> None:
    w.begin(make_plan(budget=BudgetPlan(usd_per_million_tokens=10.0)))
    checked(w)
    plan = make_plan(budget=BudgetPlan(usd_per_million_tokens=10.0))
    job = described(job_request(plan), "Completed", BillableTokenCount=1900)
    cost = build(w, job=job).cost
    assert cost.estimated is not None
    assert cost.billed is not None
    assert (cost.estimated.tokens, cost.billed.tokens) == (2000, 1900)
    assert (cost.billed.usd, cost.share) == (0.019, 0.95)


def test_a_job_that_is_billed_by_time_is_compared_by_time(w: World) -> None:
    plan = make_plan(
        technique="RLVR", max_runtime_seconds=1000, budget=BudgetPlan(usd_per_hour=36.0), reward=None
    )
    cost = job_facts.cost(plan, None, {"BillableTimeInSeconds": 461})
    assert cost.billed is not None
    assert (cost.billed.seconds, cost.billed.usd, cost.share) == (461, 4.61, 0.461)
    assert job_facts.cost(plan, None, None).billed is None


def test_what_happened_when_is_in_order(w: World) -> None:
    w.begin()
    start = w.clock() + timedelta(seconds=5)
    transitions = [
        {"Status": "Training", "StartTime": start + timedelta(seconds=2)},
        {"Status": "Starting", "StartTime": start, "EndTime": start + timedelta(seconds=2)},
    ]
    job = described(job_request(make_plan()), "Completed", SecondaryStatusTransitions=transitions)
    w.clock.forward(60)
    assert [(moment.what, moment.seconds) for moment in build(w, job=job).timeline] == [
        ("started", None),
        ("training job: Starting", 2.0),
        ("training job: Training", None),
        ("ended", None),
    ]


def finish(w: World, run_id: str, package: str, source: str = "") -> RunRecord:
    """A run that made this package."""
    model = ModelPlan(
        name=MODEL,
        arn="arn:model",
        version="1",
        family="open-weights",
        gated=False,
        source_model_package_arn=source,
    )
    w.begin(make_plan(model=model), run_id=run_id)
    made = records.build(
        w.context,
        run_id,
        outcome="SUCCEEDED",
        request=REQUEST,
        sections={"model_package_arn": package},
    )
    return outcome_files.put_record(w.context, made)[0]


def test_parents_are_found_through_every_run_that_went_on(w: World) -> None:
    first, second, third = (PACKAGE.replace("/3", f"/{number}") for number in (1, 2, 3))
    finish(w, "one", first, source="arn:made-elsewhere")
    finish(w, "two", second, source=first)
    made = finish(w, "three", third, source=second)
    assert [(p.package_arn, p.run_id) for p in made.lineage.parents] == [
        (second, "two"),
        (first, "one"),
        ("arn:made-elsewhere", ""),
    ]
    chain = lineage.chain(w.runs, third)
    assert [entry.run_id for entry in chain] == ["three", "two", "one", ""]
    assert chain[0].record_uri == f"s3://{BUCKET}/runs/three/record.json"
    assert chain[0].data["training"].uri == "s3://data/train.jsonl"
    assert lineage.chain(w.runs, "") == []


def test_packages_that_go_back_to_themselves_end(w: World) -> None:
    for mine, other in (("arn:a", "arn:b"), ("arn:b", "arn:a")):
        lineage.remember(w.runs, Ancestor(package_arn=mine, run_id="r"), other)
    assert [entry.package_arn for entry in lineage.chain(w.runs, "arn:a")] == ["arn:a", "arn:b"]


def test_another_run_never_takes_a_package_over(w: World) -> None:
    lineage.remember(w.runs, Ancestor(package_arn="arn:a", run_id="mine"), "")
    lineage.remember(w.runs, Ancestor(package_arn="arn:a", run_id="yours"), "")
    assert lineage.chain(w.runs, "arn:a")[0].run_id == "mine"


def test_a_record_names_the_files_beside_it_and_a_report_that_cannot_be_drawn_is_said(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(w, metrics=MetricsFound(uri="s3://m", csv_uri="s3://c"))
    complete, stored = outcome_files.put_record(w.context, made)
    assert set(complete.files) >= {"record", "report", "report_text", "metrics", "csv", "plan"}
    assert complete.files["record"] == stored.uri
    assert outcome_files.put_report(w.context, complete) == ""
    assert b"<!doctype html>" in (w.files.get(RUN_ID, "report.html") or (b"", ""))[0]
    head = w.s3.head_object(Bucket=BUCKET, Key=f"runs/{RUN_ID}/report.html")
    assert head["ContentType"] == "text/html; charset=utf-8"
    monkeypatch.setattr("tunestep.reports.page.page", lambda *_, **__: 1 / 0)
    assert "ZeroDivisionError" in outcome_files.put_report(w.context, complete)


def test_no_link_that_is_signed_is_in_any_file_of_a_run(w: World) -> None:
    complete, _ = outcome_files.put_record(w.context, build(w))
    outcome_files.put_report(w.context, complete, samples={"samples": []})
    listed = w.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"runs/{RUN_ID}/")["Contents"]
    bodies = [w.s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in listed]
    assert len(bodies) >= 4
    assert not [body for body in bodies if b"X-Amz-" in body or b"Signature=" in body]


def test_the_mlflow_app_and_run_are_in_the_record(w: World) -> None:
    job = described(
        job_request(make_plan()), "Completed", MlflowDetails={"MlflowExperimentId": "1", "MlflowRunId": "r1"}
    )
    made = json.loads(msgspec.json.encode(build(w, job=job)))
    assert made["job"]["mlflow_run_id"] == "r1"
    assert made["plan"]["mlflow"]["app_arn"] == APP
