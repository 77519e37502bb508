"""Starting, finding and ending the laptop cloud, for the command and for tests."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tunestep.local import children, process

if TYPE_CHECKING:
    from tunestep.local.world import World

START_SECONDS = 60.0
STOP_SECONDS = 20.0
LOG = "cloud.log"
LOG_LIMIT = 5 * 1024 * 1024

_OURS = frozenset(
    {
        "assembly", "cloud.log", "cloud.1.log", "endpoint.json", "functions", "jobs", "journal.sqlite",
        "lock", "runs", "mlflow.sqlite", "objects", "outbox", "port", "sagemaker.sqlite", "sfn.sqlite",
        "slack", "created_functions", "function_key", "iam.jsonl",
    }
)  # fmt: skip
_TAIL_LINES = 15


class ControlError(Exception):
    """The laptop cloud cannot be started or ended; the message says why and what to do."""


class Endpoint(NamedTuple):
    """A cloud that answers. ``pid`` is 0 for one inside this process."""

    url: str
    pid: int
    region: str
    account: str
    stack: str
    settings: str | None = None
    world: str | None = None
    code: str | None = None
    """What it deployed, as the assembly's content hash."""


def running(home: Path) -> Endpoint | None:
    """The cloud of this home, if one is ready."""
    try:
        document = json.loads((home / process.ENDPOINT).read_text())
        known = {**Endpoint._field_defaults, **document}
        endpoint = Endpoint(**{key: known[key] for key in Endpoint._fields})
    except (OSError, ValueError, KeyError):
        return None
    return endpoint if _locked(home) else None


def _locked(home: Path) -> bool:
    """Whether a process serves this home: it holds the lock, however it came to its id."""
    try:
        with (home / process.LOCK).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def ensure(
    home: Path,
    *,
    settings_file: Path | None = None,
    world_file: Path | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Endpoint:
    """The cloud of this home, started if need be; without a file, ./tunestep.yaml is the settings.

    One that deployed other code or settings than are there now is started anew, unless a run is under way.

    Raises ControlError, also when one runs with other settings or another world than those named.
    """
    from tunestep.settings import DEFAULT_FILE  # noqa: PLC0415

    settings = settings_file or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None)
    settings = settings.absolute() if settings else None
    world = world_file.absolute() if world_file else None
    if there := running(home):
        _check_same(there, settings, world)
        if not _outdated(there):
            return there
        if _busy(home):
            on_progress("the code or the settings have changed; what runs now ends with what was deployed")
            return there
        on_progress("the code or the settings have changed: starting the laptop cloud anew")
        settings, world = (Path(file) if file else None for file in (there.settings, there.world))
        stop(home)
    on_progress("starting the laptop cloud")
    started = _launch(home, settings, world)
    return _wait(home, started, on_progress)


def _check_same(there: Endpoint, settings: Path | None, world: Path | None) -> None:
    for what, asked, has in (("settings", settings, there.settings), ("world", world, there.world)):
        if asked is not None and str(asked) != has:
            raise ControlError(
                f"the laptop cloud runs with {what} {has or '(the built-in ones)'}, not with {asked}; "
                "end it first: tunestep local stop"
            )


def _outdated(there: Endpoint) -> bool:
    """Whether the sources or the settings are not those that were deployed."""
    from tunestep.local import assembly  # noqa: PLC0415 - a cloud that has to be started needs none of it

    settings = Path(there.settings) if there.settings else None
    try:
        return there.code is not None and there.code != assembly.content_hash(
            children.package_root(), settings
        )
    except OSError:
        return False


