"""What a job moves: all weights, or low-rank adapters beside them (arXiv:2106.09685)."""

from typing import Protocol

import numpy as np

from tunestep.local.training.model import Params


class Trainable(Protocol):
    """The variables an optimiser moves, and how the model's weights follow them."""

    variables: Params

    def gradients(self, full: Params) -> Params:
        """The variables' gradients, from the gradients of the model's weights."""

    def refresh(self) -> None:
        """Brings the model's weights in line with the variables."""


class FullWeights:
    """Every weight of the model is a variable."""

    def __init__(self, params: Params) -> None:
        self.variables = params

    def gradients(self, full: Params) -> Params:
        return full

    def refresh(self) -> None:
        """Nothing to do: variables and weights are the same arrays."""


class LoraWeights:
    """``W = W0 + scale * B @ A`` for every projection of the blocks.

    ``wide`` also moves embedding and norms in full (what PEFT calls ``modules_to_save``): a model that
    starts from random weights has no embedding worth keeping, and adapters cannot reach it.
    """

    def __init__(self, params: Params, *, rank: int, scale: float, seed: int, wide: bool) -> None:
        random = np.random.default_rng(seed)
        self._params, self.rank, self.scale = params, rank, scale
        self._base = {name: array.copy() for name, array in params.items() if name.endswith("_proj.weight")}
        self.variables: Params = {}
        for name, base in self._base.items():
            rows, columns = base.shape
            spread = columns**-0.5
            self.variables[down(name)] = (random.standard_normal((rank, columns)) * spread).astype(base.dtype)
            self.variables[up(name)] = np.zeros((rows, rank), base.dtype)
        if wide:
            self.variables |= {name: array for name, array in params.items() if name not in self._base}

    def gradients(self, full: Params) -> Params:
        result = {name: full[name] for name in self.variables if name in full}
        for name in self._base:
            result[down(name)] = self.scale * (self.variables[up(name)].T @ full[name])
            result[up(name)] = self.scale * (full[name] @ self.variables[down(name)].T)
        return result

    def refresh(self) -> None:
        for name, base in self._base.items():
            change = self.variables[up(name)] @ self.variables[down(name)]
            self._params[name][...] = base + self.scale * change


def down(name: str) -> str:
    """Name of the A matrix (rank, inputs) beside weight ``name``."""
    return name.replace(".weight", ".lora_A.weight")


def up(name: str) -> str:
    """Name of the B matrix (outputs, rank) beside weight ``name``."""
    return name.replace(".weight", ".lora_B.weight")
