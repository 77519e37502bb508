"""What goes into a function's zip file, built without Docker and without CDK.

Sources and wheels lie side by side in the root, all of it compiled to bytecode that is used unchecked:
the zip dates every file 1980, so bytecode with time stamps would count as stale, and /var/task is read-only.
``python -m infra.bundle`` fetches the wheels, after which synthesis needs no network.
"""

import compileall
import contextlib
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Literal

Architecture = Literal["arm64", "x86_64"]

REPOSITORY = Path(__file__).resolve().parents[1]
LOCKS = REPOSITORY / "requirements"
LOCK = LOCKS / "lambda-core.txt"
HEAVY_LOCK = LOCKS / "lambda-dataset.txt"
"""The core's wheels and the Parquet library."""
PACKAGES = ("lambdas", "tunestep")
REWARD_PACKAGES = ("reward_functions",)
REWARD_ARCHITECTURE: Architecture = "x86_64"
"""jsonschema-rs has no arm64 wheel for the glibc of Lambda's Python 3.11."""

LEFT_OUT = ("tunestep/cli", "tunestep/local")
LAYOUT = 2
"""Raised whenever the same input gives another bundle."""

# Some wheels claim a newer platform than their libraries need, so the claim is taken and the need is read.
_PLATFORMS: dict[Architecture, str] = {
    "arm64": "aarch64-manylinux_2_28",
    "x86_64": "x86_64-manylinux_2_28",
}
_NEEDS = re.compile(rb"GLIBC_2\.(\d+)")
_AMAZON_LINUX_2, _AMAZON_LINUX_2023 = 26, 34
"""Minor versions of glibc: Lambda's Python 3.11 runs on the former, later ones on the latter."""

_MACHINE_DEPENDENT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")


class BundleFailed(RuntimeError):  # noqa: N818
    """The wheels could not be installed; the message says why and what to do."""


@dataclass(frozen=True)
class Bundle:
    """The recipe of one zip file.

    ``lock`` is a requirements file with hashes, or None for sources alone (the laptop cloud runs them
    with the wheels of its own environment). ``packages`` are the folders of sources, the first of which
    gives the asset its place. ``python`` is the (major, minor) version of the runtime.
    """

    lock: Path | None
    packages: tuple[str, ...] = PACKAGES
    architecture: Architecture = "arm64"
    python: tuple[int, int] = sys.version_info[:2]
    root: Path = REPOSITORY
    cache: Path = Path(sys.prefix) / "lambda-wheels"

    @property
    def version(self) -> str:
        return ".".join(map(str, self.python))

    def sources(self) -> Iterator[Path]:
        """Every file that is copied, relative to the repository, in a stable order."""
        for package in self.packages:
            for file in sorted((self.root / package).rglob("*")):
                path = file.relative_to(self.root)
                if file.is_file() and "__pycache__" not in path.parts and not self._left_out(path):
                    yield path

    @staticmethod
    def _left_out(path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in LEFT_OUT)

    def digest(self) -> str:
        """SHA-256, in hex, of everything that the bundle is made from."""
        lock = self.lock.read_bytes() if self.lock else b""
        target = f"{LAYOUT} {self.version} {self.architecture if self.lock else 'any'}"
        total = hashlib.sha256(target.encode())
        files = [(str(path), (self.root / path).read_bytes()) for path in self.sources()]
        for name, content in [("lock", lock), *files]:
            total.update(f"\0{name}\0{len(content)}\0".encode())
            total.update(content)
        return total.hexdigest()

    def build(self, target: Path) -> None:
        """Fill a folder. Raises BundleFailed when the wheels cannot be had."""
        if self.lock:
            shutil.copytree(self.wheels(self.lock), target, dirs_exist_ok=True)
        for path in self.sources():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / path, target / path)
        for package in self.packages:
            _compile(target / package, target)

    def wheels(self, lock: Path) -> Path:
        """Folder with the installed wheels, made at first use and kept with the environment.

        Once it is there, synthesis needs no network. Raises BundleFailed.
        """
        key = hashlib.sha256(f"{LAYOUT} {self.version} {self.architecture} ".encode() + lock.read_bytes())
        kept = self.cache / key.hexdigest()[:16]
        if not kept.is_dir():
            try:
                self.cache.mkdir(parents=True, exist_ok=True)
            except OSError as fault:
                raise BundleFailed(f"The wheels for Lambda have no place to be kept: {fault}") from None
            with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
                made = Path(scratch) / "wheels"
                self._install(lock, made)
                _prune(made)
                self._check_libraries(lock, made)
                _compile(made, made)
                # Somebody else may have made it meanwhile; theirs is as good.
                with contextlib.suppress(OSError):
                    made.rename(kept)
        return kept

    def _install(self, lock: Path, target: Path) -> None:
        done = subprocess.run(  # noqa: S603 - a fixed command line of our own, no shell
            [
                *(_uv(), "pip", "install", "--quiet", "--target", str(target)),
                *("--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"),
                *("--python", sys.executable, "--python-version", self.version),
                *("--python-platform", _PLATFORMS[self.architecture], "-r", str(lock)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            why = " ".join(done.stderr.split())[-600:]
            raise BundleFailed(
                f"The wheels of {lock.name} for Lambda ({self.architecture}, Python {self.version}) could "
                f"not be installed: {why} Check that the package index can be reached, then synthesize "
                "again. TUNESTEP_SYNTH=local leaves the wheels out, for a template that is only looked at "
                "or run on a laptop."
            )

    def _check_libraries(self, lock: Path, made: Path) -> None:
        has = _AMAZON_LINUX_2 if self.python < (3, 12) else _AMAZON_LINUX_2023
        for library in sorted(made.rglob("*.so*")):
            needs = max((int(minor) for minor in _NEEDS.findall(library.read_bytes())), default=0)
            if needs > has:
                raise BundleFailed(
                    f"{library.relative_to(made)} of {lock.name} needs glibc 2.{needs}; Lambda's Python "
                    f"{self.version} ({self.architecture}) has 2.{has}. Synthesize with Python 3.12 or "
                    "later, or pin an older version of that library."
                )


def _compile(folder: Path, root: Path) -> None:
    compileall.compile_dir(
        folder,
        quiet=2,
        stripdir=str(root),
        prependdir="/var/task",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


def _uv() -> str:
    from uv import find_uv_bin  # noqa: PLC0415 - the laptop cloud synthesizes without it

    return str(find_uv_bin())


def _prune(target: Path) -> None:
    """Remove what no function imports and what differs from one machine to the next."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    for folder in [f for f in target.rglob("*") if f.is_dir() and f.name in ("tests", "__pycache__")]:
        shutil.rmtree(folder, ignore_errors=True)
    for file in [f for f in target.rglob("*") if f.name in _MACHINE_DEPENDENT or f.name == ".lock"]:
        file.unlink()


if __name__ == "__main__":
    from infra.rewards import deployed

    for core in (LOCK, HEAVY_LOCK):
        Bundle(lock=core).wheels(core)
    for needed in dict.fromkeys(reward.lock for reward in deployed() if reward.lock):
        Bundle(lock=needed, architecture=REWARD_ARCHITECTURE).wheels(needed)
