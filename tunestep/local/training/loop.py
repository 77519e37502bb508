"""The training loop: one event per step, and one at the end of each epoch."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tunestep.local.training.faults import TrainingFault
from tunestep.local.training.likelihood import score, weighted_gradient
from tunestep.local.training.lora import Trainable
from tunestep.local.training.model import ModelConfig, Params
from tunestep.local.training.objectives import Objective, add, mean_metrics, slices
from tunestep.local.training.optimiser import AdamW, Schedule, learning_rate

EPOCH_LOSS = "train_epoch_loss"
"""Mean training loss of an epoch."""
VALIDATION_LOSS = "val_eval_total_loss"
"""Loss on the validation rows at the end of an epoch."""


class Diverged(TrainingFault):
    """The loss or its gradient is no longer a number."""


@dataclass(frozen=True)
class Recipe:
    """How to train. ``max_steps`` ends a run early; ``clip`` None means no clipping."""

    epochs: int
    max_steps: int | None
    batch_size: int
    peak_rate: float
    warmup: float
    schedule: Schedule
    weight_decay: float
    clip: float | None
    seed: int

    def steps_per_epoch(self, rows: int) -> int:
        return math.ceil(rows / self.batch_size)

    def total_steps(self, rows: int) -> int:
        steps = self.epochs * self.steps_per_epoch(rows)
        return steps if self.max_steps is None else min(steps, self.max_steps)


class Event(NamedTuple):
    """Metrics after step ``step`` (1-based, over the whole run), number ``in_epoch`` of ``epoch``.

    ``tokens`` were worked through since the event before. ``epoch_end`` events carry the epoch's means.
    """

    step: int
    epoch: int
    in_epoch: int
    tokens: int
    epoch_end: bool
    metrics: dict[str, float]


def train(
    params: Params,
    config: ModelConfig,
    *,
    objective: Objective,
    trainable: Trainable,
    recipe: Recipe,
    validation: Objective | None = None,
) -> Iterator[Event]:
    """Trains ``params`` in place, as far as the caller asks for events.

    Raises:
        Diverged: the loss or its gradient became infinite or not a number.
    """
    random = np.random.default_rng(recipe.seed)
    optimiser = AdamW(trainable.variables, weight_decay=recipe.weight_decay, clip=recipe.clip)
    total, step = recipe.total_steps(len(objective)), 0
    for epoch in range(1, recipe.epochs + 1):
        losses = []
        batches = slices([int(row) for row in random.permutation(len(objective))], recipe.batch_size)
        for in_epoch, rows in enumerate(batches[: total - step], 1):
            rate = learning_rate(
                step, total, peak=recipe.peak_rate, warmup=recipe.warmup, schedule=recipe.schedule
            )
            gradients, metrics, tokens = _batch_gradient(params, config, objective, rows)
            norm = optimiser.step(trainable.variables, trainable.gradients(gradients), rate)
            if not math.isfinite(metrics[objective.loss] + norm):
                raise Diverged(f"{objective.loss} or its gradient is not a number at step {step + 1}.")
            trainable.refresh()
            step += 1
            losses.append(metrics[objective.loss])
            metrics |= {"grad_norm": norm, "learning_rate": rate}
            yield Event(step, epoch, in_epoch, tokens, False, metrics)
        means = {EPOCH_LOSS: float(np.mean(losses))}
        if validation is not None:
            means[VALIDATION_LOSS] = mean_metrics(validation, params, config)[validation.loss]
        yield Event(step, epoch, len(losses), 0, True, means)
        if step >= total:
            return


def _batch_gradient(
    params: Params, config: ModelConfig, objective: Objective, rows: Sequence[int]
) -> tuple[Params, dict[str, float], int]:
    """Gradient and metrics of one batch, summed over its slices, and its number of tokens."""
    units = objective.units(rows)
    gradients: Params = {}
    metrics: dict[str, float] = {}
    tokens = 0
    for part in slices(rows, objective.slice_rows):
        batch = objective.batch(part)
        logp, tape = score(params, config, batch)
        share = objective.share(part, batch, logp, units)
        tokens += int(np.count_nonzero(batch.ids))
        add(metrics, share.metrics)
        for name, array in weighted_gradient(params, share.weights, tape).items():
            gradients[name] = gradients[name] + array if name in gradients else array
    return gradients, metrics, tokens
