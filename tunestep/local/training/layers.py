"""The parts of a Llama block with hand-written gradients.

Each part is a forward function that returns its result and a tape, and a backward function that turns
the gradient of the result into the gradients of what went in. Activations are (N, hidden) with
N = batch x length. Every function keeps the dtype it is given: float32 to train, float64 to be checked
against finite differences. Shapes and conventions (rotary halves, RMS norm, gated SiLU) are those of
transformers' LlamaForCausalLM, which the tests compare with.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Angles(NamedTuple):
    """Rotary position angles, (length, head size) each."""

    cos: Array
    sin: Array


class NormTape(NamedTuple):
    inputs: Array
    gain: Array
    scale: Array


class AttentionWeights(NamedTuple):
    """The four projections, (hidden, hidden) each, applied as ``x @ W.T``."""

    query: Array
    key: Array
    value: Array
    output: Array


class AttentionTape(NamedTuple):
    inputs: Array
    queries: Array
    keys: Array
    values: Array
    shares: Array
    mixed: Array
    angles: Angles


class FeedForwardWeights(NamedTuple):
    """gate and up are (inner, hidden), down is (hidden, inner)."""

    gate: Array
    up: Array
    down: Array


class FeedForwardTape(NamedTuple):
    inputs: Array
    gate: Array
    sigmoid: Array
    up: Array
    inner: Array


def rms_norm(inputs: Array, gain: Array, eps: float) -> tuple[Array, NormTape]:
    """Each row divided by its root mean square, times ``gain`` (hidden,)."""
    scale = 1.0 / np.sqrt(np.mean(inputs * inputs, axis=-1, keepdims=True) + eps)
    return inputs * scale * gain, NormTape(inputs, gain, scale)


def rms_norm_backward(upstream: Array, tape: NormTape) -> tuple[Array, Array]:
    """Gradients of the inputs and of the gain."""
    unit = tape.inputs * tape.scale
    gain_gradient = (upstream * unit).sum(0)
    through = upstream * tape.gain
    inward = tape.scale * (through - unit * np.mean(through * unit, axis=-1, keepdims=True))
    return inward, gain_gradient


def rotary_angles(length: int, head_size: int, theta: float, dtype: npt.DTypeLike) -> Angles:
    """Angles of positions 0 to ``length - 1``; the two halves of a head share theirs."""
    frequencies = 1.0 / theta ** (np.arange(0, head_size, 2) / head_size)
    half = np.arange(length)[:, None] * frequencies
    full = np.concatenate([half, half], axis=-1)
    return Angles(np.cos(full).astype(dtype), np.sin(full).astype(dtype))


def rotate(heads: Array, angles: Angles) -> Array:
    """Queries or keys (batch, heads, length, head size), turned by their position."""
    half = heads.shape[-1] // 2
    turned = np.concatenate([-heads[..., half:], heads[..., :half]], axis=-1)
    result: Array = heads * angles.cos + turned * angles.sin
    return result


def rotate_backward(upstream: Array, angles: Angles) -> Array:
    """Gradient through :func:`rotate`: the transposed turn."""
    half = upstream.shape[-1] // 2
    through = upstream * angles.sin
    turned = np.concatenate([through[..., half:], -through[..., :half]], axis=-1)
    result: Array = upstream * angles.cos + turned
    return result


def attention(
    inputs: Array, weights: AttentionWeights, batch: int, heads: int, angles: Angles
) -> tuple[Array, AttentionTape]:
    """Causal self-attention over ``batch`` sequences of equal length.

    Padding stands on the right, so that causality alone keeps it out of every real position.
    """
    queries = rotate(_split(inputs @ weights.query.T, batch, heads), angles)
    keys = rotate(_split(inputs @ weights.key.T, batch, heads), angles)
    values = _split(inputs @ weights.value.T, batch, heads)
    length, head_size = queries.shape[2:]
    shares = queries @ keys.transpose(0, 1, 3, 2)
    shares *= head_size**-0.5
    shares += np.triu(np.full((length, length), -1e9, dtype=inputs.dtype), 1)
    shares -= shares.max(axis=-1, keepdims=True)
    np.exp(shares, out=shares)
    shares /= shares.sum(axis=-1, keepdims=True)
    mixed = _merge(shares @ values)
    return mixed @ weights.output.T, AttentionTape(inputs, queries, keys, values, shares, mixed, angles)


def attention_backward(
    upstream: Array, weights: AttentionWeights, tape: AttentionTape
) -> tuple[Array, AttentionWeights]:
    """Gradients of the inputs and of the four projections."""
    batch, heads, _, head_size = tape.queries.shape
    through = _split(upstream @ weights.output, batch, heads)
    values = tape.shares.transpose(0, 1, 3, 2) @ through
    scores = through @ tape.values.transpose(0, 1, 3, 2)
    scores -= (scores * tape.shares).sum(axis=-1, keepdims=True)
    scores *= tape.shares
    scores *= head_size**-0.5
    d_query = _merge(rotate_backward(scores @ tape.keys, tape.angles))
    d_key = _merge(rotate_backward(scores.transpose(0, 1, 3, 2) @ tape.queries, tape.angles))
    d_value = _merge(values)
    inward = d_query @ weights.query + d_key @ weights.key + d_value @ weights.value
    return inward, AttentionWeights(
        query=d_query.T @ tape.inputs,
        key=d_key.T @ tape.inputs,
        value=d_value.T @ tape.inputs,
        output=upstream.T @ tape.mixed,
    )


def feed_forward(inputs: Array, weights: FeedForwardWeights) -> tuple[Array, FeedForwardTape]:
    """Gated feed-forward: ``(silu(x gate) * (x up)) down``."""
    gate = inputs @ weights.gate.T
    up = inputs @ weights.up.T
    # Clipped, so that float32's exp cannot overflow; beyond 60 the sigmoid is 0 or 1 anyway.
    sigmoid = 1.0 / (1.0 + np.exp(-np.clip(gate, -60.0, 60.0)))
    inner = gate * sigmoid * up
    return inner @ weights.down.T, FeedForwardTape(inputs, gate, sigmoid, up, inner)


def feed_forward_backward(
    upstream: Array, weights: FeedForwardWeights, tape: FeedForwardTape
) -> tuple[Array, FeedForwardWeights]:
    """Gradients of the inputs and of the three projections."""
    through = upstream @ weights.down
    d_up = through * tape.gate * tape.sigmoid
    d_gate = through * tape.up * tape.sigmoid * (1.0 + tape.gate * (1.0 - tape.sigmoid))
    inward = d_up @ weights.up + d_gate @ weights.gate
    return inward, FeedForwardWeights(
        gate=d_gate.T @ tape.inputs, up=d_up.T @ tape.inputs, down=upstream.T @ tape.inner
    )


def _split(flat: Array, batch: int, heads: int) -> Array:
    """(batch x length, hidden) to (batch, heads, length, head size)."""
    hidden = flat.shape[-1]
    parts = flat.reshape(batch, -1, heads, hidden // heads).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(parts)


def _merge(heads: Array) -> Array:
    """(batch, heads, length, head size) to (batch x length, hidden)."""
    batch, count, length, size = heads.shape
    return np.ascontiguousarray(heads.transpose(0, 2, 1, 3)).reshape(batch * length, count * size)
