"""Lambda functions on the laptop: the real runtime client in a worker process per concurrent invocation.

Behaviour: AWS Lambda developer guide, "Understanding the Lambda execution environment lifecycle" and
"Lambda function errors". There is no memory limit, no concurrency limit and no file system of its own.
"""

import base64
import contextlib
import hashlib
import os
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tunestep.local.access import keys
from tunestep.local.awsjson import AwsError
from tunestep.local.children import DUMMY_KEY, child_environment
from tunestep.local.interpreter.engine import Invocation
from tunestep.local.runtime_api import MAX_PAYLOAD, Job, RuntimeApi, failure
from tunestep.local.worker_host import HostGoneError, WorkerHost

LOG_LIMIT = 5 * 1024 * 1024
"""A function's log starts anew above this many bytes; the one before it is kept."""

INIT_SECONDS = 30.0
"""How long a cold start may take. Lambda allows 10 s; a laptop may be busy with training."""


class Function(NamedTuple):
    """One function as the template describes it. ``timeout`` in seconds, ``memory`` in MB."""

    name: str
    arn: str
    code: Path
    handler: str
    variables: Mapping[str, str]
    timeout: int = 3
    memory: int = 128
    description: str = ""
    role: str = ""
    runtime: str = "python3.11"
    retries: int = 2
    tags: Mapping[str, str] = {}
    digest: str = ""

    @property
    def code_sha256(self) -> str:
        """SHA-256 in base64, as Lambda gives it: of the zip file, or of the code folder's name, as assets are
        named by the hash of their content."""
        return self.digest or base64.b64encode(hashlib.sha256(self.code.name.encode()).digest()).decode()


class Worker:
    """One execution environment of a function."""

    def __init__(self, function: Function, host: WorkerHost, environment: dict[str, str], log: Path) -> None:
        """Raises HostGoneError."""
        self.function = function
        self.alive = True
        self.last_exit = 0
        self._api = RuntimeApi()
        self._host = host
        order = {
            "environ": {**environment, "AWS_LAMBDA_RUNTIME_API": self._api.address},
            "cwd": str(function.code),
            "path": [str(function.code)],
            "handler": function.handler,
            "log": str(log),
        }
        try:
            self._pid = host.spawn(order, self._ended)
        except HostGoneError:
            self._api.close()
            raise

    def wait_ready(self) -> bool:
        """Wait for the end of the init phase; false when the function cannot start."""
        return self._api.ready.wait(INIT_SECONDS) and self._api.init_error is None and self.alive

    def invoke(self, payload: bytes) -> Invocation:
        """Run one invocation; a worker that times out or dies answers for itself and is not alive after."""
        job = Job(payload=payload, timeout=float(self.function.timeout), arn=self.function.arn)
        if not self.wait_ready():
            self.kill()
            return self._not_started(job)
        self._api.submit(job)
        if not self.alive:
            self._api.abandon(self._exited)
        try:
            return job.answer.get(timeout=self.function.timeout)
        except queue.Empty:
            self.kill()
            limit = f"{self.function.timeout:.2f}"
            return failure(
                "Sandbox.Timedout", f"RequestId: {job.id} Error: Task timed out after {limit} seconds"
            )

    def _not_started(self, job: Job) -> Invocation:
        if self._api.init_error is not None:
            return Invocation(self._api.init_error, True)
        return self._exited(job)

    def _exited(self, job: Job) -> Invocation:
        code = self.last_exit
        how = f"signal: {-code}" if code < 0 else f"exit status {code}"
        return failure("Runtime.ExitError", f"RequestId: {job.id} Error: Runtime exited with error: {how}")

    def _ended(self, code: int) -> None:
        self.last_exit, self.alive = code, False
        self._api.ready.set()
        self._api.abandon(self._exited)

    def kill(self) -> None:
        self.alive = False
        self._host.kill(self._pid)
        self._api.close()


def _full(log: Path) -> bool:
    return log.is_file() and log.stat().st_size > LOG_LIMIT


