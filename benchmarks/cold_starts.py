"""What a cold start costs: ``python -m benchmarks.cold_starts [--rounds N] [--json] [--markdown FILE]``.

Every row is a fresh process that imports one thing, with nothing else on its path: handlers from the core
asset as it is deployed, plain boto3 from an ordinary installation, and SageMaker's SDK from its own
environment. Time is the clock's and the processor's, memory the process's peak, size that of what is
deployed. Exit code 1 when a handler is over its budget.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from benchmarks import harness
from infra.budgets import BUDGETS, CORE
from infra.bundle import LOCK, Bundle
from tunestep import names

SDK = Path(".venv-sdk")
_HEADING = "## Cold starts"
_MEASURE = """
import sys, time
sys.path[:0] = sys.argv[2:]
started, work = time.perf_counter(), time.process_time()
exec(sys.argv[1])
clock, processor = 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - work)
# Not ru_maxrss, which begins at what the process that forked this one had.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(clock, processor, int(peak) / 1024)
"""


@dataclass(frozen=True)
class Start:
    """Medians of one row: milliseconds by the clock and of the processor, MiB of memory, MB on disk."""

    what: str
    clock_ms: float
    processor_ms: float
    memory_mib: float
    size_mb: float


@dataclass(frozen=True)
class Candidate:
    """What one row starts: code, what it finds on its path, and the interpreter."""

    what: str
    code: str
    path: Path
    python: str = sys.executable

    def start(self) -> list[float]:
        """Milliseconds by the clock and of the processor, MiB. Raises subprocess.CalledProcessError."""
        done = subprocess.run(  # noqa: S603 - an interpreter of ours and code of ours
            [self.python, "-I", "-S", "-c", _MEASURE, self.code, str(self.path)],
            env={"AWS_DEFAULT_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"},
            capture_output=True,
            text=True,
            check=True,
        )
        return [float(number) for number in done.stdout.split()[-3:]]


def measured(candidates: Sequence[Candidate], rounds: int) -> list[Start]:
    """Medians of all, each started once a round: a machine's pace changes, and is to change for all."""
    taken: dict[str, list[list[float]]] = {candidate.what: [] for candidate in candidates}
    # The first round fills the page cache.
    for number in range(rounds + 1):
        for candidate in candidates:
            figures = candidate.start()
            if number:
                taken[candidate.what].append(figures)
    found = []
    for candidate in candidates:
        clock, processor, memory = map(statistics.median, zip(*taken[candidate.what], strict=True))
        found.append(Start(candidate.what, clock, processor, memory, size(candidate.path) / 1e6))
    return found


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def candidates(core: Path, plain: Path) -> list[Candidate]:
    """Every handler, one with its clients, and the peers."""
    clients = "from tunestep.aws import Clients\nmade = Clients(region='us-west-2')\nmade.sagemaker, made.s3"
    session = "import boto3\n" + "\n".join(
        f"boto3.client({name!r}, region_name='us-west-2')" for name in ("sagemaker", "s3")
    )
    trainer = "from sagemaker.train.sft_trainer import SFTTrainer"
    return [
        *(Candidate(verb, f"import lambdas.{verb}", core) for verb in names.FUNCTIONS),
        Candidate("validate, with clients", f"import lambdas.validate\n{clients}", core),
        Candidate("plain boto3", "import boto3", plain),
        Candidate("plain boto3, with clients", session, plain),
        *(
            Candidate("SageMaker SDK", trainer, site, str(SDK / "bin/python"))
            for site in sorted(SDK.glob("lib/python*/site-packages"))
        ),
    ]


def sdk_version() -> str:
    """Of the package that holds the trainers, in the SDK's own environment."""
    sites = map(str, SDK.glob("lib/python*/site-packages"))
    found = [item.version for item in metadata.distributions(name="sagemaker-train", path=list(sites))]
    return found[0] if found else "not installed"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_starts", description="Cold starts.")
    parser.add_argument("--rounds", type=int, default=5, help="measured processes each (default 5)")
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    parser.add_argument("--markdown", metavar="FILE", help="also write them into the page of benchmarks.run")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        core, plain = Path(scratch) / "core", Path(scratch) / "plain"
        bundle = Bundle(lock=LOCK, architecture="arm64" if platform.machine() == "aarch64" else "x86_64")
        bundle.build(core)
        bundle.install(LOCK, plain)
        found = measured(candidates(core, plain), options.rounds)
    machine = {**harness.surroundings(("boto3",)), "sagemaker-train": sdk_version()}
    if options.json:
        print(json.dumps({"machine": machine, "starts": [asdict(row) for row in found]}, indent=2))
    else:
        print(_as_text(found, machine))
    if options.markdown:
        page = Path(options.markdown)
        page.write_text(with_section(page.read_text("utf-8"), found, machine), "utf-8")
    return 0 if all(kept(row) for row in found) else 1


def kept(row: Start) -> bool:
    """Whether a handler keeps to its budget; a peer has none."""
    budget = BUDGETS[CORE]
    if row.what not in names.FUNCTIONS:
        return True
    return row.processor_ms <= budget.milliseconds and row.size_mb * 1e6 <= budget.size


def with_section(page: str, found: list[Start], machine: dict[str, str]) -> str:
    """The page of benchmarks with these rows as its last section, in place of an earlier one."""
    budget = BUDGETS[CORE]
    lines = [
        page.partition(f"\n{_HEADING}\n")[0].rstrip(),
        "",
        _HEADING,
        "",
        "Written by `.venv/bin/python -m benchmarks.cold_starts --markdown docs/benchmarks.md`: each row is "
        "a fresh process that imports one thing, the median of several, taken in turns. Size is that of what "
        "is deployed, unzipped. "
        f"Promised of every handler: {budget.milliseconds} ms of the processor's time, "
        f"and {budget.size / 1e6:.0f} MB.",
        "",
        "Measured with " + ", ".join(f"{name} {value}" for name, value in machine.items()) + ".",
        "",
        "| what is imported | clock ms | processor ms | memory MiB | size MB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.what}{'' if kept(row) else ': **not kept**'} | {row.clock_ms:.0f} | {row.processor_ms:.0f} "
        f"| {row.memory_mib:.0f} | {row.size_mb:.1f} |"
        for row in found
    ]
    return "\n".join(lines) + "\n"


def _as_text(found: list[Start], machine: dict[str, str]) -> str:
    lines = [
        ", ".join(f"{name} {value}" for name, value in machine.items()),
        "",
        f"{'what':<28}{'clock ms':>10}{'processor ms':>14}{'memory MiB':>12}{'size MB':>10}",
    ]
    lines += [
        f"{row.what:<28}{row.clock_ms:>10.0f}{row.processor_ms:>14.0f}{row.memory_mib:>12.0f}"
        f"{row.size_mb:>10.1f}"
        for row in found
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
