"""What is particular to learning from examples: objectives, what is trained, what the model then writes."""

from collections.abc import Callable
from typing import Any

from tunestep.local.training import examples, sampler
from tunestep.local.training.data_rows import Example
from tunestep.local.training.hyperparameters import Mapped
from tunestep.local.training.job import Job
from tunestep.local.training.loop import Recipe
from tunestep.local.training.lora import FullWeights, LoraWeights, Trainable
from tunestep.local.training.objectives import Dpo, Objective, Sft
from tunestep.local.training.starting import Start
from tunestep.local.training.tokens import ANSWER_LIMIT, decode

SAMPLES = 3
"""Rows for which a person is shown what the model writes after training."""

WARM_UP = Recipe(
    epochs=12,
    max_steps=120,
    batch_size=16,
    peak_rate=3e-3,
    warmup=0.1,
    schedule="cosine",
    weight_decay=0.0,
    clip=1.0,
    seed=0,
)
"""How a model made from nothing learns to write both kinds of answer before preferences are trained."""

WARM_UP_NOTE = (
    "A model made from nothing first learns to write both kinds of answer "
    f"(at most {WARM_UP.max_steps} steps, not part of the metrics). Going on from a package skips this."
)


def objective(
    technique: str, mapped: Mapped, rows: list[Example], start: Start, go_on: Callable[[], bool]
) -> Objective:
    """What the rows ask of the model; DPO takes its reference from it first, while ``go_on()``."""
    if technique == "DPO":
        return Dpo(examples.preferences(rows), start.params, start.config, beta=mapped.beta, go_on=go_on)
    return Sft(examples.exchanges(rows))


def is_wide(job: Job, start: Start) -> bool:
    """Whether embeddings and norms are trained beside the adapters: they were made from nothing."""
    return job.lora and not start.continued and job.technique == "SFT"


def trainable(job: Job, mapped: Mapped, start: Start, *, wide: bool) -> Trainable:
    """All weights, or adapters of the rank and scale that were asked for."""
    if not job.lora:
        return FullWeights(start.params)
    return LoraWeights(start.params, rank=mapped.rank, scale=mapped.scale, seed=mapped.recipe.seed, wide=wide)


def samples(start: Start, data: examples.Split) -> list[dict[str, Any]]:
    """What the model now writes for a few prompts, for a person to look at."""
    shown = (data.validation or data.train)[:SAMPLES]
    exchanges = examples.exchanges([one._replace(answers=one.answers[:1]) for one in shown])
    prompts = [prompt for prompt, _ in exchanges]
    written = sampler.sample(start.params, start.config, prompts, limit=ANSWER_LIMIT)
    return [
        {"prompt": example.prompt[-1].text, "expected": example.answers[0], "written": decode(answer)}
        for example, answer in zip(shown, written, strict=True)
    ]
