"""A reward's options: defaults in its code, REWARD_CONFIG of its function, ``reward`` in a row's metadata."""

import functools
import json
import os
from collections.abc import Mapping
from typing import Any

from reward_functions.kit.types import RewardError, Sample

VARIABLE = "REWARD_CONFIG"
MAX_CONFIG = 32_768
"""Longest REWARD_CONFIG, in characters; Lambda itself allows 4 KB for all variables together."""


def options(sample: Sample, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options for this sample: ``defaults``, then the function's configuration, then the row's own.

    Every option is one of ``defaults`` and has the type of its default; a default of None allows any type.
    Raises RewardError naming the option otherwise.
    """
    function = sample.options if sample.options is not None else function_options()
    merged = dict(defaults)
    for source, given in ((VARIABLE, function), ("the row's reward options", sample.row_options)):
        for name, value in given.items():
            if name not in defaults:
                known = ", ".join(sorted(defaults)) or "none"
                raise RewardError(f"{source}: no option {name[:40]!r}; the options are: {known}")
            merged[name] = _typed(source, name, value, defaults[name])
    return merged


def function_options() -> Mapping[str, Any]:
    """REWARD_CONFIG of this function, an empty mapping when unset; raises RewardError when unreadable."""
    return _read(os.environ.get(VARIABLE, ""))


@functools.lru_cache(maxsize=8)
def _read(text: str) -> Mapping[str, Any]:
    if not text.strip():
        return {}
    if len(text) > MAX_CONFIG:
        raise RewardError(f"{VARIABLE} has {len(text)} characters; at most {MAX_CONFIG}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise RewardError(f"{VARIABLE} is not JSON: {fault}") from None
    if not isinstance(document, dict):
        raise RewardError(f"{VARIABLE} is not a JSON object")
    return document


def _typed(source: str, name: str, value: object, default: object) -> object:
    if default is None:
        return value
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise RewardError(
            f"{source}: option {name!r} is {type(value).__name__}, not {type(default).__name__}"
        )
    return value
