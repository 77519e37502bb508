"""What people check training data with today: a loop around json.loads, and the SageMaker SDK's validator."""

import atexit
import contextlib
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SDK_PYTHON = Path(os.environ.get("TUNESTEP_SDK_PYTHON", ".venv-sdk/bin/python"))
"""Python of the environment that requirements/sdk.txt describes."""
_ROLES = ("system", "user", "assistant", "tool")
_WORKER = """
import sys
from sagemaker.core.telemetry import telemetry_logging
telemetry_logging._telemetry_emitter = lambda **_: lambda function: function
from sagemaker.ai_registry.dataset_validation import validate_dataset
for line in sys.stdin:
    path, technique = line.rstrip("\\n").rsplit(" ", 1)
    validate_dataset(path, technique)
    print("done", flush=True)
"""


def _messages(value: Any, last: str) -> None:
    if not isinstance(value, list) or not value:
        raise ValueError("messages")
    before = ""
    for message in value:
        role, content = message.get("role"), message.get("content")
        if role not in _ROLES or role == before or (role == "system" and before):
            raise ValueError("role")
        if not isinstance(content, str) or not content.strip():
            raise ValueError("content")
        before = role
    if before != last:
        raise ValueError("last")


def _texts(row: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        value = row.get(name)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(name)


def _by_hand(kind: str, row: dict[str, Any]) -> None:
    if kind == "chat":
        _messages(row.get("messages"), "assistant")
    elif kind == "pair":
        _texts(row, ("prompt", "completion"))
    elif kind == "preference":
        _texts(row, ("prompt", "chosen", "rejected"))
        if row["chosen"] == row["rejected"]:
            raise ValueError("equal")
    else:
        _messages(row.get("prompt"), "user")
        if not isinstance(row.get("data_source"), str) or not row["reward_model"].get("ground_truth"):
            raise ValueError("ground truth")


def checked_by_hand(kind: str, lines: Any) -> int:
    """Rows that were read with json.loads and checked by the same rules."""
    rows = 0
    for line in lines:
        if line.strip():
            _by_hand(kind, json.loads(line))
            rows += 1
    return rows


@functools.cache
def _worker() -> "subprocess.Popen[str]":
    environment = os.environ | {"AWS_DEFAULT_REGION": "us-west-2", "AWS_EC2_METADATA_DISABLED": "true"}
    worker = subprocess.Popen(  # noqa: S603 - the environment's own interpreter
        [str(SDK_PYTHON), "-c", _WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    atexit.register(worker.kill)
    return worker


def checked_by_sdk(path: Path, technique: str) -> None:
    """One file through the SDK's validate_dataset, in a process that has the SDK loaded already.

    Its telemetry, which takes longer than the check, is left out.
    """
    worker = _worker()
    if worker.stdin is None or worker.stdout is None:
        raise RuntimeError("the SDK's process has no pipes")
    with contextlib.suppress(BrokenPipeError):
        print(path, technique, file=worker.stdin, flush=True)
    while (said := worker.stdout.readline()).strip() != "done":
        if not said:
            raise RuntimeError("the SDK's validator refused the file or is not installed")


def has_sdk() -> bool:
    if not SDK_PYTHON.exists():
        print(f"left out: no SDK at {SDK_PYTHON} (TUNESTEP_SDK_PYTHON)", file=sys.stderr)
        return False
    return True
