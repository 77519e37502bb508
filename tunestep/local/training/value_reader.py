"""Reads a job's hyperparameters one by one and states each of them."""

import math
from collections.abc import Mapping

from tunestep.local.training.faults import TrainingFault


class Reader:
    """Values by name. ``statement`` says what became of each, ``unused`` holds what nobody asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name: value.strip() for name, value in values.items() if value.strip()}
        self.unused = dict(self._values)
        self.statement: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def say(self, line: str) -> None:
        self.statement.append(line)

    def text(self, name: str) -> str | None:
        self.unused.pop(name, None)
        return self._values.get(name)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """The value as a finite number within its bounds; the default when it is not given."""
        text = self.text(name)
        if text is None:
            self.say(f"{name}: {default:g} (the trainer's default)")
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise TrainingFault(f"hyperparameter {name} must be a number from {low:g} to {high:g}.")
        self.say(f"{name}: {value:g} (as asked)")
        return value

    def count(self, name: str, default: int, high: int) -> int:
        value = self.number(name, default, 1, high)
        if value != int(value):
            raise TrainingFault(f"hyperparameter {name} must be a whole number.")
        return int(value)
