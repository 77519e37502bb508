"""Choice rules: their evaluation, and what is wrong with a rule.

A comparison of a value of another type is false, never an error; a Variable that selects nothing ends
the execution with States.Runtime, unless the rule is IsPresent (Amazon States Language, "Choice State").
"""

import datetime
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

from tunestep.local.interpreter import paths
from tunestep.local.interpreter.failures import RUNTIME, StateFailure

_COMBINERS = frozenset({"And", "Or", "Not"})
_RULE_FIELDS = frozenset({"Variable", "Next", "Comment"})
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _timestamp(value: Any) -> datetime.datetime | None:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_KINDS: dict[str, Callable[[Any], Any]] = {
    "String": _string,
    "Numeric": _number,
    "Boolean": _boolean,
    "Timestamp": _timestamp,
}
_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
_TESTS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": lambda value: _number(value) is not None,
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: _timestamp(value) is not None,
}
_COMPARISONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], bool]]] = {
    kind + relation: (cast, compare)
    for kind, cast in _KINDS.items()
    for relation, compare in _RELATIONS.items()
    if kind != "Boolean" or relation == "Equals"
}
OPERATORS = frozenset(
    {*_COMPARISONS, *(f"{name}Path" for name in _COMPARISONS), *_TESTS, "IsPresent", "StringMatches"}
)


def holds(rule: dict[str, Any], document: Any, context: Any) -> bool:
    """Whether a rule holds; And and Or stop at the first rule that settles them."""
    if "And" in rule:
        return all(holds(inner, document, context) for inner in rule["And"])
    if "Or" in rule:
        return any(holds(inner, document, context) for inner in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], document, context)
    return _test(_operator(rule), rule, document, context)


def _test(name: str, rule: dict[str, Any], document: Any, context: Any) -> bool:
    variable = paths.parse(rule["Variable"])
    if name == "IsPresent":
        return _is_present(variable, document, context) is rule[name]
    value = _value(variable, document, context)
    if name in _TESTS:
        return _TESTS[name](value) is rule[name]
    if name == "StringMatches":
        return isinstance(value, str) and _wildcard(rule[name]).fullmatch(value) is not None
    wanted = rule[name]
    if name.endswith("Path"):
        name, wanted = name[:-4], _value(paths.parse(wanted), document, context)
    cast, compare = _COMPARISONS[name]
    left, right = cast(value), cast(wanted)
    return left is not None and right is not None and compare(left, right)


def _operator(rule: dict[str, Any]) -> str:
    return next(key for key in rule if key not in _RULE_FIELDS)


def _is_present(path: paths.Path, document: Any, context: Any) -> bool:
    try:
        paths.evaluate(path, document, context)
    except paths.PathNotFound:
        return False
    return True


def _value(path: paths.Path, document: Any, context: Any) -> Any:
    try:
        return paths.evaluate(path, document, context)
    except paths.PathNotFound as missing:
        raise StateFailure(
            RUNTIME,
            f"Invalid path '{missing}': The choice state's condition path references an invalid value.",
        ) from None


def _wildcard(pattern: str) -> re.Pattern[str]:
    """``*`` is any text; ``\\*`` and ``\\\\`` are the characters themselves."""
    pieces = re.split(r"(\\.|\*)", pattern)
    parts = [".*" if piece == "*" else re.escape(piece.removeprefix("\\") or piece) for piece in pieces]
    return re.compile("".join(parts), re.DOTALL)


def faults(rule: Any, location: str, *, top: bool = True) -> Iterator[str]:
    """What is wrong with a rule, each fault with its place."""
    if not isinstance(rule, dict):
        yield f"{location}: a choice rule is an object"
        return
    operators = [key for key in rule if key not in _RULE_FIELDS]
    if top and not isinstance(rule.get("Next"), str):
        yield f"{location}: Next is required"
    if not top and "Next" in rule:
        yield f"{location}: Next belongs to the outermost rule"
    if len(operators) != 1:
        yield f"{location}: exactly one operator is needed, found {operators}"
        return
    name = operators[0]
    if name in _COMBINERS:
        yield from _combiner_faults(name, rule, location)
    elif name not in OPERATORS:
        yield f"{location}: unknown operator '{name}'"
    else:
        yield from _path_faults(rule.get("Variable"), f"{location}.Variable")
        yield from _operand_faults(name, rule[name], f"{location}.{name}")


def _combiner_faults(name: str, rule: dict[str, Any], location: str) -> Iterator[str]:
    if "Variable" in rule:
        yield f"{location}: {name} takes no Variable"
    inner = rule[name] if name != "Not" else [rule[name]]
    if not isinstance(inner, list) or not inner:
        yield f"{location}.{name}: a list with at least one rule is expected"
        return
    for index, item in enumerate(inner):
        yield from faults(item, f"{location}.{name}[{index}]", top=False)


def _operand_faults(name: str, operand: Any, location: str) -> Iterator[str]:
    if name.endswith("Path"):
        yield from _path_faults(operand, location)
    elif name in _TESTS or name == "IsPresent":
        if not isinstance(operand, bool):
            yield f"{location}: true or false is expected"
    elif name == "StringMatches":
        if not isinstance(operand, str):
            yield f"{location}: a string is expected"
    elif _COMPARISONS[name][0](operand) is None:
        yield f"{location}: {operand!r} is not of the operator's type"


def _path_faults(text: Any, location: str) -> Iterator[str]:
    if not isinstance(text, str):
        yield f"{location}: a path is required"
        return
    try:
        paths.parse(text)
    except paths.PathInvalid as fault:
        yield f"{location}: {fault}"
