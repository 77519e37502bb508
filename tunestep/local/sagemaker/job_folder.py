"""The folder of a job: what its worker is told, and what it reports."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tunestep.local.awsjson import AwsError
from tunestep.local.sagemaker.job_state import Job, WorkerStatus


class JobFolders:
    """``<root>/<job name>/`` with request.json and context.json in, status.json out (0700, files 0600).

    ``endpoint_url`` and ``mlflow_url`` are asked when a job is made: the port is known only then.
    """

    def __init__(
        self,
        root: Path,
        *,
        region: str,
        account: str,
        stop_grace_seconds: float,
        endpoint_url: Callable[[], str],
        mlflow_url: Callable[[], str],
    ) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root.resolve()
        self._fixed = {"region": region, "account": account, "stop_grace_seconds": stop_grace_seconds}
        self._endpoint_url, self._mlflow_url = endpoint_url, mlflow_url

    def path(self, name: str) -> Path:
        """The job's folder; refuses a name that leads anywhere else, through links too."""
        folder = self._root / name
        if folder.parent != self._root or folder.is_symlink() or folder.resolve() != folder:
            raise AwsError("ValidationException", f"{name!r} is not a training job name.")
        return folder

    def prepare(self, job: Job, source_model_s3_uri: str | None) -> None:
        """Write what the worker needs. A folder that no job owns (the service died here) is replaced."""
        folder = self.path(job.name)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        mlflow = job.request.get("MlflowConfig", {})
        context = {
            **self._fixed,
            "endpoint_url": self._endpoint_url(),
            "mlflow_url": self._mlflow_url() if mlflow else None,
            "mlflow_experiment_name": mlflow.get("MlflowExperimentName") or job.name,
            "mlflow_run_name": mlflow.get("MlflowRunName") or job.name,
            "source_model_s3_uri": source_model_s3_uri,
            "base_model_name": job.base_model,
        }
        _write(folder / "request.json", job.request)
        _write(folder / "context.json", context)


class StatusReader:
    """Reads status.json files, each again only when it was replaced."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, int, int]] = {}

    def read(self, folder: Path) -> WorkerStatus | None:
        """The report when it is new; None when it is missing, unchanged or not a report."""
        file = folder / "status.json"
        try:
            stat = file.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if self._seen.get(file) == stamp:
                return None
            report = msgspec.json.decode(file.read_bytes(), type=WorkerStatus)
        except (OSError, msgspec.DecodeError):
            return None
        self._seen[file] = stamp
        return report

    def forget(self, folder: Path) -> None:
        self._seen.pop(folder / "status.json", None)


def _write(file: Path, document: dict[str, Any]) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
