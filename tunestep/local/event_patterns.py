"""EventBridge event patterns and input transformers.

Syntax: Amazon EventBridge user guide, "Comparison operators for use in event patterns" and "Amazon
EventBridge input transformation". What is not known here is refused when a rule is deployed.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]


class PatternInvalid(ValueError):  # noqa: N818
    """The pattern or template uses something that the laptop cloud does not know."""


_MISSING = object()
_NUMERIC = {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">=": operator.ge, ">": operator.gt}
_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\['([^']+)'\]")


def check(pattern: Any, where: str = "$") -> None:
    """Raises PatternInvalid naming the place."""
    if not isinstance(pattern, dict) or not pattern:
        raise PatternInvalid(f"{where}: a pattern is an object that is not empty")
    for key, value in pattern.items():
        place = f"{where}.{key}"
        if key == "$or":
            for index, choice in enumerate(value):
                check(choice, f"{place}[{index}]")
        elif isinstance(value, dict):
            check(value, place)
        elif isinstance(value, list):
            for item in value:
                _check_filter(item, place)
        else:
            raise PatternInvalid(f"{place}: values are lists")


def _check_filter(item: Any, place: str) -> None:
    if isinstance(item, dict) and (len(item) != 1 or next(iter(item)) not in _OPERATORS):
        raise PatternInvalid(f"{place}: {sorted(item)} is not an operator that the laptop cloud knows")


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether every field of the pattern finds its match in the event."""
    return all(
        any(matches(choice, event) for choice in wanted)
        if key == "$or"
        else _field(wanted, event.get(key, _MISSING) if isinstance(event, dict) else _MISSING)
        for key, wanted in pattern.items()
    )


def _field(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        candidates = value if isinstance(value, list) else [value]
        return any(matches(wanted, item if item is not _MISSING else {}) for item in candidates or [{}])
    values = value if isinstance(value, list) else [value]
    return any(
        _filter(item, value) if _is_exists(item) else any(_filter(item, v) for v in values) for item in wanted
    )


def _is_exists(item: Any) -> bool:
    return isinstance(item, dict) and "exists" in item


def _filter(wanted: Any, value: Any) -> bool:
    if not isinstance(wanted, dict):
        return _same(wanted, value)
    ((name, argument),) = wanted.items()
    return (value is not _MISSING or name == "exists") and _OPERATORS[name](argument, value)


def _same(wanted: Any, value: Any) -> bool:
    comparable = type(wanted) is type(value) or (_number(wanted) and _number(value))
    return bool(comparable and wanted == value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _exists(wanted: Any, value: Any) -> bool:
    leaf = value is not _MISSING and not isinstance(value, dict)
    return leaf is bool(wanted)


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def compare(wanted: Any, value: Any) -> bool:
        if not isinstance(value, str):
            return False
        if isinstance(wanted, dict):
            return test(value.lower(), str(wanted["equals-ignore-case"]).lower())
        return any(test(value, item) for item in (wanted if isinstance(wanted, list) else [wanted]))

    return compare


def _anything_but(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        return not _filter(wanted, value)
    return not any(_same(item, value) for item in (wanted if isinstance(wanted, list) else [wanted]))


def _numeric(wanted: Any, value: Any) -> bool:
    pairs = zip(wanted[::2], wanted[1::2], strict=True)
    return _number(value) and all(_NUMERIC[sign](value, bound) for sign, bound in pairs)


def _wildcard(value: str, wanted: str) -> bool:
    return (
        re.fullmatch(".*".join(re.escape(part) for part in wanted.split("*")), value, re.DOTALL) is not None
    )


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "exists": _exists,
    "prefix": _text(str.startswith),
    "suffix": _text(str.endswith),
    "equals-ignore-case": _text(lambda value, wanted: value.lower() == wanted.lower()),
    "wildcard": _text(_wildcard),
    "anything-but": _anything_but,
    "numeric": _numeric,
}


def at_path(path: str, event: Any) -> Any:
    """The value at a JSON path such as ``$.detail.items[0]``; None when there is none.

    Raises PatternInvalid for a path in a richer dialect.
    """
    rest = path.removeprefix("$")
    while rest:
        step = _STEP.match(rest)
        if step is None:
            raise PatternInvalid(f"{path} is not a path that the laptop cloud knows")
        rest = rest[step.end() :]
        key, index, quoted = step.groups()
        try:
            event = event[int(index)] if index is not None else event[key or quoted]
        except (KeyError, IndexError, TypeError):
            return None
    return event


def target_input(target: Mapping[str, Any], event: Event) -> str:
    """What a rule's target receives for an event."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(at_path(target["InputPath"], event))
    if "InputTransformer" in target:
        return _transform(target["InputTransformer"], event)
    return json.dumps(event)


def _transform(transformer: Mapping[str, Any], event: Event) -> str:
    values = {name: at_path(path, event) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values.setdefault("aws.events.event.json", event)
    values.setdefault("aws.events.event", event)
    template: str = transformer["InputTemplate"]
    written, inside, position = "", False, 0
    while position < len(template):
        found = _PLACEHOLDER.match(template, position)
        if found and found[1] in values:
            written += _written(values[found[1]], inside)
            position = found.end()
            continue
        if template[position] == '"' and not template[:position].endswith("\\"):
            inside = not inside
        written += template[position]
        position += 1
    return written


def _written(value: Any, inside: bool) -> str:
    """A value on its own is JSON; inside a JSON string it is text, escaped."""
    if not inside:
        return json.dumps(value)
    return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]
