"""The command in this process: exit code, output and errors, with the environment put back."""

import json
import os
from typing import Any, NamedTuple

import pytest

from tunestep.cli.main import main


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def tunestep(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    """Run the command to its end; it must not print a traceback."""
    saved = dict(os.environ)
    capsys.readouterr()
    try:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
    finally:
        os.environ.clear()
        os.environ.update(saved)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert isinstance(ended.value.code, int)
    return Outcome(ended.value.code, out, err)
