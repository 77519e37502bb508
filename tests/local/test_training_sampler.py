"""Writing answers with keys and values kept: the same as reading everything again for each token."""

import numpy as np
import pytest

from tunestep.local.training import likelihood, model, sampler
from tunestep.local.training.likelihood import collate
from tunestep.local.training.model import ModelConfig, Params
from tunestep.local.training.tokens import END, PAD

SHAPE = ModelConfig(hidden=16, depth=2, heads=2, inner=24, context=64)
PROMPTS = [[5, 3], [6, 7, 9, 30, 3], [8, 3], [99, 12, 13, 14, 15, 16, 17, 3]]


@pytest.fixture(params=[0, 1, 2])
def params(request: pytest.FixtureRequest) -> Params:
    """Random weights, large enough that the likeliest tokens differ from place to place."""
    found = model.fresh(SHAPE, request.param)
    return {name: array * (3.0 if array.ndim == 2 else 1.0) for name, array in found.items()}


def recomputed(params: Params, prompt: list[int], limit: int) -> list[int]:
    """The likeliest answer, each token from a forward pass over the whole sequence."""
    answer: list[int] = []
    while len(answer) < limit and END not in answer:
        # One placeholder: collate() scores the position before it, which is the next token's.
        _, tape = likelihood.score(params, SHAPE, collate([([*prompt, *answer], [PAD])]))
        answer.append(int(tape.probabilities[0].argmax()))
    return answer


def test_greedy_answers_equal_full_recomputation_alone_and_in_company(params: Params) -> None:
    expected = [recomputed(params, prompt, 20) for prompt in PROMPTS]
    assert len({tuple(answer) for answer in expected}) > 1
    assert sampler.sample(params, SHAPE, PROMPTS, limit=20) == expected
    for prompt, answer in zip(PROMPTS, expected, strict=True):
        assert sampler.sample(params, SHAPE, [prompt], limit=20) == [answer]


def test_answers_that_end_early_leave_the_others_as_they_are(params: Params) -> None:
    """END is made likely, so that answers end at different places."""
    params[model.EMBEDDING][END] = params[model.EMBEDDING][40] * 1.01
    expected = [recomputed(params, prompt, 30) for prompt in PROMPTS]
    assert sampler.sample(params, SHAPE, PROMPTS, limit=30) == expected


def test_more_prompts_than_fit_at_once_are_answered_in_order(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = sampler.sample(params, SHAPE, PROMPTS, limit=8)
    monkeypatch.setattr(sampler, "MOST_AT_ONCE", 2)
    assert sampler.sample(params, SHAPE, PROMPTS, limit=8) == together


def drawn(params: Params, seed: int, temperature: float = 1.0, copies: int = 3) -> list[list[int]]:
    random = np.random.default_rng(seed)
    return sampler.sample(
        params, SHAPE, PROMPTS, limit=12, copies=copies, temperature=temperature, random=random
    )


def test_equal_seeds_draw_equal_answers_and_other_seeds_others(params: Params) -> None:
    assert drawn(params, 1) == drawn(params, 1)
    assert drawn(params, 1) != drawn(params, 2)
    assert len(drawn(params, 1)) == 3 * len(PROMPTS)


def test_a_temperature_near_zero_draws_the_likeliest_answer(params: Params) -> None:
    greedy = sampler.sample(params, SHAPE, PROMPTS, limit=12)
    assert drawn(params, 1, temperature=1e-4, copies=2) == [answer for answer in greedy for _ in range(2)]


def test_tokens_are_drawn_as_often_as_the_model_says() -> None:
    small = model.fresh(SHAPE, 3)
    _, tape = likelihood.score(small, SHAPE, collate([([5, 9, 3], [PAD])]))
    random = np.random.default_rng(0)
    copies = 6000
    answers = sampler.sample(
        small, SHAPE, [[5, 9, 3]], limit=1, copies=copies, temperature=1.0, random=random
    )
    seen = np.bincount([answer[0] for answer in answers], minlength=SHAPE.vocabulary) / copies
    # Total variation of an empirical distribution over 261 outcomes: about 0.5 * sqrt(2 * 261 / (pi * n)).
    assert 0.5 * np.abs(seen - tape.probabilities[0]).sum() < 0.12


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_no_answer_is_longer_than_the_limit_or_goes_on_after_its_end(params: Params, limit: int) -> None:
    for answer in sampler.sample(
        params, SHAPE, PROMPTS, limit=limit, copies=2, temperature=1.5, random=np.random.default_rng(0)
    ):
        assert 1 <= len(answer) <= limit
        assert END not in answer[:-1]
