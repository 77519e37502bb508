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


if __name__ == "__main__":
    main()
