"""The JSON Schema of a settings file, for editors: ``python -m tunestep.settings_schema`` prints it."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from tunestep.settings import Settings

FILE = Path(__file__).with_name("settings.schema.json")
"""The copy kept in the repository; a test compares it with the type."""


def build() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one settings file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tunestep settings",
        **msgspec.json.schema(Settings),
    }


def text() -> str:
    """The schema as the file holds it, with the ends of patterns as JSON Schema writes them."""
    schema = json.dumps(build(), indent=2, sort_keys=True) + "\n"
    return schema.replace(r"\\A", "^").replace(r"\\Z", "$")


if __name__ == "__main__":
    sys.stdout.write(text())
