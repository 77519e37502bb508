"""A reward in a file of one's own, called in a process of its own as Lambda would call it."""

import contextlib
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tunestep.certify.calls import MAX_ANSWER, Reply, failed

_CHILD = Path(__file__).with_name("reward_child.py")
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "REWARD_CONFIG")
"""Of the caller's environment; credentials are not among them."""

_START_SECONDS = 60.0
_CHUNK = 1 << 16


class FileReward:
    """The reward of a file. A call that passes ``timeout`` seconds ends its process, as Lambda does."""

    def __init__(self, file: Path, contract: str, timeout: float) -> None:
        self.title = str(file)
        self.timeout = timeout
        self._file, self._contract = file.absolute(), contract
        self._process: subprocess.Popen[bytes] | None = None
        self._pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def call(self, payload: bytes) -> Reply:
        started = time.monotonic()
        if self._process is None:
            answer = self._start()
            if "ready" not in answer:
                self._end()
                return _reply(answer, started)
            # Lambda's time-out does not begin before the function is loaded.
            started = time.monotonic()
        return _reply(self._ask(payload, self.timeout), started)

    def _start(self) -> dict[str, Any]:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter; the file is the caller's own
            [sys.executable, "-B", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, "REWARD_CONTRACT": self._contract},
            start_new_session=True,
        )
        self._pending = b""
        order = {"file": str(self._file), "path": [*_kit_folder(), str(self._file.parent)]}
        return self._ask(json.dumps(order).encode(), _START_SECONDS)

    def _ask(self, line: bytes, seconds: float) -> dict[str, Any]:
        """The answer to one line; ``lost`` in it says why there is none."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return {"lost": "error", "why": "Its process is not there."}
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(line + b"\n")
            process.stdin.flush()
        end = time.monotonic() + seconds
        while b"\n" not in self._pending:
            left = end - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                self._end()
                return {"lost": "timeout", "why": f"It was ended after {seconds:g} s."}
            chunk = os.read(process.stdout.fileno(), _CHUNK)
            self._pending += chunk
            if not chunk or len(self._pending) > 2 * MAX_ANSWER:
                self._end()
                why = "Its answer is larger than 6 MB." if chunk else "Its process ended."
                return {"lost": "error", "why": why}
        first, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(first)
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _reply(answer: dict[str, Any], started: float) -> Reply:
    seconds = time.monotonic() - started
    if "lost" in answer:
        return Reply(b"", seconds, "timeout" if answer["lost"] == "timeout" else "error", answer["why"])
    if "answer" not in answer:
        return failed(json.dumps(answer).encode(), seconds)
    payload = str(answer["answer"]).encode()
    if len(payload) > MAX_ANSWER:
        return Reply(b"", seconds, "error", "Its answer is larger than 6 MB.")
    return Reply(payload, seconds)


def _kit_folder() -> list[str]:
    spec = importlib.util.find_spec("reward_functions")
    return [str(Path(spec.origin).parents[1])] if spec and spec.origin else []
