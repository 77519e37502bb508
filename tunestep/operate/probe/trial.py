"""What a probe works with: the stack, a name of its own for all that it makes, and what has to be undone."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tunestep import names
from tunestep.aws import Clients
from tunestep.operate.stack import Stack

Verdict = Literal["confirmed", "refuted", "not tried"]


class Outcome(NamedTuple):
    """``evidence`` is one sentence: what was seen, or why it was not tried."""

    verdict: Verdict
    evidence: str


def confirmed(evidence: str) -> Outcome:
    return Outcome("confirmed", evidence)


def refuted(evidence: str) -> Outcome:
    return Outcome("refuted", evidence)


def not_tried(why: str) -> Outcome:
    return Outcome("not tried", why)


@dataclass(kw_only=True)
class Trial:
    """One probe of one stack. ``known`` holds what one check leaves for a later one."""

    stack: Stack
    model: str
    max_wait_seconds: float
    mark: str = field(default_factory=lambda: f"probe-{secrets.token_hex(4)}")
    known: dict[str, Any] = field(default_factory=dict)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda _: None
    _undo: list[tuple[str, Callable[[], Any]]] = field(default_factory=list)

    @property
    def clients(self) -> Clients:
        return self.stack.clients

    def undo_later(self, what: str, how: Callable[[], Any]) -> None:
        """``how`` runs at the end of the probe, however it ends."""
        self._undo.append((what, how))

    def clean_up(self) -> list[str]:
        """Undo everything, last first; returns what could not be undone, with the reason."""
        left = []
        while self._undo:
            what, how = self._undo.pop()
            try:
                how()
            except Exception as fault:
                # Whatever it is, the rest still has to be undone.
                left.append(f"{what}: {type(fault).__name__}: {fault}")
        return left

    def call(self, verb: str, payload: bytes) -> tuple[Any, bool]:
        """The body that a function of the stack answers, and whether the function failed."""
        answer = self.clients.lambda_.invoke(
            FunctionName=names.function_name(self.stack.name, verb), Payload=payload
        )
        return answer["Payload"].read(), "FunctionError" in answer
