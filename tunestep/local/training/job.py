"""What a job was asked: ``request.json`` (a CreateTrainingJob request) and ``context.json``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tunestep.local.training.data_files import Location, locate
from tunestep.local.training.faults import TrainingFault
from tunestep.local.training.hyperparameters import PEAK_RATES
from tunestep.local.training.model import ModelConfig

DAY = 86_400
"""Seconds that a job may run when its request does not say (the API's default)."""


class Shape(msgspec.Struct, frozen=True):
    """Size of a model made from nothing."""

    hidden: int = 128
    depth: int = 2
    heads: int = 4

    def config(self) -> ModelConfig:
        """The inner width is Llama's 8/3 of the hidden size, in whole eights."""
        return ModelConfig(
            hidden=self.hidden,
            depth=self.depth,
            heads=self.heads,
            inner=self.hidden * 8 // 3 // 8 * 8,
            context=256,
        )


class Context(msgspec.Struct, frozen=True):
    """Where the worker runs. ``model`` is only for tests that want a smaller model."""

    endpoint_url: str
    region: str
    account: str = ""
    mlflow_url: str | None = None
    stop_grace_seconds: float = 120
    source_model_s3_uri: str | None = None
    mlflow_experiment_name: str | None = None
    mlflow_run_name: str | None = None
    base_model_name: str = ""
    model: Shape = Shape()


@dataclass(frozen=True)
class Job:
    """One training job, ready to run. ``output`` is where its files go."""

    name: str
    technique: str
    lora: bool
    evaluator_arn: str
    hyperparameters: Mapping[str, str]
    train: Mapping[str, Any]
    validation: Mapping[str, Any] | None
    output: Location
    max_runtime: float
    context: Context
    mlflow_arn: str = ""

    @property
    def model_location(self) -> Location:
        """The prefix of the saved model's files."""
        return Location(self.output.bucket, f"{self.output.key}model/")


def read(folder: Path) -> Job:
    """The job in ``folder``.

    Raises:
        TrainingFault: it is of a kind that the trainer does not serve.
    """
    request = msgspec.json.decode((folder / "request.json").read_bytes())
    context = msgspec.json.decode((folder / "context.json").read_bytes(), type=Context)
    return from_request(request, context)


def from_request(request: Mapping[str, Any], context: Context) -> Job:
    """The job that a CreateTrainingJob request describes."""
    serverless = request.get("ServerlessJobConfig")
    if not serverless:
        raise TrainingFault("the laptop's trainer serves serverless jobs only; give ServerlessJobConfig.")
    technique = serverless.get("CustomizationTechnique", "")
    if technique not in PEAK_RATES:
        raise TrainingFault(
            f"the laptop's trainer does not serve {technique}; it serves {', '.join(PEAK_RATES)}."
        )
    channels = {channel["ChannelName"]: channel for channel in request.get("InputDataConfig", ())}
    if "train" not in channels:
        raise TrainingFault("InputDataConfig has no channel named train.")
    name = request["TrainingJobName"]
    output = locate(request["OutputDataConfig"]["S3OutputPath"])
    folder = f"{output.key.rstrip('/')}/{name}/output/".lstrip("/")
    return Job(
        name=name,
        technique=technique,
        lora=serverless.get("Peft") == "LORA",
        evaluator_arn=serverless.get("EvaluatorArn", ""),
        hyperparameters=request.get("HyperParameters", {}),
        train=channels["train"],
        validation=channels.get("validation"),
        output=Location(output.bucket, folder),
        max_runtime=float(request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DAY)),
        context=context,
        mlflow_arn=request.get("MlflowConfig", {}).get("MlflowResourceArn", ""),
    )
