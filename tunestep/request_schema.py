"""The JSON Schema of a request, for editors: ``python -m tunestep.request_schema`` prints it."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from tunestep.request import Request

FILE = Path(__file__).with_name("request.schema.json")
"""The copy kept in the repository; a test compares it with the type."""


def build() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one request document."""
    schema = msgspec.json.schema(Request)
    # The type has no name for "false only": true is refused by a rule.
    tracking = schema["$defs"]["Request"]["properties"]["mlflow"]["anyOf"]
    tracking[[item.get("type") for item in tracking].index("boolean")] = {"const": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tunestep request",
        **schema,
    }


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(build(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
