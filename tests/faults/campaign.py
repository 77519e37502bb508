"""Playing schedules one after the other, and telling the shortest story of one that went wrong."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.faults import agreement, invariants
from tests.faults.ground import Ground
from tests.faults.schedule import CLEAN, Schedule
from tests.faults.simulation import Simulation
from tests.faults.wire import AFTER, BEFORE, Call

MOST_SHRINKS = 200


class Outcome(NamedTuple):
    """What a schedule came to: what is wrong (nothing, it is hoped), and everything that happened."""

    problems: list[str]
    journal: list[str]


@dataclass
class Coverage:
    """Where one function calls AWS from ("file:line service.Operation"), and how often that failed."""

    verb: str
    seen: Counter[str] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)

    def add(self, ground: Ground) -> None:
        self.seen.update(_place(call) for call in ground.wire.seen if self._counts(call))
        for fault, call in ground.wire.struck:
            for kinds, count in ((BEFORE, self.before), (AFTER, self.after)):
                if fault.kind in kinds and self._counts(call):
                    count[_place(call)] += 1

    def _counts(self, call: Call) -> bool:
        return (call.verb, call.invocation) == (self.verb, 1)

    def report(self) -> list[str]:
        """One line per place: played, failed before its effect, failed after it."""
        return [
            f"{self.verb:18} {place:60} played {count:5}  failed before {self.before[place]:4}  "
            f"after {self.after[place]:4}"
            for place, count in sorted(self.seen.items())
        ]


def _place(call: Call) -> str:
    return f"{call.site} {call.operation}"


@dataclass(frozen=True)
class Profile:
    """What the runs without faults do: how many calls each function makes, and from where."""

    by_run: tuple[dict[str, int], ...]
    """Of each run in CLEAN, the calls of a function's longest invocation."""
    lengths: dict[str, int]
    """The most of all runs."""
    places: dict[str, frozenset[str]]


def profile(ground: Ground) -> Profile:
    """Play the runs without faults."""
    by_run: list[dict[str, int]] = []
    places: dict[str, set[str]] = {}
    for clean in CLEAN:
        outcome = play(ground, clean)
        assert not outcome.problems, story(ground, clean)
        lengths: dict[str, int] = {}
        for call in ground.wire.seen:
            lengths[call.verb] = max(lengths.get(call.verb, 0), call.number)
            if call.invocation == 1:
                places.setdefault(call.verb, set()).add(_place(call))
        by_run.append(lengths)
    most = {verb: max(run.get(verb, 0) for run in by_run) for verb in places}
    return Profile(tuple(by_run), most, {verb: frozenset(found) for verb, found in places.items()})


def play(ground: Ground, schedule: Schedule, coverage: Coverage | None = None) -> Outcome:
    """Play one schedule and look at what is left."""
    sim = Simulation(ground, schedule)
    watch = invariants.Watch(sim)
    found: list[str] = []
    try:
        sim.play()
        found = [*watch.problems, *invariants.problems(sim), *agreement.disagreements(sim)]
    finally:
        sim.close()
    if coverage is not None:
        coverage.add(ground)
    return Outcome(found, sim.journal)


def shortest(ground: Ground, schedule: Schedule) -> Schedule:
    """A schedule as small as possible that still goes wrong."""
    tried = 0
    while True:
        for smaller in schedule.smaller():
            tried += 1
            if tried > MOST_SHRINKS:
                return schedule
            if play(ground, smaller).problems:
                schedule = smaller
                break
        else:
            return schedule


def story(ground: Ground, schedule: Schedule) -> str:
    """What to tell whoever has to mend it."""
    small = shortest(ground, schedule)
    outcome = play(ground, small)
    return "\n".join(
        [
            f"Seed {schedule.seed}, made as small as possible:",
            *(f"  {line}" for line in small.story()),
            "What is wrong:",
            *(f"  {line}" for line in outcome.problems),
            "What happened:",
            *(f"  {line}" for line in outcome.journal),
            f"Again: {small!r}",
        ]
    )
