"""From metric histories to what a person reads: one row per epoch, first and last values."""

from collections.abc import Mapping, Sequence
from typing import Any

from tunestep.metrics import Point
from tunestep.plan_model import Technique

PRIMARY: dict[Technique, tuple[str, ...]] = {
    "SFT": ("total_loss", "val_eval_total_loss"),
    "DPO": (
        "rewards/margins",
        "rewards/chosen",
        "rewards/rejected",
        "acc_per_batch",
        "loss_per_batch",
        "total_loss",
        "val_eval_total_loss",
    ),
    "RLVR": ("critic/rewards/mean", "response_length/mean", "val/exact_match"),
    "RLAIF": ("critic/rewards/mean", "response_length/mean", "val/exact_match"),
}
"""Names under which the service logs, the most telling first."""

MOST_METRICS = 40
MOST_EPOCHS = 50


def chosen(technique: Technique, available: Sequence[str]) -> list[str]:
    """The metrics to read: the technique's own first, then the others by name."""
    known = [name for name in PRIMARY[technique] if name in available]
    return [*known, *sorted(set(available) - set(known))][:MOST_METRICS]


def missing(technique: Technique, available: Sequence[str], *, validated: bool) -> list[str]:
    """The names that a run of this technique should have logged and did not."""
    wanted = [PRIMARY[technique][0]]
    if technique == "SFT" and validated:
        wanted.append("val_eval_total_loss")
    return [name for name in wanted if name not in available]


def overview(series: Mapping[str, Sequence[Point]]) -> dict[str, dict[str, Any]]:
    """First and last value and number of points of each metric."""
    return {
        name: {"first": points[0].value, "last": points[-1].value, "points": len(points)}
        for name, points in series.items()
        if points
    }


def per_epoch(
    series: Mapping[str, Sequence[Point]], steps_per_epoch: int, epochs: int
) -> list[dict[str, Any]]:
    """One row per epoch: {epoch, metric: mean of its values}. Empty when epochs are not known.

    Steps may be counted from 0 or from 1; a value logged after the last step belongs to the last epoch.
    """
    steps = [point.step for points in series.values() for point in points]
    if steps_per_epoch < 1 or epochs < 1 or not steps:
        return []
    origin = 0 if min(steps) == 0 else 1
    rows: list[dict[str, Any]] = [{"epoch": number} for number in range(1, min(epochs, MOST_EPOCHS) + 1)]
    for name, points in series.items():
        sums: dict[int, list[float]] = {}
        for point in points:
            index = min(max(point.step - origin, 0) // steps_per_epoch, epochs - 1)
            sums.setdefault(index, []).append(point.value)
        for index, values in sums.items():
            if index < len(rows):
                rows[index][name] = sum(values) / len(values)
    return rows
