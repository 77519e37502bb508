"""One synthesis per kind of settings and session, shared between test processes."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.definition import state_machine_definition
from tests.infra.support import FULL_SETTINGS, FULL_STACK, run_app


def _synthesized(tmp_path_factory: pytest.TempPathFactory, name: str, **variables: str) -> Path:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = shared / f"assembly-{name}"
    with (shared / f"assembly-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            folder.mkdir()
            done = run_app(folder, **variables)
            assert done.returncode == 0, done.stderr
    return folder / "cdk.out"


def _template(assembly: Path, stack: str) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((assembly / f"{stack}.template.json").read_text())
    return template


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly with default settings."""
    return _synthesized(tmp_path_factory, "default")


@pytest.fixture(scope="session")
def template(assembly: Path) -> dict[str, Any]:
    """The template with default settings."""
    return _template(assembly, "tunestep")


@pytest.fixture(scope="session")
def full_template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The template with every setting on and the longest stack name."""
    assembly = _synthesized(tmp_path_factory, "full", TUNESTEP_SETTINGS_FILE=str(FULL_SETTINGS))
    return _template(assembly, FULL_STACK)


@pytest.fixture(scope="session")
def definition(template: Mapping[str, Any]) -> dict[str, Any]:
    """The state machine's definition with readable ARNs."""
    return state_machine_definition(template)
