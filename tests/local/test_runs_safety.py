"""What a run must never do: show a secret of the user's, leave loopback, or be open to others."""

import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.local.laptop import CANARY, COMMAND, Laptop, until

LOOPBACK = {"0100007F", "00000000", "00000000000000000000000001000000", "0" * 32}
"""127.0.0.1, ::1 and "any" as /proc/net/tcp and tcp6 write them."""
MAPPED_LOOPBACK = "0000000000000000FFFF00000100007F"

proc_only = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")


def processes(laptop: Laptop) -> Iterator[Path]:
    """/proc folders of the cloud, its functions and its workers."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            working = (folder / "cwd").readlink()
        except OSError:
            continue
        if str(laptop.home).encode() in command or working.is_relative_to(laptop.home):
            yield folder


def connections(folder: Path) -> set[str]:
    """Remote addresses of the process's TCP sockets, as the kernel writes them."""
    try:
        inodes = {
            target[8:-1]
            for target in (str(entry.readlink()) for entry in (folder / "fd").iterdir())
            if target.startswith("socket:[")
        }
        tables = [(folder / "net" / name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    except OSError:
        return set()
    lines = [line.split() for table in tables for line in table]
    return {line[2].partition(":")[0] for line in lines if line[9] in inodes}


@proc_only
def test_no_secret_of_the_users_reaches_a_process_a_file_or_the_network(laptop: Laptop) -> None:
    run_id = laptop.start(laptop.long_request("canary"))
    laptop.trains(run_id)
    seen = {}
    for folder in processes(laptop):
        try:
            seen[folder.name] = (folder / "environ").read_bytes()
        except OSError:
            continue
        assert connections(folder) <= LOOPBACK | {MAPPED_LOOPBACK}, folder
    assert len(seen) > 10
    assert set(laptop.workers().values()) <= {int(pid) for pid in seen}
    assert [pid for pid, environ in seen.items() if CANARY.encode() in environ] == []
    laptop("stop", run_id, "--local")
    files = [path for path in laptop.home.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_state_is_the_users_alone(laptop: Laptop) -> None:
    laptop("run", laptop.request("private"), "--local")
    open_to_others = [
        f"{stat.filemode(path.stat().st_mode)} {path.relative_to(laptop.home)}"
        for path in [laptop.home, *laptop.home.rglob("*")]
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert open_to_others == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_a_web_page_can_neither_read_nor_decide(laptop: Laptop, headers: dict[str, str], status: int) -> None:
    url = laptop.endpoint.url
    targets = {
        "/": {"X-Amz-Target": "AWSStepFunctions.ListStateMachines"},
        "/2015-03-31/functions/tunestep-decide/invocations": {},
        "/api/2.0/mlflow/experiments/search": {},
        f"/{laptop.bucket}": {},
    }
    for path, more in targets.items():
        answer = requests.post(url + path, headers={**more, **headers}, data="{}", timeout=10)
        assert answer.status_code == status, path
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_port_is_on_loopback_alone(laptop: Laptop) -> None:
    port = int(laptop.endpoint.url.rpartition(":")[2])
    with socket.socket(socket.AF_INET) as probe:
        # Every address of 127/8 is this machine; only the one that was bound may answer.
        assert probe.connect_ex(("127.0.0.2", port)) != 0


def offline() -> bool:
    """Whether a network of its own with nothing but loopback can be made here."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    command = ["unshare", "-rn", "ip", "link", "set", "lo", "up"]
    made = subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - a fixed command
    return made.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not offline(), reason="no network namespace can be made here")
def test_a_run_needs_nothing_but_loopback(tmp_path: Path, assembly: Path) -> None:
    laptop = Laptop(tmp_path)
    laptop.adopt_assembly(assembly)
    request = laptop.request("offline")
    script = 'ip link set lo up && "$0" run "$1" --local; code=$?; "$0" local stop; exit $code'
    done = subprocess.run(  # noqa: S603 - our command in a network of its own
        ["unshare", "-rn", "sh", "-c", script, str(COMMAND), request],  # noqa: S607
        cwd=laptop.work,
        env=laptop.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCEEDED" in done.stdout


@pytest.mark.slow
def test_the_cloud_ends_with_its_functions_and_leaves_no_process(laptop: Laptop) -> None:
    """Run on a cloud of its own home: processes are told by it."""
    folder = laptop.home.parent / "ending"
    other = Laptop(folder)
    other.adopt_assembly(laptop.home)
    other("local", "start")
    assert list(processes(other))
    other("local", "stop")
    until(lambda: not list(processes(other)))
