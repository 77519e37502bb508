"""Group-relative policy optimisation: from scores to a weight per answer token.

Group advantages normalised by their standard deviation (GRPO, arXiv:2402.03300), a loss averaged over
tokens with separate lower and upper clipping of the policy ratio (DAPO, arXiv:2503.14476), and, when
asked for, the k3 estimate of the divergence from the model as it was before training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tunestep.local.training.layers import Array
from tunestep.local.training.likelihood import Batch, Exchange, collate
from tunestep.local.training.objectives import SLICE, Share

_SAME = 1e-6
"""Scores of a group that are closer than this do not differ."""


@dataclass(frozen=True)
class Policy:
    """Clipping of the ratio below and above 1, and the weight of the divergence."""

    clip_low: float = 0.2
    clip_high: float = 0.2
    divergence: float = 0.0


def advantages(scores: Array, counted: Array) -> Array:
    """How much better than its group each answer did, in the group's standard deviations.

    Both are (groups, answers). An answer that is not ``counted`` (its reward failed) gets 0 and is not
    part of its group's mean; so does every answer of a group whose scores are all the same.
    """
    weight = counted.astype(np.float64)
    count = np.maximum(weight.sum(axis=1, keepdims=True), 1.0)
    mean = (scores * weight).sum(axis=1, keepdims=True) / count
    away = (scores - mean) * weight
    spread = np.sqrt((away**2).sum(axis=1, keepdims=True) / count)
    result: Array = np.where(spread > _SAME, away / (spread + 1e-4), 0.0)
    return result


class Grpo:
    """The objective of one rollout: answers that the model just wrote, and the advantage of each.

    ``reference`` are log-probabilities per answer of the model before training, needed only for the
    divergence. What the model thought of its answers before the first update (``old``) is taken from the
    first call of :meth:`share`, which has to come before any update.
    """

    loss = "actor/pg_loss"
    slice_rows = SLICE

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        advantage: Array,
        policy: Policy,
        reference: Sequence[Array] | None = None,
    ) -> None:
        self._exchanges, self._advantage, self._policy = exchanges, advantage, policy
        self._reference = reference
        self._old: dict[int, Array] = {}

    def __len__(self) -> int:
        return len(self._exchanges)

    def moving(self) -> list[int]:
        """The answers that move the model: those with an advantage, and all where divergence counts."""
        return [row for row in range(len(self)) if self._policy.divergence or self._advantage[row]]

    def units(self, rows: Sequence[int]) -> float:
        """All tokens of the rollout, whichever of them move the model."""
        return float(sum(len(answer) for _, answer in self._exchanges))

    def batch(self, rows: Sequence[int]) -> Batch:
        return collate([self._exchanges[row] for row in rows])

    def share(self, rows: Sequence[int], batch: Batch, logp: Array, units: float) -> Share:
        lengths = [len(self._exchanges[row][1]) for row in rows]
        advantage = np.repeat(self._advantage[list(rows)], lengths)
        ratio = np.exp(logp - self._before(rows, logp, lengths))
        low, high = 1.0 - self._policy.clip_low, 1.0 + self._policy.clip_high
        clipped = np.where(advantage > 0, ratio > high, ratio < low)
        weights = np.where(clipped, 0.0, ratio * advantage)
        gain = np.minimum(ratio * advantage, np.clip(ratio, low, high) * advantage)
        metrics = {self.loss: -float(gain.sum()) / units, "actor/pg_clipfrac": float(clipped.sum()) / units}
        if self._reference is not None and self._policy.divergence:
            away = np.concatenate([self._reference[row] for row in rows]) - logp
            weights = weights + self._policy.divergence * np.expm1(away)
            metrics["actor/kl_loss"] = float((np.expm1(away) - away).sum()) / units
        return Share((weights / units).astype(logp.dtype), metrics)

    def _before(self, rows: Sequence[int], logp: Array, lengths: Sequence[int]) -> Array:
        ends = np.cumsum(lengths)
        for row, part in zip(rows, np.split(logp, ends[:-1]), strict=True):
            self._old.setdefault(row, part.copy())
        return np.concatenate([self._old[row] for row in rows])
