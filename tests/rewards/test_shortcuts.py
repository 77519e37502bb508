"""Shortcuts give what the long way gives: in reading rows, in extraction, in comparing functions."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_functions import math_answer
from reward_functions._math import compare, digits, lone, symbolic, values
from reward_functions._math.extract import everywhere
from reward_functions._math.verdict import Open, exact
from reward_functions.kit import RewardError, Sample, Score, samples, serve
from reward_functions.kit.try_out import row

PIECES = st.sampled_from(
    [
        "48 / 2 = <<48/2=24>>24 clips.",
        "\n",
        " ",
        "42",
        "1,234.50",
        "or",
        " or ",
        "The answer is",
        "the final answer: ",
        " is $",
        "NSWER",
        "Which answer",
        "\\boxed{42}",
        "\\boxed{41",
        "\\fbox{7}",
        "\\boxed{x^2+1}",
        "boxed",
        "}",
        "{",
        "$",
        "$.",
        ".",
        "%",
        "####",
        "#### 42",
        "#",
        "<answer>42</answer>",
        "<think>",
        "</think>",
        "<|end|>",
        "</s>",
        "\\(",
        "\\)",
        "**",
        "maybe 41",
    ]
)


@settings(max_examples=2_000)
@given(
    st.lists(PIECES, max_size=8).map("".join),
    st.sampled_from(["", "\n#### 42", "\\boxed{42}", "The answer is $\\boxed{42}$.", "$\\boxed{x+1}$"]),
    st.sampled_from(["", ".", "$", "\n", "%", "\\)"]),
)
def test_the_answer_of_a_lone_mark_is_the_one_found_by_every_mark(text: str, mark: str, end: str) -> None:
    found = lone.answer(text + mark + end)
    assert found is None or [found] == everywhere(text + mark + end)


@pytest.mark.parametrize(
    "text", ["She has 18.\n#### 18", "So the answer is $\\boxed{18}$.", "The total is $\\boxed{18}$."]
)
def test_the_commonest_endings_take_the_short_way(text: str) -> None:
    assert lone.answer(text) is not None


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({})
TURNS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "assistant", "model", "tool"]) | VALUES,
            "content": st.sampled_from(["42", ""]) | VALUES,
            "tool_calls": VALUES,
        },
    )
    | VALUES,
    max_size=3,
)


@given(
    st.fixed_dictionaries(
        {"messages": TURNS | VALUES},
        optional={"reference_answer": st.sampled_from(["42", "{}", ' {"answer": 1}']) | VALUES},
    )
    | VALUES
)
def test_the_two_texts_of_a_row_are_those_that_reading_it_finds(given_row: Any) -> None:
    found = samples.texts(given_row)
    if found is not None:
        sample = samples.read(given_row, 0)
        assert found == (sample.response, sample.reference)


@pytest.mark.parametrize("response", ["\\boxed{42}", "\\boxed{41}", "no idea", "\\boxed{\\sqrt{x+1}}", ""])
@pytest.mark.parametrize("reference", ["42", " 42 ", "", "\\frac{84}{2}", "#### 42"])
def test_a_glance_decides_as_the_sample_would(response: str, reference: str) -> None:
    assert math_answer.glance(response, reference) == math_answer.quick(
        samples.read(row(response, reference), 0)
    )


def test_a_glance_that_fails_or_declines_leaves_the_row_to_the_other_steps() -> None:
    def glance(response: str, reference: str) -> Score | None:
        if response == "raises":
            raise RewardError("at a glance")
        return Score(1.0) if response == "right" else None

    handler = serve(lambda _: Score(0.5), quick=lambda sample: Score(0.25), glance=glance)
    rows = [row("right", "x"), row("raises", "x"), row("declined", "x"), row("right", {"a": 1}), None]
    answered = json.loads(handler(rows)["body"])
    assert [item["aggregate_reward_score"] for item in answered] == [1.0, 0.25, 0.25, 0.25, 0.0]
    assert answered[4]["metrics_list"] == [{"name": "error", "value": 1.0, "type": "Metric"}]


def test_an_unusable_score_at_a_glance_is_reported_by_the_step_that_repeats_it() -> None:
    def bad(sample: Sample) -> Score:
        return Score(float("nan"))

    handler = serve(bad, quick=bad, glance=lambda response, reference: Score(float("nan")))
    (item,) = json.loads(handler([row("1", "1")])["body"])
    assert item["metrics_list"] == [{"name": "error", "value": 1.0, "type": "Metric"}]


FUNCTIONS = [
    (r"\ln(12)", r"\ln(3)+\ln(4)", True),
    (r"\ln 12", r"\ln 3+2\ln 2", True),
    (r"\ln(12)", r"\ln(13)", False),
    (r"\ln(1)", "0", True),
    (r"\sin(x)\cos(y)", r"\cos(y)\sin(x)", True),
    (r"\sin(x)\cos(y)", r"\cos(x)\sin(y)", False),
    (r"\sqrt[3]{16}", r"2\sqrt[3]{2}", True),
    (r"\sqrt[3]{27}", "3", True),
    (r"\sqrt[3]{16}", r"2\sqrt{2}", False),
    (r"\frac{1}{2}\ln(9)", r"\ln(3)", True),
]


@pytest.mark.parametrize(("reference", "answer", "equal"), FUNCTIONS)
def test_functions_are_decided_exactly_and_as_math_verify_does(
    reference: str, answer: str, equal: bool
) -> None:
    found = exact(f"\\boxed{{{answer}}}", reference)
    assert not isinstance(found, Open)
    assert found.correct is equal
    assert symbolic.equal(reference, answer, False) is equal


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        (r"\sin(x)\sin(x)+\cos(x)\cos(x)", "1"),
        (r"\tan(x)\cos(x)", r"\sin(x)"),
        (r"\sqrt[3]{2}\cdot\sqrt[3]{4}", "2"),
        (r"\sin 2x", r"2\sin(x)\cos(x)"),
        (r"\ln(2)^2", r"2\ln(2)"),
        (r"\ln(x)/\ln(2)", r"\ln(x)/\ln(2)+0.0000001"),
    ],
)
def test_identities_between_functions_are_left_to_the_second_opinion(reference: str, answer: str) -> None:
    assert isinstance(exact(f"\\boxed{{{answer}}}", reference), Open)


ODD_NUMBERS = ["0", "00", "007", "7", "7.0", "7.00", "1,234", "1234", "01,234", "12,34", "1,234.50", "1234.5"]
ODD_NUMBERS += ["0.50", "50", "-7", "7.", ".5", "7%", "٧", "1 234", "1" + "0" * 19, "10" + ",000" * 6]
PLAIN_NUMBERS = st.sampled_from(ODD_NUMBERS) | st.from_regex(
    r"[0-9]{1,5}(,[0-9]{3}){0,2}(\.[0-9]{1,4})?", fullmatch=True
)


@pytest.mark.slow
@settings(max_examples=2_000)
@given(PLAIN_NUMBERS, PLAIN_NUMBERS)
def test_two_numbers_in_digits_compare_as_their_values_do(one: str, other: str) -> None:
    found = digits.same(one, other)
    if found is not None:
        left, right = values.read(one), values.read(other)
        assert left is not None
        assert right is not None
        assert compare.same(left, right) is found
