"""The hyperparameters of reinforcement, as the laptop's trainer takes them."""

from dataclasses import dataclass

from tunestep.local.training.faults import TrainingFault
from tunestep.local.training.grpo import Policy
from tunestep.local.training.tokens import ANSWER_LIMIT
from tunestep.local.training.value_reader import Reader

ANSWERS_AT_ONCE = 64
"""Most answers sampled in one step; a hub recipe's batch would take this machine minutes a step."""
MAX_STEPS = 200
"""Most steps of one job; the report says when that ends it."""
UPDATES = 2
"""Updates made from each step's answers."""


@dataclass(frozen=True)
class Rollout:
    """How answers are sampled and learned from. ``prompts`` x ``answers`` are written in a step."""

    prompts: int
    answers: int
    limit: int
    temperature: float
    policy: Policy


def read(reader: Reader, *, batch_size: int) -> Rollout:
    """The rollout of a job whose ``global_batch_size`` was read as ``batch_size`` prompts.

    Raises:
        TrainingFault: a value is no number or out of bounds.
    """
    answers = reader.count("rollout_n", 8, ANSWERS_AT_ONCE)
    if answers < 2:
        raise TrainingFault("hyperparameter rollout_n must be at least 2: an answer is compared with others.")
    prompts = min(batch_size, ANSWERS_AT_ONCE // answers)
    if prompts < batch_size:
        reader.say(f"global_batch_size: {prompts} prompts a step in fact, {prompts * answers} answers")
    reader.text("max_prompt_length")
    asked = reader.count("max_response_length", ANSWER_LIMIT, 1_000_000)
    limit = min(asked, ANSWER_LIMIT)
    if limit < asked:
        reader.say(f"max_response_length: {limit} bytes in fact, the most this small model takes")
    return Rollout(prompts, answers, limit, _temperature(reader), _policy(reader))


def _temperature(reader: Reader) -> float:
    """Of sampling. Nova's recipes have one temperature, the others a second one for validation."""
    name = "temperature" if "rollout_temperature" not in reader and "temperature" in reader else ""
    value = reader.number(name or "rollout_temperature", 1.0, 0.05, 10)
    if not name and "temperature" in reader:
        reader.text("temperature")
        reader.say("temperature: validation answers are the likeliest ones here, not sampled")
    return value


def _policy(reader: Reader) -> Policy:
    both = reader.number("clip_ratio", 0.2, 0, 1)
    low = reader.number("clip_ratio_low", both, 0, 1)
    high = reader.number("clip_ratio_high", both, 0, 10)
    coefficient = reader.number("kl_loss_coef", 0.001, 0, 100)
    wanted = (reader.text("use_kl_loss") or "false").lower() == "true"
    reader.say(f"use_kl_loss: {'on' if wanted else 'off'}")
    return Policy(low, high, coefficient if wanted else 0.0)
