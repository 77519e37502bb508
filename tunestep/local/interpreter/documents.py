"""JSON as the state machine carries it: strict text, compact form, and the size that the quota counts."""

import json
from typing import Any, NoReturn

SIZE_LIMIT = 256 * 1024
"""Most bytes of UTF-8 in a state's input, output or result (Step Functions quotas)."""


def dumps(value: Any) -> str:
    """Compact JSON. Raises ValueError for NaN and infinities."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate is valid as a JSON escape only; no encoder of the text would take it.
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text


def loads(text: str | bytes) -> Any:
    """Parse JSON as the service does. Raises ValueError, for NaN and infinities and too deep nesting too."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def too_large(value: Any) -> bool:
    """Whether the value's compact JSON passes SIZE_LIMIT."""
    return len(dumps(value).encode()) > SIZE_LIMIT
