"""What can be wrong with a row, and the collector that counts it without remembering the data.

A fault holds a place, a rule, and the type and length of what was found. Content appears in the findings
file alone, as a quote of at most ``QUOTE`` characters.
"""

import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec

FIRST_LINES = 20
"""How many places of one group the report lists; the findings file has them all."""
QUOTE = 120
"""Longest quote, in characters, in the findings file."""
MOST_WRITTEN = 200_000
"""Most faults that are written to the findings file; the counts go on beyond it."""

_INDEX = re.compile(r"\[\d+\]")


class Rule(NamedTuple):
    """``should`` says what the place should hold; a warning never blocks a run."""

    severity: Literal["error", "warning"]
    should: str


RULES: dict[str, Rule] = {
    "ROW_NOT_JSON": Rule("error", "one JSON object per line"),
    "ROW_NOT_UTF8": Rule("error", "text in UTF-8"),
    "ROW_TOO_DEEP": Rule("error", "brackets nested less than a few hundred deep"),
    "ROW_TOO_LONG": Rule("error", "a row of at most 4 MB"),
    "ROW_NOT_OBJECT": Rule("error", "a JSON object"),
    "DUPLICATE_KEY": Rule("error", "every key once; readers differ in which of two values they take"),
    "FORMAT_UNKNOWN": Rule("error", "the fields of a known format"),
    "FORMAT_OTHER": Rule("error", "a row in the format of this technique and model family"),
    "FORMAT_UNREGISTERED": Rule("warning", "prompt and completion, the names the service's formats use"),
    "FIELD_MISSING": Rule("error", "this field"),
    "FIELD_TYPE": Rule("error", "a value of the type that the format gives this field"),
    "NO_MESSAGES": Rule("error", "at least one message"),
    "TEXT_EMPTY": Rule("error", "a text with more than white space"),
    "CONTENT_PARTS": Rule("warning", "a text; the service's format for open weights has no content parts"),
    "ROLE_UNKNOWN": Rule("error", "system, user, assistant or tool; for Nova user or assistant"),
    "ROLE_ORDER": Rule("error", "system first if at all, then user and assistant in turn"),
    "LAST_NOT_ASSISTANT": Rule("error", "the assistant's answer as the last message"),
    "LAST_NOT_USER": Rule("error", "a question as the last message: the model gives the answer itself"),
    "ANSWERS_EQUAL": Rule("error", "chosen and rejected that differ"),
    "PROMPTS_DIFFER": Rule("error", "chosen and rejected that go on from the same messages"),
    "LABEL_UNKNOWN": Rule("error", "preferred or non-preferred"),
    "LABEL_MISSING": Rule("error", "one preferred and one non-preferred candidate"),
    "SCHEMA_VERSION": Rule("warning", "bedrock-conversation-2024"),
    "GROUND_TRUTH_ABSENT": Rule("warning", "the answer that a reward function compares with"),
}


class Fault(NamedTuple):
    """One broken rule of one row. ``path`` names fields of the known formats and indices, nothing else."""

    rule: str
    path: str
    found: str
    detail: str = ""


class Place(msgspec.Struct, frozen=True):
    """``file`` counts from 1 in the order of the files; ``line`` is a row number where there are no lines."""

    file: int
    line: int
    path: str


class Group(msgspec.Struct, kw_only=True):
    """All faults of one rule at one kind of place. ``found`` is that of the first."""

    rule: str
    severity: Literal["error", "warning"]
    path: str
    should: str
    found: str
    detail: str = ""
    count: int = 0
    first: list[Place] = []


def kind(value: Any) -> str:
    """Type and length of a value, never the value."""
    names: dict[type, str] = {bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)} fields"
    return names.get(type(value), "another type")


def quote(line: bytes) -> str:
    """The beginning of a line, for the findings file."""
    return line[: QUOTE * 4].decode(errors="replace")[:QUOTE]


class Collector:
    """Counts faults by group. ``sink`` takes the lines (JSON) of the findings file."""

    def __init__(self, sink: Callable[[bytes], object] | None = None) -> None:
        self._sink = sink
        self._groups: dict[tuple[str, str, str], Group] = {}
        self.rows = {"error": 0, "warning": 0}
        self.written = 0
        self.total = 0

    def add(self, file: int, name: str, line: int, faults: list[Fault], text: bytes) -> None:
        """Count a row's faults; ``name`` and the quote of ``text`` go to the findings file only."""
        worst = "warning"
        for fault in faults:
            rule = RULES[fault.rule]
            if rule.severity == "error":
                worst = "error"
            path = _INDEX.sub("[*]", fault.path)
            group = self._groups.get((fault.rule, path, fault.detail))
            if group is None:
                group = self._groups[fault.rule, path, fault.detail] = Group(
                    rule=fault.rule,
                    severity=rule.severity,
                    path=path,
                    should=rule.should,
                    found=fault.found,
                    detail=fault.detail,
                    first=[],
                )
            group.count += 1
            self.total += 1
            if len(group.first) < FIRST_LINES:
                group.first.append(Place(file, line, fault.path))
            self._write(name, line, fault, rule, text)
        self.rows[worst] += 1

    def _write(self, name: str, line: int, fault: Fault, rule: Rule, text: bytes) -> None:
        if self._sink is None or self.written >= MOST_WRITTEN:
            return
        self.written += 1
        entry = {
            "file": name,
            "line": line,
            "path": fault.path,
            "rule": fault.rule,
            "severity": rule.severity,
            "found": fault.found,
            "should_be": rule.should,
            "quote": quote(text),
        }
        self._sink(msgspec.json.encode(entry) + b"\n")

    def groups(self) -> list[Group]:
        """Errors first, the most frequent first."""
        return sorted(self._groups.values(), key=lambda group: (group.severity, -group.count))
