"""Reading JSON that a model wrote: strictly, and within limits."""

import json
import math
from collections.abc import Iterator
from typing import Any

from reward_functions.kit.answers import visible

MAX_JSON = 262_144
"""Longest JSON text that is read, in characters."""

MAX_DEPTH = 64


class NotJson(ValueError):  # noqa: N818 - a verdict on a text, not a fault of the program
    """The text is not one JSON document within the limits."""


def load(text: str) -> Any:
    """The document; raises NotJson for repeated keys, NaN, lone surrogates, size and depth as well."""
    if len(text) > MAX_JSON:
        raise NotJson("too long")
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise NotJson("not JSON") from None
    if not shallow(document):
        raise NotJson("nested too deep")
    return document


def shallow(document: object, limit: int = MAX_DEPTH) -> bool:
    """Whether a document nests at most so deep; it takes no recursion to find out."""
    level = [document]
    for _ in range(limit):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return True
    return False


def documents(response: str) -> list[Any]:
    """The JSON documents that a response states: its fenced blocks, or else the whole of it.

    Raises NotJson when there is none, or when a block marked as JSON is unreadable. Equal blocks count once.
    """
    text = visible(response).strip()
    found: list[Any] = []
    for language, block in fences(text):
        try:
            document = load(block)
        except NotJson:
            if language == "json":
                raise
            continue
        if document not in found:
            found.append(document)
        if len(found) > 1:
            break
    return found or [load(text)]


def fences(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of each closed block between lines of three backticks."""
    language, block = "", None
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            if block is None:
                language, block = line.strip().strip("`").strip().lower(), list[str]()
            else:
                yield language, "\n".join(block)
                block = None
        elif block is not None:
            block.append(line)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise NotJson("a key is repeated")
    return document


def _refuse(_: str) -> None:
    raise NotJson("not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotJson("too large")
    return number
