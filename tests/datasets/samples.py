"""One right row of each format, and helpers that write files of rows."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunestep import datasets
from tunestep.datasets import DatasetReport
from tunestep.datasets.formats import FORMATS

Row = dict[str, Any]


def _turn(role: str, text: str) -> Row:
    return {"role": role, "content": text}


def _part(role: str, text: str) -> Row:
    return {"role": role, "content": [{"text": text}]}


RIGHT: dict[str, list[Row]] = {
    "prompt_completion": [
        {"prompt": "How many?", "completion": "Four."},
        {"prompt": [_turn("user", "How many?")], "completion": [_turn("assistant", "Four.")]},
    ],
    "chat": [
        {"messages": [_turn("user", "How many?"), _turn("assistant", "Four.")]},
        {
            "messages": [
                _turn("system", "Be brief."),
                _turn("user", "How many?"),
                _turn("assistant", "Four."),
                _turn("user", "Sure?"),
                _turn("assistant", "Yes."),
            ]
        },
        {
            "messages": [
                _turn("user", "Look it up."),
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                _turn("tool", "4"),
                _turn("assistant", "Four."),
            ]
        },
    ],
    "preference": [
        {"prompt": "How many?", "chosen": "Four.", "rejected": "Five."},
        {
            "prompt": [_turn("user", "How many?")],
            "chosen": [_turn("assistant", "Four.")],
            "rejected": [_turn("assistant", "Five.")],
        },
        {
            "chosen": [_turn("user", "How many?"), _turn("assistant", "Four.")],
            "rejected": [_turn("user", "How many?"), _turn("assistant", "Five.")],
        },
    ],
    "rl": [
        {
            "data_source": "sums",
            "prompt": [_turn("user", "2+2?")],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": "4"},
        },
        {"prompt": "2+2?", "reward_model": {"ground_truth": 0}},
    ],
    "nova_conversation": [
        {
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{"text": "Be brief."}],
            "messages": [_part("user", "How many?"), _part("assistant", "Four.")],
        },
        {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [
                {"role": "user", "content": [{"text": "What is it?"}, {"image": {"format": "png"}}]},
                _part("assistant", "A cat."),
            ],
        },
    ],
    "nova_preference": [
        {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [
                _part("user", "How many?"),
                {
                    "role": "assistant",
                    "candidates": [
                        {"content": [{"text": "Four."}], "preferenceLabel": "preferred"},
                        {"content": [{"text": "Five."}], "preferenceLabel": "non-preferred"},
                    ],
                },
            ],
        }
    ],
    "nova_rl": [
        {"messages": [_turn("user", "2+2?")], "reference_answer": {"answer": "4"}},
        {"id": "a", "messages": [_turn("system", "Add."), _turn("user", "2+2?")], "reference_answer": "4"},
    ],
}


def right(name: str, index: int = 0) -> Row:
    """A copy of a right row, to be changed."""
    return copy.deepcopy(RIGHT[name][index])


def changed(name: str, path: list[str | int], value: Any) -> Row:
    """A right row with one place set to a value; ``...`` removes the place."""
    row = right(name)
    place: Any = row
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return row


def lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def written(folder: Path, content: bytes, name: str = "train.jsonl") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class Made:
    """A file whose bytes are made while they are read."""

    def __init__(self, pieces: Iterator[bytes], name: str = "made.jsonl") -> None:
        self._pieces = pieces
        self.name, self.size, self.local = name, 0, None

    def open(self) -> "Made":
        return self

    def read(self, size: int, /) -> bytes:
        return next(self._pieces, b"")


def checked(path: Path, name: str, **options: Any) -> DatasetReport:
    """The report of a check for the technique and family that a format is for."""
    technique, family = FORMATS[name].techniques[0], FORMATS[name].family
    return datasets.check(datasets.local(path), **{"technique": technique, "family": family, **options})


def codes(report: DatasetReport) -> list[str]:
    return [finding.code for finding in report.findings]
