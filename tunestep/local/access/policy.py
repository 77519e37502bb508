"""Policies of IAM evaluated: an explicit deny wins, then an allow, else it is an implicit deny.

Source: IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators". Only
identity policies are looked at. Evaluated are the string, ARN, Bool and Null operators.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

Document = Mapping[str, Any]
Context = Mapping[str, list[str]]
"""Values of the condition keys of one call, by key in lower case."""

ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"

_OPERATORS = frozenset(
    {
        *("StringEquals", "StringNotEquals", "StringLike", "StringNotLike"),
        *("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
        *("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike", "Bool", "Null"),
    }
)


class PolicyUnsupported(ValueError):  # noqa: N818 - the policy may be right
    """A policy says something that is not evaluated here."""


class Statement(NamedTuple):
    """One statement and where it stands: the policy's name and the place in it, from 0."""

    policy: str
    place: int
    document: Document


class Decision(NamedTuple):
    """One of the three outcomes, and the statement that led to it, as ``Policy/0``; empty without one."""

    outcome: str
    by: str = ""


def of_role(role: Any) -> list[Statement]:
    """The statements of a role of moto's: inline policies first, then attached ones."""
    found = [part for name, text in role.policies.items() for part in _read(name, _text(text))]
    for policy in role.managed_policies.values():
        found += _read(policy.name, _text(policy.document))
    return found


def _text(document: object) -> str:
    return document if isinstance(document, str) else json.dumps(document)


@lru_cache(maxsize=256)
def _read(name: str, text: str) -> tuple[Statement, ...]:
    listed = _listed(json.loads(text).get("Statement", []))
    return tuple(Statement(name, place, document) for place, document in enumerate(listed))


def check(document: Document, known: frozenset[str]) -> None:
    """Raise PolicyUnsupported for a policy whose conditions are not evaluated; ``known`` are the keys."""
    for statement in _listed(document.get("Statement", [])):
        _check_conditions(statement.get("Condition", {}), known)


def decide(
    statements: Iterable[Statement],
    action: str,
    resource: str,
    context: Context,
    known: frozenset[str] | None = None,
) -> Decision:
    """What the statements say to one action on one resource.

    ``known`` are the condition keys that the context would hold if the call had them; a statement about the
    action with another one raises PolicyUnsupported. None takes every key, as a simulation does: one that
    the context lacks is absent.
    """
    allowing = ""
    for statement in statements:
        if _applies(statement.document, action, resource, context, known):
            by = f"{statement.policy}/{statement.place}"
            if statement.document["Effect"] == "Deny":
                return Decision(EXPLICIT_DENY, by)
            allowing = allowing or by
    return Decision(ALLOWED, allowing) if allowing else Decision(IMPLICIT_DENY)


def _applies(
    document: Document, action: str, resource: str, context: Context, known: frozenset[str] | None
) -> bool:
    if "Action" in document:
        acts = any(like(action.lower(), pattern.lower()) for pattern in _listed(document["Action"]))
    else:
        acts = not any(like(action.lower(), p.lower()) for p in _listed(document.get("NotAction", "*")))
    if not acts:
        return False
    if "Resource" in document:
        reaches = any(like(resource, pattern) for pattern in _listed(document["Resource"]))
    else:
        reaches = not any(like(resource, pattern) for pattern in _listed(document.get("NotResource", "*")))
    conditions = document.get("Condition", {})
    if reaches and known is not None:
        _check_conditions(conditions, known)
    return reaches and _conditions_hold(conditions, context)


def _check_conditions(conditions: Mapping[str, Mapping[str, Any]], known: frozenset[str]) -> None:
    for operator, keys in conditions.items():
        if operator.removesuffix("IfExists") not in _OPERATORS:
            raise PolicyUnsupported(f"the condition operator {operator} is not evaluated on a laptop")
        for key, values in keys.items():
            if key.lower() not in known:
                raise PolicyUnsupported(f"the condition key {key} is not evaluated on a laptop")
            if any("${" in str(value) for value in _listed(values)):
                raise PolicyUnsupported(f"policy variables ({key}) are not evaluated on a laptop")


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    return all(
        _condition_holds(operator, context.get(key.lower()), [str(v) for v in _listed(expected)])
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def _condition_holds(operator: str, actual: list[str] | None, expected: list[str]) -> bool:
    if operator == "Null":
        return (actual is None) == (expected[0].lower() == "true")
    if actual is None:
        return operator.endswith("IfExists") or "Not" in operator
    base = operator.removesuffix("IfExists").rpartition(":")[2]
    negated = "Not" in base
    match base.replace("Not", ""):
        case "StringEquals" | "ArnEquals":
            found = any(value in expected for value in actual)
        case "StringEqualsIgnoreCase" | "Bool":
            found = any(value.lower() in {e.lower() for e in expected} for value in actual)
        case "StringLike" | "ArnLike":
            found = any(like(value, pattern) for value in actual for pattern in expected)
        case _:
            return False
    return found != negated


def like(value: str, pattern: str) -> bool:
    """Whether a value fits a pattern in which ``*`` and ``?`` stand for any characters."""
    return _pattern(pattern).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(char) or re.escape(char) for char in pattern), re.DOTALL)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
