"""Answers written token by token: sampled or greedy, many prompts at once, with keys and values kept.

A prompt is read once, however many answers are asked for; each further token then costs one position
instead of the whole sequence. Answers that have ended leave the batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tunestep.local.training import layers, model
from tunestep.local.training.layers import Angles, Array
from tunestep.local.training.model import EMBEDDING, FINAL_NORM, ModelConfig, Params
from tunestep.local.training.tokens import END, PAD

MOST_AT_ONCE = 64
"""Answers written side by side; bounds the memory of keys and values, not the result's meaning."""


class Cache(NamedTuple):
    """One block's keys and values, (answers, heads, positions, head size) each."""

    keys: Array
    values: Array


class Begun(NamedTuple):
    """Answers under way: last hidden states (answers, hidden), caches, and each one's next position."""

    state: Array
    caches: list[Cache]
    places: Array


def sample(
    params: Params,
    config: ModelConfig,
    prompts: Sequence[Sequence[int]],
    *,
    limit: int,
    copies: int = 1,
    temperature: float = 0.0,
    random: np.random.Generator | None = None,
) -> list[list[int]]:
    """``copies`` answers to each prompt, in the order of the prompts, each up to END or ``limit`` tokens.

    ``temperature`` 0 takes the likeliest token; above 0, ``random`` draws from the distribution, and equal
    generators draw equal answers.
    """
    draws = random if random is not None else np.random.default_rng(0)
    at_once = max(1, MOST_AT_ONCE // copies)
    answers: list[list[int]] = []
    for start in range(0, len(prompts), at_once):
        part = prompts[start : start + at_once]
        state = _read(params, config, part, limit, copies)
        answers += _write(params, config, state, limit=limit, temperature=temperature, random=draws)
    return answers


def _write(
    params: Params,
    config: ModelConfig,
    begun: Begun,
    *,
    limit: int,
    temperature: float,
    random: np.random.Generator,
) -> list[list[int]]:
    state, caches, places = begun
    dtype = params[EMBEDDING].dtype
    angles = layers.rotary_angles(caches[0].keys.shape[2], config.head_size, config.theta, dtype)
    answers: list[list[int]] = [[] for _ in places]
    owners = np.arange(len(places))
    for _ in range(limit):
        chosen = _choose(state @ params[EMBEDDING].T, temperature, random)
        for owner, token in zip(owners, chosen, strict=True):
            answers[owner].append(int(token))
        running = chosen != END
        if not running.any() or len(answers[owners[0]]) == limit:
            break
        if not running.all():
            owners, places, chosen = owners[running], places[running], chosen[running]
            caches = [Cache(cache.keys[running], cache.values[running]) for cache in caches]
        here = Angles(angles.cos[places][:, None], angles.sin[places][:, None])
        state = _advance(params, config, params[EMBEDDING][chosen], Begun(state, caches, places), here)
        places = places + 1
    return answers


def _choose(logits: Array, temperature: float, random: np.random.Generator) -> Array:
    """The likeliest token of each row, or one drawn by adding Gumbel noise to what is compared."""
    if temperature <= 0:
        return np.asarray(logits.argmax(axis=-1))
    return np.asarray((logits / temperature + random.gumbel(size=logits.shape)).argmax(axis=-1))


def _read(
    params: Params, config: ModelConfig, prompts: Sequence[Sequence[int]], limit: int, copies: int
) -> Begun:
    """Last hidden states, caches with room for ``limit`` more, and each answer's next position."""
    lengths = np.array([len(prompt) for prompt in prompts])
    longest = int(lengths.max())
    ids = np.full((len(prompts), longest), PAD, np.int64)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = prompt
    states, tape = model.forward(params, config, ids)
    last = states[np.arange(len(prompts)) * longest + lengths - 1]
    caches = [
        Cache(*(_with_room(kept, limit, copies) for kept in (block.attention.keys, block.attention.values)))
        for block in tape.blocks
    ]
    return Begun(last.repeat(copies, axis=0), caches, lengths.repeat(copies))


def _with_room(kept: Array, limit: int, copies: int) -> Array:
    rows, heads, length, size = kept.shape
    wide = np.zeros((rows * copies, heads, length + limit, size), kept.dtype)
    wide[:, :, :length] = kept.repeat(copies, axis=0)
    return wide


def _advance(params: Params, config: ModelConfig, state: Array, begun: Begun, here: Angles) -> Array:
    """Hidden states after one more token per answer, whose embedding is ``state``; caches take it up."""
    for index, cache in enumerate(begun.caches):
        prefix = f"model.layers.{index}."
        normed, _ = layers.rms_norm(state, params[f"{prefix}input_layernorm.weight"], config.eps)
        state = state + _attend(normed, model.attention_weights(params, index), begun.places, cache, here)
        normed, _ = layers.rms_norm(state, params[f"{prefix}post_attention_layernorm.weight"], config.eps)
        state = state + layers.feed_forward(normed, model.feed_forward_weights(params, index))[0]
    return layers.rms_norm(state, params[FINAL_NORM], config.eps)[0]


def _attend(
    inputs: Array, weights: layers.AttentionWeights, places: Array, cache: Cache, here: Angles
) -> Array:
    """Attention of one new position per answer over what is kept of it."""
    rows, heads, _, size = cache.keys.shape
    query, key, value = (
        (inputs @ weight.T).reshape(rows, heads, size)
        for weight in (weights.query, weights.key, weights.value)
    )
    each, reach = np.arange(rows), int(places.max()) + 1
    cache.keys[each, :, places] = layers.rotate(key, here)
    cache.values[each, :, places] = value
    shares = (cache.keys[:, :, :reach] @ layers.rotate(query, here)[..., None])[..., 0]
    shares *= size**-0.5
    shares += np.where(np.arange(reach) > places[:, None], -1e9, 0.0).astype(inputs.dtype)[:, None]
    shares -= shares.max(axis=-1, keepdims=True)
    np.exp(shares, out=shares)
    shares /= shares.sum(axis=-1, keepdims=True)
    mixed = (shares[:, :, None] @ cache.values[:, :, :reach]).reshape(rows, heads * size)
    return np.asarray(mixed @ weights.output.T)
