"""The rewards that the stack deploys, read from the catalogue next to their sources, without CDK."""

import sys
from pathlib import Path
from typing import NamedTuple

from infra.bundle import LOCKS
from reward_functions import catalog
from tunestep.settings import Architecture

WITHOUT_ARM64 = "jsonschema-rs"
"""Has no arm64 wheel for the glibc of Lambda's Python 3.11; from 3.12 on Lambda has a newer one."""


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


def architecture(
    lock: Path | None, wanted: Architecture = "arm64", python: tuple[int, int] = sys.version_info[:2]
) -> Architecture:
    """What a reward with these wheels runs on: what settings want, wherever its wheels are made for it."""
    if lock is None or python >= (3, 12):
        return wanted
    pins = lock.read_text(encoding="utf-8").splitlines()
    return "x86_64" if any(pin.startswith(f"{WITHOUT_ARM64}==") for pin in pins) else wanted
