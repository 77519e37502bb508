"""A schedule: what people do, what becomes of the job, what becomes of events, and what goes wrong."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from tests.faults.jobs import Fate
from tests.faults.wire import Fault, Kind

Deed = Literal["start", "approve", "decline", "stop", "abort", "retry", "end the job", "reconcile"]
Delivery = Literal["lost", "twice", "late"]

KINDS: tuple[Kind, ...] = (
    *("refused", "unreachable", "throttled", "answer lost", "failed after"),
    *("dies", "dies after", "meets"),
)
MEETINGS: tuple[Deed, ...] = ("approve", "decline", "stop", "abort", "reconcile", "start", "end the job")
Lengths = Mapping[str, int]
"""How many AWS calls each function makes in a run without faults."""


@dataclass(frozen=True)
class Upset:
    """What befalls an invocation as a whole: Lambda refuses it, or runs it twice."""

    verb: str
    invocation: int
    kind: Literal["refused", "twice"]

    def __str__(self) -> str:
        return f"{self.verb} #{self.invocation}: invocation {self.kind}"


@dataclass(frozen=True)
class Schedule:
    """Everything that is not decided by the code; ``seed`` also draws the retries' jitter."""

    seed: int
    gated: bool = False
    deeds: tuple[tuple[float, Deed], ...] = ()
    """(seconds after the start, what somebody does)"""
    fates: tuple[Fate, ...] = ()
    faults: tuple[Fault, ...] = ()
    upsets: tuple[Upset, ...] = ()
    events: tuple[tuple[int, Delivery], ...] = field(default=())
    """(number of an event from 1, what becomes of it)"""

    def story(self) -> list[str]:
        """What is peculiar about it, one line each."""
        told = ["the model is gated" if self.gated else "the model is open"]
        told += [f"after {seconds:.0f} s somebody does: {deed}" for seconds, deed in self.deeds]
        told += [f"job {number}: {fate}" for number, fate in enumerate(self.fates, 1) if fate != Fate()]
        told += [f"event {number} is {fate}" for number, fate in self.events]
        return [*told, *map(str, self.faults), *map(str, self.upsets)]

    def smaller(self) -> list["Schedule"]:
        """The same with one thing less, each."""
        found = []
        for name in ("faults", "upsets", "events", "deeds"):
            entries = getattr(self, name)
            found += [replace(self, **{name: entries[:at] + entries[at + 1 :]}) for at in range(len(entries))]
        if any(fate != Fate() for fate in self.fates):
            found.append(replace(self, fates=()))
        return found


CLEAN = (
    Schedule(seed=1),
    Schedule(seed=2, gated=True, deeds=((30.0, "approve"),)),
    Schedule(seed=3, deeds=((600.0, "stop"),)),
)
"""Runs without faults, which between them come by every function."""


def sweep(verb: str, by_run: Sequence[Lengths]) -> Iterator[Schedule]:
    """Every call of a function in the runs without faults, failing in every way, one at a time."""
    for clean, lengths in zip(CLEAN, by_run, strict=True):
        yield from failing(clean, verb, 1, lengths.get(verb, 0))


def failing(schedule: Schedule, verb: str, invocation: int, calls: int) -> Iterator[Schedule]:
    """A schedule with each of the calls of one invocation failing in every way, one at a time."""
    kinds: tuple[tuple[Kind, int], ...] = (
        *(("refused", 4), ("unreachable", 4), ("answer lost", 1), ("answer lost", 4)),
        *(("failed after", 4), ("dies", 1), ("dies after", 1)),
    )
    for number in range(1, calls + 1):
        for kind, times in kinds:
            yield replace(schedule, faults=(Fault(verb, invocation, number, kind, times),))


def drawn(seed: int, lengths: Lengths) -> Schedule:
    """The schedule of a seed: mostly a few things go wrong, sometimes nothing."""
    chance = random.Random(seed)  # noqa: S311 - draws test cases
    gated = chance.random() < 0.5
    return Schedule(
        seed=seed,
        gated=gated,
        deeds=_deeds(chance, gated=gated),
        fates=tuple(_fate(chance) for _ in range(3)),
        faults=tuple(_fault(chance, lengths) for _ in range(chance.choice((0, 1, 1, 2, 3, 5)))),
        upsets=tuple(_upset(chance, lengths) for _ in range(chance.choice((0, 0, 1, 2)))),
        events=_events(chance),
    )


def _deeds(chance: random.Random, *, gated: bool) -> tuple[tuple[float, Deed], ...]:
    deeds: list[tuple[float, Deed]] = []
    if gated:
        answers: tuple[Deed, ...] = chance.choice(
            (("approve",), ("approve",), ("approve", "decline"), ("decline",), ())
        )
        deeds += [(chance.choice((30.0, 600.0, 3590.0, 3600.0, 4400.0)), answer) for answer in answers]
    if chance.random() < 0.5:
        deed: Deed = chance.choice(("stop", "abort", "end the job", "start", "start"))
        deeds.append((chance.uniform(0, 5000), deed))
    if chance.random() < 0.3:
        deeds.append((chance.uniform(2000, 9000), "retry"))
        deeds.append((chance.uniform(9000, 12000), "approve"))
    return tuple(sorted(deeds))


def _fate(chance: random.Random) -> Fate:
    return Fate(
        waits=chance.choice((0.0, 1.0, 60.0)),
        trains=chance.choice((0.0, 2.0, 1800.0, 4000.0)),
        ends=chance.choice(("Completed", "Completed", "Completed", "Failed")),
    )


def _fault(chance: random.Random, lengths: Lengths) -> Fault:
    kind, verb = chance.choice(KINDS), chance.choice(sorted(lengths))
    return Fault(
        verb=verb,
        invocation=chance.choice((1, 1, 1, 2, 3)),
        number=chance.randint(1, lengths[verb]),
        kind=kind,
        times=chance.choice((1, 4)),
        other=chance.choice(MEETINGS) if kind == "meets" else "",
    )


def _upset(chance: random.Random, lengths: Lengths) -> Upset:
    verb = chance.choice(sorted(lengths))
    return Upset(verb, chance.choice((1, 1, 2)), chance.choice(("refused", "twice")))


def _events(chance: random.Random) -> tuple[tuple[int, Delivery], ...]:
    kinds: tuple[Delivery, ...] = ("lost", "twice", "late")
    count = chance.randint(0, 4)
    return tuple(sorted({chance.randint(1, 8): chance.choice(kinds) for _ in range(count)}.items()))
