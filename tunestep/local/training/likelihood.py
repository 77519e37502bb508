"""Log-probabilities of answer tokens, and the one gradient that every objective is made of.

SFT, DPO and policy gradients are all sums of answer tokens' log-probabilities, each token with a weight
of its own. So an objective only has to say the weights; the gradient of ``-sum(weight * logp)`` is here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tunestep.local.training import model
from tunestep.local.training.layers import Array
from tunestep.local.training.model import EMBEDDING, ModelConfig, Params
from tunestep.local.training.tokens import PAD

Exchange = tuple[Sequence[int], Sequence[int]]
"""Prompt tokens and answer tokens."""


class Batch(NamedTuple):
    """Right-padded sequences and where their answers are.

    ``ids`` is (batch, length). ``owner``, ``place`` and ``target`` are (answer tokens,): the sequence,
    the position that predicts the token, and the token.
    """

    ids: Array
    owner: Array
    place: Array
    target: Array


class ScoreTape(NamedTuple):
    batch: Batch
    forward: model.Tape
    hidden: Array
    probabilities: Array


def collate(pairs: Sequence[Exchange]) -> Batch:
    """Prompts and answers, each at least one token long, as one batch."""
    length = max(len(prompt) + len(answer) for prompt, answer in pairs)
    ids = np.full((len(pairs), length), PAD, np.int64)
    owner: list[int] = []
    place: list[int] = []
    for row, (prompt, answer) in enumerate(pairs):
        end = len(prompt) + len(answer)
        ids[row, :end] = [*prompt, *answer]
        places = range(len(prompt) - 1, end - 1)
        place.extend(places)
        owner.extend([row] * len(places))
    owners, positions = np.array(owner, np.int64), np.array(place, np.int64)
    return Batch(ids, owners, positions, ids[owners, positions + 1])


def score(params: Params, config: ModelConfig, batch: Batch) -> tuple[Array, ScoreTape]:
    """Log-probability of each answer token (answer tokens,), in the order of ``batch.target``.

    Logits are taken only where an answer token is predicted: prompts need none.
    """
    states, tape = model.forward(params, config, batch.ids)
    hidden = states[batch.owner * batch.ids.shape[1] + batch.place]
    logits = hidden @ params[EMBEDDING].T
    logits -= logits.max(axis=-1, keepdims=True)
    probabilities = np.exp(logits)
    total = probabilities.sum(axis=-1, keepdims=True)
    probabilities /= total
    chosen = logits[np.arange(len(batch.target)), batch.target] - np.log(total[:, 0])
    return chosen, ScoreTape(batch, tape, hidden, probabilities)


def weighted_gradient(params: Params, weights: Array, tape: ScoreTape) -> Params:
    """Gradient of ``-sum(weights * logp)``; ``weights`` is (answer tokens,). Consumes the tape."""
    batch = tape.batch
    d_logits = tape.probabilities
    d_logits *= weights[:, None]
    d_logits[np.arange(len(batch.target)), batch.target] -= weights
    upstream = np.zeros((batch.ids.size, tape.hidden.shape[1]), tape.hidden.dtype)
    upstream[batch.owner * batch.ids.shape[1] + batch.place] = d_logits @ params[EMBEDDING]
    gradients = model.backward(params, upstream, tape.forward)
    gradients[EMBEDDING] += d_logits.T @ tape.hidden
    return gradients
