"""The weights a job starts from, and the files it ends with."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tunestep.aws import Client
from tunestep.local.training import data_files, model, storage, weights
from tunestep.local.training.job import Job
from tunestep.local.training.lora import LoraWeights, Trainable
from tunestep.local.training.model import ModelConfig, Params

REPORT = "report.json"
"""The report's file, beside the model's folder in the job's output."""


class Start(NamedTuple):
    """The weights that a job starts from."""

    params: Params
    config: ModelConfig
    continued: bool


def start(job: Job, s3: Client, seed: int) -> Start:
    """The source package's weights, or random ones drawn with ``seed``.

    Raises:
        TrainingFault: the source's weights cannot be read.
    """
    source = job.context.source_model_s3_uri
    if source is None:
        config = job.context.model.config()
        return Start(model.fresh(config, seed), config, False)
    with tempfile.TemporaryDirectory() as name:
        storage.download_model(s3, data_files.locate(source), Path(name))
        return Start(*weights.load(Path(name)), True)


def upload(job: Job, s3: Client, trained: Start, trainable: Trainable, report: Mapping[str, Any]) -> None:
    """Writes weights, adapter and report to the job's output.

    Raises:
        TrainingFault: the output bucket refuses.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights.save(folder, trained.params, trained.config)
        if isinstance(trainable, LoraWeights):
            weights.save_adapter(folder / weights.ADAPTER, trainable)
        storage.upload_folder(s3, folder, job.model_location)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / REPORT).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        storage.upload_folder(s3, Path(name), job.output)
