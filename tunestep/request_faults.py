"""All shape faults of a document against a msgspec type, not only the first one.

``msgspec.convert`` stops at the first fault; a person wants to mend a file once. The types stay the only
source: names, types, lengths, ranges and patterns are read from them.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from msgspec import inspect

from tunestep.findings import Finding, error

MAX_FINDINGS = 100
"""Most faults that are reported; a document of garbage has no use for more."""

_FREE_TEXT = frozenset({"$.use_case"})
# Invisible characters that reorder text, so that an approver would read something else than is there.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
_MAX_INTEGER = 2**63 - 1
_JSON_TYPES: tuple[tuple[Any, Any, str], ...] = (
    (inspect.BoolType, bool, "true or false"),
    (inspect.IntType, int, "a whole number"),
    (inspect.FloatType, (int, float), "a number"),
    ((inspect.StrType, inspect.LiteralType), str, "text"),
    (inspect.NoneType, type(None), "null"),
    ((inspect.VarTupleType, inspect.ListType), (list, tuple), "a list"),
    ((inspect.DictType, inspect.StructType), Mapping, "an object"),
)
"""Type of the request, class of the parsed value, and its name in a message."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def shape_faults(document: object, kind: type) -> list[Finding]:
    """Findings for everything in ``document`` that ``kind`` does not take, at most MAX_FINDINGS."""
    if not isinstance(document, Mapping):
        return [
            error("WRONG_TYPE", "$", f"must be an object, got {kind_of(document)}.", "Write one JSON object.")
        ]
    faults = list(islice(_faults(document, _type_info(kind), "$"), MAX_FINDINGS + 1))
    if len(faults) > MAX_FINDINGS:
        faults[MAX_FINDINGS:] = [error("INVALID_VALUE", "$", "more faults follow.", "Mend these first.")]
    return faults


