"""The service's hyperparameters, as the laptop's trainer takes them.

Names and meanings stay the service's. Where the small model needs another value, or has no use for
one, that is stated in a line of its own: nothing is changed or ignored silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tunestep.local.training import rollout_values
from tunestep.local.training.loop import Recipe
from tunestep.local.training.optimiser import Schedule
from tunestep.local.training.rollout_values import Rollout
from tunestep.local.training.value_reader import Reader

PEAK_RATES = {"SFT": 3e-3, "DPO": 3e-4, "RLVR": 3e-4, "RLAIF": 3e-4}
"""Peak learning rates that move a model of this size, by technique."""
LORA_RATE_FACTOR = {"SFT": 1.0, "DPO": 4.0, "RLVR": 3.3, "RLAIF": 3.3}
"""Adapters beside frozen weights take larger steps than the weights themselves."""
MAX_RANK = 16
"""Largest adapter rank; a hub recipe's 32 or 64 would be as wide as this whole model."""
MAX_EPOCHS = 1000
MAX_BATCH = 4096

_DEFAULT_BATCH = 16
_DEFAULT_EPOCHS = 3
_SCHEDULES: Mapping[str, Schedule] = {"constant": "constant", "linear": "linear", "cosine": "cosine"}
_BETA_NAMES = ("beta", "dpo_beta", "adam_beta")
_BOOKKEEPING = frozenset(
    {"name", "model_name_or_path", "results_directory", "resume_from_path", "logging_steps", "save_steps"}
    | {"preset_reward_function", "judge_model_id", "judge_prompt_template"}
)
REINFORCED = ("RLVR", "RLAIF")
"""Techniques that sample answers and have them rewarded."""


@dataclass(frozen=True)
class Mapped:
    """What to train with, and the lines that state how it follows from the request."""

    recipe: Recipe
    rank: int
    scale: float
    beta: float
    validation_share: float
    rollout: Rollout | None
    statement: tuple[str, ...]


def map_values(values: Mapping[str, str], *, technique: str, lora: bool) -> Mapped:
    """Maps a job's ``HyperParameters``.

    Raises:
        TrainingFault: a value that the trainer uses is no number or out of bounds.
    """
    reader = Reader(values)
    epochs, max_steps = _length(reader)
    batch_size = reader.count("global_batch_size", _DEFAULT_BATCH, MAX_BATCH)
    rollout = rollout_values.read(reader, batch_size=batch_size) if technique in REINFORCED else None
    if rollout is not None:
        batch_size = rollout.prompts
        max_steps = min(max_steps or rollout_values.MAX_STEPS, rollout_values.MAX_STEPS)
    recipe = Recipe(
        epochs=epochs,
        max_steps=max_steps,
        batch_size=batch_size,
        peak_rate=_rate(reader, technique, lora),
        warmup=reader.number("lr_warmup_steps_ratio", 0.1, 0, 1),
        schedule=_schedule(reader),
        weight_decay=reader.number("weight_decay", 0.0, 0, 1),
        clip=_clip(reader),
        seed=int(reader.number("seed", 42, 0, 2**31 - 1)),
    )
    rank, scale = _adapter(reader) if lora else (0, 0.0)
    beta = _beta(reader) if technique == "DPO" else 0.0
    share = 1.0 - reader.number("train_val_split_ratio", 0.9, 0, 1)
    reader.statement.extend(
        f"{name}: not used by the laptop's trainer"
        for name in sorted(reader.unused)
        if name not in _BOOKKEEPING
    )
    return Mapped(recipe, rank, scale, beta, share, rollout, tuple(reader.statement))


def _length(reader: Reader) -> tuple[int, int | None]:
    """Epochs and the step limit. Some recipes (Nova 2) count steps only: then epochs do not end a run."""
    if "max_steps" not in reader:
        return reader.count("max_epochs", _DEFAULT_EPOCHS, MAX_EPOCHS), None
    steps = reader.count("max_steps", 1, 1_000_000)
    if "max_epochs" in reader:
        return reader.count("max_epochs", _DEFAULT_EPOCHS, MAX_EPOCHS), steps
    return steps, steps


def _rate(reader: Reader, technique: str, lora: bool) -> float:
    asked = reader.text("learning_rate")
    rate = PEAK_RATES[technique] * (LORA_RATE_FACTOR[technique] if lora else 1.0)
    origin = f"asked: {asked}; " if asked else ""
    reader.say(
        f"learning_rate: {rate:g} ({origin}the hub's rates are for models of billions of weights and "
        "would not move this one, so the trainer uses its own)"
    )
    return rate


def _schedule(reader: Reader) -> Schedule:
    asked = reader.text("lr_scheduler") or "cosine"
    used = _SCHEDULES.get(asked.lower(), "cosine")
    reader.say(
        f"lr_scheduler: {used}"
        + ("" if asked.lower() == used else " (the one asked for is unknown to the trainer)")
    )
    return used


def _clip(reader: Reader) -> float | None:
    if (reader.text("gradient_clipping") or "true").lower() == "false":
        reader.text("gradient_clipping_threshold")
        reader.say("gradient_clipping: off (as asked)")
        return None
    return reader.number("gradient_clipping_threshold", 1.0, 1e-6, 1e6)


def _adapter(reader: Reader) -> tuple[int, float]:
    asked = reader.count("lora_rank", 8, 4096)
    alpha = reader.number("lora_alpha", 2.0 * asked, 0, 1e6)
    rank = min(asked, MAX_RANK)
    if rank < asked:
        reader.say(f"lora_rank: {rank} in fact, the most this small model takes; lora_alpha shrinks with it")
    return rank, alpha / asked


def _beta(reader: Reader) -> float:
    """DPO's beta; the hub's DPO recipes carry theirs under the name ``adam_beta``."""
    name = next((name for name in _BETA_NAMES if name in reader), _BETA_NAMES[0])
    return reader.number(name, 0.1, 1e-6, 100)
