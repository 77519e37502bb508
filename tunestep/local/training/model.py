"""A small Llama: parameters under the names of transformers' LlamaForCausalLM, forward and backward.

The output projection is the token embedding itself (``tie_word_embeddings``), and every head has its
own keys and values.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tunestep.local.training import layers
from tunestep.local.training.layers import Array
from tunestep.local.training.tokens import VOCABULARY

Params = dict[str, Array]
"""Arrays by their transformers name. Gradients use the same names."""

EMBEDDING = "model.embed_tokens.weight"
FINAL_NORM = "model.norm.weight"


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a model. ``context`` is the longest sequence it was made for, in tokens."""

    hidden: int = 128
    depth: int = 2
    heads: int = 4
    inner: int = 336
    context: int = 256
    vocabulary: int = VOCABULARY
    eps: float = 1e-6
    theta: float = 10000.0

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads


class BlockTape(NamedTuple):
    attention_norm: layers.NormTape
    attention: layers.AttentionTape
    feed_norm: layers.NormTape
    feed: layers.FeedForwardTape


class Tape(NamedTuple):
    """What :func:`backward` needs of a forward pass."""

    ids: Array
    blocks: list[BlockTape]
    final_norm: layers.NormTape


def shapes(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every parameter, in the order in which they are saved."""
    hidden, inner = config.hidden, config.inner
    yield EMBEDDING, (config.vocabulary, hidden)
    for index in range(config.depth):
        prefix = f"model.layers.{index}."
        for part in ("q", "k", "v", "o"):
            yield f"{prefix}self_attn.{part}_proj.weight", (hidden, hidden)
        yield f"{prefix}mlp.gate_proj.weight", (inner, hidden)
        yield f"{prefix}mlp.up_proj.weight", (inner, hidden)
        yield f"{prefix}mlp.down_proj.weight", (hidden, inner)
        yield f"{prefix}input_layernorm.weight", (hidden,)
        yield f"{prefix}post_attention_layernorm.weight", (hidden,)
    yield FINAL_NORM, (hidden,)


def fresh(config: ModelConfig, seed: int) -> Params:
    """Random float32 weights, equal for equal seeds."""
    random = np.random.default_rng(seed)
    return {name: _fresh_array(name, shape, random) for name, shape in shapes(config)}


def _fresh_array(name: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if len(shape) == 1:
        return np.ones(shape, np.float32)
    spread = 0.05 if name == EMBEDDING else 1.0 / math.sqrt(2 * shape[1])
    return (random.standard_normal(shape) * spread).astype(np.float32)


def size(params: Params) -> int:
    """Number of single weights."""
    return sum(array.size for array in params.values())


def forward(params: Params, config: ModelConfig, ids: Array) -> tuple[Array, Tape]:
    """Final hidden states (batch x length, hidden) of right-padded ``ids`` (batch, length)."""
    batch, length = ids.shape
    state = params[EMBEDDING][ids.reshape(-1)]
    angles = layers.rotary_angles(length, config.head_size, config.theta, state.dtype)
    tapes = []
    for index in range(config.depth):
        normed, attention_norm = layers.rms_norm(
            state, params[f"model.layers.{index}.input_layernorm.weight"], config.eps
        )
        added, attention = layers.attention(
            normed, attention_weights(params, index), batch, config.heads, angles
        )
        state = state + added
        normed, feed_norm = layers.rms_norm(
            state, params[f"model.layers.{index}.post_attention_layernorm.weight"], config.eps
        )
        added, feed = layers.feed_forward(normed, feed_forward_weights(params, index))
        state = state + added
        tapes.append(BlockTape(attention_norm, attention, feed_norm, feed))
    hidden, final_norm = layers.rms_norm(state, params[FINAL_NORM], config.eps)
    return hidden, Tape(ids, tapes, final_norm)


def backward(params: Params, upstream: Array, tape: Tape) -> Params:
    """Gradients of every parameter from the gradient of the final hidden states.

    The embedding's part as output projection is the caller's to add: it alone knows the logits.
    """
    gradients: Params = {}
    flow, gradients[FINAL_NORM] = layers.rms_norm_backward(upstream, tape.final_norm)
    for index in reversed(range(len(tape.blocks))):
        flow = flow + _feed_backward(params, index, flow, tape.blocks[index], gradients)
        flow = flow + _attention_backward(params, index, flow, tape.blocks[index], gradients)
    embedding = np.zeros_like(params[EMBEDDING])
    np.add.at(embedding, tape.ids.reshape(-1), flow)
    gradients[EMBEDDING] = embedding
    return gradients


def _feed_backward(params: Params, index: int, flow: Array, tape: BlockTape, gradients: Params) -> Array:
    prefix = f"model.layers.{index}."
    inward, weights = layers.feed_forward_backward(flow, feed_forward_weights(params, index), tape.feed)
    for part in weights._fields:
        gradients[f"{prefix}mlp.{part}_proj.weight"] = getattr(weights, part)
    inward, gain = layers.rms_norm_backward(inward, tape.feed_norm)
    gradients[f"{prefix}post_attention_layernorm.weight"] = gain
    return inward


def _attention_backward(params: Params, index: int, flow: Array, tape: BlockTape, gradients: Params) -> Array:
    prefix = f"model.layers.{index}."
    inward, weights = layers.attention_backward(flow, attention_weights(params, index), tape.attention)
    for part in weights._fields:
        gradients[f"{prefix}self_attn.{part[0]}_proj.weight"] = getattr(weights, part)
    inward, gain = layers.rms_norm_backward(inward, tape.attention_norm)
    gradients[f"{prefix}input_layernorm.weight"] = gain
    return inward


def attention_weights(params: Params, index: int) -> layers.AttentionWeights:
    """The attention projections of block ``index``."""
    prefix = f"model.layers.{index}.self_attn."
    return layers.AttentionWeights(*(params[f"{prefix}{part}_proj.weight"] for part in "qkvo"))


def feed_forward_weights(params: Params, index: int) -> layers.FeedForwardWeights:
    """The feed-forward projections of block ``index``."""
    prefix = f"model.layers.{index}.mlp."
    return layers.FeedForwardWeights(
        *(params[f"{prefix}{part}_proj.weight"] for part in ("gate", "up", "down"))
    )
