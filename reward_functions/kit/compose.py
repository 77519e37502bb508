"""Several rewards as one: a weighted mean, with gates."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reward_functions.kit.types import RewardError, Sample, Score


@dataclass(frozen=True, slots=True)
class Part:
    """One reward of a composition: its weight in the mean and, optionally, a gate.

    With ``gate`` set, a value below it makes the whole 0. A weight of 0 reports the part without counting it.
    """

    score: Callable[[Sample], Score]
    weight: float = 1.0
    gate: float | None = None


def compose(parts: Mapping[str, Part]) -> Callable[[Sample], Score]:
    """A score function over named parts: ``sum(weight * value) / sum(weight)``, 0 if a gate is not passed.

    Each part's value is reported as a reward under its name, its metrics as ``name.metric``. A part that
    fails makes the sample fail: a partial sum would pass for a verdict. Raises RewardError on weights that
    are not finite, negative, or all zero.
    """
    weights = {name: float(part.weight) for name, part in parts.items()}
    if any(not math.isfinite(weight) or weight < 0 for weight in weights.values()):
        raise RewardError("weights are finite numbers, 0 or above")
    total = sum(weights.values())
    if total <= 0:
        raise RewardError("at least one weight is above 0")

    def score(sample: Sample) -> Score:
        value, open_gates = 0.0, True
        metrics: dict[str, float] = {}
        rewards: dict[str, float] = {}
        reasons = []
        for name, part in parts.items():
            result = part.score(sample)
            value += weights[name] / total * result.value
            open_gates &= part.gate is None or result.value >= part.gate
            rewards[name] = result.value
            inner = {**result.metrics, **result.rewards}
            metrics.update({f"{name}.{inner_name}": inner_value for inner_name, inner_value in inner.items()})
            if result.reason:
                reasons.append(f"{name}: {result.reason}")
        return Score(value if open_gates else 0.0, metrics, "; ".join(reasons), rewards)

    return score
