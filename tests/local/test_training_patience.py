"""A worker waits for a laptop cloud that is being restarted, and never for good."""

import socket
from collections.abc import Callable
from pathlib import Path

from tunestep.local.training.patience import LIMIT_SECONDS, Patience


class Clock:
    """Time that passes only in pauses; at a moment something happens."""

    def __init__(self, then: Callable[[], object] = lambda: None, at: float = 1.0) -> None:
        self.now, self._then, self._at = 0.0, then, at

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds if self.now < 2 * self._at else LIMIT_SECONDS / 2
        if self.now >= self._at:
            self._then()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def patience(port: int, folder: Path, clock: Clock) -> tuple[Patience, list[str]]:
    said: list[str] = []
    url = f"http://127.0.0.1:{port}"
    return Patience(url, folder, log=said.append, clock=clock, pause=clock.pause), said


def test_a_cloud_that_listens_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        clock = Clock()
        waiting, said = patience(server.getsockname()[1], tmp_path, clock)
        waiting.wait()
    assert (clock.now, said) == (0.0, [])


def test_a_cloud_that_comes_back_ends_the_wait_and_the_log_says_what_it_was(tmp_path: Path) -> None:
    port, servers = closed_port(), []
    clock = Clock(lambda: servers.append(socket.create_server(("127.0.0.1", port))))
    waiting, said = patience(port, tmp_path, clock)
    waiting.wait()
    servers[0].close()
    assert clock.now == 1.0
    assert said == ["The laptop cloud does not answer; waiting for its next start."]


def test_a_cloud_that_never_comes_back_is_given_up(tmp_path: Path) -> None:
    clock = Clock()
    patience(closed_port(), tmp_path, clock)[0].wait()
    assert clock.now >= LIMIT_SECONDS


def test_a_job_whose_folder_was_deleted_waits_no_longer(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    clock = Clock(lambda: folder.rmdir() if folder.exists() else None)
    patience(closed_port(), folder, clock)[0].wait()
    assert clock.now == 1.0


def test_only_the_clouds_own_port_is_waited_for(tmp_path: Path) -> None:
    waiting, _ = patience(5000, tmp_path, Clock())
    assert waiting.covers("http://127.0.0.1:5000/x")
    assert not waiting.covers("http://127.0.0.1:5001")
    assert not waiting.covers("http://mlflow.example:5000")
