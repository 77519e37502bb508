"""A reinforcement job's own parts: its warm-up, its loop, its held-out exact match and its report."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from tunestep.local.training import examples, reinforce, warm_start
from tunestep.local.training.data_rows import Example
from tunestep.local.training.final_answer import agrees, final_answer
from tunestep.local.training.ledger import Ledger
from tunestep.local.training.loop import Event, Recipe
from tunestep.local.training.lora import Trainable
from tunestep.local.training.model import ModelConfig, Params
from tunestep.local.training.objectives import Sft
from tunestep.local.training.reinforce import Rewarder, Trainer
from tunestep.local.training.rollout_values import Rollout
from tunestep.local.training.tokens import ANSWER_LIMIT, PROMPT_LIMIT, answer_tokens, prompt_tokens

EXACT = "val/exact_match"
"""Share of held-out rows whose likeliest answer ends in the reference's final answer."""
MAX_HELD_OUT = 128
"""Most held-out rows that are answered, before training and after."""

_PASSES, _STEPS, _BATCH = 18, 360, 16
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class Reinforcement:
    """What RLVR and RLAIF do that the other techniques do not. ``params`` are trained in place."""

    def __init__(
        self, params: Params, config: ModelConfig, data: examples.Split, rewarder: Rewarder, seed: int
    ) -> None:
        self._params, self._config, self._data = params, config, data
        self._rewarder, self._seed = rewarder, seed
        self._held_out = [example for example in data.validation if example.final][:MAX_HELD_OUT]
        self._ledger: Ledger | None = None
        self._exact: list[float] = []

    def warm_up(self) -> tuple[Sft, Recipe, str]:
        """What a model made from nothing learns first, how, and what the owner is told about it."""
        random = np.random.default_rng(self._seed)
        rows = self._data.train
        solutions = [_solution(example) for example in rows]
        passes = max(1, min(_PASSES, -(-_STEPS * _BATCH // len(rows))))
        exchanges = [
            (prompt_tokens(example.prompt, PROMPT_LIMIT), answer_tokens(text, ANSWER_LIMIT))
            for _ in range(passes)
            for example, text in zip(rows, warm_start.mixed(solutions, random), strict=True)
        ]
        recipe = Recipe(
            epochs=1,
            max_steps=_STEPS,
            batch_size=_BATCH,
            peak_rate=3e-3,
            warmup=0.1,
            schedule="cosine",
            weight_decay=0.0,
            clip=1.0,
            seed=self._seed,
        )
        steps = recipe.total_steps(len(exchanges))
        return Sft(exchanges), recipe, self._warm_up_note(steps)

    def _warm_up_note(self, steps: int) -> str:
        lacking = sum(not example.answers for example in self._data.train)
        echoed = f" {lacking} rows have no reference: the start of their prompt stands in." if lacking else ""
        return (
            "A model made from nothing writes noise, which no reward can improve. So it first learns the "
            f"references in mixed styles ({warm_start.statement()}), {steps} steps that are not part of the "
            f"metrics.{echoed} Going on from a package skips this."
        )

    def exact_match(self) -> float | None:
        """Held-out exact match of the model as it is now; None without held-out rows with a reference."""
        if not self._held_out:
            return None
        written = reinforce.likeliest(self._params, self._config, self._held_out, ANSWER_LIMIT)
        right = [agrees(text, example.final) for text, example in zip(written, self._held_out, strict=True)]
        self._exact.append(float(np.mean(right)))
        return self._exact[-1]

    def events(self, trainable: Trainable, recipe: Recipe, rollout: Rollout) -> Iterator[Event]:
        """Trains, as far as the caller asks for events."""
        self._ledger = Ledger(rollout.limit)
        return Trainer(
            self._params,
            self._config,
            examples=self._data.train,
            rewarder=self._rewarder,
            trainable=trainable,
            recipe=recipe,
            rollout=rollout,
            observe=self._ledger.observe,
        ).steps()

    def facts(self) -> dict[str, Any]:
        """What the report says of rewards, lengths and exact match."""
        return (
            {"rewarded_by": self._rewarder.title}
            | (self._ledger.facts() if self._ledger else {})
            | ({"exact_match": exact} if (exact := self._exact_ends()) else {})
        )

    def warnings(self) -> list[str]:
        return self._ledger.warnings(self._exact_ends()) if self._ledger else []

    def samples(self) -> list[dict[str, Any]]:
        return self._ledger.samples() if self._ledger else []

    def _exact_ends(self) -> dict[str, Any]:
        if len(self._exact) < 2:
            return {}
        ends = {"before": round(self._exact[0], 4), "after": round(self._exact[-1], 4)}
        return ends | {"rows": len(self._held_out)}


def _solution(example: Example) -> warm_start.Solution:
    """The row's worked solution and its final answer; the start of the prompt where there is none."""
    text = example.answers[0] if example.answers else _SENTENCE.split(example.prompt[-1].text)[0]
    return warm_start.Solution(text, final_answer(example.final or text))
