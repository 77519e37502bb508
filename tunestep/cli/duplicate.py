"""What a command shows when its run was a duplicate: the run that comes first."""

from typing import Any

from rich.text import Text

from tunestep.cli import render, results, runs
from tunestep.cli.advice import other_run
from tunestep.cli.status import print_next
from tunestep.cli.target import Target


def show(target: Target, seen: runs.RunView, *, as_json: bool) -> int:
    """Show the run that a duplicate gave way to; returns the exit code.

    0 when that run lives or has succeeded, so that the content is, or will be, fine-tuned; else 1.
    """
    other = runs.view(target, other_run(seen))
    code = 0 if other.live or other.status == "SUCCEEDED" else 1
    if as_json:
        document: dict[str, Any] = render.as_dict(other, target)
        render.print_json({**document, "duplicate": seen.run_id, "duplicate_cause": seen.cause})
        return code
    out = render.console()
    out.print(Text(seen.cause, style="yellow"))
    if other.status == "SUCCEEDED":
        out.print(f"\nrun {other.run_id}", style="bold")
        results.show(target, other, as_json=False)
        return code
    out.print(render.panel(other))
    print_next(out, other, target)
    return code
