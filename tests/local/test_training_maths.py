"""The trainer's arithmetic: against finite differences, and against transformers' numbers."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tunestep.local.training import likelihood, lora, model, objectives, optimiser
from tunestep.local.training.likelihood import collate
from tunestep.local.training.loop import Diverged, Event, Recipe, train
from tunestep.local.training.model import ModelConfig, Params

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_llama"
TINY = ModelConfig(hidden=8, depth=2, heads=2, inner=16, context=32)
PAIRS = [([5, 9, 30, 3], [40, 41, 1]), ([7, 3], [60, 1]), ([8, 8, 8, 8, 3], [99, 12, 13, 14, 1])]
PLAIN = Recipe(
    epochs=2,
    max_steps=None,
    batch_size=2,
    peak_rate=1e-2,
    warmup=0.0,
    schedule="constant",
    weight_decay=0.0,
    clip=1.0,
    seed=3,
)


def exact_params() -> Params:
    """Float64 weights, so that finite differences have digits to spare."""
    random = np.random.default_rng(1)
    return {
        name: array.astype(np.float64) + 0.1 * random.standard_normal(array.shape)
        for name, array in model.fresh(TINY, 0).items()
    }


def slope(function: Callable[[], float], array: np.ndarray, place: tuple[int, ...]) -> float:
    """Central difference of ``function`` by one entry of ``array``."""
    held, step = array[place], 1e-6
    array[place] = held + step
    above = function()
    array[place] = held - step
    below = function()
    array[place] = held
    return (above - below) / (2 * step)


def random_places(array: np.ndarray, count: int = 4) -> list[tuple[int, ...]]:
    random = np.random.default_rng(array.size)
    return [tuple(int(random.integers(size)) for size in array.shape) for _ in range(count)]


def test_the_gradient_of_any_weighting_equals_finite_differences_in_every_parameter() -> None:
    params, batch = exact_params(), collate(PAIRS)
    weights = np.random.default_rng(2).standard_normal(len(batch.target))

    def loss() -> float:
        return -float((weights * likelihood.score(params, TINY, batch)[0]).sum())

    _, tape = likelihood.score(params, TINY, batch)
    gradients = likelihood.weighted_gradient(params, weights, tape)
    assert gradients.keys() == params.keys()
    for name, array in params.items():
        for place in random_places(array):
            assert gradients[name][place] == pytest.approx(slope(loss, array, place), rel=1e-5, abs=1e-7), (
                name
            )


def test_the_dpo_weights_are_the_slope_of_the_dpo_loss() -> None:
    params = exact_params()
    preferences = [
        objectives.Preference([5, 3], [40, 1], [41, 42, 1]),
        objectives.Preference([9, 3], [7], [8]),
    ]
    objective = objectives.Dpo(preferences, params, TINY, beta=0.7)
    for array in params.values():
        array[...] += 0.05 * np.sin(np.arange(array.size)).reshape(array.shape)
    batch = objective.batch([0, 1])
    logp, _ = likelihood.score(params, TINY, batch)
    share = objective.share([0, 1], batch, logp, objective.units([0, 1]))
    for place in range(len(logp)):

        def loss() -> float:
            return objective.share([0, 1], batch, logp, 2.0).metrics["loss_per_batch"]

        assert -share.weights[place] == pytest.approx(slope(loss, logp, (place,)), rel=1e-5)


def test_dpo_starts_at_log_two_with_no_margin_and_survives_extreme_margins() -> None:
    params = model.fresh(TINY, 0)
    objective = objectives.Dpo([objectives.Preference([5, 3], [40, 1], [41, 1])], params, TINY, beta=0.1)
    metrics = objectives.mean_metrics(objective, params, TINY)
    assert metrics["loss_per_batch"] == pytest.approx(math.log(2), abs=1e-6)
    assert metrics["rewards/margins"] == pytest.approx(0, abs=1e-6)
    batch = objective.batch([0])
    share = objective.share([0], batch, np.array([-1e6, 0.0, 0.0, 0.0]), 1.0)
    assert np.isfinite(share.weights).all()
    assert math.isfinite(share.metrics["loss_per_batch"])


def test_adapter_gradients_equal_finite_differences() -> None:
    params, batch = exact_params(), collate(PAIRS)
    adapter = lora.LoraWeights(params, rank=3, scale=2.0, seed=0, wide=True)
    for array in adapter.variables.values():
        array[...] += 0.1 * np.cos(np.arange(array.size)).reshape(array.shape)

    def loss() -> float:
        adapter.refresh()
        return -float(likelihood.score(params, TINY, batch)[0].sum())

    loss()
    logp, tape = likelihood.score(params, TINY, batch)
    full = likelihood.weighted_gradient(params, np.ones_like(logp), tape)
    gradients = adapter.gradients(full)
    assert gradients.keys() == adapter.variables.keys()
    for name, array in adapter.variables.items():
        place = random_places(array, 1)[0]
        assert gradients[name][place] == pytest.approx(slope(loss, array, place), rel=1e-5, abs=1e-7), name


def test_logits_loss_and_every_gradient_equal_those_of_transformers() -> None:
    case, params = load_file(FIXTURE / "case.safetensors"), load_file(FIXTURE / "model.safetensors")
    shape = json.loads((FIXTURE / "config.json").read_text())
    config = ModelConfig(
        hidden=shape["hidden_size"],
        depth=shape["num_hidden_layers"],
        heads=shape["num_attention_heads"],
        inner=shape["intermediate_size"],
        context=shape["max_position_embeddings"],
    )
    assert {name: array.shape for name, array in params.items()} == dict(model.shapes(config))
    ids = case["ids"].astype(np.int64)
    hidden, _ = model.forward(params, config, ids)
    logits = (hidden @ params[model.EMBEDDING].T).reshape(case["logits"].shape)
    real = ids != 0
    assert np.abs(logits - case["logits"])[real].max() < 1e-5 * max(1.0, np.abs(case["logits"]).max())

    owner, target = np.nonzero(case["mask"])
    batch = likelihood.Batch(ids, owner, target - 1, ids[owner, target])
    logp, tape = likelihood.score(params, config, batch)
    assert -logp.mean() == pytest.approx(float(case["loss"][0]), rel=1e-5)
    gradients = likelihood.weighted_gradient(params, np.full_like(logp, 1 / len(logp)), tape)
    for name in params:
        expected = case[f"gradient.{name}"]
        assert np.abs(gradients[name] - expected).max() < 1e-5 * max(1.0, np.abs(expected).max()), name


def test_padding_and_company_change_no_score() -> None:
    params = model.fresh(TINY, 0)
    together, _ = likelihood.score(params, TINY, collate(PAIRS))
    alone = np.concatenate([likelihood.score(params, TINY, collate([pair]))[0] for pair in PAIRS])
    assert together == pytest.approx(alone, abs=1e-5)


def events(recipe: Recipe, trainable: str = "full") -> tuple[Params, list[Event]]:
    params = model.fresh(TINY, 0)
    moved: lora.Trainable = (
        lora.FullWeights(params)
        if trainable == "full"
        else lora.LoraWeights(params, rank=2, scale=2.0, seed=0, wide=False)
    )
    objective = objectives.Sft(PAIRS)
    return params, list(
        train(params, TINY, objective=objective, trainable=moved, recipe=recipe, validation=objective)
    )


def changed(recipe: Recipe, **fields: object) -> Recipe:
    return Recipe(**{**vars(recipe), **fields})  # type: ignore[arg-type]


def test_equal_seeds_give_equal_weights_and_different_seeds_do_not() -> None:
    first, again, other = (events(changed(PLAIN, seed=seed))[0] for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_loss_falls_and_each_epoch_reports_both_losses() -> None:
    _, seen = events(changed(PLAIN, epochs=15))
    ends = [event.metrics for event in seen if event.epoch_end]
    assert len(ends) == 15
    assert ends[-1]["train_epoch_loss"] < 0.7 * ends[0]["train_epoch_loss"]
    assert ends[-1]["val_eval_total_loss"] < 0.7 * ends[0]["val_eval_total_loss"]


@pytest.mark.parametrize(("limit", "steps", "epochs"), [(None, 4, 2), (3, 3, 2), (1, 1, 1), (99, 4, 2)])
def test_a_step_limit_ends_a_run_inside_an_epoch(limit: int | None, steps: int, epochs: int) -> None:
    _, seen = events(changed(PLAIN, max_steps=limit))
    assert [event.step for event in seen if not event.epoch_end] == list(range(1, steps + 1))
    assert sum(event.epoch_end for event in seen) == epochs


def test_adapters_leave_embeddings_and_norms_alone() -> None:
    before = model.fresh(TINY, 0)
    after, _ = events(PLAIN, "lora")
    touched = {name for name in before if not np.array_equal(before[name], after[name])}
    assert touched == {name for name in before if name.endswith("_proj.weight")}


def test_slices_of_a_batch_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = events(changed(PLAIN, batch_size=3))
    monkeypatch.setattr(objectives.Sft, "slice_rows", 1)
    sliced, _ = events(changed(PLAIN, batch_size=3))
    for name in whole:
        assert sliced[name] == pytest.approx(whole[name], abs=2e-5), name


def test_a_diverging_run_says_at_which_step() -> None:
    params = model.fresh(TINY, 0)
    params[model.FINAL_NORM][...] = np.nan
    steps = train(
        params,
        TINY,
        objective=objectives.Sft(PAIRS),
        trainable=lora.FullWeights(params),
        recipe=PLAIN,
    )
    with pytest.raises(Diverged, match="step 1"):
        next(steps)


@pytest.mark.parametrize(
    ("step", "schedule", "rate"),
    [
        (0, "constant", 0.1),
        (9, "constant", 1.0),
        (10, "linear", 1.0),
        (55, "linear", 0.5),
        (10, "cosine", 1.0),
        (55, "cosine", 0.5),
        (99, "constant", 1.0),
    ],
)
def test_the_rate_rises_and_then_follows_its_schedule(
    step: int, schedule: optimiser.Schedule, rate: float
) -> None:
    value = optimiser.learning_rate(step, 100, peak=1.0, warmup=0.1, schedule=schedule)
    assert value == pytest.approx(rate)


def test_the_first_adam_step_has_the_size_of_the_rate_and_the_sign_of_the_gradient() -> None:
    variables = {"w": np.array([1.0, -1.0])}
    norm = optimiser.AdamW(variables, clip=None).step(variables, {"w": np.array([3.0, -4.0])}, 0.1)
    assert norm == pytest.approx(5.0)
    assert variables["w"] == pytest.approx([0.9, -0.9])


def test_clipping_bounds_what_enters_adam_and_the_reported_norm_is_the_unclipped_one() -> None:
    steps = []
    for gradient in (3.0, 300.0):
        variables = {"w": np.array([0.0])}
        adam = optimiser.AdamW(variables, clip=1.0)
        norms = [adam.step(variables, {"w": np.array([entry])}, 0.1) for entry in (0.5, gradient)]
        assert norms == pytest.approx([0.5, gradient])
        steps.append(variables["w"][0])
    assert steps[0] == pytest.approx(steps[1])


def test_weight_decay_pulls_towards_zero_apart_from_the_gradient() -> None:
    variables = {"w": np.array([2.0, -2.0])}
    optimiser.AdamW(variables, weight_decay=0.5).step(variables, {"w": np.zeros(2)}, 0.1)
    assert variables["w"] == pytest.approx([1.9, -1.9])
