"""Reading request fields as MLflow's server does: what is missing or malformed is said by name."""

import base64
import binascii
import json
import math
import re
from typing import Any

from tunestep.local.mlflow.faults import invalid

_NAME = re.compile(r"[/\w.\- :]+")
_LARGEST = 1.7976931348623157e308
"""What MLflow's SQL stores keep in place of infinity."""


def required(params: dict[str, Any], name: str) -> str:
    value = params.get(name)
    if value is None or value == "":
        raise invalid(
            f"Missing value for required parameter '{name}'. "
            "See the API docs for more information about request parameters."
        )
    if not isinstance(value, str):
        raise _malformed(value, name)
    return value


def run_id(params: dict[str, Any]) -> str:
    """``run_id``, or its older name ``run_uuid``."""
    return required({"run_id": params.get("run_id") or params.get("run_uuid")}, "run_id")


def integer(params: dict[str, Any], name: str, default: int | None) -> int:
    """A whole number, also written as text as in query strings; without a default it is required."""
    value = params.get(name)
    if value is None or value == "":
        if default is None:
            required({}, name)
        return default or 0
    try:
        return int(value)
    except (TypeError, ValueError):
        raise _malformed(value, name) from None


def listed(params: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = params.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _malformed(value, name)
    return value


def metric_value(params: dict[str, Any]) -> tuple[float, bool]:
    """The number to store, and whether it stands for NaN (kept as 0); infinities become the largest float."""
    value = params.get("value")
    if value is None:
        required({}, "value")
    try:
        number = float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        number = None
    if number is None:
        raise _malformed(value, "value")
    if math.isnan(number):
        return 0.0, True
    return max(-_LARGEST, min(_LARGEST, number)), False


def metric_name(params: dict[str, Any]) -> str:
    name = required(params, "key")
    if not _NAME.fullmatch(name):
        raise invalid(
            f"Invalid value \"{name}\" for parameter 'name' supplied: Names may only contain alphanumerics, "
            "underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
        )
    return name


def page_start(params: dict[str, Any]) -> int:
    """The offset that a page token carries; 0 without a token."""
    token = params.get("page_token")
    if not token:
        return 0
    try:
        offset = json.loads(base64.b64decode(str(token), validate=True))["offset"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        offset = None
    if not isinstance(offset, int) or offset < 0:
        raise invalid("Invalid page token, could not base64-decode")
    return offset


def page_token(offset: int) -> str:
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def _malformed(value: object, name: str) -> Exception:
    shown = json.dumps(value, default=str)[:200]
    return invalid(
        f"Invalid value {shown} for parameter '{name}' supplied:  Hint: Value was of type "
        f"'{type(value).__name__}'. See the API docs for more information about request parameters."
    )
