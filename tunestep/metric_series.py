"""From metric histories to what a person reads: one row per epoch, first and last values.

A value may be NaN or infinite: training that diverges logs such. They are kept and counted, and no mean,
first or last value is made of them. JSON has no number for them, so they are stored as the texts that MLflow
uses.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tunestep.metrics import Point
from tunestep.plan_model import Technique

_REINFORCEMENT = (
    "critic/rewards/mean",
    "val/exact_match",
    "response_length/mean",
    "actor/entropy_loss",
    "actor/grad_norm",
    "critic/advantages/mean",
)

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
    "RLVR": _REINFORCEMENT,
    "RLAIF": _REINFORCEMENT,
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
    """Of each metric: ``first`` and ``last`` finite value (None without one), number of ``points``, and how
    many of them are ``not_finite`` with the first such ``not_finite_step``, where there are any."""
    return {name: _overview(points) for name, points in series.items() if points}


def _overview(points: Sequence[Point]) -> dict[str, Any]:
    finite = [point.value for point in points if math.isfinite(point.value)]
    found: dict[str, Any] = {
        "first": finite[0] if finite else None,
        "last": finite[-1] if finite else None,
        "points": len(points),
    }
    if len(finite) < len(points):
        found["not_finite"] = len(points) - len(finite)
        found["not_finite_step"] = next(point.step for point in points if not math.isfinite(point.value))
    return found


def not_finite(series: Mapping[str, Sequence[Point]]) -> list[str]:
    """A sentence for each metric that holds NaN or infinities."""
    return [
        f"{name} has {found['not_finite']:,} values that are no finite numbers, the first at step "
        f"{found['not_finite_step']:,}; averages leave them out"
        for name, found in overview(series).items()
        if "not_finite" in found
    ]


def number(value: float) -> float | str:
    """A value as JSON can hold it: itself, or ``NaN``, ``Infinity`` or ``-Infinity``."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def per_epoch(
    series: Mapping[str, Sequence[Point]], steps_per_epoch: int, epochs: int
) -> list[dict[str, Any]]:
    """One row per epoch: {epoch, metric: mean of its finite values}. Empty when epochs are not known.

    Steps may be counted from 0 or from 1; a value logged after the last step belongs to the last epoch.
    """
    steps = [point.step for points in series.values() for point in points]
    if steps_per_epoch < 1 or epochs < 1 or not steps:
        return []
    origin = 0 if min(steps) == 0 else 1
    rows: list[dict[str, Any]] = [{"epoch": epoch} for epoch in range(1, min(epochs, MOST_EPOCHS) + 1)]
    for name, points in series.items():
        sums: dict[int, list[float]] = {}
        for point in points:
            index = min(max(point.step - origin, 0) // steps_per_epoch, epochs - 1)
            if math.isfinite(point.value):
                sums.setdefault(index, []).append(point.value)
        for index, values in sums.items():
            if index < len(rows):
                rows[index][name] = math.fsum(value / len(values) for value in values)
    return rows
