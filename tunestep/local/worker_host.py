"""Our side of the function host: spawns workers, hears of their end."""

import contextlib
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunestep.local import children, function_host


class HostGoneError(Exception):
    """The function host has ended; no worker can be made."""


class WorkerHost:
    """The function host process. Thread-safe."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        """``folder`` keeps the host's log; ``environment`` is what /proc shows of a worker."""
        self._ids = itertools.count()
        self._lock = threading.Lock()
        self._spawned: dict[int, Callable[[int], None]] = {}
        self._exited: dict[int, Callable[[int], None]] = {}
        with (folder / "host.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own file
                [
                    sys.executable,
                    "-I",
                    str(Path(function_host.__file__).resolve()),
                    str(children.package_root()),
                ],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        threading.Thread(target=self._listen, name="function-host", daemon=True).start()

    def spawn(self, order: dict[str, Any], on_exit: Callable[[int], None]) -> int:
        """Fork a worker; returns its process id. ``on_exit`` gets the exit code (negative: the signal).

        Raises HostGoneError.
        """
        number = next(self._ids)
        arrived = threading.Event()
        pids: list[int] = []

        def spawned(pid: int) -> None:
            self._exited[pid] = on_exit
            pids.append(pid)
            arrived.set()

        self._spawned[number] = spawned
        self._tell({"spawn": number, **order})
        if not arrived.wait(30):
            raise HostGoneError("the function host does not answer; see functions/host.log")
        return pids[0]

    def kill(self, pid: int) -> None:
        with contextlib.suppress(HostGoneError):
            self._tell({"kill": pid})

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe, by the constructor
        try:
            with self._lock:
                self._process.stdin.write(json.dumps(order).encode() + b"\n")
                self._process.stdin.flush()
        except (OSError, ValueError):
            raise HostGoneError("the function host has ended; see functions/host.log") from None

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            event = json.loads(line)
            if "spawned" in event:
                self._spawned.pop(event["spawned"])(event["pid"])
            elif on_exit := self._exited.pop(event.get("exited"), None):
                on_exit(event["code"])
        for on_exit in list(self._exited.values()):
            on_exit(-9)

    def close(self) -> None:
        """End the host and every worker."""
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
