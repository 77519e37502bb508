"""Writes the examples' data: small word problems, the same at every run.

    python examples/make_data.py

The problems are generated here from a fixed seed; no published data set is involved.
"""

import json
import random
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PEOPLE = ("Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo", "Iris", "Juan", "Kim", "Lena")
THINGS = ("pens", "books", "apples", "coins", "stamps", "shells", "cards", "keys")
GAINS = ("gets {n} more", "finds {n} more", "buys {n} more")
LOSSES = ("gives away {n}", "loses {n}", "sells {n}")
PLACES = ("market", "fair", "shop", "harbour")
DAYS = ("Monday", "Tuesday", "Friday", "Sunday")
WEATHER = ("sunny", "raining", "cold", "windy")
ASIDES = ("The bus was late.", "Nobody else was there.", "A dog barked.", "Then it got dark.")


class Problem(NamedTuple):
    question: str
    working: str
    result: int

    @property
    def answer(self) -> str:
        """The working, and the result on a line of its own."""
        return f"{self.working}\n#### {self.result}"


def problem(draw: random.Random) -> Problem:
    """One question about a person who has some things and gets or loses some."""
    person, thing = draw.choice(PEOPLE), draw.choice(THINGS)
    if draw.random() < 0.5:
        first, second = draw.randint(2, 9), draw.randint(2, 9)
        event, sign, result = draw.choice(GAINS), "+", first + second
    else:
        first = draw.randint(4, 9)
        second = draw.randint(2, first - 1)
        event, sign, result = draw.choice(LOSSES), "-", first - second
    question = f"{person} has {first} {thing} and {event.format(n=second)}. How many now?"
    return Problem(question, f"{first}{sign}{second}={result}", result)


def problems(seed: int, count: int) -> list[Problem]:
    """``count`` different problems."""
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    found: dict[str, Problem] = {}
    while len(found) < count:
        one = problem(draw)
        found.setdefault(one.question, one)
    return list(found.values())


def chat(one: Problem) -> dict[str, object]:
    """The problem as a conversation."""
    question, answer = {"role": "user", "content": one.question}, {"role": "assistant", "content": one.answer}
    return {"messages": [question, answer]}


def rewarded(one: Problem, index: int, split: str) -> dict[str, object]:
    """The problem as a reinforcement row in verl's form: the reference, and its worked solution beside."""
    return {
        "data_source": "tunestep/arithmetic",
        "prompt": [{"role": "user", "content": one.question}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": str(one.result)},
        "extra_info": {"split": split, "index": index, "answer": one.answer},
    }


def note(draw: random.Random) -> dict[str, object]:
    """A few sentences to be summarised, and a summary, in the same form."""
    person, friend = draw.sample(PEOPLE, 2)
    thing, place, day = draw.choice(THINGS), draw.choice(PLACES), draw.choice(DAYS)
    count = draw.randint(2, 9)
    said = f"{person} went to the {place} on {day}. It was {draw.choice(WEATHER)}. "
    text = said + f"There {person} bought {count} {thing} for {friend}. {draw.choice(ASIDES)}"
    summary = f"{person} bought {count} {thing} for {friend} on {day}."
    return {
        "data_source": "tunestep/notes",
        "prompt": [{"role": "user", "content": text}],
        "ability": "summarization",
        "reward_model": {"style": "model", "ground_truth": summary},
    }


def notes(seed: int, count: int) -> list[dict[str, object]]:
    """``count`` different notes."""
    draw = random.Random(seed)  # noqa: S311 - data, not secrets
    found: dict[str, dict[str, object]] = {}
    while len(found) < count:
        one = note(draw)
        found.setdefault(json.dumps(one), one)
    return list(found.values())


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    exchanges: list[dict[str, object]] = [
        {"prompt": one.question, "completion": one.answer} for one in problems(seed=1, count=280)
    ]
    write(HERE / "sft" / "train.jsonl", exchanges[:240])
    write(HERE / "sft" / "validation.jsonl", exchanges[240:])
    preferences: list[dict[str, object]] = [
        {"prompt": one.question, "chosen": one.answer, "rejected": f"It is {one.result}."}
        for one in problems(seed=2, count=160)
    ]
    write(HERE / "dpo" / "train.jsonl", preferences)
    more: list[dict[str, object]] = [
        {
            "messages": [
                {"role": "user", "content": one.question},
                {"role": "assistant", "content": one.answer},
            ]
        }
        for one in problems(seed=3, count=160)
    ]
    write(HERE / "continue" / "train.jsonl", more)
    asked = problems(seed=4, count=384)
    for split, part in (("train", asked[:320]), ("validation", asked[320:])):
        write(HERE / "rlvr" / f"{split}.jsonl", [rewarded(one, i, split) for i, one in enumerate(part)])
    told = notes(seed=5, count=192)
    write(HERE / "rlaif" / "train.jsonl", told[:160])
    write(HERE / "rlaif" / "validation.jsonl", told[160:])


if __name__ == "__main__":
    main()
