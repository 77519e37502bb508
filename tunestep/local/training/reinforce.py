"""The loop of reinforcement: write answers, have them judged, move towards the better ones."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from tunestep.local.training import grpo, sampler
from tunestep.local.training.data_rows import Example, reference
from tunestep.local.training.grpo import Grpo
from tunestep.local.training.layers import Array
from tunestep.local.training.likelihood import Exchange, collate, score, weighted_gradient
from tunestep.local.training.loop import Diverged, Event, Recipe
from tunestep.local.training.lora import Trainable
from tunestep.local.training.model import ModelConfig, Params
from tunestep.local.training.objectives import add, slices
from tunestep.local.training.optimiser import AdamW, learning_rate
from tunestep.local.training.reward_contract import Asked, Verdict
from tunestep.local.training.rollout_values import UPDATES, Rollout
from tunestep.local.training.tokens import END, PROMPT_LIMIT, decode, prompt_tokens

MAX_NAMES = 30
"""Most metrics of the reward's own that are kept."""

_NOT_IN_NAMES = re.compile(r"[^\w./ -]", re.ASCII)
"""What MLflow takes in no metric's name."""


class Rewarder(Protocol):
    """Whatever judges answers."""

    title: str
    """What it is, in words."""

    def rate(self, samples: Sequence[Asked]) -> list[Verdict]:
        """The verdicts on ``samples``, in their order; TrainingFault when it cannot be trained on."""


class Rated(NamedTuple):
    """An answer, what was thought of it, and how many tokens it has."""

    asked: Asked
    verdict: Verdict
    length: int


Observe = Callable[[Sequence[Rated]], None]
"""Told about every step's answers, before they are learned from; may raise TrainingFault."""


