"""Whole jobs, from request.json to the uploaded model, against a real S3 server on loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

from tests.local import job_folder
from tests.local.job_folder import REGION, ran
from tunestep.local.mlflow import MlflowService
from tunestep.local.training import WORKER_ENV, WORKER_MODULE, weights
from tunestep.local.training.stop import StopSignal
from tunestep.local.training.tracking import http_sender
from tunestep.local.training.worker import failure_reason, main, run

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BUCKET = "training-bucket"


class Cloud:
    """An S3 server with one bucket, and job folders that point to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.s3 = boto3.client("s3", endpoint_url=url, region_name=REGION)
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def put(self, key: str, rows: list[Any]) -> str:
        body = "".join(json.dumps(row) + "\n" for row in rows)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
        return f"s3://{BUCKET}/{key}"

    def keys(self, prefix: str) -> set[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())
        return {item["Key"].removeprefix(prefix) for item in found}

    def job(self, folder: Path, train: str, **changes: Any) -> Path:
        """A job folder; ``changes`` name what differs from a short SFT job with adapters."""
        serverless = {
            "CustomizationTechnique": changes.get("technique", "SFT"),
            "Peft": changes.get("peft", "LORA"),
        }
        return job_folder.written(
            folder,
            self.url,
            train=train,
            serverless=serverless,
            hyperparameters={"max_epochs": "2", "global_batch_size": "8"},
            output=f"s3://{BUCKET}/output/",
            changes=changes,
        )


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "local")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        yield Cloud(f"http://{host}:{port}")
    server.stop()


def example_rows(path: str, count: int) -> list[Any]:
    return [json.loads(line) for line in (EXAMPLES / path).read_text().splitlines()[:count]]


def phases(status: dict[str, Any]) -> list[str]:
    return [entry["Status"] for entry in status["transitions"]]


def test_an_sft_job_trains_and_uploads_a_model_that_the_next_job_goes_on_from(
    cloud: Cloud, tmp_path: Path
) -> None:
    train = cloud.put("sft/train.jsonl", example_rows("sft/train.jsonl", 48))
    check = cloud.put("sft/validation.jsonl", example_rows("sft/validation.jsonl", 8))
    first = ran(cloud.job(tmp_path / "first", train, validation=check))

    assert (first["status"], first["secondary_status"]) == ("Completed", "Completed")
    expected = ["Starting", "Pending", "Downloading", "Training", "Uploading", "Completed"]
    assert phases(first) == expected
    times = [entry["StartTime"] for entry in first["transitions"]]
    assert times == sorted(times)
    assert all("EndTime" in entry for entry in first["transitions"])
    assert first["progress"] == {
        "CurrentStep": 6,
        "TotalStepCountPerEpoch": 6,
        "CurrentEpoch": 2,
        "MaxEpoch": 2,
    }
    assert first["billable_tokens"] > 1000
    started, ended = first["report"]["metrics"]["total_loss"]
    assert ended < started
    assert [sorted(epoch) for epoch in first["report"]["epochs"]] == [
        ["epoch", "train_epoch_loss", "val_eval_total_loss"]
    ] * 2
    assert first["model_s3_uri"] == f"s3://{BUCKET}/output/first/output/model/"
    assert cloud.keys("output/first/output/model/") == {
        "TOKENS.txt",
        "config.json",
        "model.safetensors",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
    }

    second = ran(cloud.job(tmp_path / "second", train, source=first["model_s3_uri"], peft=None))
    assert second["report"]["continued_from"] == first["model_s3_uri"]
    assert second["report"]["metrics"]["total_loss"][0] == pytest.approx(ended, rel=0.35)
    assert "adapter/adapter_config.json" not in cloud.keys("output/second/output/model/")


def test_a_dpo_job_warms_up_and_then_widens_the_margin(cloud: Cloud, tmp_path: Path) -> None:
    cloud.put("dpo/part-1.jsonl", example_rows("dpo/train.jsonl", 16))
    cloud.put("dpo/part-2.jsonl", example_rows("dpo/train.jsonl", 32)[16:])
    status = ran(cloud.job(tmp_path / "dpo", f"s3://{BUCKET}/dpo/", technique="DPO"))
    assert status["status"] == "Completed"
    metrics = status["report"]["metrics"]
    assert {"loss_per_batch", "rewards/chosen", "rewards/rejected", "rewards/margins", "acc_per_batch"} <= (
        metrics.keys()
    )
    assert metrics["rewards/margins"][0] == pytest.approx(0, abs=1e-4)
    assert metrics["rewards/margins"][1] > 0
    assert status["report"]["rows"] == {"train": 29, "validation": 3}
    assert any("first learns to write" in note for note in status["report"]["notes"])


