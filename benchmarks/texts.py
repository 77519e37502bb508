"""Texts and JSON documents to score: seeded, of the lengths that answers have."""

import json
import random
from typing import Any

_TEXT = """the model reads a request and answers it with care because every word of reply costs time money
customer order late parcel refund window policy agent week invoice address number small large"""
_WORDS = tuple(_TEXT.split())

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "items", "total"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "total": {"type": "number", "minimum": 0},
        "items": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["sku", "count"],
                "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
            },
        },
    },
}


def pairs(rng: random.Random, count: int) -> list[tuple[str, str]]:
    """Responses of 150 to 600 characters and references that share about two thirds of their words."""
    found = []
    for _ in range(count):
        reference = rng.choices(_WORDS, k=rng.randint(30, 100))
        response = [word if rng.random() < 0.67 else rng.choice(_WORDS) for word in reference]
        found.append((" ".join(response), " ".join(reference)))
    return found


def orders(rng: random.Random, count: int) -> list[str]:
    """JSON documents for SCHEMA, a third of which it refuses."""
    found = []
    for _ in range(count):
        items: list[dict[str, Any]] = [
            {"sku": f"A{rng.randint(1, 999)}", "count": rng.randint(1, 9)} for _ in range(rng.randint(1, 5))
        ]
        order: dict[str, Any] = {"name": rng.choice(_WORDS), "items": items, "total": rng.randint(1, 900)}
        if rng.random() < 1 / 3:
            items[-1]["count"] = rng.choice((0, "two", 1.5))
        found.append(json.dumps(order))
    return found
