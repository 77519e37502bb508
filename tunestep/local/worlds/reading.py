"""Reading a world file: JSON whose faults are told with the path at which they lie."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

MAX_BYTES = 32 * 1024 * 1024
"""Largest world file read, in bytes; a full hub with its override specs has a few."""


class WorldInvalid(ValueError):  # noqa: N818 - reads like the other refusals of outside text
    """The world file is wrong; the message says where and what to do."""


def refuse(path: str, message: str) -> NoReturn:
    raise WorldInvalid(f"{path}: {message}")


def read_file(file: Path) -> dict[str, Any]:
    """The JSON object in the file; raises WorldInvalid, and FileNotFoundError when there is none."""
    described = file.stat()
    if not stat.S_ISREG(described.st_mode):
        raise WorldInvalid(f"{file} is not a file. Give the path of a world in JSON.")
    size = described.st_size
    if size > MAX_BYTES:
        raise WorldInvalid(f"{file} has {size:,} bytes; a world has at most {MAX_BYTES:,}.")
    try:
        document = json.loads(
            file.read_bytes(), object_pairs_hook=_without_duplicates, parse_constant=_not_finite
        )
    except OSError as fault:
        raise WorldInvalid(f"{file} cannot be read ({fault.strerror}).") from None
    except RecursionError:
        raise WorldInvalid(f"{file} is nested too deeply.") from None
    except ValueError as fault:
        raise WorldInvalid(f"{file} is not JSON: {fault}.") from None
    return mapping(document, "$")


def mapping(value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        refuse(path, f"must be an object, not {_kind(value)}")
    return value


def sequence(value: object, path: str) -> list[Any]:
    if not isinstance(value, list):
        refuse(path, f"must be a list, not {_kind(value)}")
    return value


def text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value:
        refuse(path, f"must be text, not {_kind(value)}")
    return value


def member(value: dict[str, Any], name: str, path: str) -> Any:
    if name not in value:
        refuse(f"{path}.{name}", "is missing")
    return value[name]


def entries(
    value: object, path: str, *, name: Callable[[str], str], key: str
) -> dict[str, dict[str, Any] | None]:
    """Things that a world lists, as present (their description) or absent (None).

    An object by name, or a list of names and of objects whose member ``key`` names them. Absent is
    null, false, {"absent": true} or {"exists": false}. ``name`` turns a name as written into the one
    it is known by.
    """
    found: dict[str, dict[str, Any] | None] = {}
    for place, written, description in _listed(value, path, key):
        known = name(written)
        if known in found:
            refuse(place, f"{known} is listed twice")
        found[known] = _presence(description, place)
    return found


def _listed(value: object, path: str, key: str) -> list[tuple[str, str, Any]]:
    if isinstance(value, dict):
        return [(at(path, name), name, description) for name, description in value.items()]
    listed: list[tuple[str, str, Any]] = []
    for index, item in enumerate(sequence(value, path)):
        place = f"{path}[{index}]"
        if isinstance(item, str):
            listed.append((place, item, {}))
        else:
            listed.append((place, text(member(mapping(item, place), key, place), f"{place}.{key}"), item))
    return listed


def _presence(value: object, path: str) -> dict[str, Any] | None:
    if value is None or value is False:
        return None
    if value is True:
        return {}
    if isinstance(value, str):
        return {"body": value}
    if isinstance(value, list):
        return {"list": value}
    description = mapping(value, path)
    if description.get("absent") is True or description.get("exists") is False:
        return None
    return description


def at(path: str, name: str) -> str:
    """The path of a member, quoted when its name is more than a word."""
    return f"{path}.{name}" if name.replace("_", "").isalnum() else f'{path}["{name}"]'


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number") if value != "" else "empty text"


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in pairs:
        if name in document:
            raise ValueError(f"the key {name[:120]!r} appears twice in one object")
        document[name] = value
    return document


def _not_finite(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")
