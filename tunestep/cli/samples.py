"""What a reinforcement run shows beside its numbers: warnings, exact match, the best and worst answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from tunestep.text import one_line

_PROMPT, _ANSWER = 70, 90


def facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of what the trainer measured at its start and at its end."""
    found = []
    exact = summary.get("exact_match", {})
    if "before" in exact and "after" in exact:
        rows = f" on {exact['rows']:.0f} held-out rows" if "rows" in exact else ""
        found.append(("exact match", f"{exact['before']:.2f} → {exact['after']:.2f}{rows}"))
    for name in ("reward", "length"):
        if len(ends := summary.get(name, [])) == 2:
            found.append((name, f"{ends[0]:.2f} → {ends[1]:.2f}"))
    if summary.get("rewarded_by"):
        found.append(("rewarded by", one_line(summary["rewarded_by"], 200)))
    return found


def lines(summary: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Warnings of the summary, then of each sample rank, score, end of the prompt, answer and metrics."""
    for warning in summary.get("warnings", []):
        yield Text(f"warning: {one_line(warning, 400)}", style="yellow")
    for sample in shown:
        score = sample.get("score")
        line = Text(f"{one_line(sample.get('rank', ''), 8):<6}", style="dim")
        line.append(f"{score:7.3f}  " if isinstance(score, int | float) else "      -  ", style="bold")
        line.append(f"{one_line(sample.get('prompt', '')[-_PROMPT:], _PROMPT)}  ", style="dim")
        line.append(one_line(sample.get("answer", ""), _ANSWER))
        told = " ".join(
            f"{one_line(name, 30)}={value:.3g}" for name, value in sample.get("metrics", {}).items()
        )
        if told:
            line.append(f"  {told}", style="dim")
        yield line
