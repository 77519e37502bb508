"""Ratios that survive a noisy machine: ours and the peer interleaved, fresh data each round, medians."""

import gc
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Claim:
    """``ours`` is at least ``at_least`` times as fast as ``peer`` on the data of ``prepare(round)``.

    ``agree`` raises AssertionError when the two results differ; it runs on every round's results, outside the
    measured time. ``items`` counts what one call handles, for rates. With ``processor`` the processor time of
    this process and its ended children is compared, which other programs on the machine do not change; it
    counts two workers at once as twice the time. With ``work_too`` that ratio is shown beside the other.
    """

    name: str
    peer_name: str
    at_least: float
    unit: str
    prepare: Callable[[int], Any]
    ours: Callable[[Any], Any]
    peer: Callable[[Any], Any]
    items: Callable[[Any], float]
    agree: Callable[[Any, Any], None]
    processor: bool = False
    work_too: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """``run(prepare(round))`` takes at most ``seconds``, and ``check`` accepts each result.

    With ``once`` there is one round and none before it: for what takes long or is a process of its own.
    """

    name: str
    seconds: float
    prepare: Callable[[int], Any]
    run: Callable[[Any], Any]
    check: Callable[[Any], None]
    once: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """A result: rates in items per second for claims, seconds for limits; ``value`` is what is promised."""

    name: str
    against: str
    promised: str
    value: float
    shown: str
    ours: str
    peer: str
    kept: bool


def measure(what: Claim | Limit, rounds: int) -> Measured:
    """Medians over the rounds; one round before them warms both sides up."""
    return _ratio(what, rounds) if isinstance(what, Claim) else _duration(what, rounds)


def _ratio(claim: Claim, rounds: int) -> Measured:
    ours: list[_Spent] = []
    peer: list[_Spent] = []
    for number in range(rounds + 1):
        data = claim.prepare(number)
        sides = [(claim.ours, ours), (claim.peer, peer)]
        results: dict[int, Any] = {}
        for side, (call, times) in sorted(enumerate(sides), reverse=bool(number % 2)):
            spent, results[side] = _timed(call, data)
            times.append(spent.each(claim.items(data)))
        claim.agree(results[0], results[1])
    clock = "work" if claim.processor else "seconds"
    mine, theirs = _of(clock, ours), _of(clock, peer)
    ratios = [peer_time / our_time for our_time, peer_time in zip(mine, theirs, strict=True)]
    value = statistics.median(theirs) / statistics.median(mine)
    shown = f"{value:.1f}x ({min(ratios):.1f} to {max(ratios):.1f})"
    if claim.work_too:
        work = statistics.median(_of("work", peer)) / statistics.median(_of("work", ours))
        shown += f"; {work:.1f}x in processor time"
    return Measured(
        claim.name,
        claim.peer_name,
        f">= {claim.at_least:g}x",
        value,
        shown,
        f"{1 / statistics.median(mine):,.0f} {claim.unit}/s",
        f"{1 / statistics.median(theirs):,.0f} {claim.unit}/s",
        value >= claim.at_least,
    )


def _duration(limit: Limit, rounds: int) -> Measured:
    times = []
    for number in range(1 if limit.once else rounds + 1):
        data = limit.prepare(number)
        spent, result = _timed(limit.run, data)
        limit.check(result)
        times.append(spent.seconds)
    counted = times if limit.once else times[1:]
    value = statistics.median(counted)
    shown = f"{value:.2f} s ({min(counted):.2f} to {max(counted):.2f})"
    return Measured(limit.name, "", f"< {limit.seconds:g} s", value, shown, "", "", value < limit.seconds)


class _Spent(NamedTuple):
    """Seconds by the clock, and processor time."""

    seconds: float
    work: float

    def each(self, items: float) -> "_Spent":
        return _Spent(self.seconds / items, self.work / items)


def _of(clock: str, rounds: Sequence[_Spent]) -> list[float]:
    """One clock's figures, without the round that warmed up."""
    return [getattr(spent, clock) for spent in rounds[1:]]


def _timed(call: Callable[[Any], Any], data: Any) -> tuple[_Spent, Any]:
    gc.collect()
    started, work = time.perf_counter(), processor_seconds()
    result = call(data)
    return _Spent(time.perf_counter() - started, processor_seconds() - work), result


def processor_seconds() -> float:
    """Processor time used so far by this process and by its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def surroundings(packages: Sequence[str]) -> dict[str, str]:
    """What the figures were taken on: processor, cores, Python and the peers' versions."""
    found = {"processor": _processor(), "cores": str(_cores()), "python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def as_document(results: Sequence[Measured], machine: dict[str, str]) -> dict[str, Any]:
    """Everything measured, for ``--json``."""
    return {"machine": machine, "results": [asdict(result) for result in results]}


def as_markdown(results: Sequence[Measured], machine: dict[str, str], date: str, notes: str = "") -> str:
    """The page docs/benchmarks.md; ``notes`` say what the rows are."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `.venv/bin/python -m benchmarks.run --markdown docs/benchmarks.md`; `make bench` "
        "measures without writing. Each figure is a ratio against a named peer, taken in the same run: both "
        "sides interleaved on fresh data, medians over the rounds, the spread in brackets. Rates depend on "
        "the machine; the ratios are what is promised.",
        "",
        f"Measured on {date}: " + ", ".join(f"{name} {value}" for name, value in machine.items()) + ".",
        "",
        "| what | against | promised | measured | ours | peer |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        measured = result.shown if result.kept else f"**{result.shown}: not kept**"
        cells = (result.name, result.against, result.promised, measured, result.ours, result.peer)
        lines.append("| " + " | ".join(cell or "-" for cell in cells) + " |")
    return "\n".join([*lines, *(["", notes] if notes else [])]) + "\n"


def as_text(results: Sequence[Measured], machine: dict[str, str]) -> str:
    """What a person reads in a terminal."""
    lines = [", ".join(f"{name} {value}" for name, value in machine.items()), ""]
    for result in results:
        mark = "ok  " if result.kept else "MISS"
        rates = f"  [{result.ours} against {result.peer}]" if result.peer else ""
        against = f" against {result.against}" if result.against else ""
        lines.append(f"{mark} {result.name}{against}: {result.shown}, promised {result.promised}{rates}")
    return "\n".join(lines)
