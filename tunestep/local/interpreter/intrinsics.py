"""Intrinsic functions: States.Format, States.JsonToString, States.StringToJson and States.Array.

Grammar and meaning: Amazon States Language specification, appendix B. Expressions are parsed when the
definition is created, so that a misspelt function never waits for a run to be found.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tunestep.local.interpreter import paths
from tunestep.local.interpreter.documents import dumps, loads
from tunestep.local.interpreter.failures import INTRINSIC_FAILURE, StateFailure


class IntrinsicInvalid(ValueError):  # noqa: N818 - says what it is
    """The text is not a call of a supported intrinsic function."""


@dataclass(frozen=True)
class Literal:
    """A constant argument."""

    value: Any


@dataclass(frozen=True)
class Call:
    """A function call; the arguments are constants, paths and calls."""

    text: str
    name: str
    arguments: "tuple[Expression, ...]"


Expression = Literal | Call | paths.Path

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<call>States\.[A-Za-z0-9]+)\s*\(
      | (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<word>true|false|null)
      | (?P<path>\$(?:\['(?:[^'\\]|\\.)*'\]|[^,()\s'])*)
    )\s*""",
    re.VERBOSE,
)
_ARITY: dict[str, tuple[int, int | None]] = {
    "States.Format": (1, None),
    "States.JsonToString": (1, 1),
    "States.StringToJson": (1, 1),
    "States.Array": (0, None),
}


@lru_cache(maxsize=512)
def parse(text: str) -> Call:
    """Parse one call. Raises IntrinsicInvalid with what is wrong."""
    expression, end = _expression(text, 0)
    if not isinstance(expression, Call) or end != len(text):
        raise IntrinsicInvalid(f"'{text}' is not one intrinsic function call")
    return expression


def _expression(text: str, position: int) -> tuple[Expression, int]:
    match = _TOKEN.match(text, position)
    if match is None:
        raise IntrinsicInvalid(f"'{text}' is not understood at '{text[position:]}'")
    if match["call"] is not None:
        return _call(text, match)
    if match["path"] is not None:
        try:
            return paths.parse(match["path"]), match.end()
        except paths.PathInvalid as fault:
            raise IntrinsicInvalid(str(fault)) from None
    if match["string"] is not None:
        return Literal(_unescape(match["string"][1:-1])), match.end()
    return Literal(loads(match["number"] or match["word"])), match.end()


def _unescape(text: str) -> str:
    """Undo the backslash before a quote; the other escapes belong to the template of States.Format."""
    return re.sub(r"\\(['])", r"\1", text)


def _call(text: str, match: re.Match[str]) -> tuple[Call, int]:
    name, position, arguments = match["call"], match.end(), []
    if text[position : position + 1] == ")":
        position += 1
    else:
        while True:
            argument, position = _expression(text, position)
            arguments.append(argument)
            closing = text[position : position + 1]
            position += 1
            if closing == ")":
                break
            if closing != ",":
                raise IntrinsicInvalid(f"'{text}' lacks a closing parenthesis")
    if name not in _ARITY:
        raise IntrinsicInvalid(f"the laptop cloud does not have {name}; it has {', '.join(_ARITY)}")
    low, high = _ARITY[name]
    if len(arguments) < low or (high is not None and len(arguments) > high):
        raise IntrinsicInvalid(f"{name} does not take {len(arguments)} arguments in '{text}'")
    position += len(text[position:]) - len(text[position:].lstrip())
    return Call(text, name, tuple(arguments)), position


def paths_of(expression: Expression) -> Iterator[paths.Path]:
    """Every path that the expression reads."""
    if isinstance(expression, paths.Path):
        yield expression
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from paths_of(argument)


def evaluate(expression: Expression, document: Any, context: Any) -> Any:
    """The expression's value. Raises PathNotFound, or StateFailure (States.IntrinsicFailure)."""
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, paths.Path):
        return paths.evaluate(expression, document, context)
    values = [evaluate(argument, document, context) for argument in expression.arguments]
    return _FUNCTIONS[expression.name](expression.text, values)


def _fail(text: str, reason: str) -> StateFailure:
    return StateFailure(INTRINSIC_FAILURE, f"The function '{text}' had the following error: {reason}")


def _format(text: str, values: list[Any]) -> str:
    template, rest = values[0], values[1:]
    if not isinstance(template, str):
        raise _fail(text, "the first argument of States.Format is no string")
    pieces = re.split(r"(\\.|\{\})", template)
    if pieces.count("{}") != len(rest):
        raise _fail(text, f"{pieces.count('{}')} placeholders and {len(rest)} values")
    remaining = iter(rest)
    return "".join(_shown(text, next(remaining)) if piece == "{}" else _plain(piece) for piece in pieces)


def _plain(piece: str) -> str:
    return piece[1] if piece.startswith("\\") and len(piece) == 2 else piece


def _shown(text: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        raise _fail(text, "States.Format takes strings, numbers, booleans and null only")
    return dumps(value)


def _json_to_string(_text: str, values: list[Any]) -> str:
    return dumps(values[0])


def _string_to_json(text: str, values: list[Any]) -> Any:
    try:
        return loads(values[0])
    except (TypeError, ValueError):
        raise _fail(text, "the argument is not a JSON string") from None


def _array(_text: str, values: list[Any]) -> list[Any]:
    return values


_FUNCTIONS: dict[str, Callable[[str, list[Any]], Any]] = {
    "States.Format": _format,
    "States.JsonToString": _json_to_string,
    "States.StringToJson": _string_to_json,
    "States.Array": _array,
}
