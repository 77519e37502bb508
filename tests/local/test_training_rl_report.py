"""What a reinforcement job warns of and shows: hollow rewards, runaway length, best and worst answers."""

from typing import Any

import pytest

from tunestep.cli import samples
from tunestep.local.training.ledger import SHOWN, Ledger
from tunestep.local.training.reinforce import Rated
from tunestep.local.training.reward_contract import Asked, Metric, RewardFault, Verdict

LIMIT = 40


def step(score: float, *, length: int = 10, metrics: dict[str, float] | None = None) -> list[Rated]:
    """Four answers around a score, so that there is always a spread."""
    named = tuple(Metric(name, value, name.partition(":")[0]) for name, value in (metrics or {}).items())
    messages = [{"role": "user", "content": "Why?"}]
    return [
        Rated(
            Asked(f"a-{n}", {}, messages, f"answer {score} {n}", None),
            Verdict(score + n / 100, named),
            length,
        )
        for n in range(4)
    ]


def ledger(*steps: list[Rated]) -> Ledger:
    made = Ledger(LIMIT)
    for one in steps:
        made.observe(one)
    return made


def test_a_reward_that_rises_while_its_part_falls_is_called_hollow() -> None:
    made = ledger(*(step(0.2 + n / 20, metrics={"Reward:exact": 0.6 - n / 20}) for n in range(10)))
    (warning,) = made.warnings()
    assert (
        "The reward rose from 0.215 to 0.665 while its part Reward:exact fell from 0.600 to 0.150" in warning
    )
    assert made.facts()["reward_metrics"] == {"Reward:exact": [0.6, 0.15]}


def test_a_falling_metric_that_is_no_part_of_the_reward_is_no_warning() -> None:
    assert ledger(*(step(n / 20, metrics={"Metric:words": 1 - n / 20}) for n in range(10))).warnings() == []


def test_a_falling_part_under_a_falling_reward_is_no_warning() -> None:
    assert (
        ledger(*(step(1 - n / 20, metrics={"Reward:exact": 1 - n / 20}) for n in range(10))).warnings() == []
    )


def test_a_reward_that_rises_while_exact_match_falls_is_called_out() -> None:
    made = ledger(*(step(n / 20) for n in range(10)))
    (warning,) = made.warnings({"before": 0.5, "after": 0.3, "rows": 64})
    assert "exact match on held-out rows fell from 0.500 to 0.300" in warning
    assert made.warnings({"before": 0.3, "after": 0.5, "rows": 64}) == []


@pytest.mark.parametrize(
    ("first", "last", "warned"), [(10, LIMIT, True), (10, 33, True), (10, 12, False), (38, LIMIT, False)]
)
def test_answers_that_run_into_the_limit_are_called_out(first: int, last: int, warned: bool) -> None:
    made = ledger(*(step(0.5, length=first + (last - first) * n // 9) for n in range(10)))
    found = made.warnings()
    assert bool(found) is warned
    assert not warned or f"Answers grew from {first} to {last} of at most {LIMIT} tokens" in found[0]


def test_the_samples_are_the_best_and_the_worst_of_the_last_steps_without_repeats() -> None:
    made = ledger(step(9.0), *(step(0.1 * n) for n in range(5)), step(0.4))
    shown = made.samples()
    assert [sample["score"] for sample in shown] == [0.43, 0.42, 0.41, 0.1, 0.11, 0.12]
    assert [sample["rank"] for sample in shown] == ["best"] * SHOWN + ["worst"] * SHOWN


def test_a_reward_that_fails_too_often_ends_it_however_late() -> None:
    made = ledger(*(step(0.5) for _ in range(3)))
    bad = [one._replace(verdict=Verdict(0.0, failed=True)) for one in step(0.5)]
    with pytest.raises(RewardFault, match=r"could not judge 4 of the first 16 answers.*at most 5% may fail"):
        made.observe(bad)


def test_a_step_of_which_nothing_was_judged_is_survived() -> None:
    made = ledger(*(step(0.5) for _ in range(30)))
    made.observe([one._replace(verdict=Verdict(0.0, failed=True)) for one in step(0.5)])
    assert made.warnings() == ["The reward could not judge 4 of 124 answers; they taught nothing."]


def test_a_ledger_that_saw_nothing_has_nothing_to_say() -> None:
    assert (ledger().facts(), ledger().warnings(), ledger().samples()) == ({}, [], [])


def shown(summary: dict[str, Any], answers: list[dict[str, Any]]) -> str:
    return "\n".join(line.plain for line in samples.lines(summary, answers))


def test_the_command_shows_warnings_first_and_no_control_characters() -> None:
    sample = {
        "rank": "best",
        "prompt": "2+2?\n",
        "answer": "\x1b[31m4",
        "score": 1.0,
        "metrics": {"right": 1},
    }
    told = shown({"warnings": ["Look\x1b[2J."]}, [sample, {}])
    assert told.index("warning: Look") < told.index("best")
    assert "\x1b" not in told
    assert "right=1" in told


def test_the_facts_name_exact_match_before_and_after() -> None:
    found = dict(
        samples.facts({"exact_match": {"before": 0.1, "after": 0.75, "rows": 64}, "reward": [0.2, 0.9]})
    )
    assert found == {"exact match": "0.10 → 0.75 on 64 held-out rows", "reward": "0.20 → 0.90"}
    assert samples.facts({}) == []
