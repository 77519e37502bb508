"""How long the stack's synthesis takes, in a process of its own, as CDK starts it."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Limit

ROOT = Path(__file__).parents[1]
NOTES = """\
A synthesis is `app.py` in a new process, jsii's Node included, that writes a whole assembly. Again into the
same folder is what somebody does who deploys twice; into a new one, each function's asset is put together
anew from the wheels that `make setup` fetched."""


def everything() -> list[Limit]:
    """All measurements of the synthesis."""
    kept = _folder()
    return [
        Limit("synthesis, again into the same folder", 10, lambda number: kept, _synthesized, _check),
        Limit("synthesis into a new folder", 20, lambda number: _folder(), _synthesized, _check),
    ]


def _folder() -> Path:
    """An empty one, which goes when the benchmark ends."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _synthesized(folder: Path) -> list[str]:
    """The names of the functions of the template that was written."""
    environment = {**os.environ, "CDK_OUTDIR": str(folder)}
    subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, check=True, capture_output=True)
    template = json.loads((folder / "tunestep.template.json").read_text("utf-8"))
    return [name for name, what in template["Resources"].items() if what["Type"] == "AWS::Lambda::Function"]


def _check(functions: list[str]) -> None:
    assert functions, "the template has no function"  # noqa: S101 - a benchmark checks what it measures
