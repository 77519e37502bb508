"""Time and chance for the engine: the real ones, and virtual ones in which waiting takes no time."""

import random
import secrets
import time
from typing import Protocol

EPOCH = 1_700_000_000.0
"""Where virtual time begins, in epoch seconds."""


class Clock(Protocol):
    """A source of the time in epoch seconds."""

    def now(self) -> float:
        """The time."""


class RealClock:
    """The wall clock: deadlines are kept as dates, so that they hold across a restart."""

    def now(self) -> float:
        return time.time()


class VirtualClock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, start: float = EPOCH) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def advance_to(self, moment: float) -> None:
        """Move on to a moment; a moment that has passed changes nothing."""
        self._now = max(self._now, moment)

    def advance(self, seconds: float) -> None:
        """Let time pass: what a slow function does in virtual time."""
        self._now += seconds


class Chance:
    """The engine's Draws: a clock, random jitter (repeatable with a seed) and new task tokens."""

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - spreads retries, guards nothing

    def now(self) -> float:
        return self._clock.now()

    def uniform(self) -> float:
        return self._random.random()

    def token(self) -> str:
        return secrets.token_urlsafe(48)
