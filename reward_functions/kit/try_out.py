"""Samples and rows for trying a reward by hand, in examples and in tests."""

from typing import Any

from reward_functions.kit import samples
from reward_functions.kit.types import Sample


def row(response: object, reference: object = None, *, id: object = "1", **more: Any) -> dict[str, Any]:
    """A row as the service sends it: a question, the model's answer, the reference."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": response}]
    return {"id": id, "messages": turns, "reference_answer": reference, **more}


def sample(response: object, reference: object = None, **more: Any) -> Sample:
    """What a reward is given for such a row."""
    return samples.read(row(response, reference, **more), 0)
