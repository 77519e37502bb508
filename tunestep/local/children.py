"""Child processes: the environment they get, and the training workers among them.

A child's environment is made from scratch, never filtered from ours: what is not listed here is not
there, so no credential, profile or proxy of the user's reaches code that runs in the laptop cloud.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tunestep.local import processes
from tunestep.local.training import WORKER_ENV

DUMMY_KEY = "laptop"
"""Access key and secret of the user's clients, and everybody's secret; no service checks a signature."""

WORKER_LOG = "worker.log"
_WORKER_MODULE = "tunestep.local.training.worker"


def child_environment(
    *,
    endpoint_url: str,
    region: str,
    private_home: Path,
    access_key: str = DUMMY_KEY,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The whole environment of a function or a worker; ``extra`` (a function's own variables) loses
    against what keeps the process inside the laptop cloud.

    ``private_home`` becomes HOME and has to exist. ``access_key`` says whose permissions the process has.
    """
    return {
        **(extra or {}),
        "PATH": os.defpath.removeprefix(":"),
        "LANG": "C.UTF-8",
        "HOME": str(private_home),
        "TMPDIR": str(private_home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": DUMMY_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint_url,
        "NO_PROXY": "*",
    }


_OF_THE_USER = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH",
        "LD_LIBRARY_PATH", "JSII_NODE", "JSII_RUNTIME_PACKAGE_CACHE_ROOT", "XDG_CACHE_HOME",
    }
)  # fmt: skip
"""What Python, Node and the CDK need of the user's environment; the rest may hold secrets."""


def cloud_environment() -> dict[str, str]:
    """The environment of the laptop cloud's own process, made from ours."""
    kept = {name: value for name, value in os.environ.items() if name in _OF_THE_USER}
    path = os.pathsep.join(filter(None, [str(package_root()), kept.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path}


def purge_own_environment() -> None:
    """Drop from this process what its own AWS clients and its children could pick up."""
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "BOTO_", "MOTO_")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID=DUMMY_KEY,
        AWS_SECRET_ACCESS_KEY=DUMMY_KEY,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="*",
    )


def package_root() -> Path:
    """The folder that holds the ``tunestep`` package."""
    return Path(__file__).resolve().parents[2]


def launch_worker(job_dir: Path, *, endpoint_url: str, region: str, access_key: str = DUMMY_KEY) -> int:
    """Start the training worker of a job folder, in a session of its own; returns its process id.

    It goes on when the laptop cloud stops, and is found again by its job folder. ``access_key`` says whose
    permissions it has. Raises OSError.
    """
    home = job_dir / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    environment = child_environment(
        endpoint_url=endpoint_url,
        region=region,
        private_home=home,
        access_key=access_key,
        extra={**WORKER_ENV, "PYTHONPATH": str(package_root())},
    )
    descriptor = os.open(job_dir / WORKER_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - this interpreter, our module, a folder we made
            [sys.executable, "-m", _WORKER_MODULE, str(job_dir)],
            cwd=job_dir,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        ).pid
    finally:
        os.close(descriptor)


def find_worker(job_dir: Path) -> int | None:
    """The process id of the worker that launch_worker started for a job folder, if it lives."""
    return workers(job_dir.parent).get(job_dir)


def workers(jobs: Path) -> dict[Path, int]:
    """Process ids of the living workers by job folder, for all in one folder; told by their command line."""
    wanted = f" -m {_WORKER_MODULE} {jobs}{os.sep}"
    found = {}
    for pid, line in processes.command_lines():
        _, here, job = line.partition(wanted)
        if here:
            found[jobs / job] = pid
    return found
