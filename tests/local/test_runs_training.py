"""Whole runs that succeed, through the command: what they train, what they leave, and what they cost."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.local.laptop import FULL_ONLY, LLAMA, NOVA, QWEN, Laptop, dpo_rows, jsonl, sft_rows

BUDGET_SECONDS = 3.0
"""Execution start to end minus the job's own time, at most."""


def succeeded(laptop: Laptop, request: str) -> dict[str, Any]:
    """Run it to its end through the command; returns the command's own summary, checked."""
    outcome: dict[str, Any] = laptop.json("run", request, "--local")
    assert outcome["status"] == "SUCCEEDED"
    assert outcome["results"]["gaps"] == []
    return outcome


def overhead(laptop: Laptop, run_id: str) -> float:
    """Seconds from the execution's start to its end, without those between the job's creation and end."""
    execution, job = laptop.execution(run_id), laptop.job(run_id)
    whole = (execution["stopDate"] - execution["startDate"]).total_seconds()
    return whole - (job["TrainingEndTime"] - job["CreationTime"]).total_seconds()


def history(laptop: Laptop, outcome: dict[str, Any], metric: str) -> list[tuple[int, float]]:
    """A metric as the MLflow store holds it: (step, value)."""
    answer = requests.get(
        f"{laptop.endpoint.url}/api/2.0/mlflow/metrics/get-history",
        params={"run_id": outcome["results"]["summary"]["mlflow_run_id"], "metric_key": metric},
        timeout=10,
    )
    return [(point["step"], point["value"]) for point in answer.json()["metrics"]]


def values(laptop: Laptop, run_id: str, metric: str) -> list[float]:
    """A metric's values as the run's metrics.json has them."""
    return [value for _, value, _ in laptop.run_file(run_id, "metrics.json")["metrics"][metric]]


def check_left_behind(laptop: Laptop, outcome: dict[str, Any]) -> None:
    """The package, the record, the files beside the state, and nothing pending."""
    run_id, results = outcome["run_id"], outcome["results"]
    package = laptop.client("sagemaker").describe_model_package(ModelPackageName=results["model_package_arn"])
    assert package["ModelPackageStatus"] == "Completed"
    record = laptop.run_file(run_id, "record.json")
    assert record["outcome"] == "SUCCEEDED"
    assert record["results"]["model_package_arn"] == results["model_package_arn"]
    assert laptop.item(run_id)["status"] == "ENDED"
    assert not [key for key in laptop.pending() if run_id in key]
    files = Path(outcome["files"])
    assert {"record.json", "metrics.json", "plan.json", "create_training_job.json"} <= {
        path.name for path in files.iterdir()
    }
    assert json.loads((files / "record.json").read_text()) == record


def check_overhead(laptop: Laptop, run_id: str) -> None:
    spent = overhead(laptop, run_id)
    print(f"\noverhead of {run_id}: {spent:.2f} s (budget {BUDGET_SECONDS} s)")
    assert spent < 3 * BUDGET_SECONDS


def test_sft_lora_trains_and_its_metrics_are_those_the_worker_logged(laptop: Laptop) -> None:
    laptop.file("val.jsonl", jsonl(sft_rows(8)))
    request = laptop.request(
        "sft-lora",
        validation_data="val.jsonl",
        hyperparameters={"max_epochs": 4, "global_batch_size": 8},
    )
    outcome = succeeded(laptop, request)
    run_id = outcome["run_id"]
    losses = values(laptop, run_id, "total_loss")
    assert losses[-1] < losses[0] / 2
    assert len(values(laptop, run_id, "val_eval_total_loss")) >= 4
    for metric, points in laptop.run_file(run_id, "metrics.json")["metrics"].items():
        assert [(step, value) for step, value, _ in points] == history(laptop, outcome, metric), metric
    assert [row["epoch"] for row in outcome["results"]["summary"]["epochs"]] == [1, 2, 3, 4]
    check_left_behind(laptop, outcome)
    check_overhead(laptop, run_id)


@pytest.mark.slow
def test_sft_full_trains_a_model_that_has_no_other_recipe(laptop: Laptop) -> None:
    request = laptop.request(
        "sft-full",
        base_model=FULL_ONLY,
        peft="FULL",
        hyperparameters={"max_epochs": 3, "global_batch_size": 8},
    )
    outcome = succeeded(laptop, request)
    losses = values(laptop, outcome["run_id"], "total_loss")
    assert losses[-1] < losses[0] / 2
    assert "Peft" not in laptop.job(outcome["run_id"])["ServerlessJobConfig"]
    check_left_behind(laptop, outcome)


