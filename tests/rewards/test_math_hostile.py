"""Hostile answers through the deployed handler: bounded time, every row answered, neighbours unharmed."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from reward_functions import math_answer
from reward_functions._math.verdict import exact

NEEDS_KILLING = [
    r"\boxed{\sum_{k=1}^{1999} \sqrt{k+x}}",
    r"\boxed{\int \frac{\sin(x^x)}{\ln(x+\sqrt{x})} dx}",
]
HOSTILE = [
    r"\boxed{9^{9^9}}",
    r"\boxed{9^9^9}",
    "#### 9**9**9**9",
    r"\boxed{10^{(10^9)}}",
    r"\boxed{10^{1000000000}}",
    "#### 1e999999999",
    r"\boxed{10000000!}",
    r"\boxed{9!!!!!}",
    r"\boxed{\binom{1000000}{500000}^{99999}}",
    r"\boxed{" + "(" * 2_000 + "1" + ")" * 2_000 + "}",
    r"\boxed{" + r"\frac{1}{" * 500 + "2" + "}" * 500 + "}",
    "#### " + "-" * 100_000,
    "-" * 100_000,
    r"\boxed{" + "+".join(["x"] * 5_000) + "}",
    r"\boxed{\{" + ",".join(map(str, range(400))) + r"\}}",
    r"\boxed{" + r"\cup".join(["[1,2]"] * 200) + "}",
    "#### nan",
    "#### inf",
    r"\boxed{-\infty}",
    "#### \ud800\udfff \udc00",
    r"\boxed{\ud83d}" + "\ud83d",
    r"\boxed{__import__('os').system('touch /tmp/owned')}",
    "The answer is __import__('os').abort()",
    "The answer is " * 20_000,
    "answer: " + "a" * 50_000,
    "answer: 1 " * 10_000,
    r"\boxed{" * 15_000,
    r"\boxed{1}" * 15_000,
    "####" * 25_000,
    "#### 1\n" * 20_000,
    "$" * 100_000,
    "$$ a " * 20_000,
    "\\[" * 40_000,
    "{" * 100_000 + "}" * 100_000,
    "1," * 50_000,
    "1 " * 50_000,
    "#### " + "1" * 100_000,
    r"\boxed{" + "9" * 5_000 + "}",
    " " * 200_000 + "42",
    "#### " + " \t" * 50_000 + "x",
    "\\" * 100_000,
    "or maybe " * 20_000 + "1",
    "42 " + "or 1 " * 30_000,
    "<think>" * 20_000,
    "<answer>" * 20_000,
    "\\text{" * 20_000,
    "**" * 50_000,
    "a=" * 40_000 + "1",
    "0.5 x " * 20,
    r"\boxed{" + r"\sqrt{" * 30 + "2" + "}" * 30 + "}",
    r"\boxed{(x+1)^{12}(y+1)^{12}(z+1)^{12}}",
    "\x00" * 1_000,
]


def rows(answers: list[str], reference: str = "42") -> list[dict[str, Any]]:
    return [
        {
            "id": str(index),
            "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}],
            "reference_answer": reference,
        }
        for index, answer in enumerate(answers)
    ]


def graded(batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    items = json.loads(math_answer.handler(batch, None)["body"])
    assert [item["id"] for item in items] == [row["id"] for row in batch]
    return [item | {m["name"]: m["value"] for m in item["metrics_list"]} for item in items]


def in_thread(call: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    results: list[list[dict[str, Any]]] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join(60)
    assert results, "the batch did not come back"
    return results[0]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_extraction_and_exact_reading_take_bounded_time(text: str) -> None:
    started = time.process_time()
    exact(text, "42")
    with contextlib.suppress(RecursionError):
        exact("#### 42", text)
    assert time.process_time() - started < 3.0


@pytest.mark.parametrize("off_main_thread", [False, True])
def test_hostile_answers_earn_nothing_and_harm_no_neighbour(off_main_thread: bool) -> None:
    answers = [answer for hostile in HOSTILE for answer in (hostile, "#### 42")]
    batch = rows(answers)
    items = in_thread(lambda: graded(batch)) if off_main_thread else graded(batch)
    assert [item["aggregate_reward_score"] for item in items[1::2]] == [1.0] * len(HOSTILE)
    rewarded = {answers[index] for index, item in enumerate(items) if item["aggregate_reward_score"]}
    assert rewarded <= {"#### 42", " " * 200_000 + "42"}


@pytest.mark.parametrize("off_main_thread", [False, True])
def test_answers_that_never_end_are_killed_and_reported_as_timeouts(off_main_thread: bool) -> None:
    batch = rows([*NEEDS_KILLING, r"\boxed{|-42|}"])
    items = in_thread(lambda: graded(batch)) if off_main_thread else graded(batch)
    assert [item.get("timeout") for item in items[:2]] == [1.0, 1.0]
    assert items[2]["aggregate_reward_score"] == 1.0


@pytest.mark.parametrize("reference", [r"9^{9^9}", r"\sum_{k=1}^{1999} \sqrt{k+x}", "-" * 50_000, "((" * 500])
def test_a_hostile_reference_costs_its_own_rows_alone(reference: str) -> None:
    batch = rows([r"\boxed{42}"], reference) + rows(["#### 42"])
    batch[1]["id"] = "neighbour"
    items = graded(batch)
    assert items[0]["aggregate_reward_score"] == 0.0
    assert (
        items[0].get("timeout") or items[0].get("error") or items[0].get("undecided") or reference[0] == "9"
    )
    assert items[1]["aggregate_reward_score"] == 1.0
