"""Reading the JSON and YAML files that people write, without trusting them.

Both forms yield the same values: objects with text keys, lists, text, integers of 64 bits, finite
numbers, booleans and null. YAML is read from its event stream with the scalars of the YAML 1.2 core
schema: dates stay text, ``yes`` and ``no`` stay text, and ``1e-4`` is a number as it is in JSON.
"""

import json
import math
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml

MAX_BYTES = 256 * 1024
"""Largest document, in bytes: the largest input that Step Functions takes."""

MAX_DEPTH = 32
"""Deepest nesting of objects and lists."""

Kind = Literal["json", "yaml"]

_KINDS: dict[str, Kind] = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_MAX_INTEGER = 2**63 - 1
# An unterminated string swallows the rest, so that the scan stays linear.
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_COLON = re.compile(r"\s*:")
_YAML_NULL = re.compile(r"|~|null|Null|NULL")
_YAML_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
# A leading zero (an account number, a date part) is text, because YAML 1.1 and 1.2 disagree on it.
_YAML_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_YAML_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_YAML_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentInvalid(ValueError):  # noqa: N818 - reads like the other refusals
    """The document cannot be read; the message says what, where and what to do."""


def read(path: str | Path) -> object:
    """The value of a file; the suffix tells JSON from YAML, and without one the first character does.

    Raises DocumentInvalid, also for a file that is absent, no regular file, or larger than MAX_BYTES
    (such a file is not opened).
    """
    file = Path(path)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DocumentInvalid(f"{file}: is not a file. Give the path of a JSON or YAML file.")
        if status.st_size > MAX_BYTES:
            raise DocumentInvalid(_too_large(str(file), status.st_size))
        with file.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DocumentInvalid(f"{file}: no such file. Check the path.") from None
    except (OSError, ValueError) as fault:
        if isinstance(fault, DocumentInvalid):
            raise
        reason = fault.strerror if isinstance(fault, OSError) else fault
        raise DocumentInvalid(f"{file}: cannot be read ({reason}).") from None
    kind = _KINDS.get(file.suffix.lower()) or ("json" if data.lstrip()[:1] in (b"{", b"[") else "yaml")
    return loads(data, kind, name=str(file))


def loads(data: bytes, kind: Kind, *, name: str = "document") -> object:
    """The value of JSON or YAML bytes; ``name`` begins every message. Raises DocumentInvalid.

    YAML without any content (only comments, or nothing at all) is None.
    """
    if len(data) > MAX_BYTES:
        raise DocumentInvalid(_too_large(name, len(data)))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise DocumentInvalid(f"{name}: line {line} is not UTF-8. Save the file as UTF-8.") from None
    value = _json(text, name) if kind == "json" else _yaml(text, name)
    _check_text(value, name)
    return value


def _too_large(name: str, size: int) -> str:
    return f"{name}: has {size:,} bytes, and at most {MAX_BYTES:,} are read. Large data belongs in S3."


def _check_text(value: object, name: str) -> None:
    """Refuse text that is no Unicode (lone surrogates), which no hash or request could carry."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if not item.isascii() and any("\ud800" <= char <= "\udfff" for char in item):
                raise DocumentInvalid(f"{name}: the text {item[:40]!r} holds half of a surrogate pair.")
        elif isinstance(item, dict):
            todo += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            todo += item


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > _MAX_INTEGER:
        raise ValueError(f"the number {text[:24]} has more than 64 bits")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:24]} is not finite")
    return number


def _json(text: str, name: str) -> Any:
    if not text.strip():
        raise DocumentInvalid(f"{name}: is empty. Write a JSON object.")
    depth = 0
    for token in _JSON_TOKEN.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            line = text.count("\n", 0, token.start()) + 1
            raise DocumentInvalid(f"{name}: line {line} is nested deeper than {MAX_DEPTH} levels.")
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    except json.JSONDecodeError as fault:
        where = f"line {fault.lineno}, column {fault.colno}"
        raise DocumentInvalid(f"{name}: {where}: not JSON: {fault.msg}.") from None
    except ValueError as fault:
        raise DocumentInvalid(f"{name}: {fault}.") from None
    if repeated := _repeated_key(text):
        where = f"line {text.count(chr(10), 0, repeated.start()) + 1}"
        raise DocumentInvalid(
            f"{name}: {where}: the key {repeated[0][:80]} appears twice in one object; keep one."
        )
    return value


def _repeated_key(text: str) -> re.Match[str] | None:
    """The first key of valid JSON that its object already has."""
    seen: list[set[str]] = []
    for token in _JSON_TOKEN.finditer(text):
        if token[0] in "{[":
            seen.append(set())
        elif token[0] in "}]":
            seen.pop()
        elif _COLON.match(text, token.end()):
            key = json.loads(token[0])
            if key in seen[-1]:
                return token
            seen[-1].add(key)
    return None


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a finite number")


def _yaml(text: str, name: str) -> Any:
    try:
        return _YamlReader(yaml.parse(text, Loader=_Loader)).document()
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = " ".join(part for part in (fault.context, fault.problem) if part)
        raise DocumentInvalid(f"{name}: {where}not YAML: {problem}.") from None
    except yaml.YAMLError as fault:
        raise DocumentInvalid(f"{name}: not YAML: {str(fault).splitlines()[0]}.") from None
    except _YamlRefused as fault:
        raise DocumentInvalid(f"{name}: {fault}.") from None


class _YamlRefused(ValueError):  # noqa: N818
    """Something that YAML has and these documents do not; the message holds line and column."""

    def __init__(self, event: yaml.Event, message: str) -> None:
        mark = event.start_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        super().__init__(where + message)


class _YamlReader:
    """Builds the value from parser events; nothing is ever constructed by a tag."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events

    def document(self) -> Any:
        value, seen = None, False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise _YamlRefused(event, "a second document begins; keep one per file")
                seen, value = True, self._value(next(self._events), 1)
        return value

    def _value(self, event: yaml.Event, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _YamlRefused(event, "anchors and aliases are not read; repeat the value")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _YamlRefused(event, f"the tag {tag[:80]!r} is not read; remove it")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if depth > MAX_DEPTH:
            raise _YamlRefused(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth)
        return self._sequence(depth)

    def _mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                raise _YamlRefused(event, f"the key {str(key)[:80]!r} is not text; put it in quotes")
            if key in result:
                raise _YamlRefused(event, f"the key {key[:80]!r} appears twice in one object; keep one")
            result[key] = self._value(next(self._events), depth + 1)
        return result

    def _sequence(self, depth: int) -> list[Any]:
        result = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            result.append(self._value(event, depth + 1))
        return result


def _scalar(event: yaml.ScalarEvent) -> str | int | float | bool | None:
    text = event.value
    if event.style:
        return text
    if _YAML_NULL.fullmatch(text):
        return None
    if _YAML_BOOL.fullmatch(text):
        return text.lower() == "true"
    if _YAML_NOT_FINITE.fullmatch(text):
        raise _YamlRefused(event, f"{text} is not a finite number")
    try:
        if _YAML_INTEGER.fullmatch(text):
            return _integer(text)
        if _YAML_FLOAT.fullmatch(text):
            return _float(text)
    except ValueError as fault:
        raise _YamlRefused(event, str(fault)) from None
    return text
