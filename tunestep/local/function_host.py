"""The process that function workers are forked from: everything they import is imported once, here.

A worker of its own costs about 0.35 s of processor time in imports, times a dozen functions in a run;
a fork of this process costs 10 ms and parses no service model twice. The host holds no thread and no
client, so that a fork is safe. One JSON line per order on its standard input:
``{"spawn": id, "environ": {...}, "cwd": ..., "handler": ..., "path": [...], "log": ...}`` or
``{"kill": pid}``; one per event on its standard output: ``{"spawned": id, "pid": n}``,
``{"exited": pid, "code": n}`` (negative: the signal). It ends, with its workers, at end of input.
"""

import contextlib
import functools
import json
import os
import select
import signal
import sys
from types import FrameType
from typing import Any, NoReturn


def isolate(package_root: str) -> None:
    """Leave the assembly as it is, bytecode included, and our own package off the path.

    The assets come compiled, and so does what `make setup` installs.
    """
    sys.dont_write_bytecode = True
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != package_root]


def preload() -> None:
    """Import what the functions use and parse what their clients read."""
    import aws_lambda_powertools.logging  # noqa: PLC0415
    import aws_lambda_powertools.metrics  # noqa: F401, PLC0415
    import boto3  # noqa: PLC0415
    import botocore.loaders  # noqa: PLC0415
    import msgspec  # noqa: F401, PLC0415

    loader = botocore.loaders.JSONFileLoader
    read = functools.lru_cache(maxsize=256)(functools.partial(loader.load_file, loader()))
    loader.load_file = lambda _, path: read(path)
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")  # noqa: S106
    for service in ("s3", "sagemaker", "dynamodb", "stepfunctions", "iam", "sns", "lambda"):
        session.client(service)


def run_worker(order: dict[str, Any]) -> NoReturn:
    """Become a Lambda worker: the environment, the folder, the log, then the real runtime client."""
    os.setsid()
    os.closerange(3, 64)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["cwd"])
    sys.path[:0] = order["path"]
    # The runtime client reads its address from the environment when it is imported, hence here.
    from awslambdaric.__main__ import main  # noqa: PLC0415

    code = 0
    try:
        main(["awslambdaric", order["handler"]])
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    os._exit(code)


class Host:
    """The order loop."""

    def __init__(self) -> None:
        self._workers: set[int] = set()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._pending = b""
        signal.signal(signal.SIGCHLD, self._woken)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _woken(self, _signal: int, _frame: FrameType | None) -> None:
        os.write(self._wake_write, b".")

    def serve(self) -> None:
        tell({"ready": os.getpid()})
        while True:
            readable, _, _ = select.select([0, self._wake_read], [], [])
            if self._wake_read in readable:
                os.read(self._wake_read, 4096)
            self._reap()
            if 0 in readable and not self._orders():
                break
        for pid in self._workers:
            os.kill(pid, signal.SIGKILL)

    def _orders(self) -> bool:
        data = os.read(0, 1024 * 1024)
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return bool(data)

    def _obey(self, order: dict[str, Any]) -> None:
        if "kill" in order:
            if order["kill"] in self._workers:
                os.kill(order["kill"], signal.SIGKILL)
            return
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            run_worker(order)
        self._workers.add(pid)
        tell({"spawned": order["spawn"], "pid": pid})

    def _reap(self) -> None:
        while self._workers:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._workers.discard(pid)
            tell({"exited": pid, "code": os.waitstatus_to_exitcode(status)})


def tell(event: dict[str, Any]) -> None:
    # When nobody reads any more, the end of input is next, and with it the end.
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(event).encode() + b"\n")


if __name__ == "__main__":
    isolate(sys.argv[1])
    preload()
    Host().serve()