def test_dpo_raises_the_margins(laptop: Laptop) -> None:
    request = laptop.request(
        "dpo", dpo_rows(48), technique="DPO", hyperparameters={"max_epochs": 4, "global_batch_size": 16}
    )
    outcome = succeeded(laptop, request)
    margins = values(laptop, outcome["run_id"], "rewards/margins")
    assert margins[-1] > margins[0]
    check_left_behind(laptop, outcome)
    check_overhead(laptop, outcome["run_id"])


def test_a_continued_run_starts_from_the_packages_weights(laptop: Laptop) -> None:
    first = succeeded(
        laptop, laptop.request("first", hyperparameters={"max_epochs": 5, "global_batch_size": 8})
    )
    package = first["results"]["model_package_arn"]
    second = succeeded(
        laptop, laptop.request("second", base_model=package, model_package_group="test-first-v1")
    )
    before, after = (values(laptop, run["run_id"], "total_loss") for run in (first, second))
    assert after[0] < before[0] / 2
    assert second["results"]["model_package_arn"] == package.removesuffix("/1") + "/2"
    config = laptop.job(second["run_id"])["ModelPackageConfig"]
    assert config["SourceModelPackageArn"] == package
    check_left_behind(laptop, second)


def nova_rows(count: int = 24) -> list[dict[str, Any]]:
    return [
        {
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{"text": "You are a tutor."}],
            "messages": [
                {"role": "user", "content": [{"text": f"{n} plus {n}?"}]},
                {"role": "assistant", "content": [{"text": f"{n + n}"}]},
            ],
        }
        for n in range(count)
    ]


@pytest.mark.slow
def test_nova_trains_on_novas_own_rows(laptop: Laptop) -> None:
    plan = laptop.json(
        "plan",
        laptop.request("nova", nova_rows(), base_model=NOVA, hyperparameters={}),
        "--local",
    )
    assert plan["plan"]["model"]["name"] == NOVA
    outcome = succeeded(laptop, "nova.json")
    losses = values(laptop, outcome["run_id"], "total_loss")
    assert losses[-1] < losses[0]
    check_left_behind(laptop, outcome)


def test_a_console_start_is_a_run_like_any_other(laptop: Laptop) -> None:
    name = "console-start-1"
    s3 = laptop.client("s3")
    s3.put_object(Bucket=laptop.bucket, Key="data/console.jsonl", Body=jsonl(sft_rows()).encode())
    document = {
        "use_case": "Started in the console",
        "technique": "SFT",
        "base_model": QWEN,
        "training_data": f"s3://{laptop.bucket}/data/console.jsonl",
        "hyperparameters": {"max_epochs": 1},
    }
    laptop.start_in_console(name, document)
    assert laptop.ended(name)["status"] == "SUCCEEDED"
    assert laptop.item(name)["source"] == "console"
    assert "SUCCEEDED" in laptop("status", name, "--local").stdout
    assert name in laptop("status", "--local").stdout
    assert "model package" in laptop("results", name, "--local").stdout


def test_a_gated_model_waits_for_a_person_and_the_first_decision_stands(laptop: Laptop) -> None:
    request = laptop.request("gated", base_model=LLAMA)
    run_id = laptop.start(request)
    laptop.waits_in(run_id, "AwaitApproval")
    assert laptop.job(run_id) == {}
    status = laptop("status", run_id, "--local").stdout
    assert f"tunestep approve {run_id} --local" in status
    refused = laptop("results", run_id, "--local", code=1)
    assert "AwaitApproval" in refused.stderr
    approved = laptop.json("approve", run_id, "--local")
    assert (approved["decision"], approved["actor"], approved["delivered"]) == ("APPROVED", "tester", True)
    second = laptop("decline", run_id, "--local", "--reason", "changed my mind", code=1)
    assert "APPROVED by tester" in second.stdout and "changes nothing" in second.stdout
    assert laptop.ended(run_id)["status"] == "SUCCEEDED"
    assert laptop.job(run_id)["ServerlessJobConfig"]["AcceptEula"] is True
    record = laptop.run_file(run_id, "record.json")
    assert record["approval"]["state"] == "APPROVED"
    assert record["approval"]["actor"] == "tester"
    assert datetime.fromisoformat(record["approval"]["decided_at"])


@pytest.mark.parametrize("example", ["sft", "dpo"])
def test_the_examples_plan_without_a_fault(laptop: Laptop, example: str) -> None:
    request = Path(__file__).parents[2] / "examples" / example / "request.json"
    plan = laptop.json("plan", str(request), "--local")
    assert [f for f in plan["findings"] if f["severity"] != "info"] == []
