"""Which role used which action by which statement, one JSON line each, written at first use."""

import json
import threading
from pathlib import Path
from typing import NamedTuple

USAGE = "iam.jsonl"
"""Name of the file in the home folder."""


class Use(NamedTuple):
    """``role`` is the role's name; ``by`` the statement (``Policy/0``), empty when none allowed it."""

    role: str
    action: str
    outcome: str
    by: str


class UsageLog:
    """Appends what has not been seen since the start. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: set[Use] = set()
        self._lock = threading.Lock()

    def note(self, use: Use, resource: str) -> None:
        """``resource`` is the one of this use; later uses of the same statement name no other.

        Of an object only its bucket and top folder are written: the rest of a key may be the user's own text.
        """
        with self._lock:
            if use in self._seen:
                return
            self._seen.add(use)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**use._asdict(), "resource": _shown(resource)}) + "\n")


def _shown(resource: str) -> str:
    if not resource.startswith("arn:aws:s3:"):
        return resource
    bucket, *folders = resource.split("/")[:-1] or [resource]
    return "/".join([bucket, *folders[:1]])


def read(path: Path) -> list[Use]:
    """The uses in a log; none when there is no file."""
    if not path.is_file():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Use(line["role"], line["action"], line["outcome"], line["by"]) for line in lines]
