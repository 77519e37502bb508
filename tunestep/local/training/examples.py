"""Rows as tokens of the lengths that the model takes, split into training and validation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tunestep.local.training.data_rows import Example
from tunestep.local.training.likelihood import Exchange
from tunestep.local.training.objectives import Preference
from tunestep.local.training.tokens import ANSWER_LIMIT, PROMPT_LIMIT, answer_tokens, prompt_tokens

MAX_VALIDATION = 512
"""Most validation rows that are looked at after each epoch."""


class Split(NamedTuple):
    train: list[Example]
    validation: list[Example]


def split(examples: list[Example], validation: list[Example] | None, share: float, seed: int) -> Split:
    """Given validation rows, or a random ``share`` of the training rows held out as such."""
    if validation is not None:
        return Split(examples, validation[:MAX_VALIDATION])
    held = min(int(len(examples) * share), MAX_VALIDATION)
    order = np.random.default_rng(seed).permutation(len(examples))
    shuffled = [examples[row] for row in order]
    return Split(shuffled[held:], shuffled[:held])


def exchanges(examples: Sequence[Example]) -> list[Exchange]:
    """Every answer of every example, with its prompt."""
    return [
        (prompt_tokens(example.prompt, PROMPT_LIMIT), answer_tokens(answer, ANSWER_LIMIT))
        for example in examples
        for answer in example.answers
    ]


def preferences(examples: Sequence[Example]) -> list[Preference]:
    """Examples with a better and a worse answer."""
    return [
        Preference(
            prompt_tokens(example.prompt, PROMPT_LIMIT),
            *(answer_tokens(answer, ANSWER_LIMIT) for answer in example.answers),
        )
        for example in examples
    ]


def cut_notes(examples: Sequence[Example]) -> list[str]:
    """What the model's short context leaves out, said aloud."""
    notes = []
    prompts = sum(
        sum(len(turn.text.encode()) + 1 for turn in example.prompt) > PROMPT_LIMIT for example in examples
    )
    answers = sum(
        any(len(answer.encode()) >= ANSWER_LIMIT for answer in example.answers) for example in examples
    )
    if prompts:
        notes.append(f"{prompts} of {len(examples)} prompts are longer than {PROMPT_LIMIT} bytes: tail kept.")
    if answers:
        notes.append(f"{answers} of {len(examples)} answers reach {ANSWER_LIMIT} bytes: start kept.")
    return notes
