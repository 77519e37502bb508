"""AdamW with clipping by the global norm, and the learning-rate schedule."""

import math
from typing import Literal

import numpy as np

from tunestep.local.training.layers import Array
from tunestep.local.training.model import Params

Schedule = Literal["constant", "linear", "cosine"]


class AdamW:
    """AdamW (Loshchilov and Hutter, arXiv:1711.05101) on a dictionary of arrays, in place."""

    def __init__(
        self,
        variables: Params,
        *,
        weight_decay: float = 0.0,
        clip: float | None = 1.0,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
    ) -> None:
        self._mean = {name: np.zeros_like(array) for name, array in variables.items()}
        self._square = {name: np.zeros_like(array) for name, array in variables.items()}
        self._steps = 0
        self._weight_decay, self._clip, self._betas, self._eps = weight_decay, clip, betas, eps

    def step(self, variables: Params, gradients: Params, rate: float) -> float:
        """Moves ``variables`` by one step and returns the norm of the gradient before clipping."""
        norm = global_norm(gradients)
        shrink = 1.0 if self._clip is None else min(1.0, self._clip / (norm + 1e-9))
        self._steps += 1
        for name, gradient in gradients.items():
            variables[name] -= rate * (
                self._direction(name, gradient * shrink) + self._weight_decay * variables[name]
            )
        return norm

    def _direction(self, name: str, gradient: Array) -> Array:
        keep_mean, keep_square = self._betas
        mean, square = self._mean[name], self._square[name]
        mean *= keep_mean
        mean += (1 - keep_mean) * gradient
        square *= keep_square
        square += (1 - keep_square) * gradient * gradient
        unbiased = mean / (1 - keep_mean**self._steps)
        direction: Array = unbiased / (np.sqrt(square / (1 - keep_square**self._steps)) + self._eps)
        return direction


def global_norm(gradients: Params) -> float:
    """Euclidean norm of all gradients taken as one vector."""
    return math.sqrt(sum(float(np.vdot(array, array)) for array in gradients.values()))


def learning_rate(step: int, total: int, *, peak: float, warmup: float, schedule: Schedule) -> float:
    """Rate of ``step`` (0-based) of ``total``: a linear rise over the ``warmup`` share, then the fall."""
    rise = math.ceil(total * warmup)
    if step < rise:
        return peak * (step + 1) / rise
    done = (step - rise) / max(1, total - rise)
    if schedule == "linear":
        return peak * (1 - done)
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    return peak
