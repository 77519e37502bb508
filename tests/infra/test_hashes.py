"""Every install takes what its lock names and nothing else: one altered hash makes it fail.

The commands are those of the Makefile and of the bundle, with their own flags; what they install is a tiny
package from a folder, so that nothing is downloaded.
"""

import base64
import hashlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from infra import node
from infra.bundle import Bundle, BundleFailed
from tests.infra.support import REPOSITORY

MAKEFILE = (REPOSITORY / "Makefile").read_text()
WHEEL = "tiny-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel."""
    folder = tmp_path_factory.mktemp("shelf")
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("tiny.py", "x = 1\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(
            "tiny-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\n")
    return folder


def altered(digest: str) -> str:
    return digest[:-1] + ("0" if digest[-1] != "0" else "1")


def lock(folder: Path, shelf: Path, *, wrong: bool, name: str = "lock.txt") -> Path:
    digest = hashlib.sha256((shelf / WHEEL).read_bytes()).hexdigest()
    path = folder / name
    path.write_text(f"tiny==1.0 --hash=sha256:{altered(digest) if wrong else digest}\n")
    return path


def environment(shelf: Path, home: Path) -> dict[str, str]:
    """No index can be reached: everything is on the shelf."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(shelf),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(shelf),
        "UV_CACHE_DIR": str(home / "uv"),
        "UV_NO_CONFIG": "1",
        "PIP_TARGET": str(home / "target"),
    }


def flags_of(target: str) -> list[str]:
    """The flags of the Makefile's install line for a lock, as make would expand them."""
    (line,) = [
        line
        for line in MAKEFILE.splitlines()
        if "$(BIN)" in line and "pip install" in line and line.endswith(target)
    ]
    (flags,) = re.findall(r"^UV_FLAGS := (.+)$", MAKEFILE, re.MULTILINE)
    words = shlex.split(line.replace("$(UV_FLAGS)", flags))
    return [
        word for word in words if (word.startswith("--") and word != "--python") or word in (":all:", "copy")
    ]


@pytest.mark.parametrize(
    ("what", "target", "command"),
    [
        ("uv itself", "requirements/bootstrap.txt", [sys.executable, "-m", "pip", "install"]),
        ("setup", "-r requirements/dev.txt", ["uv", "pip", "install", "--target"]),
    ],
)
def test_setup_refuses_an_altered_hash(
    what: str, target: str, command: list[str], shelf: Path, tmp_path: Path
) -> None:
    flags = flags_of(target)
    assert "--require-hashes" in flags and "--only-binary" in flags, what
    if command[0] == "uv":
        command = [str(Path(sys.executable).parent / "uv"), *command[1:], str(tmp_path / "t")]
        command += ["--python", sys.executable, "--no-index", "--find-links", str(shelf)]
    for wrong in (True, False):
        done = subprocess.run(  # noqa: S603 - our own install command
            [*command, *flags, "-r", str(lock(tmp_path, shelf, wrong=wrong))],
            env=environment(shelf, tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == wrong, done.stdout + done.stderr
        assert not wrong or "hash" in (done.stdout + done.stderr).lower()


def test_the_functions_wheels_refuse_an_altered_hash(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(shelf, tmp_path).items():
        monkeypatch.setenv(name, value)
    good = lock(tmp_path, shelf, wrong=False, name="good.txt")
    bundle = Bundle(lock=good, cache=tmp_path / "cache")
    bundle.install(good, tmp_path / "good")
    assert (tmp_path / "good" / "tiny.py").is_file()
    with pytest.raises(BundleFailed, match=r"(?i)hash.*not what the lock names"):
        bundle.install(lock(tmp_path, shelf, wrong=True, name="bad.txt"), tmp_path / "bad")


def test_npm_refuses_an_altered_hash(tmp_path: Path) -> None:
    wheel = node.wheel()
    assert wheel is not None
    package = json.dumps({"name": "tiny", "version": "1.0.0"}).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(package)
        archive.addfile(entry, io.BytesIO(package))
    digest = hashlib.sha512(packed.getvalue()).digest()
    of_cdk, of_the_tests = (
        line.split('npm-cli.js"')[1].split() for line in MAKEFILE.splitlines() if "npm-cli.js" in line
    )
    assert of_cdk == of_the_tests
    arguments = of_cdk
    assert arguments[0] == "ci"
    for wrong in (False, True):
        folder = tmp_path / str(wrong)
        folder.mkdir()
        (folder / "tiny.tgz").write_bytes(packed.getvalue())
        wanted = {"tiny": "file:tiny.tgz"}
        integrity = bytes([digest[0] ^ 1]) + digest[1:] if wrong else digest
        locked = {
            "name": "x",
            "lockfileVersion": 3,
            "requires": True,
            "packages": {
                "": {"name": "x", "dependencies": wanted},
                "node_modules/tiny": {
                    "version": "1.0.0",
                    "resolved": "file:tiny.tgz",
                    "integrity": f"sha512-{base64.b64encode(integrity).decode()}",
                },
            },
        }
        (folder / "package.json").write_text(json.dumps({"name": "x", "dependencies": wanted}))
        (folder / "package-lock.json").write_text(json.dumps(locked))
        done = subprocess.run(  # noqa: S603 - the wheel's own npm
            [
                str(wheel / "bin" / "node"),
                str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
                *arguments,
                "--offline",
            ],
            cwd=folder,
            env={"PATH": f"{wheel / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == wrong, done.stdout + done.stderr
        assert not wrong or "EINTEGRITY" in done.stderr


def test_no_install_goes_without_hashes() -> None:
    """Whatever installs anything, in the Makefile, in CI or in the sources."""
    texts = [MAKEFILE, *(path.read_text() for path in (REPOSITORY / ".ci").iterdir())]
    (flags,) = re.findall(r"^UV_FLAGS := (.+)$", MAKEFILE, re.MULTILINE)
    lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines()]
    installs = [line for line in lines if "pip install" in line]
    assert len(installs) >= 6
    for line in installs:
        expanded = line.replace("$(UV_FLAGS)", flags)
        assert "--require-hashes" in expanded and "--only-binary :all:" in expanded, line
    assert [line for line in lines if re.search(r"npm(-cli\.js\")? (install|i) ", line)] == []


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "requirements").glob("*.txt")), ids=lambda path: path.stem
)
def test_every_pin_of_a_lock_has_its_hash(path: Path) -> None:
    pins = re.split(r"\n(?=[a-zA-Z0-9])", re.sub(r"^\s*#.*\n?", "", path.read_text(), flags=re.MULTILINE))
    assert pins
    assert [pin.splitlines()[0] for pin in pins if pin.strip() and "--hash=sha256:" not in pin] == []
