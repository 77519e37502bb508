"""Rows that stand in for data nobody has described, in the form that a request's technique reads."""

import json
from typing import Any

ROWS = 64
"""More than the 32 rows that Nova models ask for at least."""


def sample(request: dict[str, Any]) -> bytes:
    """JSON lines for the technique and the model family of a (possibly wrong) request."""
    technique = request.get("technique")
    nova = "nova" in str(request.get("base_model", ""))
    return b"".join(json.dumps(_row(technique, nova, n)).encode() + b"\n" for n in range(ROWS))


def _row(technique: object, nova: bool, n: int) -> dict[str, Any]:
    question, answer = f"What is {n} plus {n}?", str(n + n)
    match technique:
        case "DPO" if nova:
            return {
                "schemaVersion": "bedrock-conversation-2024",
                "messages": [
                    _turn("user", question),
                    {
                        "role": "assistant",
                        "candidates": [
                            {"content": [{"text": answer}], "preferenceLabel": "preferred"},
                            {"content": [{"text": "No idea."}], "preferenceLabel": "non-preferred"},
                        ],
                    },
                ],
            }
        case "DPO":
            return {"prompt": question, "chosen": answer, "rejected": "No idea."}
        case "RLVR" | "RLAIF" | "RFT":
            return {
                "id": f"row-{n}",
                "prompt": [{"role": "user", "content": question}],
                "messages": [{"role": "user", "content": question}],
                "reference_answer": answer,
                "reward_model": {"style": "rule", "ground_truth": answer},
            }
        case _ if nova:
            return {
                "schemaVersion": "bedrock-conversation-2024",
                "messages": [_turn("user", question), _turn("assistant", answer)],
            }
    return {"prompt": question, "completion": answer}


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"text": text}]}
