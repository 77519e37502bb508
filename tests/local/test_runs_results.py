"""Every technique through to its record and report, and the commands that show them."""

import ast
import json
import re
import stat
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.certify.support import products
from tests.local.laptop import QWEN, Laptop, dpo_rows, jsonl, sft_rows, until
from tests.local.test_runs_training import succeeded
from tunestep import record_schema

PATIENCE = 240.0
"""Seconds that a whole reinforcement run may take, its warm start included, on a machine that is busy."""

RLAIF = Path(__file__).parents[2] / "examples" / "rlaif" / "train.jsonl"


def request(laptop: Laptop, technique: str) -> str:
    small = {"max_epochs": 1, "global_batch_size": 64}
    match technique:
        case "SFT":
            laptop.file("held.jsonl", jsonl(sft_rows(4)))
            return laptop.request("report-sft", validation_data="held.jsonl")
        case "DPO":
            small = {"max_epochs": 1, "global_batch_size": 16}
            return laptop.request("report-dpo", dpo_rows(), technique="DPO", hyperparameters=small)
        case "RLVR":
            reward = {"function": "math_answer"}
            return laptop.request(
                "report-rlvr", products(64), technique="RLVR", reward=reward, hyperparameters=small
            )
    rows = [json.loads(line) for line in RLAIF.read_text(encoding="utf-8").splitlines()[:64]]
    reward = {"prompt": "summarize", "judge_model": "openai.gpt-oss-20b-1:0"}
    return laptop.request("report-rlaif", rows, technique="RLAIF", reward=reward, hyperparameters=small)


def body(laptop: Laptop, run_id: str, name: str) -> str:
    found = laptop.client("s3").get_object(Bucket=laptop.bucket, Key=f"runs/{run_id}/{name}")
    return str(found["Body"].read().decode())


def embedded(html: str) -> Any:
    """The record that a report carries."""
    found = re.search(r'<script type="application/json" id="record">(.*?)</script>', html)
    assert found is not None
    return json.loads(found[1])


def check_rendering(laptop: Laptop, run_id: str, trainer: str) -> None:
    """The run's notebook and scripts are kept, are code, and hold what the run's own job was asked for."""
    files = laptop.run_file(run_id, "record.json")["files"]
    names = {"notebook": "notebook.ipynb", "script": "01_fine_tuning.py", "metrics_script": "02_metrics.py"}
    for kind, name in names.items():
        assert files[kind] == f"s3://{laptop.bucket}/runs/{run_id}/{name}"
    notebook = nbformat.reads(body(laptop, run_id, names["notebook"]), as_version=4)
    nbformat.validate(notebook)
    cells = {cell.metadata.name: cell.source for cell in notebook.cells}
    assert {"Configure Trainer", "Training Status", "Model Package", "Metrics per Epoch"} <= cells.keys()
    script = body(laptop, run_id, names["script"])
    ast.parse(script)
    ast.parse(body(laptop, run_id, names["metrics_script"]))
    asked = laptop.run_file(run_id, "create_training_job.json")
    told = (
        f"trainer = {trainer}(",
        f"BASE_MODEL = {QWEN!r}",
        f"ROLE_ARN = {asked['RoleArn']!r}",
        f"S3_OUTPUT_PATH = {asked['OutputDataConfig']['S3OutputPath']!r}",
        f"MODEL_PACKAGE_GROUP_NAME = {asked['ModelPackageConfig']['ModelPackageGroupArn'].split('/')[1]!r}",
    )
    assert [line for line in told if line not in script or line not in "\n".join(cells.values())] == []
    assert asked["TrainingJobName"] in body(laptop, run_id, names["metrics_script"])


