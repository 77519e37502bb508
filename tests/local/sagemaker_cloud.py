"""A SageMaker on a loopback port, boto3 clients for it, and workers of a few lines."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from werkzeug.serving import make_server

from tunestep.local.sagemaker import SageMakerService
from tunestep.local.world import World

ACCOUNT, REGION = "123456789012", "us-west-2"
QWEN = "huggingface-reasoning-qwen3-0-6b"
LLAMA = "meta-textgeneration-llama-3-2-1b-instruct"
DEADLINE = 20.0

_HEAD = """
import json, os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
status = {"status": "InProgress", "secondary_status": "Starting", "transitions": []}
def say(secondary, state="InProgress", **more):
    status.update(more, status=state, secondary_status=secondary)
    status["transitions"].append({"Status": secondary, "StartTime": time.time(), "StatusMessage": ""})
    (folder / "status.tmp").write_text(json.dumps(status))
    os.replace(folder / "status.tmp", folder / "status.json")
def wait(name):
    while not (folder / name).exists():
        time.sleep(0.005)
"""
COMPLETES = """
progress = {"CurrentStep": 2, "TotalStepCountPerEpoch": 4, "CurrentEpoch": 1, "MaxEpoch": 1}
say("Downloading"); say("Training", progress=progress, mlflow={"experiment_id": "7", "run_id": "r7"})
wait("go"); say("Uploading")
say("Completed", "Completed", billable_tokens=1234, model_s3_uri="s3://bucket/out/job/output/model")
"""
FAILS = """
say("Downloading")
say("Failed", "Failed", failure_reason="ClientError: train.jsonl line 3 is not JSON")
"""
DIES = """say("Training"); os._exit(9)"""
STOPS = """
stop = []
signal.signal(signal.SIGTERM, lambda *a: stop.append(1)); say("Training")
while not stop: time.sleep(0.005)
say("Stopped", "Stopped", model_s3_uri="s3://bucket/out/job/output/model")
"""
IGNORES_SIGTERM = """signal.signal(signal.SIGTERM, signal.SIG_IGN); say("Training"); time.sleep(60)"""


class Launcher:
    """Starts scripted workers; remembers them, so that a test can end them."""

    def __init__(self, script: str = COMPLETES) -> None:
        self.script = script
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, folder: Path) -> int:
        command = [sys.executable, "-c", _HEAD + self.script, str(folder)]
        process = subprocess.Popen(command)  # noqa: S603 - a script of this file
        self.processes.append(process)
        return process.pid

    def find(self, folder: Path) -> int | None:
        found = [process.pid for process in self.processes if str(folder) in process.args]
        return found[0] if found else None

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


class Cloud:
    """The service, its port and the events it sent."""

    def __init__(
        self, service: SageMakerService, url: str, events: list[dict[str, Any]], jobs: Path | None
    ) -> None:
        self.service, self.url, self.events, self.jobs = service, url, events, jobs
        self.sagemaker = boto3.client(
            "sagemaker",
            endpoint_url=url,
            region_name=service.region,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def content(self, model: str = QWEN) -> dict[str, Any]:
        return self.sagemaker.describe_hub_content(
            HubName="SageMakerPublicHub", HubContentType="Model", HubContentName=model
        )

    def request(self, name: str = "job", model: str = QWEN, **changes: Any) -> dict[str, Any]:
        config = {
            "BaseModelArn": self.content(model)["HubContentArn"],
            "JobType": "FineTuning",
            "CustomizationTechnique": "SFT",
            "Peft": "LORA",
        }
        config |= changes.pop("config", {})
        return {
            "TrainingJobName": name,
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/execution",
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train.jsonl"}
                    },
                }
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
            "ServerlessJobConfig": {key: value for key, value in config.items() if value is not None},
            **changes,
        }

    def describe(self, name: str = "job") -> dict[str, Any]:
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def until(self, holds: Callable[[dict[str, Any]], bool], name: str = "job") -> dict[str, Any]:
        return until(lambda: self.describe(name), holds)

    def ended(self, name: str = "job") -> dict[str, Any]:
        return self.until(lambda job: job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"), name)

    def go(self, name: str = "job") -> None:
        assert self.jobs is not None
        (self.jobs / name / "go").touch()


def until(look: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """Look again until it holds, at most until the deadline."""
    end = time.monotonic() + DEADLINE
    while not holds(seen := look()):
        assert time.monotonic() < end, json.dumps(seen, default=str)[:2000]
        time.sleep(0.01)
    return seen


@contextmanager
def running(
    folder: Path, launch: Callable[[Path], int], world: World | None = None, **options: Any
) -> Iterator[Cloud]:
    """A cloud whose state is in the folder; the same folder again is the same cloud after a restart."""
    events: list[dict[str, Any]] = []
    urls: list[str] = []
    service = SageMakerService(
        folder / "sagemaker.sqlite",
        world=world or World.builtin(REGION, ACCOUNT),
        jobs_dir=folder / "jobs",
        emit=events.append,
        launch=launch,
        find_worker=getattr(launch, "find", lambda folder: None),
        region=world.region if world else REGION,
        account=world.account if world else ACCOUNT,
        endpoint_url_getter=lambda: urls[0],
        **({"settle_seconds": 0.0, "poll_seconds": 0.01} | options),
    )
    server = make_server("127.0.0.1", 0, service, threaded=True)
    urls.append(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    service.start()
    try:
        yield Cloud(service, urls[0], events, folder / "jobs")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        service.close()
