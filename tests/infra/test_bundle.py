"""The zip file's content, built without CDK."""

import ast
import importlib.util
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from infra.budgets import BUDGETS, CORE
from infra.bundle import (
    HEAVY_LOCK,
    LOCK,
    REPOSITORY,
    REWARD_PACKAGES,
    Bundle,
    BundleFailed,
)
from infra.rewards import architecture, deployed
from tests.infra.support import of_type, run_app
from tunestep import names
from tunestep.settings import Architecture

UNCHECKED_HASH = 0b01
"""Second word of a .pyc file: made from a hash, and the hash is not checked (PEP 552)."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small repository of the same shape."""
    for path, text in {
        "lambdas/validate.py": "from tunestep import names\n",
        "lambdas/__pycache__/validate.cpython-311.pyc": "stale",
        "tunestep/__init__.py": "",
        "tunestep/names.py": "NAME = 'x'\n",
        "tunestep/data.json": "{}\n",
        "tunestep/cli/main.py": "",
        "tunestep/local/cloud.py": "",
        "infra/stack.py": "",
        "requirements/lock.txt": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def _bundle(repository: Path) -> Bundle:
    return Bundle(lock=None, root=repository)


def test_a_bundle_holds_functions_and_domain_but_not_the_command_and_the_laptop(
    repository: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    _bundle(repository).build(target)
    files = {str(path.relative_to(target)) for path in target.rglob("*") if path.suffix != ".pyc"}
    assert files - {"lambdas/__pycache__", "tunestep/__pycache__"} == {
        "lambdas",
        "lambdas/validate.py",
        "tunestep",
        "tunestep/__init__.py",
        "tunestep/names.py",
        "tunestep/data.json",
    }


def test_a_function_s_bundle_renders_from_the_templates_that_it_carries(tmp_path: Path) -> None:
    Bundle(lock=None, root=REPOSITORY).build(tmp_path)
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from tunestep.notebooks import keeping, template;"
            "print(template.FOLDER, template.load('sft').name, 'nbformat' in sys.modules)",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [str(tmp_path / "code_templates"), "sft", "False"]


def test_a_reward_s_bundle_holds_the_rewards_alone(repository: Path, tmp_path: Path) -> None:
    (repository / "reward_functions").mkdir()
    (repository / "reward_functions" / "one.py").write_text("NAME = 'one'\n")
    target = tmp_path / "target"
    bundle = Bundle(lock=None, packages=REWARD_PACKAGES, root=repository)
    bundle.build(target)
    assert [path.name for path in target.iterdir()] == ["reward_functions"]
    before = bundle.digest()
    (repository / "lambdas" / "validate.py").write_text("# changed\n")
    assert bundle.digest() == before
    (repository / "reward_functions" / "one.py").write_text("NAME = 'other'\n")
    assert bundle.digest() != before


def test_bytecode_is_used_although_the_zip_dates_its_source_1980(repository: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    _bundle(repository).build(target)
    source = target / "tunestep" / "names.py"
    compiled = Path(importlib.util.cache_from_source(str(source)))
    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == UNCHECKED_HASH
    os.utime(source, (315532800, 315532800))
    source.write_text("NAME = 'never compiled again'\n")
    said = subprocess.run(
        [sys.executable, "-c", "from tunestep import names; print(names.NAME)"],
        cwd=target,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "x"


def test_the_same_sources_give_the_same_digest(repository: Path) -> None:
    before = _bundle(repository).digest()
    os.utime(repository / "tunestep" / "names.py", (0, 0))
    (repository / "tunestep" / "local" / "cloud.py").write_text("changed = True\n")
    assert _bundle(repository).digest() == before


@pytest.mark.parametrize("change", ["content", "new file", "lock", "python", "architecture"])
def test_whatever_changes_the_bundle_changes_its_digest(change: str, repository: Path) -> None:
    lock = repository / "requirements" / "lock.txt"
    bundle = Bundle(lock=lock, root=repository)
    before = bundle.digest()
    if change == "content":
        (repository / "lambdas" / "validate.py").write_text("# changed\n")
    elif change == "new file":
        (repository / "lambdas" / "notify.py").write_text("")
    elif change == "lock":
        lock.write_text("msgspec==0\n")
    elif change == "python":
        bundle = replace(bundle, python=(3, 99))
    else:
        bundle = replace(bundle, architecture="x86_64")
    assert bundle.digest() != before


def test_wheels_that_cannot_be_had_are_one_clear_message(repository: Path, tmp_path: Path) -> None:
    lock = repository / "requirements" / "lock.txt"
    lock.write_text(f"nothing @ file://{tmp_path}/nothing-1-py3-none-any.whl --hash=sha256:{'0' * 64}\n")
    bundle = Bundle(lock=lock, root=repository, cache=tmp_path / "cache")
    with pytest.raises(BundleFailed, match=r"lock\.txt .*TUNESTEP_SYNTH=local"):
        bundle.build(tmp_path / "target")
    assert not list((tmp_path / "cache").iterdir())


def test_a_library_that_needs_a_newer_system_than_the_runtime_s_is_refused(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(_bundle: Bundle, _lock: Path, target: Path) -> None:
        (target / "fast").mkdir(parents=True)
        (target / "fast" / "core.so").write_bytes(b"\x7fELF GLIBC_2.17 GLIBC_2.28 ")

    monkeypatch.setattr(Bundle, "install", install)
    lock = repository / "requirements" / "lock.txt"
    old = Bundle(lock=lock, root=repository, cache=tmp_path / "cache", python=(3, 11))
    with pytest.raises(BundleFailed, match=r"fast/core\.so of lock\.txt needs glibc 2\.28; .* has 2\.26"):
        old.wheels(lock)
    assert replace(old, python=(3, 12)).wheels(lock).is_dir()


def test_wheels_are_installed_once(repository: Path, tmp_path: Path) -> None:
    lock = repository / "requirements" / "lock.txt"
    bundle = Bundle(lock=lock, root=repository, cache=tmp_path / "cache")
    first = bundle.wheels(lock)
    (first / "kept.py").write_text("")
    bundle.build(tmp_path / "target")
    assert (tmp_path / "target" / "kept.py").is_file()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.name]


REWARD_LOCKS = tuple(dict.fromkeys(reward.lock for reward in deployed() if reward.lock))
ARCHITECTURES: tuple[Architecture, ...] = ("arm64", "x86_64")
ELF_MACHINES = {0xB7: "arm64", 0x3E: "x86_64"}
"""e_machine of an ELF header (System V ABI: EM_AARCH64, EM_X86_64)."""


def _machines(folder: Path) -> set[str]:
    """The processors that the libraries of a folder are made for."""
    headers = [path.read_bytes()[:20] for path in folder.rglob("*.so*") if path.is_file()]
    return {ELF_MACHINES[int.from_bytes(header[18:20], "little")] for header in headers}


@pytest.mark.parametrize("wanted", ARCHITECTURES)
@pytest.mark.parametrize("lock", [None, *REWARD_LOCKS])
def test_a_reward_runs_on_what_settings_want_wherever_its_wheels_are_made_for_it(
    lock: Path | None, wanted: Architecture
) -> None:
    assert architecture(lock, wanted, (3, 12)) == wanted
    on_the_oldest = architecture(lock, wanted, (3, 11))
    excepted = lock is not None and lock.stem in ("reward-json_schema", "reward-combine")
    assert on_the_oldest == ("x86_64" if excepted else wanted)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ARCHITECTURES)
@pytest.mark.parametrize("lock", REWARD_LOCKS, ids=lambda lock: lock.stem)
def test_a_reward_s_wheels_are_those_of_its_processor_and_an_exception_has_none(
    lock: Path, wanted: Architecture
) -> None:
    given = architecture(lock, wanted)
    bundle = Bundle(lock=lock, packages=REWARD_PACKAGES, architecture=given)
    assert _machines(bundle.wheels(lock)) <= {given}
    if given != wanted:
        with pytest.raises(BundleFailed, match=r"jsonschema_rs.* needs glibc"):
            replace(bundle, architecture=wanted).wheels(lock)


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ARCHITECTURES)
def test_every_function_s_asset_holds_the_wheels_of_the_processor_that_it_runs_on(
    wanted: Architecture, tmp_path: Path
) -> None:
    for lock in (LOCK, HEAVY_LOCK):
        Bundle(lock=lock, architecture=wanted).wheels(lock)
    for lock in REWARD_LOCKS:
        Bundle(lock=lock, packages=REWARD_PACKAGES, architecture=architecture(lock, wanted)).wheels(lock)
    (tmp_path / "tunestep.yaml").write_text(f"architecture: {wanted}\n")
    done = run_app(tmp_path, TUNESTEP_SYNTH="")
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "cdk.out" / "tunestep.template.json").read_text())
    functions = of_type(template, "AWS::Lambda::Function").values()
    assets = {f["Code"]["S3Key"].removesuffix(".zip"): set[str]() for f in functions}
    for function in functions:
        assets[function["Code"]["S3Key"].removesuffix(".zip")].update(function["Architectures"])
    for asset, runs_on in assets.items():
        held = _machines(tmp_path / "cdk.out" / f"asset.{asset}")
        assert held <= runs_on
        assert not held or len(runs_on) == 1
    assert wanted in {one for runs_on in assets.values() for one in runs_on}


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ARCHITECTURES)
@pytest.mark.parametrize("lock", [LOCK, HEAVY_LOCK])
def test_the_whole_bundle_for_lambda_fits_and_holds_its_platform_s_wheels(
    tmp_path: Path, lock: Path, wanted: Architecture
) -> None:
    target = tmp_path / "target"
    Bundle(lock=lock, architecture=wanted).build(target)
    assert _machines(target) == {wanted}
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    assert size < BUDGETS[lock.stem].size
    assert (target / "duckdb").is_dir() == (lock == HEAVY_LOCK)
    assert (target / "botocore" / "client.pyc").is_file()
    assert (target / "tunestep" / "names.py").read_text() == (
        REPOSITORY / "tunestep" / "names.py"
    ).read_text()


