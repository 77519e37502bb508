"""A second opinion on AWS requests: every constraint of botocore's published input shapes.

Written apart from the product's own reading of the models, on purpose; ``pattern`` is matched in full,
as the service does, and structures with an unknown or missing member are faults too.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

_TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
}


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def request_faults(service: str, operation: str, params: dict[str, Any]) -> list[str]:
    """What the operation's input shape has against the parameters; empty when they are fine."""
    shape = _model(service).operation_model(operation).input_shape
    return list(_faults(params, shape, operation)) if shape else []


def _faults(value: Any, shape: Shape, path: str) -> Iterator[str]:
    wanted = _TYPES.get(shape.type_name)
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)):
        yield f"{path}: {value!r} is no {shape.type_name}"
        return
    rules = shape.metadata
    size = value if isinstance(value, int | float) else len(value)
    if "min" in rules and size < rules["min"]:
        yield f"{path}: {size} is below {rules['min']}"
    if "max" in rules and size > rules["max"]:
        yield f"{path}: {size} is above {rules['max']}"
    if rules.get("enum") and value not in rules["enum"]:
        yield f"{path}: {value!r} is none of {rules['enum']}"
    if "pattern" in rules and shape.type_name == "string" and not _fits(rules["pattern"], value):
        yield f"{path}: {value!r} does not match {rules['pattern']}"
    yield from _member_faults(value, shape, path)


def _fits(pattern: str, value: str) -> bool:
    # Java's letter, number and separator classes, which Python does not have.
    python = pattern.replace(r"\p{L}", r"^\W\d_").replace(r"\p{Z}", r" ").replace(r"\p{N}", r"\d")
    if r"^\W\d_" in python:
        return all(re.fullmatch(r"[\w \s.:/=+\-@]", char) for char in value)
    return re.fullmatch(python, value, re.DOTALL) is not None


def _member_faults(value: Any, shape: Shape, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            for name in shape.required_members:
                if name not in value:
                    yield f"{path}.{name}: is missing"
            for name, item in value.items():
                if name not in shape.members:
                    yield f"{path}.{name}: is unknown"
                else:
                    yield from _faults(item, shape.members[name], f"{path}.{name}")
        case "list":
            for index, item in enumerate(value):
                yield from _faults(item, shape.member, f"{path}[{index}]")
        case "map":
            for name, item in value.items():
                yield from _faults(name, shape.key, f"{path} key {name}")
                yield from _faults(item, shape.value, f"{path}.{name}")
