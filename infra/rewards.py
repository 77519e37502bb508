"""The rewards that the stack deploys, read from the catalogue next to their sources, without CDK."""

from pathlib import Path
from typing import NamedTuple

from infra.bundle import LOCKS
from reward_functions import catalog


class Reward(NamedTuple):
    """One reward: ``lock`` pins its wheels (None needs none); ``timeout`` in seconds, ``memory`` in MiB."""

    name: str
    title: str
    handler: str
    lock: Path | None
    timeout: int
    memory: int


def deployed() -> tuple[Reward, ...]:
    """Every reward of the catalogue, in its order."""
    return tuple(
        Reward(
            entry.name,
            entry.title,
            entry.handler,
            LOCKS / entry.requirements if entry.requirements else None,
            entry.timeout,
            entry.memory,
        )
        for entry in catalog.rewards()
    )
