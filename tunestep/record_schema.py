"""The JSON Schema of a run record, for whoever reads one: ``python -m tunestep.record_schema`` prints it."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from tunestep.record_model import RunRecord

FILE = Path(__file__).with_name("run_record.schema.json")
"""The copy kept in the repository; a test compares it with the type."""


def build() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one record."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tunestep run record",
        **msgspec.json.schema(RunRecord),
    }


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(build(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