def _busy(home: Path) -> bool:
    """Whether an execution has not ended; also when that cannot be found out."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{home / 'sfn.sqlite'}?mode=ro", uri=True)) as store:
            return store.execute("SELECT 1 FROM executions WHERE status = 'RUNNING'").fetchone() is not None
    except sqlite3.Error:
        return True


def _launch(home: Path, settings: Path | None, world: Path | None) -> subprocess.Popen[bytes]:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise ControlError(f"cannot make the folder {home}: {fault.strerror}") from None
    log_path = home / LOG
    if log_path.is_file() and log_path.stat().st_size > LOG_LIMIT:
        log_path.replace(home / "cloud.1.log")
    descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - this interpreter, our module, paths
            [
                sys.executable, "-m", "tunestep.local.process", "--home", str(home),
                "--settings", str(settings or "none"), "--world", str(world or "none"),
            ],
            cwd=home,
            env=children.cloud_environment(),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(descriptor)


def _wait(home: Path, started: subprocess.Popen[bytes], on_progress: Callable[[str], None]) -> Endpoint:
    begun = time.monotonic()
    told = False
    while time.monotonic() - begun < START_SECONDS:
        code = started.poll()
        # Somebody else may have started one at the same moment; then that one is as good. While ours starts,
        # an address that is not its own is one that a killed cloud left behind.
        endpoint = running(home)
        if endpoint and (endpoint.pid == started.pid or code == process.IN_USE):
            on_progress(f"the laptop cloud answers at {endpoint.url}")
            return endpoint
        if code is not None and code != process.IN_USE:
            raise ControlError(f"the laptop cloud did not start:\n{_tail(home)}")
        if not told and time.monotonic() - begun > 4:
            on_progress("synthesizing and deploying the template")
            told = True
        time.sleep(0.05)
    if started.poll() is None:
        started.terminate()
    raise ControlError(f"the laptop cloud was not ready after {START_SECONDS:.0f} s:\n{_tail(home)}")


def _tail(home: Path) -> str:
    try:
        lines = (home / LOG).read_text(errors="replace").splitlines()
    except OSError:
        return f"(no log at {home / LOG})"
    return "\n".join([*lines[-_TAIL_LINES:], f"(more in {home / LOG})"])


def stop(home: Path) -> bool:
    """End the cloud of this home; false when none runs. Raises ControlError when it does not end.

    One that still starts ends as soon as it is ready.
    """
    endpoint = running(home)
    pid = endpoint.pid if endpoint else _starting(home)
    if not pid:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + (0 if endpoint else START_SECONDS)
    while _locked(home):
        if time.monotonic() > deadline:
            raise ControlError(f"the laptop cloud (process {pid}) does not end; see {home / LOG}")
        time.sleep(0.05)
    return True


def _starting(home: Path) -> int:
    """The process that serves this home and is not ready; 0 when there is none."""
    try:
        return int((home / process.LOCK).read_text()) if _locked(home) else 0
    except (OSError, ValueError):
        return 0


def reset(home: Path) -> None:
    """End the cloud and its training workers, and delete its state. Files that are not the cloud's stay."""
    stop(home)
    _end_workers(home / "jobs")
    if not home.is_dir():
        return
    for path in home.iterdir():
        if path.name.removesuffix("-wal").removesuffix("-shm") not in _OURS:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    with contextlib.suppress(OSError):
        home.rmdir()


def _end_workers(jobs: Path) -> None:
    """End the workers of this home; their folders are about to be deleted."""
    if not jobs.is_dir():
        return
    for pid in children.workers(jobs.resolve()).values():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def ephemeral(world: "World") -> Iterator[Endpoint]:
    """SageMaker and moto for the length of a ``with``, in threads of this process, nothing on disk.

    The world is seeded. One at a time per process; the account of the first is moto's for good.
    """
    from tunestep.aws import Clients  # noqa: PLC0415
    from tunestep.local.cloud import prepare_moto  # noqa: PLC0415

    saved = dict(os.environ)
    children.purge_own_environment()
    prepare_moto(world.region, world.account)
    from tunestep.local import moto_backend  # noqa: PLC0415 - moto reads its environment at import
    from tunestep.local.front import Front, MotoService, Server  # noqa: PLC0415
    from tunestep.local.sagemaker.service import SageMakerService  # noqa: PLC0415
    from tunestep.local.worlds.functions import DescribedFunctions  # noqa: PLC0415

    moto_backend.forget()
    moto_backend.install(on_email=_nobody, on_event=_nobody)
    moto = MotoService(moto_backend.application(), account=world.account, kept=None)
    functions = DescribedFunctions(world.functions, region=world.region, account=world.account)
    front = Front(moto=moto, functions=functions)
    server = Server(front, 0)
    sagemaker = SageMakerService(
        ":memory:",
        world=world,
        jobs_dir=None,
        emit=_nobody,
        launch=_no_worker,
        find_worker=_nobody,
        region=world.region,
        account=world.account,
        endpoint_url_getter=lambda: server.url,
    )
    try:
        front.sagemaker = sagemaker
        server.start()
        world.seed(Clients(region=world.region, endpoint_url=server.url))
        moto.forbidden = world.forbidden_buckets
        yield Endpoint(url=server.url, pid=0, region=world.region, account=world.account, stack="tunestep")
    finally:
        server.close()
        sagemaker.close()
        moto_backend.forget()
        os.environ.clear()
        os.environ.update(saved)


def _nobody(*_: Any) -> None:
    """Takes what nobody waits for."""


def _no_worker(job: Path) -> int:
    raise OSError(f"this cloud trains nothing ({job.name})")
