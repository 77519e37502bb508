"""The laptop cloud's one process: ``python -m tunestep.local.process --home DIR ...``.

Ready is when ``endpoint.json`` is there; SIGTERM ends it in order. Exit code 3: another process serves
this home; 4: it cannot start (the last lines of the log say why).
"""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from tunestep import __version__
from tunestep.local import children

ENDPOINT = "endpoint.json"
PORT = "port"
LOCK = "lock"
IN_USE, CANNOT_START = 3, 4
PRIVATE = 0o077
LOCK_TRIES, LOCK_TRY_SECONDS = 10, 0.05
HOME_CHECK_SECONDS = 2.0
"""How soon the process ends once somebody has deleted its home."""


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    os.umask(PRIVATE)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("werkzeug", "botocore", "boto3", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    home: Path = options.home.absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    lock = take_lock(home)
    if lock is None:
        print(f"another process serves {home}", file=sys.stderr)
        return IN_USE
    with lock:
        (home / ENDPOINT).unlink(missing_ok=True)
        children.purge_own_environment()
        try:
            return _serve(home, options, lock)
        except Exception as fault:
            logging.debug("cannot start", exc_info=True)
            print(f"the laptop cloud cannot start: {type(fault).__name__}: {fault}", file=sys.stderr)
            return CANNOT_START
        finally:
            _withdraw(home, lock)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    def path(text: str) -> Path | None:
        return None if text == "none" else Path(text).absolute()

    parser = argparse.ArgumentParser(prog="tunestep.local.process")
    parser.add_argument("--home", type=path, required=True)
    parser.add_argument("--settings", type=path, default=None)
    parser.add_argument("--world", type=path, default=None)
    parser.add_argument("--port", type=int, default=0)
    return parser.parse_args(arguments)


def take_lock(home: Path) -> IO[str] | None:
    """The home's lock, held while the file is open, with our id in it; None when another process holds it.

    Whoever looks whether a cloud runs holds the lock for a moment, hence more than one try.
    """
    file = (home / LOCK).open("a")
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(LOCK_TRY_SECONDS)
            continue
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file
    file.close()
    return None


def still_ours(home: Path, lock: IO[str]) -> bool:
    """Whether the lock that we hold is the home's; false once the home was deleted, or made anew."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), (home / LOCK).stat())
    except OSError:
        return False


def _withdraw(home: Path, lock: IO[str]) -> None:
    if still_ours(home, lock):
        (home / ENDPOINT).unlink(missing_ok=True)


def _serve(home: Path, options: argparse.Namespace, lock: IO[str]) -> int:
    started = time.monotonic()
    wait_for_end = _signals()
    with ThreadPoolExecutor(1) as background:
        synthesis = background.submit(_assembly, home, options.settings)
        cloud = _cloud(home, options)
        try:
            deployment = cloud.open(lambda: synthesis.result()[1])
            code, assembly = synthesis.result()
            endpoint = {
                "url": cloud.server.url,
                "pid": os.getpid(),
                "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "version": __version__,
                "region": cloud.region,
                "account": cloud.account,
                "stack": assembly.stack,
                "settings": str(options.settings) if options.settings else None,
                "world": str(options.world) if options.world else None,
                "code": code,
                "outputs": deployment.outputs,
            }
            write_private(home / PORT, str(cloud.server.port))
            write_private(home / ENDPOINT, json.dumps(endpoint, indent=1))
            logging.info("ready at %s after %.1f s", cloud.server.url, time.monotonic() - started)
            while still_ours(home, lock) and not wait_for_end(HOME_CHECK_SECONDS):
                pass
            logging.info("ending")
        finally:
            _withdraw(home, lock)
            cloud.close()
    return 0


def _signals() -> Callable[[float], bool]:
    """Take over the signals that end the process; the answer waits some seconds and says if one came.

    Through a pipe: a handler that sets an Event can find its lock held by the thread it interrupted.
    """
    heard, tell = os.pipe()
    os.set_blocking(tell, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)

    def wait(seconds: float) -> bool:
        return bool(select.select([heard], [], [], seconds)[0])

    return wait


def _assembly(home: Path, settings_file: Path | None) -> tuple[str, Any]:
    """The content hash of the sources, and their assembly."""
    from tunestep.local.assembly import synthesize  # noqa: PLC0415 - after the environment is clean
    from tunestep.local.deployer import read_assembly  # noqa: PLC0415

    folder = synthesize(home, settings_file, on_progress=lambda text: logging.info("%s", text))
    return folder.name, read_assembly(folder)


def _cloud(home: Path, options: argparse.Namespace) -> Any:
    from tunestep.local.world import DEFAULT_ACCOUNT, DEFAULT_REGION, World  # noqa: PLC0415
    from tunestep.settings import load  # noqa: PLC0415

    settings = load(options.settings) if options.settings else None
    if options.world:
        world = World.load(options.world)
    else:
        world = World.builtin(
            (settings.region if settings else None) or DEFAULT_REGION,
            (settings.account if settings else None) or DEFAULT_ACCOUNT,
        )
    from tunestep.local.cloud import Cloud, prepare_moto  # noqa: PLC0415 - moto reads its environment at import

    prepare_moto(world.region, world.account)

    slack = settings.slack if settings else None

    def make(port: int) -> Cloud:
        return Cloud(home, world, port=port, settings_given=settings is not None, slack=slack)

    return _on_the_usual_port(home, options.port, make)


def _on_the_usual_port(home: Path, port: int, make: Callable[[int], Any]) -> Any:
    """The port of last time, so that training workers of then find the cloud again; else any."""
    if port:
        return make(port)
    with contextlib.suppress(OSError, ValueError):
        usual = int((home / PORT).read_text())
        if _free(usual):
            return make(usual)
    return make(0)


def _free(port: int) -> bool:
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file of the home at once or not at all, readable by the user alone."""
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
