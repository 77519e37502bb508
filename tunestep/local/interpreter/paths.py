"""Reference paths: ``$``, ``$.a.b[0]['c']`` and ``$$.Execution.Id``.

One path selects one value. Wildcards, slices, filters and ``..`` are refused when the definition is
created, so that what runs here means the same on AWS.
"""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tunestep.local.interpreter.failures import RESULT_PATH_MATCH_FAILURE, StateFailure

Step = str | int

_STEP = re.compile(
    r"""\.(?P<name>[^\s.\[\]'"$@*?(){},:]+)
      | \[(?P<index>-?\d{1,9})\]
      | \['(?P<single>(?:[^'\\]|\\.)+)'\]
      | \["(?P<double>(?:[^"\\]|\\.)+)"\]""",
    re.VERBOSE,
)


class PathInvalid(ValueError):  # noqa: N818 - says what it is
    """The text is not a path of the supported kind."""


class PathNotFound(LookupError):  # noqa: N818 - says what it is
    """The path selects nothing in this document."""


@dataclass(frozen=True)
class Path:
    """A parsed path: of the context object (``$$``) or of the document, and the steps into it."""

    text: str
    context: bool
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return self.text

    @property
    def bracketed(self) -> str:
        """The path as the service spells it in its messages: ``$['a'][0]``."""
        return ("$$" if self.context else "$") + "".join(f"[{step!r}]" for step in self.steps)


@lru_cache(maxsize=1024)
def parse(text: str) -> Path:
    """Parse a path. Raises PathInvalid, naming what is not supported."""
    context = text.startswith("$$")
    rest = text[2 if context else 1 :]
    if not text.startswith("$"):
        raise PathInvalid(f"'{text}' does not start with $")
    steps: list[Step] = []
    position = 0
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            raise PathInvalid(
                f"'{text}' is not a reference path (at '{rest[position:]}'): "
                "use only .name, ['name'] and [index]"
            )
        steps.append(_step(match))
        position = match.end()
    return Path(text, context, tuple(steps))


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return int(match["index"])
    if match["name"] is not None:
        return match["name"]
    return re.sub(r"\\(.)", r"\1", match["single"] or match["double"])


def evaluate(path: Path, document: Any, context: Any) -> Any:
    """The value that the path selects. Raises PathNotFound."""
    value = context if path.context else document
    for step in path.steps:
        value = _descend(value, step, path)
    return value


def _descend(value: Any, step: Step, path: Path) -> Any:
    try:
        if isinstance(step, str):
            return value[step] if isinstance(value, dict) else _missing(path)
        return value[step] if isinstance(value, list) else _missing(path)
    except LookupError:
        return _missing(path)


def _missing(path: Path) -> Any:
    raise PathNotFound(path.text)


def insert(path: Path, document: Any, result: Any) -> Any:
    """A copy of the document with the result where ResultPath says; the document itself stays as it is.

    Members that are not there are created. Raises StateFailure (States.ResultPathMatchFailure) where a
    value on the way is no object, or an index is not in its array.
    """
    if not path.steps:
        return result
    return _insert(document, path.steps, result, path)


def _insert(value: Any, steps: Sequence[Step], result: Any, path: Path) -> Any:
    if not steps:
        return result
    step, rest = steps[0], steps[1:]
    if isinstance(step, str) and isinstance(value, dict):
        return {**value, step: _insert(value.get(step, {}), rest, result, path)}
    if isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
        changed = copy.copy(value)
        changed[step] = _insert(value[step], rest, result, path)
        return changed
    raise StateFailure(
        RESULT_PATH_MATCH_FAILURE, f"Unable to apply ResultPath '{path.text}' to the state's input"
    )
