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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

from infra.service_models import Needed, needed, prune
from tunestep.settings import Architecture

REPOSITORY = Path(__file__).resolve().parents[1]
LOCKS = REPOSITORY / "requirements"
LOCK = LOCKS / "lambda-core.txt"
HEAVY_LOCK = LOCKS / "lambda-dataset.txt"
"""The core's wheels and the Parquet library."""
PACKAGES = ("lambdas", "tunestep", "code_templates")
REWARD_PACKAGES = ("reward_functions",)

LEFT_OUT = ("tunestep/cli", "tunestep/local", "tunestep/operate")
PARSED = ("lambdas", "tunestep")
"""Sources that call AWS; templates of notebooks are Python only in part."""
LAYOUT = 3
"""Raised whenever the same input gives another bundle."""

# Some wheels claim a newer platform than their libraries need, so the claim is taken and the need is read.
_PLATFORMS: dict[Architecture, str] = {
    "arm64": "aarch64-manylinux_2_28",
    "x86_64": "x86_64-manylinux_2_28",
}
_NEEDS = re.compile(rb"GLIBC_2\.(\d+)")
_AMAZON_LINUX_2, _AMAZON_LINUX_2023 = 26, 34
"""Minor versions of glibc: Lambda's Python 3.11 runs on the former, later ones on the latter."""

UNUSED: dict[str, str] = {
    "boto3/data": "models of resources, and no function uses any",
    "boto3/examples": "examples for documentation",
    "pygal/test": "tests",
    "slack_sdk/audit_logs": "an API of Slack's largest plan",
    "slack_sdk/oauth": "installs an app in many workspaces",
    "slack_sdk/rtm": "a protocol that Slack has retired",
    "slack_sdk/rtm_v2": "a protocol that Slack has retired",
    "slack_sdk/scim": "an API of Slack's largest plan",
    "slack_sdk/socket_mode": "needs a connection that stays open",
    "slack": "the old name of slack_sdk",
    "aws_lambda_powertools/event_handler/openapi/swagger_ui": "a page for people who develop an API",
    "aws_lambda_powertools/utilities/auth_alpha": "not used",
    "aws_lambda_powertools/utilities/circuit_breaker": "not used",
    "aws_lambda_powertools/utilities/data_masking": "not used",
    "aws_lambda_powertools/utilities/feature_flags": "not used",
    "aws_lambda_powertools/utilities/idempotency": "not used",
    "aws_lambda_powertools/utilities/kafka": "not used",
    "aws_lambda_powertools/utilities/parser": "not used, and needs pydantic",
    "aws_lambda_powertools/utilities/streaming": "not used",
}
"""What no function imports, with the reason; a test imports all of the functions' modules without it."""

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

    @property
    def _sourceless(self) -> bool:
        """Whether wheels come as bytecode alone, which halves them. Libraries of rewards read themselves."""
        return self.packages == PACKAGES

    def sources(self) -> Iterator[Path]:
        """Every file that is copied, relative to the repository, in a stable order."""
        for package in self.packages:
            for file in sorted((self.root / package).rglob("*")):
                path = file.relative_to(self.root)
                if file.is_file() and "__pycache__" not in path.parts and not self._left_out(path):
                    yield path

    def modules(self) -> Iterator[Path]:
        """The sources that may call AWS."""
        for path in self.sources():
            if path.suffix == ".py" and path.parts[0] in PARSED:
                yield self.root / path

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
        """Fill a folder. Raises BundleFailed when the wheels cannot be had, ModelMissing when botocore
        does not know what the sources call."""
        if self.lock:
            wheels = self.wheels(self.lock)
            models = wheels / "botocore" / "data"
            keep = needed(self.modules(), models) if models.is_dir() else {}
            shutil.copytree(wheels, target, dirs_exist_ok=True, ignore=_other_models(models, keep))
            if keep:
                prune(target / "botocore" / "data", keep)
        for path in self.sources():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / path, target / path)
        for package in self.packages:
            _compile(target / package, target)

    def wheels(self, lock: Path) -> Path:
        """Folder with the installed wheels, made at first use and kept with the environment.

        Once it is there, synthesis needs no network. Raises BundleFailed.
        """
        key = hashlib.sha256(
            f"{LAYOUT} {self.version} {self.architecture} {self._sourceless} ".encode() + lock.read_bytes()
        )
        kept = self.cache / key.hexdigest()[:16]
        if not kept.is_dir():
            try:
                self.cache.mkdir(parents=True, exist_ok=True)
            except OSError as fault:
                raise BundleFailed(f"The wheels for Lambda have no place to be kept: {fault}") from None
            with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
                made = Path(scratch) / "wheels"
                self.install(lock, made)
                _prune(made)
                self._check_libraries(lock, made)
                _compile(made, made, sourceless=self._sourceless)
                # Somebody else may have made it meanwhile; theirs is as good.
                with contextlib.suppress(OSError):
                    made.rename(kept)
        return kept

    def install(self, lock: Path, target: Path) -> None:
        """Install the wheels as they are. Raises BundleFailed."""
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
            fix = (
                "What the package index gave out is not what the lock names: find out why before you go on."
                if "hash mismatch" in why.lower()
                else "Check that the package index can be reached, then synthesize again."
            )
            raise BundleFailed(
                f"The wheels of {lock.name} for Lambda ({self.architecture}, Python {self.version}) could "
                f"not be installed: {why} {fix} TUNESTEP_SYNTH=local leaves the wheels out, for a template "
                "that is only looked at or run on a laptop."
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


def _other_models(models: Path, keep: Needed) -> Callable[[str, list[str]], set[str]]:
    """For copytree: leaves out services that nobody calls, which are most of botocore."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        if Path(folder) != models:
            return set()
        return {name for name in names if (models / name).is_dir() and name not in keep}

    return ignored


def _compile(folder: Path, root: Path, *, sourceless: bool = False) -> None:
    compileall.compile_dir(
        folder,
        quiet=2,
        legacy=sourceless,
        stripdir=str(root),
        prependdir="/var/task",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    if sourceless:
        for source in [path for path in folder.rglob("*.py") if path.with_suffix(".pyc").is_file()]:
            source.unlink()


def _uv() -> str:
    from uv import find_uv_bin  # noqa: PLC0415 - the laptop cloud synthesizes without it

    return str(find_uv_bin())


def _prune(target: Path) -> None:
    """Remove what no function imports and what differs from one machine to the next."""
    for path in ("bin", *UNUSED):
        shutil.rmtree(target / path, ignore_errors=True)
    for folder in [f for f in target.rglob("*") if f.is_dir() and f.name in ("tests", "__pycache__")]:
        shutil.rmtree(folder, ignore_errors=True)
    for file in [f for f in target.rglob("*") if f.name in _MACHINE_DEPENDENT or f.name == ".lock"]:
        file.unlink()


if __name__ == "__main__":
    from infra.rewards import architecture, deployed

    for core in (LOCK, HEAVY_LOCK):
        Bundle(lock=core).wheels(core)
    for own in dict.fromkeys(reward.lock for reward in deployed() if reward.lock):
        Bundle(lock=own, packages=REWARD_PACKAGES, architecture=architecture(own)).wheels(own)