class Trainer:
    """Trains ``params`` in place by what ``rewarder`` thinks of the model's answers to ``examples``."""

    def __init__(
        self,
        params: Params,
        config: ModelConfig,
        *,
        examples: Sequence[Example],
        rewarder: Rewarder,
        trainable: Trainable,
        recipe: Recipe,
        rollout: Rollout,
        observe: Observe,
    ) -> None:
        self._params, self._config = params, config
        self._examples, self._rewarder, self._observe = examples, rewarder, observe
        self._prompts = [prompt_tokens(example.prompt, PROMPT_LIMIT) for example in examples]
        self._trainable, self._recipe, self._rollout = trainable, recipe, rollout
        self._optimiser = AdamW(trainable.variables, weight_decay=recipe.weight_decay, clip=recipe.clip)
        # Only the divergence needs to know what the model was.
        self._first = (
            {name: array.copy() for name, array in params.items()} if rollout.policy.divergence else None
        )

    def steps(self) -> Iterator[Event]:
        """One event per step, as far as the caller asks for them.

        Raises:
            Diverged: the gradient became infinite or not a number.
            TrainingFault: the rewarder or the observer ended it.
        """
        recipe = self._recipe
        random = np.random.default_rng(recipe.seed)
        total, step = recipe.total_steps(len(self._examples)), 0
        for epoch in range(1, recipe.epochs + 1):
            order = [int(row) for row in random.permutation(len(self._examples))]
            for in_epoch, rows in enumerate(slices(order, recipe.batch_size)[: total - step], 1):
                rate = learning_rate(
                    step, total, peak=recipe.peak_rate, warmup=recipe.warmup, schedule=recipe.schedule
                )
                step += 1
                tokens, metrics = self._step(rows, step, rate, random)
                yield Event(step, epoch, in_epoch, tokens, False, metrics | {"learning_rate": rate})
            if step >= total:
                return

    def _step(
        self, rows: Sequence[int], step: int, rate: float, random: np.random.Generator
    ) -> tuple[int, dict[str, float]]:
        rollout = self._rollout
        answers = sampler.sample(
            self._params,
            self._config,
            [self._prompts[row] for row in rows],
            limit=rollout.limit,
            copies=rollout.answers,
            temperature=rollout.temperature,
            random=random,
        )
        owners = [row for row in rows for _ in range(rollout.answers)]
        asked = [
            self._asked(row, place, answer)
            for place, (row, answer) in enumerate(zip(owners, answers, strict=True))
        ]
        verdicts = self._rewarder.rate(asked)
        self._observe([Rated(*one) for one in zip(asked, verdicts, map(len, answers), strict=True)])
        shape = (len(rows), rollout.answers)
        scores = np.array([verdict.score for verdict in verdicts]).reshape(shape)
        counted = np.array([not verdict.failed for verdict in verdicts]).reshape(shape)
        advantage = grpo.advantages(scores, counted).reshape(-1)
        exchanges = [(self._prompts[row], answer) for row, answer in zip(owners, answers, strict=True)]
        metrics = _judged(verdicts, answers, advantage) | self._update(exchanges, advantage, rate, step)
        return sum(len(prompt) + len(answer) for prompt, answer in exchanges), metrics

    def _asked(self, row: int, place: int, answer: Sequence[int]) -> Asked:
        """The place makes ids differ: a row is answered several times in a step."""
        example = self._examples[row]
        own = example.row.get("id")
        name = str(own) if isinstance(own, str | int) else f"row-{row + 1}"
        return Asked(f"{name}-{place}", example.row, example.messages, decode(answer), reference(example.row))

    def _update(
        self, exchanges: Sequence[Exchange], advantage: Array, rate: float, step: int
    ) -> dict[str, float]:
        objective = Grpo(exchanges, advantage, self._rollout.policy, self._reference(exchanges))
        rows = objective.moving()
        if not rows:
            # Nothing to learn; an update would only let the optimiser's momentum and decay move weights.
            return {"actor/grad_norm": 0.0}
        first: dict[str, float] = {}
        for _ in range(UPDATES):
            gradients, metrics = self._gradient(objective, rows)
            norm = self._optimiser.step(self._trainable.variables, self._trainable.gradients(gradients), rate)
            if not math.isfinite(norm):
                raise Diverged(f"the gradient is not a number at step {step}.")
            self._trainable.refresh()
            first = first or metrics | {"actor/grad_norm": norm}
        return first | {"actor/pg_clipfrac": metrics["actor/pg_clipfrac"]}

    def _gradient(self, objective: Grpo, rows: Sequence[int]) -> tuple[Params, dict[str, float]]:
        units, entropy, tokens = objective.units(rows), 0.0, 0
        gradients: Params = {}
        metrics: dict[str, float] = {}
        for part in slices(rows, objective.slice_rows):
            batch = objective.batch(part)
            logp, tape = score(self._params, self._config, batch)
            entropy += _entropy(tape.probabilities)
            tokens += len(logp)
            share = objective.share(part, batch, logp, units)
            add(metrics, share.metrics)
            for name, array in weighted_gradient(self._params, share.weights, tape).items():
                gradients[name] = gradients[name] + array if name in gradients else array
        return gradients, metrics | {"actor/entropy_loss": entropy / tokens}

    def _reference(self, exchanges: Sequence[Exchange]) -> list[Array] | None:
        """What the model before training thought of these answers, one array per answer."""
        if self._first is None:
            return None
        found: list[Array] = []
        for rows in slices(range(len(exchanges)), Grpo.slice_rows):
            batch = collate([exchanges[row] for row in rows])
            logp, _ = score(self._first, self._config, batch)
            ends = np.cumsum([len(exchanges[row][1]) for row in rows])
            found += np.split(logp, ends[:-1])
        return found


def _entropy(probabilities: Array) -> float:
    """Sum over tokens of the entropy of the distribution that each was drawn from, in nats."""
    return -float((probabilities * np.log(np.maximum(probabilities, 1e-30))).sum())


def _judged(
    verdicts: Sequence[Verdict], answers: Sequence[Sequence[int]], advantage: Array
) -> dict[str, float]:
    scores = [verdict.score for verdict in verdicts if not verdict.failed] or [0.0]
    lengths = [len(answer) for answer in answers]
    named: dict[str, list[float]] = {}
    for verdict in verdicts:
        for metric in verdict.metrics:
            name = _NOT_IN_NAMES.sub("_", metric.name)[:100]
            if name in named or len(named) < MAX_NAMES:
                named.setdefault(name, []).append(metric.value)
    return {
        "critic/rewards/mean": float(np.mean(scores)),
        "critic/rewards/max": max(scores),
        "critic/rewards/min": min(scores),
        "critic/advantages/mean": float(np.average(advantage, weights=lengths)),
        "response_length/mean": float(np.mean(lengths)),
        "response_length/clip_ratio": float(np.mean([answer[-1] != END for answer in answers])),
        **{f"reward/{name}": float(np.mean(values)) for name, values in named.items()},
    }


def likeliest(params: Params, config: ModelConfig, examples: Sequence[Example], limit: int) -> list[str]:
    """The likeliest answer to each example's question."""
    prompts = [prompt_tokens(example.prompt, PROMPT_LIMIT) for example in examples]
    return [decode(answer) for answer in sampler.sample(params, config, prompts, limit=limit)]
