"""Templates rendered in a process of their own, with bounded time, memory and output."""

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_CHILD = Path(__file__).with_name("child.py")


class Limits(NamedTuple):
    """Bounds of one rendering of all rows: seconds of wall clock and of processor, bytes, characters.

    Processor time is what a template can use up. The clock is for a process that does not get on at all, and
    wide, because on a busy machine starting one takes seconds.
    """

    wall_seconds: float = 30.0
    cpu_seconds: int = 3
    memory_bytes: int = 256 * 1024 * 1024
    output_characters: int = 2 * 1024 * 1024


class TemplateFault(Exception):  # noqa: N818 - reads like the other refusals of outside text
    """The template cannot be read or rendered; the message says why, ``line`` where if that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Rendered(NamedTuple):
    """What a template takes from outside, the other templates it names, and its text for each row.

    A template that names others is not rendered: there are none to be had.
    """

    variables: tuple[str, ...]
    files: tuple[str, ...]
    texts: tuple[str, ...]


def render(template: str, rows: Sequence[Mapping[str, str]], limits: Limits | None = None) -> Rendered:
    """Render a template for each row of variables; with no rows it is only read.

    Raises TemplateFault for a template that is wrong or passes a limit.
    """
    bounds = limits or Limits()
    order = {
        "template": template,
        "rows": [dict(row) for row in rows],
        "path": _library_folders(),
        "memory_bytes": bounds.memory_bytes,
        "cpu_seconds": bounds.cpu_seconds,
        "output_characters": bounds.output_characters,
    }
    answer = _ask(json.dumps(order).encode(), bounds)
    if fault := answer.get("fault"):
        raise TemplateFault(_explained(fault, bounds), fault["line"])
    return Rendered(tuple(answer["variables"]), tuple(answer["files"]), tuple(answer.get("texts", ())))


def _ask(order: bytes, bounds: Limits) -> dict[str, Any]:
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(_CHILD)]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter and a file of ours; the template is data
            command,
            input=order,
            capture_output=True,
            # No credential and no proxy of ours is there to be found.
            env={},
            cwd=_CHILD.parent,
            timeout=bounds.wall_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TemplateFault(f"it takes longer than {bounds.wall_seconds:g} s to render") from None
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TemplateFault(f"it takes more than {bounds.cpu_seconds} s of processor time to render")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise TemplateFault(f"it ends the process that renders it (exit code {done.returncode})") from None
    return answer


def _explained(fault: Mapping[str, Any], bounds: Limits) -> str:
    match fault["kind"]:
        case "memory":
            return f"it takes more than {bounds.memory_bytes // 1024**2} MB of memory to render"
        case "output":
            return f"it renders to more than {bounds.output_characters} characters"
        case "syntax":
            return f"it is not a template: {fault['message']}"
        case _:
            return f"it cannot be rendered: {fault['message']}"


def _library_folders() -> list[str]:
    """Folders that hold the template engine, found without importing it here.

    Raises ImportError when it is not installed.
    """
    folders: list[str] = []
    for name in ("jinja2", "markupsafe"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ImportError(f"{name} is not installed")
        folders.append(str(Path(spec.origin).parents[1]))
    return list(dict.fromkeys(folders))
