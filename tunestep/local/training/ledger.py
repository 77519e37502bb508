"""What a reinforcement job has to show: how rewards, lengths and metrics moved, samples, and warnings."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tunestep.local.training import reward_contract
from tunestep.local.training.reinforce import MAX_NAMES, Rated
from tunestep.local.training.reward_contract import RewardFault
from tunestep.trends import SMALL, ends, rises

MAX_FAILED_SHARE = 0.05
"""Largest share of answers, counted from the first one, that a reward may fail to judge."""
SHOWN = 3
"""Best samples, and worst samples, that are shown."""
TAIL = 300
"""Most characters shown of a prompt (its tail) and of an answer (its start)."""
_RECENT = 5


class Ledger:
    """Hears of every step. ``limit`` is the longest answer, in tokens."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rewards: list[float] = []
        self._lengths: list[float] = []
        self._clipped: list[float] = []
        self._named: dict[str, list[float]] = {}
        self._kinds: dict[str, str] = {}
        self._recent: deque[Sequence[Rated]] = deque(maxlen=_RECENT)
        self._moved = False
        self._answers = self._failed = 0

    def observe(self, rated: Sequence[Rated]) -> None:
        """Takes in a step's answers.

        Raises:
            RewardFault: the reward fails too often to be trained on.
        """
        self._answers += len(rated)
        self._failed += sum(one.verdict.failed for one in rated)
        if self._failed > MAX_FAILED_SHARE * self._answers:
            raise RewardFault(
                f"The reward could not judge {self._failed} of the first {self._answers} answers (by its "
                f"metrics error or timeout); at most {MAX_FAILED_SHARE:.0%} may fail. See the function's log."
            )
        judged = [one for one in rated if not one.verdict.failed]
        scores = [one.verdict.score for one in judged]
        self._recent.append(judged)
        if scores:
            self._moved = self._moved or max(scores) - min(scores) > 1e-9
            self._rewards.append(float(np.mean(scores)))
        self._lengths.append(float(np.mean([one.length for one in rated])))
        self._clipped.append(float(np.mean([one.length >= self._limit for one in rated])))
        self._take_metrics(judged)

    def _take_metrics(self, judged: Sequence[Rated]) -> None:
        step: dict[str, list[float]] = {}
        for one in judged:
            for metric in one.verdict.metrics:
                if metric.name in self._kinds or len(self._kinds) < MAX_NAMES:
                    self._kinds.setdefault(metric.name, metric.kind)
                    step.setdefault(metric.name, []).append(metric.value)
        for name, values in step.items():
            self._named.setdefault(name, []).append(float(np.mean(values)))

    def facts(self) -> dict[str, Any]:
        """First and last reward, length and metrics, each a mean over a tenth of the steps."""
        if not self._rewards:
            return {}
        return {
            "reward": _ends(self._rewards),
            "length": _ends(self._lengths),
            "reward_metrics": {name: _ends(values) for name, values in self._named.items()},
            "answers": self._answers,
            "answers_not_judged": self._failed,
        }

    def warnings(self, exact: Mapping[str, Any] | None = None) -> list[str]:
        """What the reward's owner should look at. ``exact`` is held-out exact match before and after."""
        if not self._rewards:
            return []
        found = []
        if not self._moved:
            found.append(
                f"The reward gave all answers of all {len(self._rewards)} steps the same score "
                f"({self._rewards[-1]:g}); nothing could be learned and the weights did not change."
            )
        first, last = _ends(self._rewards)
        if rises(first, last):
            found += self._hollow(first, last)
            if exact and exact["after"] < exact["before"] - SMALL:
                found.append(
                    f"The reward rose from {first:.3f} to {last:.3f} while exact match on held-out rows fell "
                    f"from {exact['before']:.3f} to {exact['after']:.3f}: it pays for something else."
                )
        return found + self._lengthy() + self._unjudged()

    def _hollow(self, first: float, last: float) -> list[str]:
        falling = []
        for name, values in self._named.items():
            start, end = _ends(values)
            if self._kinds[name] == "Reward" and rises(-start, -end):
                falling.append(
                    f"The reward rose from {first:.3f} to {last:.3f} while its part {name} fell from "
                    f"{start:.3f} to {end:.3f}: the model may have found a way around it."
                )
        return falling

    def _lengthy(self) -> list[str]:
        (first, last), (cut, cuts) = _ends(self._lengths), _ends(self._clipped)
        if last < 1.2 * first or (last < 0.8 * self._limit and cuts < cut + 0.2):
            return []
        return [
            f"Answers grew from {first:.0f} to {last:.0f} of at most {self._limit} tokens, and {cuts:.0%} "
            "are cut off: the reward may pay for length."
        ]

    def _unjudged(self) -> list[str]:
        if not self._failed:
            return []
        return [f"The reward could not judge {self._failed} of {self._answers} answers; they taught nothing."]

    def samples(self) -> list[dict[str, Any]]:
        """The best and the worst of the last steps' answers, no answer twice."""
        ranked = sorted(
            (one for step in self._recent for one in step), key=lambda one: one.verdict.score, reverse=True
        )
        distinct = list(
            {(reward_contract.question(one.asked), one.asked.response): one for one in ranked}.values()
        )
        best = distinct[:SHOWN]
        worst = distinct[len(best) :][-SHOWN:]
        return [{"rank": "best", **_shown(one)} for one in best] + [
            {"rank": "worst", **_shown(one)} for one in reversed(worst)
        ]


def _ends(values: Sequence[float]) -> list[float]:
    return [round(end, 4) for end in ends(values)]


def _shown(one: Rated) -> dict[str, Any]:
    return {
        "prompt": reward_contract.question(one.asked)[-TAIL:],
        "answer": one.asked.response[:TAIL],
        "score": round(one.verdict.score, 4),
        "metrics": {metric.name: round(metric.value, 4) for metric in one.verdict.metrics[:8]},
    }
