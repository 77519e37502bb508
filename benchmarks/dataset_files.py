"""Training data to read: seeded rows as conversations, preferences and reinforcement data look.

Text has a line break or a quoted word every dozen words and now and then a character beyond ASCII; no two
rows are the same.
"""

import atexit
import functools
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MEGABYTES = int(os.environ.get("TUNESTEP_BENCH_MB", "200"))
_DIFFERENT = 6000
_BREAKS = (".\n", ",\n\n- ", "\n", ' "so"', " – ")


class _Writer:
    def __init__(self) -> None:
        self._rng = random.Random(5)  # noqa: S311 - reproducible data, nothing secret
        letters = "etaoinshrdlucmfwypvbgk"
        self._words = ["".join(self._rng.choices(letters, k=self._rng.randint(2, 9))) for _ in range(5000)]

    def text(self, least: int, most: int) -> str:
        words = self._rng.choices(self._words, k=self._rng.randint(least, most))
        for place in range(9, len(words), 13):
            words[place] += self._rng.choice(_BREAKS)
        return " ".join(words)

    def chat(self) -> dict[str, Any]:
        messages = [{"role": "system", "content": self.text(8, 20)}]
        for _ in range(self._rng.randint(1, 4)):
            messages.append({"role": "user", "content": self.text(15, 60)})
            messages.append({"role": "assistant", "content": self.text(30, 180)})
        return {"messages": messages}

    def pair(self) -> dict[str, Any]:
        return {"prompt": self.text(20, 100), "completion": self.text(40, 250)}

    def preference(self) -> dict[str, Any]:
        return {"prompt": self.text(20, 100), "chosen": self.text(40, 200), "rejected": self.text(40, 200)}

    def rl(self) -> dict[str, Any]:
        return {
            "data_source": "openai/gsm8k",
            "prompt": [{"role": "user", "content": self.text(30, 120)}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": str(self._rng.randint(1, 9999))},
            "extra_info": {"split": "train", "answer": self.text(20, 80), "question": self.text(20, 60)},
        }


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tunestep-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def lines(kind: str, different: int = _DIFFERENT) -> tuple[bytes, ...]:
    """Rows of one kind (chat, pair, preference, rl) without their ends, different from each other."""
    make: Callable[[], dict[str, Any]] = getattr(_Writer(), kind)
    return tuple(json.dumps(make(), ensure_ascii=False).encode() for _ in range(different))


def stream(kind: str, size: int, different: int = _DIFFERENT) -> Iterator[bytes]:
    """At least ``size`` bytes of rows, in pieces of 256 KB; a number makes each row unlike others."""
    number = given = 0
    rows = lines(kind, different)
    while given < size:
        piece = bytearray()
        while len(piece) < 1 << 18:
            piece += b'{"id": "%d", ' % number + rows[number % different][1:] + b"\n"
            number += 1
        given += len(piece)
        yield bytes(piece)


@functools.cache
def path(kind: str, megabytes: int = MEGABYTES) -> Path:
    """A file of rows, made once and removed at the end."""
    made = _folder() / f"{kind}-{megabytes}.jsonl"
    with made.open("wb") as file:
        file.writelines(stream(kind, megabytes * 1_000_000))
    return made
