"""Combine: several rewards of this library as one, by configuration alone.

Formula: ``value = sum(weight * value of the part) / sum(weight)``, and 0 when a part is below its ``gate``.
Each part's value is reported as a metric of type Reward under its name, its own metrics as ``name.metric``.

Inputs: those of the parts; all see the same response and reference. Configuration (REWARD_CONFIG):
  parts: {"<reward>": {"weight": w, "gate": g, "options": {...}}, ...}, where a number stands for its weight;
    the rewards are those of this folder. ``{"parts": {"math_answer": 0.9, "format": 0.1}}`` is complete.
A row may refine the options of a part: ``metadata.reward`` = {"format": {"length": {"max": 50}}}.

A part that errors (an unparseable reference, say) makes the sample an error: a partial sum would look like a
verdict. An unreadable configuration likewise.

>>> from dataclasses import replace
>>> from reward_functions.kit.try_out import sample
>>> config = {"parts": {"exact_match": 3, "format": {"weight": 1, "options": {"tags": ["answer"]}}}}
>>> score(replace(sample("The answer is 42.", "42"), options=config)).value
0.75
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from reward_functions import catalog
from reward_functions.kit import Part, RewardError, Sample, Score, compose, options, serve

MAX_PARTS = 8
_FIELDS = {"weight", "gate", "options"}


def score(sample: Sample) -> Score:
    """See the module's text."""
    parts = options(replace(sample, row_options={}), {"parts": {}})["parts"]
    if not 0 < len(parts) <= MAX_PARTS:
        raise RewardError(
            f'configure 1 to {MAX_PARTS} rewards: {{"parts": {{"math_answer": 0.9, "format": 0.1}}}}'
        )
    unknown = set(sample.row_options) - set(parts)
    if unknown:
        raise RewardError(f"the row's reward options name {len(unknown)} rewards that are not parts")
    return compose({name: _part(name, given) for name, given in parts.items()})(sample)


def _part(name: str, given: object) -> Part:
    if isinstance(given, int | float) and not isinstance(given, bool):
        given = {"weight": given}
    if not isinstance(given, dict) or set(given) - _FIELDS:
        raise RewardError(f"the part {name[:40]!r} is a weight, or an object with weight, gate and options")
    weight, gate, own = given.get("weight", 1.0), given.get("gate"), given.get("options", {})
    if not all(isinstance(number, int | float) for number in (weight, gate or 0)) or not isinstance(
        own, dict
    ):
        raise RewardError(f"the part {name[:40]!r}: weight and gate are numbers, options an object")
    inner = reward_of(name)

    def scored(sample: Sample) -> Score:
        refined = sample.row_options.get(name, {})
        return inner(
            replace(sample, options=own, row_options=refined if isinstance(refined, Mapping) else {})
        )

    return Part(scored, float(weight), gate)


def reward_of(name: str) -> Callable[[Sample], Score]:
    """The score function of a reward in this folder; raises RewardError for anything else."""
    if name == "combine" or name not in catalog.names():
        raise RewardError(f"there is no reward {name[:40]!r}; there are: {', '.join(catalog.names())}")
    function: Any = importlib.import_module(f"reward_functions.{name}").score
    return function  # type: ignore[no-any-return]


def warm_up() -> None:
    """Import the configured parts once, before any worker is forked."""
    try:
        parts = options(Sample("", (), ""), {"parts": {}})["parts"]
        for name in parts:
            reward_of(name)
    except RewardError:
        return


handler = serve(score, warm_up=warm_up, sample_deadline=2.0)
