"""SFT and DPO: which answer tokens count, how much, and what is reported.

An objective turns rows into batches and log-probabilities into one weight per answer token
(``likelihood.weighted_gradient`` does the rest). A large batch is worked through in slices: weights and
metrics of a slice are its share of the batch's mean, so slices simply add up.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from tunestep.local.training.layers import Array
from tunestep.local.training.likelihood import Batch, Exchange, collate, score
from tunestep.local.training.model import ModelConfig, Params

SLICE = 32
"""Sequences in one forward pass; bounds the memory of a step, not its meaning."""


class Preference(NamedTuple):
    """Tokens of a prompt and of the better and the worse answer."""

    prompt: Sequence[int]
    chosen: Sequence[int]
    rejected: Sequence[int]


class Share(NamedTuple):
    """One slice's part of a batch: weights (answer tokens,), and metrics that add up over slices."""

    weights: Array
    metrics: dict[str, float]


class Objective(Protocol):
    """What a technique asks of the loop. Rows are named by their index."""

    loss: str
    """Name of the metric that is minimised."""
    slice_rows: int
    """Rows worked through at once."""

    def __len__(self) -> int:
        """Number of rows."""

    def units(self, rows: Sequence[int]) -> float:
        """What the mean over ``rows`` is divided by."""

    def batch(self, rows: Sequence[int]) -> Batch:
        """The sequences of ``rows``."""

    def share(self, rows: Sequence[int], batch: Batch, logp: Array, units: float) -> Share:
        """Weights and metrics of ``rows``, a slice of a batch of ``units``."""


class Sft:
    """Supervised fine-tuning: the mean negative log-likelihood of the answers' tokens."""

    loss = "total_loss"
    slice_rows = SLICE

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._exchanges = exchanges

    def __len__(self) -> int:
        return len(self._exchanges)

    def units(self, rows: Sequence[int]) -> float:
        return float(sum(len(self._exchanges[row][1]) for row in rows))

    def batch(self, rows: Sequence[int]) -> Batch:
        return collate([self._exchanges[row] for row in rows])

    def share(self, rows: Sequence[int], batch: Batch, logp: Array, units: float) -> Share:
        return Share(np.full_like(logp, 1.0 / units), {self.loss: -float(logp.sum()) / units})


class Dpo:
    """Direct preference optimisation (arXiv:2305.18290), sigmoid loss.

    The reference is the model as it was before the first step; its log-probabilities are taken once.
    A reward is ``beta`` times the change of an answer's log-probability against the reference. Taking the
    reference of many rows takes long; once ``go_on`` says no, the rest is left out, and with it any sense
    in training.
    """

    loss = "loss_per_batch"
    slice_rows = SLICE // 2

    def __init__(
        self,
        preferences: Sequence[Preference],
        params: Params,
        config: ModelConfig,
        *,
        beta: float,
        go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self._preferences, self._beta = preferences, beta
        self._reference = np.zeros((len(preferences), 2), np.float64)
        for start in range(0, len(preferences), self.slice_rows):
            if not go_on():
                break
            rows = range(start, min(start + self.slice_rows, len(preferences)))
            batch = self.batch(rows)
            logp, _ = score(params, config, batch)
            self._reference[rows] = _answer_sums(logp, batch)

    def __len__(self) -> int:
        return len(self._preferences)

    def units(self, rows: Sequence[int]) -> float:
        return float(len(rows))

    def batch(self, rows: Sequence[int]) -> Batch:
        """Even sequences are chosen answers, odd ones rejected answers."""
        picked = [self._preferences[row] for row in rows]
        return collate([(one.prompt, answer) for one in picked for answer in (one.chosen, one.rejected)])

    def share(self, rows: Sequence[int], batch: Batch, logp: Array, units: float) -> Share:
        rewards = self._beta * (_answer_sums(logp, batch) - self._reference[list(rows)])
        margins = rewards[:, 0] - rewards[:, 1]
        # The loss's slope by the margin, -sigmoid(-margin); tanh cannot overflow as exp can.
        pull = self._beta * 0.5 * (1.0 - np.tanh(margins / 2)) / units
        by_sequence = np.stack([pull, -pull], axis=1).reshape(-1)
        metrics = {
            self.loss: np.logaddexp(0.0, -margins),
            "rewards/chosen": rewards[:, 0],
            "rewards/rejected": rewards[:, 1],
            "rewards/margins": margins,
            "acc_per_batch": margins > 0,
        }
        return Share(
            by_sequence[batch.owner].astype(logp.dtype),
            {name: float(values.sum()) / units for name, values in metrics.items()},
        )


def _answer_sums(logp: Array, batch: Batch) -> Array:
    """Log-probability of each whole answer, (pairs, 2): chosen and rejected."""
    sums = np.bincount(batch.owner, weights=logp, minlength=len(batch.ids))
    return sums.reshape(-1, 2)


def mean_metrics(objective: Objective, params: Params, config: ModelConfig) -> dict[str, float]:
    """The objective's metrics over all of its rows, without training on them."""
    every = range(len(objective))
    units = objective.units(every)
    total: dict[str, float] = {}
    for rows in slices(every, objective.slice_rows):
        batch = objective.batch(rows)
        logp, _ = score(params, config, batch)
        add(total, objective.share(rows, batch, logp, units).metrics)
    return total


def slices(rows: Sequence[int], count: int) -> list[Sequence[int]]:
    """``rows`` in pieces of at most ``count``."""
    return [rows[start : start + count] for start in range(0, len(rows), count)]


def add(total: dict[str, float], part: dict[str, float]) -> None:
    """Adds a slice's metrics to those of its batch."""
    for name, value in part.items():
        total[name] = total.get(name, 0.0) + value
