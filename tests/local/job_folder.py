"""A training job's folder as the SageMaker service leaves it, and the job run in this process."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tunestep.local.training.stop import StopSignal
from tunestep.local.training.worker import run

REGION = "us-west-2"


def written(
    folder: Path,
    url: str,
    *,
    train: str,
    serverless: Mapping[str, Any],
    hyperparameters: Mapping[str, str],
    output: str,
    changes: Mapping[str, Any],
) -> Path:
    """The folder of a job over a cloud at ``url``; ``changes`` are what a test wants otherwise."""
    channels = {"train": train, "validation": changes.get("validation")}
    request = {
        "TrainingJobName": folder.name,
        "HyperParameters": {**hyperparameters, **changes.get("hyperparameters", {})},
        "InputDataConfig": [
            {
                "ChannelName": name,
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
            }
            for name, uri in channels.items()
            if uri
        ],
        "OutputDataConfig": {"S3OutputPath": changes.get("output", output)},
        "ServerlessJobConfig": dict(serverless),
        "StoppingCondition": {"MaxRuntimeInSeconds": changes.get("limit", 3600)},
    }
    context = {
        "endpoint_url": url,
        "mlflow_url": changes.get("mlflow"),
        "region": REGION,
        "account": "123456789012",
        "stop_grace_seconds": 5,
        "source_model_s3_uri": changes.get("source"),
        "mlflow_experiment_name": "experiment",
        "mlflow_run_name": "run",
        "base_model_name": changes.get("base_model", "a-model"),
        "model": changes.get("model", {"hidden": 16, "depth": 1, "heads": 2}),
    }
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(json.dumps(request))
    (folder / "context.json").write_text(json.dumps(context))
    return folder


def ran(folder: Path, stop: StopSignal | None = None, log: Callable[[str], None] = lambda _: None) -> Any:
    """Runs the job in this process and returns its status document."""
    code = run(folder, stop or StopSignal(), log)
    status = json.loads((folder / "status.json").read_text())
    assert code == (1 if status["status"] == "Failed" else 0)
    return status
