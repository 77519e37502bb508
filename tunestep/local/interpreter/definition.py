"""A state machine's definition: read, checked as a whole, and refused with every fault at once.

Supported: Task, Choice, Pass, Succeed and Fail in JSONPath, with Retry and Catch. Everything else is
refused when the machine is created, by the name of its state, because a definition that only this
interpreter or only AWS understands would make a rehearsal worthless.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tunestep.local.interpreter import states
from tunestep.local.interpreter.documents import loads

State = dict[str, Any]

_TOP_FIELDS = frozenset({"Comment", "StartAt", "States", "TimeoutSeconds", "Version", "QueryLanguage"})


class Diagnostic(NamedTuple):
    """One fault of a definition: the service's code, what is wrong, and the JSON pointer of its place."""

    code: str
    message: str
    location: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location or '/'}"


class DefinitionInvalid(ValueError):  # noqa: N818 - named like the service's InvalidDefinition
    """The definition cannot run; ``diagnostics`` holds every fault."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__("Invalid State Machine Definition: '" + ", ".join(map(str, diagnostics)) + "'")
        self.diagnostics = diagnostics


@dataclass(frozen=True)
class Machine:
    """A checked definition. ``timeout`` is the whole execution's, in seconds."""

    start_at: str
    states: dict[str, State]
    timeout: float | None


def load(text: str) -> Machine:
    """Read and check a definition. Raises DefinitionInvalid with every fault found."""
    try:
        document = loads(text)
    except ValueError as fault:
        raise DefinitionInvalid([Diagnostic("INVALID_JSON_DESCRIPTION", str(fault), "")]) from None
    if diagnostics := list(_diagnostics(document)):
        raise DefinitionInvalid(diagnostics)
    return Machine(document["StartAt"], document["States"], document.get("TimeoutSeconds"))


def _diagnostics(document: Any) -> Iterator[Diagnostic]:
    if not isinstance(document, dict):
        yield _schema("the definition is not an object", "")
        return
    yield from _top_level(document)
    machine_states = document.get("States")
    if not isinstance(machine_states, dict) or not machine_states:
        yield _schema("States is required and must hold at least one state", "/States")
        return
    sound = True
    for name, state in machine_states.items():
        for fault in _state_faults(name, state):
            sound = False
            yield _schema(fault, f"/States/{name}")
    if sound:
        yield from _transitions(document["States"], document.get("StartAt"))


def _schema(message: str, location: str) -> Diagnostic:
    return Diagnostic("SCHEMA_VALIDATION_FAILED", message, location)


def _top_level(document: dict[str, Any]) -> Iterator[Diagnostic]:
    for field in document.keys() - _TOP_FIELDS:
        yield _schema(f"unknown field '{field}'", f"/{field}")
    if document.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield _schema("only the query language JSONPath is supported", "/QueryLanguage")
    if document.get("Version", "1.0") != "1.0":
        yield _schema("the only version is 1.0", "/Version")
    if not isinstance(document.get("StartAt"), str):
        yield _schema("StartAt is required", "/StartAt")
    if "TimeoutSeconds" in document and not states.positive_integer(document["TimeoutSeconds"]):
        yield _schema("TimeoutSeconds must be a positive integer", "/TimeoutSeconds")


def _state_faults(name: str, state: Any) -> Iterator[str]:
    if not 1 <= len(name) <= 80:
        yield "a state's name has 1 to 80 characters"
    if isinstance(state, dict):
        yield from states.faults(state)
    else:
        yield "a state is an object"


def targets(state: State) -> Iterator[tuple[str, str]]:
    """Every state that can follow, each with the field that says so."""
    for field in ("Next", "Default"):
        if field in state:
            yield field, state[field]
    for field in ("Choices", "Catch"):
        for index, rule in enumerate(state.get(field, ())):
            yield f"{field}[{index}]/Next", rule["Next"]


def _transitions(machine_states: dict[str, State], start: Any) -> Iterator[Diagnostic]:
    missing = "MISSING_TRANSITION_TARGET"
    if start not in machine_states:
        yield Diagnostic(missing, f"StartAt names the state '{start}', which is not there", "/StartAt")
        return
    reached, pending = {start}, [start]
    while pending:
        for _field, target in targets(machine_states[pending.pop()]):
            if target in machine_states and target not in reached:
                reached.add(target)
                pending.append(target)
    for name, state in machine_states.items():
        for field, target in targets(state):
            if target not in machine_states:
                place = f"/States/{name}/{field}"
                yield Diagnostic(missing, f"the state '{target}' is not there", place)
        if name not in reached:
            yield Diagnostic(missing, f"no transition leads to the state '{name}'", f"/States/{name}")
