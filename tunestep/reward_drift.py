"""What a reinforcement run's metrics in MLflow say against its reward.

The laptop's trainer reports more, from the answers themselves; SageMaker leaves these metrics alone.
"""

import math
from collections.abc import Mapping, Sequence

from tunestep.metric_series import mean
from tunestep.metrics import Point

REWARD, LENGTH = "critic/rewards/mean", "response_length/mean"
ROSE = 0.05
"""Least rise of the reward, as a share of where it began or of 1."""
RAN_AWAY = 1.5
"""Times that answers grow before it is worth a sentence."""
FEWEST = 4
"""Points of a metric below which its ends say nothing."""


def warnings(series: Mapping[str, Sequence[Point]]) -> list[str]:
    """One sentence when answers grew out of proportion while the reward rose; ``series`` by metric name."""
    reward, length = _ends(series.get(REWARD, ())), _ends(series.get(LENGTH, ()))
    if reward is None or length is None:
        return []
    rose = reward[1] - reward[0] > ROSE * max(1.0, abs(reward[0]))
    if not rose or length[1] < RAN_AWAY * length[0]:
        return []
    return [
        f"The reward rose from {reward[0]:.3f} to {reward[1]:.3f} while answers grew from {length[0]:.0f} to "
        f"{length[1]:.0f} tokens: the reward may pay for length."
    ]


def _ends(points: Sequence[Point]) -> tuple[float, float] | None:
    """Means of the first and of the last tenth of the finite values; None when there are too few."""
    values = [point.value for point in points if math.isfinite(point.value)]
    if len(values) < FEWEST:
        return None
    count = math.ceil(len(values) / 10)
    return mean(values[:count]), mean(values[-count:])