@pytest.mark.parametrize(
    ("technique", "metric", "trainer"),
    [
        ("SFT", "total_loss", "SFTTrainer"),
        ("DPO", "rewards/margins", "DPOTrainer"),
        ("RLVR", "critic/rewards/mean", "RLVRTrainer"),
        ("RLAIF", "critic/rewards/mean", "RLAIFTrainer"),
    ],
)
def test_a_run_of_each_technique_leaves_a_record_a_report_and_a_rendering_that_agree(
    laptop: Laptop, technique: str, metric: str, trainer: str
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    asked = ("run", request(laptop, technique), "--local", "--json")
    outcome = json.loads(laptop(*asked, seconds=PATIENCE).stdout)
    assert (outcome["status"], outcome["results"]["gaps"]) == ("SUCCEEDED", [])
    run_id = outcome["run_id"]
    record = laptop.run_file(run_id, "record.json")
    jsonschema.Draft202012Validator(record_schema.build()).validate(record)
    job = laptop.job(run_id)
    assert record["job"]["name"] == job["TrainingJobName"]
    assert record["model_package_arn"] == job["OutputModelPackageArn"]
    billed = record["cost"]["billed"]
    assert (billed["tokens"], billed["seconds"]) == (
        job.get("BillableTokenCount"),
        job.get("BillableTimeInSeconds"),
    )
    assert re.fullmatch("[0-9a-f]{64}", record["data"]["training"]["content_sha256"])
    assert record["data"]["training"]["version_id"]
    shown = record["metrics"]["overview"][metric]
    points = laptop.run_file(run_id, "metrics.json")["metrics"][metric]
    assert (shown["first"], shown["last"], shown["points"]) == (points[0][1], points[-1][1], len(points))
    lines = body(laptop, run_id, "metrics.csv").splitlines()
    assert sum(line.startswith(f"{metric},") for line in lines) == len(points)
    html = body(laptop, run_id, "report.html")
    assert embedded(html) == record
    assert f"{shown['last']:.4g}" in html
    assert "<svg" in html
    assert "a tiny model stood in for" in html
    check_rendering(laptop, run_id, trainer)
    samples = technique in ("RLVR", "RLAIF")
    assert ("Best and worst answers" in html) == samples
    assert "samples" not in json.dumps(outcome["results"])
    if technique == "RLVR":
        assert record["reward"]["code_sha256"]
        assert record["reward"]["certification"]["ok"] is True
        assert record["reward"]["evaluator_arn"]
        assert "best" in laptop("results", run_id, "--local").stdout


def test_a_run_that_fails_leaves_a_record_and_a_report(laptop: Laptop) -> None:
    name = laptop.request("broken", ["not json"] * 8)
    run_id = laptop.start(name)
    ended = laptop.ended(run_id)
    record = laptop.run_file(run_id, "record.json")
    assert (record["outcome"], record["error"]["Error"]) == ("FAILED", ended["error"])
    html = body(laptop, run_id, "report.html")
    assert embedded(html) == record
    assert "Why it failed" in html
    assert "mend the request, then `tunestep run REQUEST" in body(laptop, run_id, "report.md")
    until(lambda: {"told_start_email", "told_failure_email"} <= laptop.item(run_id).keys())


def test_the_command_leaves_the_report_of_a_run_that_failed_on_the_disk_and_names_it(laptop: Laptop) -> None:
    told = laptop("run", laptop.request("broken here", ["not json"] * 4), "--local", code=1).stdout
    command = re.search(r"tunestep report (\S+) --local", told)
    assert command is not None
    page = (laptop.home / "runs" / command[1] / "report.html").read_text()
    assert embedded(page) == laptop.run_file(command[1], "record.json")


@pytest.mark.slow
def test_a_job_that_ends_after_its_run_puts_its_bill_into_the_record(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("billed late"))
    laptop.trains(run_id)
    laptop("stop", run_id, "--local")
    laptop.ended(run_id)
    until(lambda: laptop.job(run_id)["TrainingJobStatus"], lambda status: status == "Stopped")
    until(lambda: not [key for key in laptop.pending() if run_id in key])
    record = laptop.run_file(run_id, "record.json")
    assert (record["error"]["Error"], record["job"]["status"]) == ("StoppedByUser", "Stopped")
    assert record["cost"]["billed"]["tokens"] == laptop.job(run_id)["BillableTokenCount"]
    assert "billed" not in json.dumps(record["gaps"])
    assert embedded(body(laptop, run_id, "report.html")) == record


@pytest.mark.slow
def test_lineage_goes_back_through_the_run_that_was_gone_on_from(laptop: Laptop) -> None:
    first = succeeded(laptop, laptop.request("root"))
    package = first["results"]["model_package_arn"]
    second = succeeded(laptop, laptop.request("leaf", base_model=package, model_package_group="test-root-v1"))
    made = second["results"]["model_package_arn"]
    chain = laptop.json("lineage", made, "--local")
    assert [(entry["package_arn"], entry["run_id"]) for entry in chain] == [
        (made, second["run_id"]),
        (package, first["run_id"]),
    ]
    assert chain[1]["data"]["training"]["uri"].endswith("root.jsonl")
    told = laptop("lineage", "test-root-v1/2", "--local").stdout
    assert told.index(second["run_id"]) < told.index("went on from") < told.index(first["run_id"])
    parents = laptop.run_file(second["run_id"], "record.json")["lineage"]["parents"]
    assert [parent["run_id"] for parent in parents] == [first["run_id"]]
    laptop("lineage", "no-such-group-v1/1", "--local", code=1)
    laptop("lineage", "what is this", "--local", code=2)


@pytest.mark.slow
def test_runs_are_listed_and_filtered(laptop: Laptop) -> None:
    good = succeeded(laptop, laptop.request("listed one"))["run_id"]
    bad = laptop.start(laptop.request("listed two", ["no json"] * 4))
    laptop.ended(bad)

    def listed(*filters: str) -> list[str]:
        return [run["run_id"] for run in laptop.json("runs", *filters, "--local")]

    both = listed("--use-case", "TEST LISTED")
    assert both == [bad, good]
    assert listed("--use-case", "listed", "--status", "succeeded") == [good]
    assert listed("--use-case", "listed", "--status", "failed", "--technique", "sft") == [bad]
    assert listed("--use-case", "listed", "--technique", "DPO") == []
    assert listed("--use-case", "listed", "--since", "1h") == [bad, good]
    assert listed("--since", "2999-01-01") == []
    assert listed("--use-case", "listed", "--limit", "1") == [bad]
    said = laptop("runs", "--use-case", "listed", "--local").stdout
    assert re.search(rf"{good} +succeeded +SFT", said)
    assert "neither a date" in laptop("runs", "--since", "soon", "--local", code=2).stderr


@pytest.mark.slow
def test_a_report_is_copied_beside_the_run_and_opened_from_there(laptop: Laptop) -> None:
    run_id = succeeded(laptop, laptop.request("shown"))["run_id"]
    where = Path(laptop("report", run_id, "--local").stdout.strip())
    assert where == laptop.home / "runs" / run_id / "report.html"
    assert stat.S_IMODE(where.stat().st_mode) == 0o600
    assert embedded(where.read_text())["run_id"] == run_id
    copy = laptop.json("report", run_id, "-o", "copy.html", "--local")["report"]
    assert (laptop.work / copy).read_text() == where.read_text()
    browser = laptop.work / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\n')
    browser.chmod(0o755)
    laptop.environment["BROWSER"] = str(browser)
    try:
        laptop("report", run_id, "--open", "--local")
    finally:
        del laptop.environment["BROWSER"]
    until((laptop.work / "opened").is_file)
    assert (laptop.work / "opened").read_text().strip() == where.as_uri()


@pytest.mark.slow
def test_a_run_without_a_report_and_an_unknown_one_are_told_apart(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("unreported"))
    laptop.waits_in(run_id, "AwaitTraining")
    said = laptop("report", run_id, "--local", code=1).stderr
    assert "written at the end" in said
    laptop("stop", run_id, "--local")
    assert "there is no run" in laptop("report", "no-such-run", "--local", code=2).stderr
