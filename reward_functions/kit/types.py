"""What a reward is given and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Reference = str | dict[str, Any] | list[Any] | None


class RewardError(ValueError):
    """The sample cannot be scored, whatever the model wrote: no usable reference, a bad configuration.

    Raise it (any other exception does as well) and the sample's outcome is an error, never a wrong answer.
    ``message`` is logged, so it names fields and options; ``content`` may quote the row and is not.
    """

    def __init__(self, message: str, content: str = "") -> None:
        super().__init__(message)
        self.content = content


class Message(NamedTuple):
    """One turn; ``content`` is its text, whichever form it came in."""

    role: str
    content: str


class ToolCall(NamedTuple):
    """One call that the last assistant turn asks for; ``arguments`` is text when it was not readable JSON."""

    name: str
    arguments: dict[str, Any] | str


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a batch.

    ``response`` is the text of the last assistant turn, ``tool_calls`` what that turn calls; ``reference``
    comes from ``reference_answer``, ``reward_model.ground_truth`` or ``metadata.reference_answer``, the first
    that is not empty (a string that holds a JSON object is read as that object; numbers become text). ``row``
    is the row as it came, to be read only. ``options`` replaces REWARD_CONFIG when it is not None, and
    ``row_options`` are the row's own (``metadata.reward`` or ``extra_info.reward``): read both through
    :func:`reward_functions.kit.options`.
    """

    id: str
    messages: tuple[Message, ...]
    response: str
    reference: Reference = None
    row: Mapping[str, Any] = field(default_factory=dict)
    tool_calls: tuple[ToolCall, ...] = ()
    options: Mapping[str, Any] | None = None
    row_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """A verdict: ``value`` is any finite number, from 0 to 1 in this library.

    ``metrics`` are reported beside it; ``rewards`` likewise, as parts of the value (the service's types
    Metric and Reward). ``reason`` explains the value to a person; it leaves the function only when asked for.
    """

    value: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    rewards: Mapping[str, float] = field(default_factory=dict)


class Outcome(NamedTuple):
    """How one sample ended: a score, or ``failure`` ("error" or "timeout") with what went wrong."""

    score: Score
    failure: str = ""
    detail: str = ""


def failed(failure: str, detail: str, reason: str = "") -> Outcome:
    """An outcome without a verdict; ``detail`` holds no content of the row and may be logged."""
    return Outcome(Score(0.0, {failure: 1.0}, reason or detail), failure, detail)
