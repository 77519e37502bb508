"""The objective of reinforcement: advantages, and its weights against finite differences of its loss."""

from collections.abc import Sequence

import numpy as np
import pytest

from tunestep.local.training import grpo, likelihood, model
from tunestep.local.training.grpo import Grpo, Policy
from tunestep.local.training.layers import Array
from tunestep.local.training.model import ModelConfig

TINY = ModelConfig(hidden=8, depth=2, heads=2, inner=16, context=32)
EXCHANGES = [([5, 9, 3], [40, 41, 1]), ([5, 9, 3], [60, 1]), ([7, 3], [99, 12, 13, 1]), ([7, 3], [8, 1])]
ADVANTAGE = np.array([1.2, -1.2, 0.7, -0.7])


def loss(objective: Grpo, old: Array, logp: Array, reference: Sequence[Array] | None) -> float:
    """The loss in one expression, apart from the code under test."""
    policy = objective._policy
    lengths = [len(answer) for _, answer in EXCHANGES]
    advantage = np.repeat(ADVANTAGE, lengths)
    ratio = np.exp(logp - old)
    bounded = np.clip(ratio, 1 - policy.clip_low, 1 + policy.clip_high)
    total = -np.minimum(ratio * advantage, bounded * advantage).sum()
    if reference is not None:
        away = np.concatenate(reference) - logp
        total += policy.divergence * (np.exp(away) - away - 1).sum()
    return float(total / sum(lengths))


@pytest.mark.parametrize("divergence", [0.0, 0.3])
@pytest.mark.parametrize("moved", [0.0, 0.05, 0.6])
def test_the_weights_are_the_slope_of_the_clipped_loss(divergence: float, moved: float) -> None:
    random = np.random.default_rng(4)
    count = sum(len(answer) for _, answer in EXCHANGES)
    old = random.standard_normal(count) - 3
    ends = np.cumsum([len(answer) for _, answer in EXCHANGES])
    reference = np.split(old + 0.4 * random.standard_normal(count), ends[:-1]) if divergence else None
    objective = Grpo(EXCHANGES, ADVANTAGE, Policy(0.2, 0.28, divergence), reference)
    rows = range(len(EXCHANGES))
    batch = objective.batch(rows)
    objective.share(rows, batch, old, objective.units(rows))
    logp = old + moved * random.standard_normal(count)
    weights = objective.share(rows, batch, logp, objective.units(rows)).weights
    for place in range(count):
        above, below = logp.copy(), logp.copy()
        above[place] += 1e-6
        below[place] -= 1e-6
        slope = (loss(objective, old, above, reference) - loss(objective, old, below, reference)) / 2e-6
        assert -weights[place] == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_the_gradient_equals_finite_differences_in_the_models_weights() -> None:
    random = np.random.default_rng(1)
    params = {
        name: array.astype(np.float64) + 0.1 * random.standard_normal(array.shape)
        for name, array in model.fresh(TINY, 0).items()
    }
    objective = Grpo(EXCHANGES, ADVANTAGE, Policy(0.2, 0.28))
    rows = range(len(EXCHANGES))
    batch = objective.batch(rows)
    old, _ = likelihood.score(params, TINY, batch)
    objective.share(rows, batch, old, objective.units(rows))
    for array in params.values():
        array[...] += 0.002 * np.sin(np.arange(array.size)).reshape(array.shape)
    logp, tape = likelihood.score(params, TINY, batch)
    weights = objective.share(rows, batch, logp, objective.units(rows)).weights
    gradients = likelihood.weighted_gradient(params, weights, tape)
    for name, array in params.items():
        place = tuple(int(random.integers(size)) for size in array.shape)
        held, losses = array[place], []
        for step in (1e-6, -1e-6):
            array[place] = held + step
            losses.append(loss(objective, old, likelihood.score(params, TINY, batch)[0], None))
        array[place] = held
        slope = (losses[0] - losses[1]) / 2e-6
        assert gradients[name][place] == pytest.approx(slope, rel=1e-4, abs=1e-7), name


def test_slices_of_a_rollout_add_up_to_the_whole() -> None:
    objective, sliced = (Grpo(EXCHANGES, ADVANTAGE, Policy()) for _ in range(2))
    logp = np.random.default_rng(2).standard_normal(11) - 2
    whole = objective.share(range(4), objective.batch(range(4)), logp, objective.units(range(4)))
    first = sliced.share([0, 1], sliced.batch([0, 1]), logp[:5], sliced.units(range(4)))
    second = sliced.share([2, 3], sliced.batch([2, 3]), logp[5:], sliced.units(range(4)))
    assert np.concatenate([first.weights, second.weights]) == pytest.approx(whole.weights)
    assert first.metrics["actor/pg_loss"] + second.metrics["actor/pg_loss"] == pytest.approx(
        whole.metrics["actor/pg_loss"]
    )


def test_advantages_have_no_mean_and_the_size_of_one_in_each_group() -> None:
    scores = np.array([[0.0, 1.0, 1.0, 0.0], [10.0, 20.0, 30.0, 40.0]])
    found = grpo.advantages(scores, np.ones_like(scores, bool))
    assert found.mean(axis=1) == pytest.approx([0, 0], abs=1e-9)
    assert found.std(axis=1) == pytest.approx([1, 1], abs=1e-3)


def test_a_group_that_agrees_moves_nothing() -> None:
    scores = np.array([[0.3, 0.3, 0.3], [0.1 + 0.2, 0.3, 0.3]])
    assert not grpo.advantages(scores, np.ones_like(scores, bool)).any()
    assert Grpo(EXCHANGES, np.zeros(4), Policy()).moving() == []
    assert Grpo(EXCHANGES, np.zeros(4), Policy(divergence=0.1)).moving() == [0, 1, 2, 3]


def test_an_answer_that_was_not_judged_neither_moves_nor_counts() -> None:
    scores, counted = np.array([[1.0, 0.0, 0.0, 0.0]]), np.array([[True, True, True, False]])
    found = grpo.advantages(scores, counted)
    assert found[0, 3] == 0
    assert found[0, :3] == pytest.approx(grpo.advantages(scores[:, :3], counted[:, :3])[0])


def test_a_group_of_which_nothing_was_judged_is_no_number_to_fear() -> None:
    assert not grpo.advantages(np.array([[0.0, 5.0]]), np.zeros((1, 2), bool)).any()