@pytest.mark.slow
def test_every_reward_s_bundle_keeps_its_budget(tmp_path: Path) -> None:
    assert {lock.stem for lock in REWARD_LOCKS} == set(BUDGETS) - {CORE, HEAVY_LOCK.stem}
    for lock in REWARD_LOCKS:
        bundle = Bundle(lock=lock, packages=REWARD_PACKAGES, architecture=architecture(lock))
        bundle.build(tmp_path / lock.stem)
        files = [path for path in (tmp_path / lock.stem).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < BUDGETS[lock.stem].size, lock.stem


IMPORTS = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
outside = [file for file in files if "site-packages" in file]
assert not outside, outside
"""

START = """
import sys
sys.path.insert(0, sys.argv[1])
import importlib
assert callable(importlib.import_module("lambdas." + sys.argv[2]).handler)
print(len(sys.modules))
"""

MOST_MODULES = 720
"""What a start may import. Its time is that of its modules, and is held to its budget by `make bench`."""

ELSEWHERE = {"duckdb"}
"""Imported by the data check alone, which has an asset of its own."""


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core asset for this machine, so that it can be run."""
    target = tmp_path_factory.mktemp("core")
    here: Architecture = "arm64" if platform.machine() == "aarch64" else "x86_64"
    Bundle(lock=LOCK, architecture=here).build(target)
    return target


def _alone(script: str, *arguments: str) -> str:
    """Run a script with nothing but the interpreter and what the arguments put on its path."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-I", "-S", "-c", script, *arguments],
        env={"AWS_DEFAULT_REGION": "us-west-2", "POWERTOOLS_SERVICE_NAME": "tunestep"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _imported() -> set[str]:
    """Modules of others that any import statement of the functions names, also one within a function."""
    found: set[str] = set()
    for source in Bundle(lock=None).modules():
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the wheels are Linux wheels")
def test_every_import_of_every_function_is_found_in_the_bundle_alone(core: Path) -> None:
    _alone(IMPORTS, str(core), *sorted(_imported() - ELSEWHERE))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the wheels are Linux wheels")
@pytest.mark.parametrize("verb", names.FUNCTIONS)
def test_every_handler_starts_from_its_bundle_alone_and_imports_little(core: Path, verb: str) -> None:
    assert int(_alone(START, str(core), verb)) <= MOST_MODULES


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ARCHITECTURES)
def test_the_same_input_gives_the_same_bundle(tmp_path: Path, wanted: Architecture) -> None:
    made = []
    for name in ("one", "two"):
        target = tmp_path / name
        Bundle(lock=LOCK, architecture=wanted, cache=tmp_path / f"cache-{name}").build(target)
        made.append(
            {path.relative_to(target): path.read_bytes() for path in target.rglob("*") if path.is_file()}
        )
    assert made[0].keys() == made[1].keys()
    assert [path for path in made[0] if made[0][path] != made[1][path]] == []


@pytest.mark.parametrize("lock", [LOCK, HEAVY_LOCK], ids=lambda lock: lock.stem)
def test_the_lock_of_the_functions_pins_hashes_of_the_same_versions_as_the_tests(lock: Path) -> None:
    def pins(file: Path) -> dict[str, str]:
        lines = [line.split(" ")[0] for line in file.read_text().splitlines() if line[:1].isalnum()]
        return {name: version for name, _, version in (line.partition("==") for line in lines)}

    packaged = pins(lock)
    tested = pins(REPOSITORY / "requirements" / "dev.txt")
    assert {"boto3", "botocore", "msgspec", "aws-lambda-powertools"} <= set(packaged)
    assert packaged == {name: tested[name] for name in packaged}
    assert "http" not in "".join(line for line in lock.read_text().splitlines() if not line.startswith("#"))