@lru_cache(maxsize=8)
def _type_info(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def kind_of(value: object) -> str:
    """The JSON name of a value's type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    names = ((str, "text"), (int, "a number"), (float, "a number"), (list, "a list"), (dict, "an object"))
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def show(value: object) -> str:
    """A value for a message: quoted, escaped and short."""
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def member(path: str, key: str) -> str:
    """The JSON path of a member."""
    return f"{path}.{key}" if _IDENTIFIER.fullmatch(key) and len(key) <= 80 else f"{path}[{show(key)}]"


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like ``name``, or "" when none is near."""
    lowered = {item.lower(): item for item in known}
    found = difflib.get_close_matches(name[:80].lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else ""


def _faults(value: Any, kind: inspect.Type, path: str, described: str = "") -> Iterator[Finding]:
    """``described`` is the type's own description, which says what is expected of a text."""
    match kind:
        case inspect.Metadata():
            described = str((kind.extra_json_schema or {}).get("description", ""))
            yield from _faults(value, kind.type, path, described)
        case inspect.StructType():
            yield from _object_faults(value, kind, path)
        case inspect.UnionType():
            yield from _union_faults(value, kind, path)
        case inspect.AnyType():
            return
        case inspect.DictType():
            yield from _map_faults(value, kind, path)
        case inspect.VarTupleType() | inspect.ListType():
            yield from _list_faults(value, kind, path)
        case _ if not _fits(value, kind):
            yield _wrong_type(value, kind, path)
        case _:
            yield from _scalar_faults(value, kind, path, described)


def _scalar_faults(value: Any, kind: inspect.Type, path: str, described: str) -> Iterator[Finding]:
    match kind:
        case inspect.LiteralType():
            yield from _literal_faults(value, kind, path)
        case inspect.StrType():
            yield from _text_faults(value, kind, path, described)
        case inspect.IntType() | inspect.FloatType():
            yield from _number_faults(value, kind, path)


def _fits(value: Any, kind: inspect.Type) -> bool:
    """Whether the value is of the JSON type that ``kind`` is read from; true is no number."""
    if isinstance(kind, inspect.Metadata):
        return _fits(value, kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(_fits(value, item) for item in kind.types)
    for kinds, classes, _ in _JSON_TYPES:
        if isinstance(kind, kinds):
            return isinstance(value, classes) and (kinds is inspect.BoolType or not isinstance(value, bool))
    return False


def _expected(kind: inspect.Type) -> str:
    """What is taken, as the end of a sentence."""
    if isinstance(kind, inspect.Metadata):
        return _expected(kind.type)
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(str(item) for item in kind.values)
    if isinstance(kind, inspect.UnionType):
        taken = (item for item in kind.types if not isinstance(item, inspect.NoneType))
        return " or ".join(dict.fromkeys(_expected(item) for item in taken))
    return next((name for kinds, _, name in _JSON_TYPES if isinstance(kind, kinds)), "another value")


def _wrong_type(value: Any, kind: inspect.Type, path: str) -> Finding:
    fix = ""
    if _fits("", kind) and isinstance(value, int | float) and not isinstance(value, bool):
        fix = "Put it in quotes."
    return error("WRONG_TYPE", path, f"must be {_expected(kind)}, got {kind_of(value)}.", fix)


def _object_faults(value: Any, kind: inspect.StructType, path: str) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield _wrong_type(value, kind, path)
        return
    fields = {field.encode_name: field for field in kind.fields}
    for key in value:
        if key not in fields:
            near = nearest(str(key), fields)
            yield error(
                "UNKNOWN_FIELD",
                member(path, str(key)),
                "is not a known field.",
                f"Did you mean {near}?" if near else f"Known here: {', '.join(fields)}.",
            )
    for name, field in fields.items():
        if name in value:
            yield from _faults(value[name], field.type, member(path, name))
        elif field.required:
            yield error("MISSING_FIELD", member(path, name), "is required.", f"Give {_hint(field.type)}.")


def _hint(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description") or _expected(kind))
    return _expected(kind)


def _union_faults(value: Any, kind: inspect.UnionType, path: str) -> Iterator[Finding]:
    for item in kind.types:
        if _fits(value, item):
            yield from _faults(value, item, path)
            return
    yield _wrong_type(value, kind, path)


def _map_faults(value: Any, kind: inspect.DictType, path: str) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield _wrong_type(value, kind, path)
        return
    for key, item in value.items():
        where = member(path, str(key))
        if not isinstance(key, str):
            yield error("WRONG_TYPE", where, "the key must be text.")
            continue
        yield from _character_faults(key, where)
        yield from _faults(item, kind.value_type, where)


def _list_faults(value: Any, kind: inspect.VarTupleType | inspect.ListType, path: str) -> Iterator[Finding]:
    if not isinstance(value, list | tuple):
        yield _wrong_type(value, kind, path)
        return
    if kind.min_length is not None and len(value) < kind.min_length:
        yield error("INVALID_VALUE", path, f"must have at least {kind.min_length} entry.")
    if kind.max_length is not None and len(value) > kind.max_length:
        yield error("INVALID_VALUE", path, f"must have at most {kind.max_length} entries, got {len(value)}.")
    for index, item in enumerate(value):
        yield from _faults(item, kind.item_type, f"{path}[{index}]")


def _literal_faults(value: str, kind: inspect.LiteralType, path: str) -> Iterator[Finding]:
    choices = [str(item) for item in kind.values]
    if value not in choices:
        near = nearest(value, choices)
        fix = f"Did you mean {near}?" if near else ""
        yield error("INVALID_VALUE", path, f"must be {_expected(kind)}, got {show(value)}.", fix)


def _character_faults(value: str, path: str) -> Iterator[Finding]:
    allowed = "\n\t" if path in _FREE_TEXT else ""
    if value.isascii() and value.isprintable():
        return
    for char in value:
        if char in _BIDI or (unicodedata.category(char) in ("Cc", "Cs") and char not in allowed):
            yield error(
                "INVALID_VALUE", path, f"holds the control character U+{ord(char):04X}.", "Remove it."
            )
            return


def _text_faults(value: str, kind: inspect.StrType, path: str, described: str) -> Iterator[Finding]:
    if kind.max_length is not None and len(value) > kind.max_length:
        yield error("INVALID_VALUE", path, f"has {len(value)} characters, and at most {kind.max_length} fit.")
        return
    if not value.strip() and (kind.min_length or kind.pattern):
        yield error("INVALID_VALUE", path, "is empty.", "Give a value or remove the field.")
        return
    faults = list(_character_faults(value, path))
    yield from faults
    if not faults and kind.pattern and not re.fullmatch(kind.pattern, value):
        yield error("INVALID_VALUE", path, f"must be {described or kind.pattern}, got {show(value)}.")


def _number_faults(value: float, kind: inspect.IntType | inspect.FloatType, path: str) -> Iterator[Finding]:
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        yield error("INVALID_VALUE", path, "must fit in 64 bits.")
        return
    if not math.isfinite(value):
        yield error("INVALID_VALUE", path, "must be a finite number.")
        return
    limits = (
        (kind.ge is not None and value < kind.ge, f"at least {kind.ge}"),
        (kind.gt is not None and value <= kind.gt, f"more than {kind.gt}"),
        (kind.le is not None and value > kind.le, f"at most {kind.le}"),
        (kind.lt is not None and value >= kind.lt, f"less than {kind.lt}"),
    )
    for broken, rule in limits:
        if broken:
            yield error("INVALID_VALUE", path, f"must be {rule}, got {show(value)}.")
