"""Ctrl-C while a run is being started: the run it hits is stopped, not forgotten."""

import os
import signal
from typing import Any

import pytest

from tunestep.cli import run as command
from tunestep.cli.interrupts import HeldBack


class Target:
    """A stack whose start is interrupted, and which notes what is asked of it."""

    local, flag, home = True, "--local", None

    def __init__(self) -> None:
        self.asked: list[str] = []

    def call(self, verb: str, payload: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(verb)
        if verb == "start":
            os.kill(os.getpid(), signal.SIGINT)
            return {"run_id": "r-1", "execution_arn": "arn"}
        return {"run": payload["run"], "status": "STOPPING", "message": ""}


@pytest.mark.parametrize("detach", [False, True])
def test_a_run_whose_start_was_interrupted_is_stopped_by_its_name(
    detach: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = type("Seen", (), {"status": "FAILED", "error": "StoppedByUser", "document": {}})()
    monkeypatch.setattr(command, "follow", lambda *_, **__: ended)
    monkeypatch.setattr(command, "print_next", lambda *_: None)
    target: Any = Target()
    with pytest.raises(SystemExit) as left:
        command._start(target, {"request": {}}, detach, as_json=False)
    assert (left.value.code, target.asked) == (1, ["start", "stop"])
    assert "Stopping r-1" in capsys.readouterr().err


def test_ctrl_c_works_again_afterwards() -> None:
    with HeldBack() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
    assert interrupt.came
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        signal.sigtimedwait([], 1)
