"""The policy of the library, reward by reward, over many questions and ways to answer them."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_functions import (
    exact_match,
    format,
    json_schema,
    math_answer,
    multiple_choice,
    text_similarity,
    tool_call,
)
from reward_functions.kit import RewardError
from reward_functions.kit.try_out import sample

TEXTS = ("Paris", "Rome", "St. Louis", "nitrogen dioxide", "Marie Curie")
LETTERS = tuple("ABCDE")
NUMBERS = ("42", "7", "1,234", "-3", "0.5")
PAIRS = [
    (reward, gold, wrong)
    for reward, answers in (
        (exact_match, TEXTS + NUMBERS),
        (multiple_choice, LETTERS),
        (math_answer, NUMBERS),
    )
    for gold in answers
    for wrong in answers
    if gold != wrong
]
FORMS = (
    "{}",
    "{}.",
    "**{}**",
    "The answer is {}.",
    "Answer: {}",
    "#### {}",
    r"\boxed{{{}}}",
    "<answer>{}</answer>",
)
MARKED = FORMS[3:]
VERBOSE = "First we read the question, then we think, therefore we are sure.\n" * 20
KEYWORDS = "First, because, therefore, hence, step by step, correct, verified, final answer, in conclusion."


def value(reward: Any, response: str, reference: Any) -> float:
    return float(reward.score(sample(response, reference)).value)


@pytest.mark.parametrize(("reward", "gold", "wrong"), PAIRS)
def test_the_final_answer_counts_and_nothing_else(reward: Any, gold: str, wrong: str) -> None:
    for form in FORMS:
        assert value(reward, form.format(gold), gold) == 1.0, form
        assert value(reward, form.format(wrong), gold) == 0.0, form
    for form in MARKED:
        assert value(reward, VERBOSE + form.format(gold), gold) == 1.0, form
        assert value(reward, VERBOSE + form.format(wrong), gold) == 0.0, form
        assert value(reward, f"Is it {gold}? {form.format(wrong)}", gold) == 0.0, form


@pytest.mark.parametrize(("reward", "gold", "wrong"), PAIRS)
def test_two_answers_score_nothing_whichever_comes_first(reward: Any, gold: str, wrong: str) -> None:
    for first, second in ((gold, wrong), (wrong, gold)):
        assert value(reward, f"{first} or {second}", gold) == 0.0
        for left in MARKED:
            for right in MARKED:
                assert value(reward, f"{left.format(first)}\n{right.format(second)}", gold) == 0.0, (
                    left,
                    right,
                )
    for form in MARKED:
        assert value(reward, f"{form.format(gold)}\nOr maybe {wrong}.", gold) == 0.0, form


@pytest.mark.parametrize("reward", [exact_match, multiple_choice, math_answer])
@pytest.mark.parametrize(
    "response", ["", VERBOSE, KEYWORDS, "What is it?", "<think>B 42</think>", "I do not know."]
)
def test_an_answer_without_the_answer_scores_nothing(reward: Any, response: str) -> None:
    gold = "B" if reward is multiple_choice else "42"
    assert value(reward, response, gold) == 0.0


GOLDEN: list[tuple[Any, Any]] = [
    (exact_match, "42"),
    (multiple_choice, "B"),
    (text_similarity, "the cat sat on the mat"),
    (json_schema, {"type": "object"}),
    (tool_call, {"name": "book", "arguments": {"city": "Rome"}}),
    (format, None),
]
BITS = st.sampled_from(
    [
        "42",
        "B",
        "(B)",
        '{"name": "book", "arguments": ',
        '{"city": "Rome"}',
        "}",
        "[",
        "]",
        "```json\n",
        "\n```\n",
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "#### ",
        "\\boxed{",
        "The answer is ",
        "or ",
        "\n",
        "the cat sat",
        "NaN",
        "1e999",
        "\ud800",
        "\x00",
        "\u202e",
        "-",
        ".",
    ]
)


@pytest.mark.parametrize(("reward", "reference"), GOLDEN)
@settings(max_examples=60)
@given(response=st.lists(BITS, max_size=25).map("".join) | st.text(max_size=200))
def test_any_response_has_a_finite_score_from_0_to_1_the_same_each_time(
    reward: Any, reference: Any, response: str
) -> None:
    first = value(reward, response, reference)
    assert 0.0 <= first <= 1.0
    assert value(reward, response, reference) == first


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize("reward", [reward for reward, _ in GOLDEN])
@settings(max_examples=60)
@given(reference=JSON)
def test_any_reference_gives_a_score_or_an_error_that_says_so(reward: Any, reference: Any) -> None:
    try:
        found = reward.score(sample("42", reference))
    except RewardError as fault:
        assert str(fault)
    else:
        assert math.isfinite(found.value)


@settings(max_examples=60)
@given(document=JSON)
def test_every_document_is_its_own_expected_value(document: Any) -> None:
    text = json.dumps(document)
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    given_sample = replace(sample(text), reference={"schema": True, "expected": document})
    assert json_schema.score(given_sample).value == 1.0


@settings(max_examples=60)
@given(arguments=st.dictionaries(st.text(min_size=1, max_size=8), JSON, max_size=4), data=st.data())
def test_a_call_equals_itself_with_its_arguments_in_any_order(arguments: dict[str, Any], data: Any) -> None:
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    shuffled = dict(data.draw(st.permutations(list(arguments.items()))))
    response = json.dumps({"name": "f", "arguments": shuffled})
    wanted = {"name": "f", "arguments": arguments}
    assert tool_call.score(replace(sample(response), reference=wanted)).value == 1.0
    changed = {**wanted, "arguments": {**arguments, "one more": 1}}
    assert tool_call.score(replace(sample(response), reference=changed)).value == 0.0
