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
from tunestep.trends import mean

REWARD, ANSWER_LENGTH = "critic/rewards/mean", "response_length/mean"
_REINFORCEMENT = (
    REWARD,
    "val/exact_match",
    ANSWER_LENGTH,
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

HELD_OUT = "val_eval_total_loss"

CLEARLY = 0.02
"""Share by which a loss has to be higher before that is worth a sentence."""

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

    Steps are counted from 0 or from 1, which the metric with the most values tells. What was logged before
    the first step belongs to no epoch, and what was logged after the last one to the last.
    """
    longest = max(series.values(), key=len, default=())
    if steps_per_epoch < 1 or epochs < 1 or not longest:
        return []
    origin = 1 if all(point.step > 0 for point in longest) else 0
    rows: list[dict[str, Any]] = [{"epoch": epoch} for epoch in range(1, min(epochs, MOST_EPOCHS) + 1)]
    for name, points in series.items():
        sums: dict[int, list[float]] = {}
        for point in points:
            index = min((point.step - origin) // steps_per_epoch, epochs - 1)
            if index >= 0 and math.isfinite(point.value):
                sums.setdefault(index, []).append(point.value)
        for index, values in sums.items():
            if index < len(rows):
                rows[index][name] = mean(values)
    return rows


def turns_up(epochs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence when the loss on held-out data ended clearly above the lowest that an epoch had."""
    losses = [(row["epoch"], row[HELD_OUT]) for row in epochs if HELD_OUT in row]
    if len(losses) < 2:
        return []
    epoch, lowest = min(losses, key=lambda entry: float(entry[1]))
    last, ended = losses[-1]
    if ended - lowest <= CLEARLY * abs(lowest):
        return []
    return [
        f"{HELD_OUT} was lowest in epoch {epoch} ({lowest:.4g}) and higher in epoch {last} ({ended:.4g}): "
        f"more epochs fitted the training data and not the held-out data"
    ]
