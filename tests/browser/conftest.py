"""One laptop cloud with two approvers, and Debian's Chromium to open their links with."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import assembly
from tests.local.laptop import Laptop

__all__ = ["assembly"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PICTURES = Path(__file__).resolve().parents[2] / "build" / "browser"
FLAGS = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
STATUS = re.compile(r"server responded with a status of (409|410|422) ")
"""What Chromium says of a page whose status is that of a refusal."""

SETTINGS = """
approvers:
  - {id: ann, email: ann@example.com}
  - {id: bob, email: bob@example.com}
"""


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A cloud whose settings name ann and bob."""
    made = Laptop(tmp_path_factory.mktemp("laptop"))
    made("local", "start", "--settings", made.file("tunestep.yaml", SETTINGS), seconds=90)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="the driver is not here: make test-browser")
    with sync_api.sync_playwright() as driver:
        yield driver


@pytest.fixture
def browser(playwright: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes browsers, each with a profile of its own; fails when one complains or leaves the laptop."""
    opened, complaints = [], []

    def new(**options: Any) -> Any:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / f"profile-{len(opened)}",
            executable_path=CHROMIUM,
            headless=True,
            chromium_sandbox=os.getuid() != 0,
            args=list(FLAGS),
            **options,
        )
        opened.append(context)
        page = context.pages[0]
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _check_host(request.url, complaints))
        return page

    yield new
    for context in opened:
        context.close()
    assert [text for text in complaints if not STATUS.search(text)] == []


def _check_host(url: str, complaints: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1:", "file://", "data:", "about:")):
        complaints.append(f"asked for {url}")


@pytest.fixture
def picture() -> Callable[[Any, str], None]:
    """Keeps what a page looks like in build/browser."""

    def keep(page: Any, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    return keep
