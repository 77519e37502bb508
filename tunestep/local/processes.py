"""Processes found by their command line, and told from others that later got the same number."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc/self")


def identity(pid: int) -> str:
    """A text that no later process with this number will have; empty when there is no such process.

    A zombie counts as gone: it has ended, and only waits to be reaped.
    """
    return _from_proc(pid) if _PROC.is_dir() else _from_ps(pid)


def _from_proc(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The command's name may hold blanks and parentheses; what follows the last one does not (proc(5)).
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def command_lines() -> Iterator[tuple[int, str]]:
    """Every process with its command line, arguments parted by blanks; zombies have none and are left out."""
    if not _PROC.is_dir():
        yield from _lines_from_ps()
        return
    for folder in _PROC.parent.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                if line := os.fsdecode(b" ".join(words)):
                    yield int(folder.name), line


def _lines_from_ps() -> Iterator[tuple[int, str]]:
    listing = subprocess.run(
        ["/bin/ps", "-A", "-ww", "-o", "pid=,command="], capture_output=True, text=True, check=False
    ).stdout
    for row in listing.splitlines():
        pid, _, line = row.strip().partition(" ")
        yield int(pid), line.strip()


def _from_ps(pid: int) -> str:
    answer = subprocess.run(  # noqa: S603 - fixed command, the argument is a number
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def alive(pid: int, known: str) -> bool:
    """Whether the process is still the one that had this identity."""
    return bool(known) and identity(pid) == known


def reap(pid: int) -> None:
    """Free a child that has ended; does nothing for others."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def send(pid: int, known: str, number: signal.Signals) -> None:
    """Send a signal to the process, unless it is gone or another has its number."""
    if alive(pid, known):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
