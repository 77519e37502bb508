"""A maths reward as such rewards are often written, and a bad one; the description is that of peers.md 0.2.

It looks right: 0.7 for the exact answer and 0.3 for good reasoning. But the first number after an equals sign
is taken for the answer, and style earns points whatever the answer is.
"""

import json
import re
from typing import Any

CONNECTIVES = ("therefore", "because", "first", "then", "so ")
LONG = 80


def extract_number(text: str) -> str | None:
    found = re.search(r"=\s*(-?\d+(?:\.\d+)?)", text) or re.search(r"(-?\d+(?:\.\d+)?)", text)
    return found[1] if found else None


def quality(text: str) -> float:
    signs = (any(word in text.lower() for word in CONNECTIVES), len(text) > LONG, "\n" in text)
    return sum(signs) / len(signs)


def lambda_handler(event: list[dict[str, Any]], _context: Any) -> dict[str, Any]:
    results = []
    for row in event:
        answer = row["messages"][-1]["content"]
        exact = float(extract_number(answer) == str(row["reference_answer"]))
        results.append(
            {
                "id": row["id"],
                "aggregate_reward_score": 0.7 * exact + 0.3 * quality(answer),
                "metrics_list": [
                    {"name": "exact_match", "value": exact, "type": "Reward"},
                    {"name": "reasoning_quality", "value": quality(answer), "type": "Reward"},
                ],
            }
        )
    return {"statusCode": 200, "headers": {}, "body": json.dumps(results)}
