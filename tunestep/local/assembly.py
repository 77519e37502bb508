"""The cloud assembly of a home folder: synthesized when its inputs have changed, else taken as it is."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tunestep.local.access import unlisted
from tunestep.local.children import package_root
from tunestep.settings import to_json

KEPT = 3
"""Assemblies kept per home, newest first."""

_FILES = ("app.py", "cdk.json", "requirements/runtime.txt", "requirements/lambda-core.txt")
_FOLDERS = ("infra", "lambdas", "tunestep", "reward_functions")
_NOT_PACKAGED = ("tunestep/cli/", "tunestep/local/", "tunestep/operate/")
_COMPLETE = "manifest.json"


class SynthesisFailed(Exception):  # noqa: N818
    """app.py failed; the message holds what it said."""


def inputs(root: Path) -> Iterator[Path]:
    """Every file that shapes the assembly, in a fixed order."""
    for name in _FILES:
        if (root / name).is_file():
            yield root / name
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root).as_posix()
            if path.is_file() and "__pycache__" not in relative and not relative.startswith(_NOT_PACKAGED):
                yield path


def content_hash(root: Path, settings_file: Path | None) -> str:
    """First 32 hex digits of the SHA-256 over names and contents of the inputs and the settings."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for path in inputs(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(settings_file.read_bytes() if settings_file else to_json(unlisted.SETTINGS).encode())
    return digest.hexdigest()[:32]


def synthesize(
    home: Path,
    settings_file: Path | None,
    *,
    root: Path | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """The assembly folder for the sources as they are; about 2 s when they have changed.

    ``root`` is the folder of app.py; without a settings file, access.unlisted has the settings. Raises
    SynthesisFailed; OSError for a settings file that cannot be read.
    """
    root = root or package_root()
    folder = home / "assembly"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    final = folder / content_hash(root, settings_file)
    if not (final / _COMPLETE).is_file():
        on_progress("synthesizing the template")
        _synthesize_into(root, final, settings_file)
    os.utime(final)
    _forget_old(folder)
    return final


def _synthesize_into(root: Path, final: Path, settings_file: Path | None) -> None:
    if not (root / "app.py").is_file():
        raise SynthesisFailed(
            f"there is no app.py in {root}; the laptop cloud runs from a clone of the project"
        )
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=final.parent))
    try:
        with tempfile.TemporaryDirectory(prefix=".synth-", dir=final.parent) as elsewhere:
            if settings_file is None:
                settings_file = Path(elsewhere) / "settings.json"
                settings_file.write_text(to_json(unlisted.SETTINGS), encoding="utf-8")
            result = subprocess.run(  # noqa: S603 - this interpreter and the project's own app.py
                [sys.executable, str(root / "app.py")],
                cwd=elsewhere,
                env=_environment(partial, settings_file),
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        if result.returncode != 0 or not (partial / _COMPLETE).is_file():
            said = (result.stderr.strip() or result.stdout.strip())[-2000:]
            raise SynthesisFailed(f"app.py failed with exit code {result.returncode}:\n{said}")
        shutil.rmtree(final, ignore_errors=True)
        _close_to_others(partial)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _close_to_others(folder: Path) -> None:
    """The CDK opens the folders of bundled assets to everybody, for a container that there is none of."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)


def _environment(outdir: Path, settings_file: Path) -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "JSII_NODE", "JSII_RUNTIME_PACKAGE_CACHE_ROOT")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "TUNESTEP_SYNTH": "local",
        "CDK_VALIDATION": "false",
        "CDK_OUTDIR": str(outdir),
        "TUNESTEP_SETTINGS_FILE": str(settings_file),
    }


def _forget_old(folder: Path) -> None:
    assemblies = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    assemblies.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in assemblies[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
