"""The laptop clouds that whole runs are tried on."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.local.laptop import Laptop, running


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose assembly is synthesized, once for all the processes that share this test run."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if base.name.startswith("popen-") else base) / "assembly"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "laptop").is_dir():
            with running(shared / "laptop"):
                pass
    return shared / "laptop" / "home"


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory, assembly: Path) -> Iterator[Laptop]:
    """The cloud that this process's tests share; each test has runs of its own in it."""
    with running(tmp_path_factory.mktemp("laptop"), assembly) as started:
        yield started


@pytest.fixture
def own_laptop(tmp_path: Path, assembly: Path) -> Iterator[Callable[[], Laptop]]:
    """Makes a cloud that the test has to itself, to break it."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(running(tmp_path / "own", assembly))