def test_a_bad_row_fails_the_job_with_file_line_and_rule(cloud: Cloud, tmp_path: Path) -> None:
    rows = [*example_rows("sft/train.jsonl", 3), {"prompt": "p", "completion": ""}]
    train = cloud.put("bad/train.jsonl", rows)
    status = ran(cloud.job(tmp_path / "bad", train))
    assert status["status"] == "Failed"
    assert status["failure_reason"] == f'ClientError: {train} line 4: "completion" has no text.'
    assert phases(status)[-2:] == ["Downloading", "Failed"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"technique": "CPT"}, "does not serve CPT"),
        ({"technique": "RLVR"}, "needs EvaluatorArn or the hyperparameter preset_reward_function"),
        ({"hyperparameters": {"max_epochs": "many"}}, "hyperparameter max_epochs"),
        ({"source": f"s3://{BUCKET}/nothing/here/"}, "the source package's s3://"),
        ({"output": "s3://no-such-bucket-anywhere/x"}, "cannot be written"),
        ({"train": f"s3://{BUCKET}/absent.jsonl"}, "no .jsonl data at"),
        ({"train": "s3://no-such-bucket-anywhere/x.jsonl"}, "cannot be listed"),
        ({"train": "https://example.org/x.jsonl"}, "is not an S3 URI"),
        ({"train": "parquet"}, "is not a .jsonl file"),
        ({"train": "empty"}, "has no rows"),
    ],
)
def test_what_cannot_be_trained_fails_with_a_reason(
    cloud: Cloud, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    known = {
        "good": cloud.put("f/good.jsonl", example_rows("sft/train.jsonl", 8)),
        "parquet": cloud.put("f/data.parquet", []),
        "empty": cloud.put("f/empty.jsonl", []),
    }
    rest = {"hyperparameters": {"max_epochs": "1"}} | changes
    train = rest.pop("train", "good")
    status = ran(cloud.job(tmp_path / "job", known.get(train, train), **rest))
    assert status["status"] == "Failed"
    assert status["failure_reason"].startswith("ClientError: ")
    assert reason in status["failure_reason"]


def test_a_prefix_does_not_take_in_its_neighbours(cloud: Cloud, tmp_path: Path) -> None:
    cloud.put("near/a/one.jsonl", example_rows("sft/train.jsonl", 8))
    cloud.put("near/a-old/bad.jsonl", [{}])
    status = ran(cloud.job(tmp_path / "near", f"s3://{BUCKET}/near/a", hyperparameters={"max_epochs": "1"}))
    assert status["status"] == "Completed"


def test_running_out_of_time_saves_what_there_is(cloud: Cloud, tmp_path: Path) -> None:
    train = cloud.put("time/train.jsonl", example_rows("sft/train.jsonl", 16))
    now = iter(range(0, 10_000, 10))
    status = ran(cloud.job(tmp_path / "time", train, limit=45), StopSignal(clock=lambda: float(next(now))))
    assert (status["status"], status["secondary_status"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "model.safetensors" in cloud.keys("output/time/output/model/")


def test_a_stop_before_training_saves_nothing(cloud: Cloud, tmp_path: Path) -> None:
    train = cloud.put("early/train.jsonl", example_rows("sft/train.jsonl", 8))
    stop = StopSignal()
    stop.request()
    status = ran(cloud.job(tmp_path / "early", train), stop)
    assert (status["status"], status["secondary_status"]) == ("Stopped", "Stopped")
    assert "model_s3_uri" not in status
    assert cloud.keys("output/early/") == set()


def test_a_stop_while_dpo_takes_its_reference_trains_nothing_on_it(cloud: Cloud, tmp_path: Path) -> None:
    train = cloud.put("ref/train.jsonl", example_rows("dpo/train.jsonl", 40))
    source = ran(cloud.job(tmp_path / "base", cloud.put("ref/sft.jsonl", example_rows("sft/train.jsonl", 8))))
    stop = StopSignal()
    folder = cloud.job(tmp_path / "ref", train, technique="DPO", source=source["model_s3_uri"])

    def log(line: str) -> None:
        if line.startswith("Starting from"):
            stop.limit = lambda _: stop.request()  # type: ignore[method-assign]

    assert run(folder, stop, log) == 0
    status = json.loads((folder / "status.json").read_text())
    assert (status["status"], status["progress"]) == ("Stopped", None)
    assert status["report"]["metrics"] == {}
    assert "model.safetensors" in cloud.keys("output/ref/output/model/")


def test_time_that_runs_out_while_saving_is_no_stop(cloud: Cloud, tmp_path: Path) -> None:
    train = cloud.put("late/train.jsonl", example_rows("sft/train.jsonl", 8))
    now = [0.0]

    def log(line: str) -> None:
        if line.startswith("Model at"):
            now[0] = 1e6

    folder = cloud.job(tmp_path / "late", train, limit=60)
    assert run(folder, StopSignal(clock=lambda: now[0]), log) == 0
    assert json.loads((folder / "status.json").read_text())["status"] == "Completed"


def test_the_metrics_of_a_job_arrive_in_the_laptops_mlflow(cloud: Cloud, tmp_path: Path) -> None:
    service = MlflowService(tmp_path / "mlflow.sqlite")
    server = make_server("127.0.0.1", 0, service, threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        train = cloud.put("ml/train.jsonl", example_rows("sft/train.jsonl", 20))
        status = ran(cloud.job(tmp_path / "ml", train, mlflow=url))
        send = http_sender(url)
        run_id = status["mlflow"]["run_id"]
        info = send("GET", f"runs/get?run_id={run_id}", None)["run"]["info"]
        history = {
            name: send("GET", f"metrics/get-history?run_id={run_id}&metric_key={name}", None)["metrics"]
            for name in ("total_loss", "val_eval_total_loss")
        }
    finally:
        server.shutdown()
        server.server_close()
        service.close()
    assert (info["status"], info["run_name"]) == ("FINISHED", "run")
    assert [point["step"] for point in history["total_loss"]] == [1, 2, 3, 4, 5, 6]
    assert [point["step"] for point in history["val_eval_total_loss"]] == [3, 6]
    assert history["total_loss"][-1]["value"] == status["report"]["metrics"]["total_loss"][1]


def test_mlflow_being_down_is_noted_and_fails_nothing(cloud: Cloud, tmp_path: Path) -> None:
    train = cloud.put("m/train.jsonl", example_rows("sft/train.jsonl", 8))
    status = ran(cloud.job(tmp_path / "m", train, mlflow="http://127.0.0.1:9", limit=60))
    assert status["status"] == "Completed"
    assert status["mlflow"] is None
    assert any("MLflow" in note for note in status["report"]["notes"])


def test_sigterm_stops_a_worker_process_after_its_step_with_the_model_saved(
    cloud: Cloud, tmp_path: Path
) -> None:
    train = cloud.put("stop/train.jsonl", example_rows("sft/train.jsonl", 48))
    folder = cloud.job(tmp_path / "stop", train, hyperparameters={"max_epochs": "1000"})
    environment = {**os.environ, **WORKER_ENV, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(  # noqa: S603 - our own worker
        [sys.executable, "-m", WORKER_MODULE, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as worker:
        assert worker.stdout
        seen = []
        for line in worker.stdout:
            seen.append(line)
            if line.startswith("epoch 1 "):
                worker.send_signal(signal.SIGTERM)
                break
        seen += list(worker.stdout)
    told = "".join(seen)
    assert worker.returncode == 0, told
    status = json.loads((folder / "status.json").read_text())
    assert (status["status"], status["secondary_status"]) == ("Stopped", "Stopped")
    assert phases(status)[-3:] == ["Stopping", "Uploading", "Stopped"]
    cloud.s3.download_file(
        BUCKET, "output/stop/output/model/model.safetensors", str(tmp_path / weights.WEIGHTS)
    )
    cloud.s3.download_file(BUCKET, "output/stop/output/model/config.json", str(tmp_path / weights.CONFIG))
    weights.load(tmp_path)
    assert "learning_rate: 0.003" in told
    assert (folder / "status.json").stat().st_mode & 0o777 == 0o600


def test_a_fault_of_the_trainer_itself_is_not_blamed_on_the_caller(tmp_path: Path) -> None:
    assert run(tmp_path, StopSignal(), lambda _: None) == 1
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["failure_reason"].startswith("InternalServerError: ")
    assert "secret" not in failure_reason(KeyError("secret"))


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["/no/such/folder"]])
def test_bad_usage_is_exit_code_two(arguments: list[str]) -> None:
    assert main(arguments) == 2


def test_launchers_can_read_the_environment_without_numpy() -> None:
    check = "import sys, tunestep.local.training; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=ROOT)  # noqa: S603 - our own line
