import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_functions.kit.answers import MAX_ANSWER, expected, final_answer, plain, readings, visible
from reward_functions.kit.types import RewardError


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("42", "42"),
        ("42.", "42"),
        (" **42** ", "42"),
        ("#### 42", "42"),
        ("6 * 7 = 42\n#### 42\n", "42"),
        ("#### Step 1: multiply\n6 * 7\n#### Answer: 42", "42"),
        ("### Final Answer\n42", "42"),
        (r"so \boxed{42}.", "42"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\fbox {7}", "7"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"The answer is $x = \boxed{4}$.", "4"),
        (r"The answer is \(5\)", "5"),
        ("<answer>42</answer>", "42"),
        (r"<answer> \boxed{4} </answer>", "4"),
        ("The answer is Paris.", "Paris"),
        ("the final answer is: **Paris**", "Paris"),
        ("**Final Answer:** 42", "42"),
        ("Final answer:\n\n42\n", "42"),
        ("Answer: (B)", "(B)"),
        ("The correct option is B", "B"),
        ("The answer is 42.\n#### 42", "42"),
        (r"\boxed{42} and so the answer is 42.", "42"),
        ("The answer is not 5.\nThe answer is 6.", "6"),
        ("Is the answer 5? The answer is 6.", "6"),
        ("<think>The answer is 4.</think>The answer is 5.", "5"),
        ("</think>#### 5", "5"),
    ],
)
def test_the_final_answer_is_found_under_every_mark(text: str, answer: str) -> None:
    found = final_answer(text)
    assert (found.answer, found.several) == (answer, False)


@pytest.mark.parametrize(
    "text",
    [
        "#### 41\n#### 42",
        r"\boxed{41} \boxed{42}",
        r"\boxed{41}. The final answer is 42",
        r"The answer is 41. \boxed{42}",
        "The answer is 41. The answer is 42.",
        "The answer is 41.\nNo: the answer is 42.",
        "<answer>41</answer><answer>42</answer>",
        "<answer>41</answer>\n#### 42",
        "#### 42\nOr maybe 41.",
        "#### 42\nAlternatively, 41",
        r"\boxed{42}, or 41",
        "#### 42\nActually, 41",
    ],
)
def test_two_different_final_answers_are_none_whichever_comes_first(text: str) -> None:
    swapped = text.replace("41", "@").replace("42", "41").replace("@", "42")
    for variant in (text, swapped):
        assert final_answer(variant).answer is None
        assert final_answer(variant).several


@pytest.mark.parametrize("text", ["", " \n", "...", "<think>The answer is 4.", "Is the answer 5", "x" * 5000])
def test_a_text_without_an_answer_has_none_that_is_marked(text: str) -> None:
    assert not final_answer(text).marked
    assert len(final_answer(text).answer or "") <= MAX_ANSWER


def test_an_unclosed_box_is_no_mark() -> None:
    assert not final_answer(r"so \boxed{42").marked


def test_a_first_sentence_is_a_reading_only_when_no_other_answer_follows() -> None:
    assert readings("Paris. It lies on the Seine") == ["Paris. It lies on the Seine", "Paris"]
    assert readings("Paris. Or maybe Rome") == ["Paris. Or maybe Rome"]


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("18", "18"),
        ("He has 9 * 2 = 18.\n#### 18", "18"),
        ({"answer": "18"}, "18"),
        ({"solution": r"so \boxed{18}", "steps": ["9 * 2"]}, "18"),
        ({"answer": 18}, "18"),
    ],
)
def test_a_reference_holds_its_answer_in_several_forms(reference: object, answer: str) -> None:
    assert expected(reference) == answer  # type: ignore[arg-type]


@pytest.mark.parametrize("reference", [None, "", " ", {}, {"x": 1}, {"answer": [1]}, ["a"], "#### 1\n#### 2"])
def test_a_reference_without_one_answer_is_an_error(reference: object) -> None:
    with pytest.raises(RewardError):
        expected(reference)  # type: ignore[arg-type]


PIECES = st.sampled_from(
    [
        "\\boxed{",
        "}",
        "{",
        "\\",
        "#### ",
        "\n",
        "<answer>",
        "</answer>",
        "<think>",
        "</think>",
        "The answer is ",
        "answer:",
        " or ",
        "42",
        ". ",
        "*",
        "$",
        " ",
        "\ud800",
        "(",
        "not",
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_has_one_answer_or_none(text: str) -> None:
    found = final_answer(text)
    assert not (found.several and found.answer is not None)
    assert found.answer is None or 0 < len(found.answer) <= MAX_ANSWER
    assert len(visible(text)) <= len(text)
    assert plain(plain(text)) == plain(text) or len(text) > 0


@pytest.mark.parametrize(
    "piece", ["\\boxed{", "<answer>", "The answer is ", "#### 1\n", "\\(", "}", "*", ". ", " or", "\n"]
)
def test_time_grows_with_the_length_of_the_text_alone(piece: str) -> None:
    def seconds(size: int) -> float:
        text = "the answer is " + piece * (size // len(piece))
        started = time.process_time()
        final_answer(text)
        return time.process_time() - started

    assert min(seconds(100_000) for _ in range(3)) < 20 * min(seconds(12_500) for _ in range(3)) + 0.02
