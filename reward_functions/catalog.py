"""The deployable rewards of this folder: every module in it that is not private and not listed as support.

Nothing is imported to find them, so that their dependencies are needed only where they run.
"""

import ast
import functools
import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
REQUIREMENTS = HERE.parent / "requirements"
SUPPORT = ("catalog",)
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Reward(NamedTuple):
    """A reward as it is deployed; ``requirements`` is a lock's file name, None when nothing is needed.

    ``timeout`` is in seconds, ``memory`` in MB.
    """

    name: str
    title: str
    requirements: str | None
    timeout: int
    memory: int

    @property
    def handler(self) -> str:
        return f"reward_functions.{self.name}.handler"


_TIMEOUT, _MEMORY = 120, 1_769
_SIZES: dict[str, tuple[int, int]] = {
    "exact_match": (60, 512),
    "format": (60, 512),
    "multiple_choice": (60, 512),
    "text_similarity": (60, 1_024),
    "json_schema": (60, 1_024),
    "tool_call": (60, 1_024),
}
"""Time-out in seconds and memory in MB; 1,769 MB come with one whole processor."""


def names() -> tuple[str, ...]:
    """The names of the rewards, sorted."""
    return tuple(
        sorted(
            path.stem for path in HERE.glob("*.py") if NAME.fullmatch(path.stem) and path.stem not in SUPPORT
        )
    )


def rewards() -> tuple[Reward, ...]:
    """Every reward, with its title (the first line of its text) and what it needs."""
    return tuple(reward(name) for name in names())


@functools.cache
def reward(name: str) -> Reward:
    """One reward; raises KeyError for a name that is not in the folder."""
    if name not in names():
        raise KeyError(name)
    text = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))) or name
    lock = f"reward-{name}.txt"
    timeout, memory = _SIZES.get(name, (_TIMEOUT, _MEMORY))
    found = lock if (REQUIREMENTS / lock).is_file() else None
    return Reward(name, text.splitlines()[0].rstrip("."), found, timeout, memory)
