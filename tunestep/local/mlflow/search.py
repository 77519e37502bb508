"""MLflow's search language, as far as one field, one comparison and ``and`` go."""

import operator
import re
from collections.abc import Callable
from typing import Any

from tunestep.local.mlflow.faults import invalid

_ENTITIES = {
    **dict.fromkeys(("", "attribute", "attributes", "attr", "run"), "info"),
    **dict.fromkeys(("metric", "metrics"), "metrics"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "params"),
    **dict.fromkeys(("tag", "tags"), "tags"),
}
_FIELD = r"""(?:(?P<entity>[a-z]+)\.)?(?P<key>`[^`]+`|"[^"]+"|[\w./\-]+)"""
_CLAUSE = re.compile(
    _FIELD
    + r"""\s*(?P<op>!=|<=|>=|=|<|>|(?i:ilike|like))\s*(?P<value>'[^']*'|"[^"]*"|-?[\d.]+(?:[eE][-+]?\d+)?)"""
)
_ORDER = re.compile(_FIELD + r"(?:\s+(?P<way>(?i:asc|desc)))?")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Document = dict[str, Any]


def matching(runs: list[Document], text: str) -> list[Document]:
    """The runs for which every clause of a filter holds; raises MlflowFault for one that cannot be read."""
    clauses = [_clause(part) for part in _parts(text)]
    return [run for run in runs if all(clause(run) for clause in clauses)]


def ordered(runs: list[Document], order_by: list[str]) -> list[Document]:
    """Sort by the first, then the second of the given fields; runs without a field come last."""
    result = list(runs)
    for text in reversed(order_by):
        match = _ORDER.fullmatch(text.strip())
        if match is None:
            raise invalid(f"Invalid order_by clause '{text}'")
        read = _reader(match)
        present = [run for run in result if read(run) is not None]
        absent = [run for run in result if read(run) is None]
        present.sort(key=read, reverse=(match["way"] or "asc").lower() == "desc")
        result = present + absent
    return result


def _parts(text: str) -> list[str]:
    parts = re.split(r"\s+and\s+(?=(?:[^'\"]|'[^']*'|\"[^\"]*\")*$)", text.strip(), flags=re.IGNORECASE)
    return [part for part in parts if part]


def _clause(text: str) -> Callable[[Document], bool]:
    match = _CLAUSE.fullmatch(text.strip())
    if match is None:
        words = ", ".join(f"'{word}'" for word in text.split())
        raise invalid(f"Invalid clause(s) in filter string: {words}")
    read, op = _reader(match), match["op"].lower()
    literal: Any = match["value"]
    literal = literal[1:-1] if literal[0] in "'\"" else float(literal)
    if op in ("like", "ilike"):
        pattern = re.compile(
            ".*".join(re.escape(piece) for piece in str(literal).split("%")),
            re.DOTALL | (re.IGNORECASE if op == "ilike" else 0),
        )
        return lambda run: (value := read(run)) is not None and bool(pattern.fullmatch(str(value)))
    compare = _COMPARISONS[op]

    def holds(run: Document) -> bool:
        value = read(run)
        return (
            type(value) is not type(None)
            and isinstance(value, str) == isinstance(literal, str)
            and (compare(value, literal))
        )

    return holds


def _reader(match: re.Match[str]) -> Callable[[Document], Any]:
    entity = _ENTITIES.get(match["entity"] or "")
    key = match["key"].strip('`"')
    if entity is None:
        raise invalid(f"Invalid entity type '{match['entity']}'")
    if entity == "info":
        return lambda run: run["info"].get(key)
    return lambda run: next(
        (item["value"] for item in run["data"].get(entity, []) if item["key"] == key), None
    )
