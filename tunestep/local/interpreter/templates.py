"""Payload templates (Parameters, ResultSelector): objects whose ``name.$`` members are looked up."""

from collections.abc import Iterator
from typing import Any

from tunestep.local.interpreter import failures, intrinsics, paths
from tunestep.local.interpreter.documents import dumps


def expression(text: str) -> intrinsics.Expression:
    """A path or an intrinsic call. Raises PathInvalid or IntrinsicInvalid."""
    return intrinsics.parse(text) if text.startswith("States.") else paths.parse(text)


def render(template: Any, document: Any, context: Any) -> Any:
    """The template with its dynamic members filled in.

    Raises StateFailure: States.Runtime for a path that selects nothing, States.IntrinsicFailure.
    """
    if isinstance(template, list):
        return [render(item, document, context) for item in template]
    if not isinstance(template, dict):
        return template
    rendered = {}
    for key, value in template.items():
        if key.endswith(".$"):
            rendered[key[:-2]] = _lookup(key, value, document, context)
        else:
            rendered[key] = render(value, document, context)
    return rendered


def _lookup(key: str, text: str, document: Any, context: Any) -> Any:
    try:
        return intrinsics.evaluate(expression(text), document, context)
    except paths.PathNotFound as missing:
        raise failures.not_in_input(str(missing), key, dumps(document)) from None


def faults(template: Any, location: str) -> Iterator[str]:
    """What is wrong with a template, each fault with its place."""
    if isinstance(template, list):
        for index, item in enumerate(template):
            yield from faults(item, f"{location}[{index}]")
    elif isinstance(template, dict):
        for key, value in template.items():
            yield from _member_faults(template, key, value, f"{location}.{key}")


def _member_faults(template: dict[str, Any], key: str, value: Any, location: str) -> Iterator[str]:
    if not key.endswith(".$"):
        yield from faults(value, location)
        return
    if key[:-2] in template:
        yield f"{location}: '{key[:-2]}' is given twice"
    if not isinstance(value, str):
        yield f"{location}: a path or an intrinsic function is expected"
        return
    try:
        expression(value)
    except (paths.PathInvalid, intrinsics.IntrinsicInvalid) as fault:
        yield f"{location}: {fault}"


def paths_of(template: Any) -> Iterator[paths.Path]:
    """Every path that a valid template reads."""
    if isinstance(template, list):
        for item in template:
            yield from paths_of(item)
    elif isinstance(template, dict):
        for key, value in template.items():
            if key.endswith(".$"):
                yield from intrinsics.paths_of(expression(value))
            else:
                yield from paths_of(value)