class FunctionPool:
    """All functions. ``folder`` holds a folder per function with its log and private home."""

    def __init__(self, folder: Path, *, endpoint_url: str, region: str, laptop: str = "open") -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._endpoint_url, self._region, self._laptop = folder, endpoint_url, region, laptop
        self._functions: dict[str, Function] = {}
        self._idle: dict[str, list[Worker]] = {}
        self._workers: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        home = folder / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        self._host = WorkerHost(
            folder, child_environment(endpoint_url=endpoint_url, region=region, private_home=home)
        )

    def put(self, function: Function) -> None:
        """Create or replace a function; workers of what it was finish their invocation and end."""
        with self._lock:
            unchanged = self._functions.get(function.name) == function
            self._functions[function.name] = function
            idle = [] if unchanged else self._idle.pop(function.name, [])
        for worker in idle:
            self._retire(worker)

    def remove(self, name: str) -> None:
        """Take a function away; its workers finish their invocation and end."""
        with self._lock:
            self._functions.pop(name, None)
            idle = self._idle.pop(name, [])
        for worker in idle:
            self._retire(worker)

    def get(self, name_or_arn: str) -> Function:
        """Raises AwsError as Lambda does for a function that is not there."""
        name = name_or_arn.partition(":function:")[2] or name_or_arn
        function = self._functions.get(name.partition(":")[0])
        if function is None:
            raise AwsError("ResourceNotFoundException", f"Function not found: {name_or_arn}", 404)
        return function

    def all(self) -> list[Function]:
        return [self._functions[name] for name in sorted(self._functions)]

    def invoke(self, name_or_arn: str, payload: bytes) -> Invocation:
        """Invoke and wait. Raises AwsError for a function that is not there or cannot be run at all."""
        function = self.get(name_or_arn)
        if len(payload) > MAX_PAYLOAD:
            raise AwsError("RequestTooLargeException", f"the payload has more than {MAX_PAYLOAD} bytes", 413)
        worker = self._take(function)
        try:
            return worker.invoke(payload or b"{}")
        finally:
            self._give_back(worker)

    def prewarm(self, names: Iterable[str]) -> None:
        """Start one worker of each, one after the other, so that their first invocations are warm."""
        for name in names:
            if self._closed:
                return
            with contextlib.suppress(AwsError):
                worker = self._take(self.get(name))
                worker.wait_ready()
                self._give_back(worker)

    def _take(self, function: Function) -> Worker:
        with self._lock:
            idle = self._idle.get(function.name, [])
            while idle:
                worker = idle.pop()
                if worker.alive and worker.function == function:
                    return worker
        try:
            log = self._log(function)
            if _full(log):
                log.replace(log.with_name("log.1.txt"))
            worker = Worker(function, self._host, self._environment(function), log)
        except HostGoneError as fault:
            raise AwsError("ServiceException", str(fault), 500) from None
        with self._lock:
            self._workers.add(worker)
        return worker

    def _give_back(self, worker: Worker) -> None:
        name = worker.function.name
        with self._lock:
            usable = worker.alive and self._functions.get(name) == worker.function and not self._closed
            full = _full(self._log(worker.function))
            if usable and not full:
                self._idle.setdefault(name, []).append(worker)
                return
            # A log starts anew with a new worker, and only when nobody writes to it any more.
            others = self._idle.pop(name, []) if full else []
        for retired in (worker, *others):
            self._retire(retired)

    def _retire(self, worker: Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.kill()

    def _own_folder(self, function: Function) -> Path:
        folder = self._folder / function.name
        (folder / "home").mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _log(self, function: Function) -> Path:
        return self._own_folder(function) / "log.txt"

    def _environment(self, function: Function) -> dict[str, str]:
        return child_environment(
            endpoint_url=self._endpoint_url,
            region=self._region,
            private_home=self._own_folder(function) / "home",
            access_key=keys.of_role(function.role) if function.role else DUMMY_KEY,
            extra={
                **function.variables,
                "TUNESTEP_LAPTOP": self._laptop,
                "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": self._endpoint_url,
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": f"{os.getpid()}-{int(time.time())}",
                "LAMBDA_TASK_ROOT": str(function.code),
                "_HANDLER": function.handler,
                "TZ": "UTC",
            },
        )

    def close(self) -> None:
        """End every worker; invocations on their way answer with Runtime.ExitError."""
        with self._lock:
            self._closed = True
            workers = list(self._workers)
        self._host.close()
        for worker in workers:
            worker.kill()
