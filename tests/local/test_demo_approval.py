"""make demo-approval: it asks, waits for a person, and leaves nothing behind."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.laptop import COMMAND, Laptop, line_with
from tunestep.local import control

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str], Path]]:
    laptop = Laptop(tmp_path)
    process = subprocess.Popen(  # noqa: S603 - our script
        [sys.executable, str(ROOT / "scripts" / "demo_approval.py")],
        env=laptop.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process, laptop.environment, laptop.home
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    control.reset(laptop.home)


@pytest.mark.parametrize(("button", "code"), [("approve", 0), ("decline", 1)])
def test_it_prints_the_link_and_waits_until_somebody_decides(
    demo: tuple[subprocess.Popen[str], dict[str, str], Path], button: str, code: int
) -> None:
    process, environment, home = demo
    assert process.stdout is not None
    link = line_with(process.stdout, "/approvals/").strip()
    assert "?k=" in link
    _, *press = shlex.split(line_with(process.stdout, f" {button}"))
    line_with(process.stdout, "Waiting.")
    assert process.poll() is None
    pressed = subprocess.run(  # noqa: S603 - our command
        [str(COMMAND), *press[1:]], env=environment, check=False
    )
    assert pressed.returncode == 0
    out, err = process.communicate(timeout=90)
    assert process.returncode == code, out + err
    assert ("no run to retry" in out) is bool(code)
    assert not home.exists()


def test_an_interrupt_removes_everything(demo: tuple[subprocess.Popen[str], dict[str, str], Path]) -> None:
    process, _, home = demo
    assert process.stdout is not None
    line_with(process.stdout, "Waiting.")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
    assert not home.exists()
