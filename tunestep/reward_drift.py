"""What a reinforcement run's metrics in MLflow say against its reward.

The laptop's trainer reports more, from the answers themselves; SageMaker leaves these metrics alone.
"""

import math
from collections.abc import Mapping, Sequence

from tunestep.metric_series import ANSWER_LENGTH, REWARD
from tunestep.metrics import Point
from tunestep.trends import ends, rises

RAN_AWAY = 1.5
"""Times that answers grow before it is worth a sentence."""
FEWEST = 4
"""Points of a metric below which its ends say nothing."""


def warnings(series: Mapping[str, Sequence[Point]]) -> list[str]:
    """One sentence when answers grew out of proportion while the reward rose; ``series`` by metric name."""
    reward, length = _finite(series.get(REWARD, ())), _finite(series.get(ANSWER_LENGTH, ()))
    if min(len(reward), len(length)) < FEWEST:
        return []
    (first, last), (short, long) = ends(reward), ends(length)
    if not rises(first, last) or long < RAN_AWAY * short:
        return []
    return [
        f"The reward rose from {first:.3f} to {last:.3f} while answers grew from {short:.0f} to {long:.0f} "
        "tokens: the reward may pay for length."
    ]


def _finite(points: Sequence[Point]) -> list[float]:
    return [point.value for point in points if math.isfinite(point.value)]
