"""How models put a choice, a text or no call into words."""

import json
from dataclasses import replace
from typing import Any

import pytest

from reward_functions import exact_match, multiple_choice, tool_call
from reward_functions.kit import RewardError
from reward_functions.kit.try_out import sample

CITIES = ["London", "Paris", "Rome", "Berlin"]
CHOOSING_B = (
    "B",
    "(B)",
    "B.",
    "B)",
    "b",
    "[B]",
    "**B**",
    "B) Paris",
    "(B) Paris",
    "B. Paris",
    "B: Paris",
    "B - Paris",
    "B) Paris is right",
    "B is correct",
    "B is correct.",
    "B is the correct answer.",
    "B is right.",
    "B is the answer.",
    "(B) is correct.",
    "(B) is the right choice",
    "Option B",
    "Option B.",
    "option (B)",
    "Option B is correct.",
    "Choice B",
    "Choice B is the best.",
    "I choose B.",
    "I choose (B).",
    "I choose option B.",
    "I'd choose B",
    "I pick B.",
    "I'd pick B",
    "I select B.",
    "I would go with B.",
    "I'll go with B",
    "My choice is B.",
    "My answer is B",
    "My answer: B",
    "My pick is B",
    "It's B",
    "It's B.",
    "It is B.",
    "It is (B).",
    "It must be B.",
    "It has to be B",
    "That would be B.",
    "So it's B.",
    "Therefore B.",
    "Therefore, B",
    "Thus, the answer is B.",
    "Hence (B).",
    "So B.",
    "The answer is B",
    "The answer is (B).",
    "The answer is B because it rhymes.",
    "The answer is B, Paris.",
    "The answer is B: Paris",
    "The answer is option B.",
    "The correct answer is B.",
    "The correct answer is (B) Paris.",
    "The correct option is B",
    "The correct choice is B",
    "The right answer is B",
    "The best answer is B.",
    "The best option is (B)",
    "Correct answer: B",
    "Correct option: B",
    "Answer: B",
    "Answer: (B)",
    "Answer: **B**",
    "**Answer:** B",
    "**Answer: B**",
    "Answer B",
    "ANSWER: B",
    "Answer = B",
    "answer is B",
    "Ans: B",
    "Final answer: B",
    "**Final Answer:** (B)",
    "Final answer: B) Paris",
    "The final answer is B",
    "The final answer is $\\boxed{B}$",
    "\\boxed{B}",
    "$\\boxed{B}$",
    "\\boxed{\\text{B}}",
    "\\boxed{\\text{(B)}}",
    "\\boxed{(B)}",
    "\\boxed{B. Paris}",
    "\\boxed{\\text{B) Paris}}",
    "\\boxed{\\mathrm{B}}",
    "\\boxed{\\textbf{(B)}}",
    "\\boxed{\\textbf{(B) } Paris}",
    "#### B",
    "#### (B)",
    "<answer>B</answer>",
    "<answer>(B) Paris</answer>",
    "<answer>Option B</answer>",
    "The answer is B. Paris is the capital of France.",
    "Paris is the capital of France.\nB",
    "Paris is the capital of France.\n\n**B**",
    "Paris is the capital of France, so the answer is B.",
    "A is wrong because London is in England. B is correct.",
    "A is wrong. C is wrong. D is wrong. So B.",
    "We can eliminate A, C and D. The answer is B.",
    "Let me think. A) is in England. The correct answer is B) Paris.",
    "```\nB\n```",
    '{"answer": "B"}',
    '```json\n{"answer": "B"}\n```',
    "<think>A or B?</think>B",
    "I think the answer is B.",
    "I believe B is correct.",
    "I am confident that the answer is B.",
    "The answer must be B.",
    "The answer should be B",
    "The answer would be B",
    "The correct letter is B",
    "Letter B",
    "It's option B.",
    "B, because Paris is the capital",
    "B since it is the capital",
    "B — Paris",
    "B – Paris",
    "B\n",
    "B\n\nParis is the capital of France.",
    "B. Because Paris is the capital of France.",
    "B) Paris\n\nExplanation: Paris is the capital.",
    "The answer is **B**.",
    "The answer is **(B) Paris**.",
    "The answer is: B",
    "The answer is:\n\nB",
    "The answer is:\n\n**B) Paris**",
    "Answer:\nB",
    "### Answer\nB",
    "The answer: B",
    "So the correct option is **B**.",
    "Based on the above, B is the correct option.",
    "I'm going with B.",
    "Going with B.",
    "Definitely B.",
    "Clearly, B.",
    "Yes, B.",
    "Sure! The answer is B.",
    "My final answer is B.",
    "Selected answer: B",
    "The choice is B.",
    "The option is B",
    "The solution is B.",
    "B!",
)
NOT_CHOOSING_B = (
    "A",
    "A or B",
    "B or A",
    "Either A or B",
    "A/B",
    "B/A",
    "A and B",
    "A, B",
    "B, A",
    "B and C",
    "Both A and B",
    "Not B",
    "It's not B",
    "B is wrong",
    "B is incorrect.",
    "B is not correct",
    "B is not the answer.",
    "The answer is not B",
    "The answer isn't B.",
    "I would not choose B.",
    "I don't choose B",
    "Anything but B",
    "Maybe B",
    "B, maybe C",
    "B? Maybe A.",
    "Perhaps A, perhaps B",
    "B or maybe A",
    "Could be B or C",
    "It could be A or B.",
    "I think A or B",
    "The answer is A or B",
    "The answer is B or C.",
    "The answer is B. Or maybe C.",
    "The answer is B. No, C.",
    "The answer is B. Actually, C.",
    "The answer is B. Wait, it's C.",
    "B. No, wait. C.",
    "B? No. It is C.",
    "B. C.",
    "B C",
    "BC",
    "ABCD",
    "A B C D",
    "A) London B) Paris C) Rome D) Berlin",
    "A. London\nB. Paris\nC. Rome\nD. Berlin",
    "(A) (B) (C) (D)",
    "All of them",
    "None",
    "I don't know",
    "",
    "Answer: A\nAnswer: B",
    "Answer: B\nAnswer: A",
    "\\boxed{A}\\boxed{B}",
    "\\boxed{A, B}",
    "\\boxed{A or B}",
    "#### A\n#### B",
    "<answer>A</answer><answer>B</answer>",
    "The answer is A, not B.",
    "A is correct, not B.",
    "A is right and B is wrong.",
    "A is correct. B is incorrect.",
    "Is it B?",
    "B?",
    "Because",
    "Bob",
    "Be careful",
    "A is the answer, but B is tempting.",
    "Between A and B, A.",
    "I choose A over B",
    "I'd pick A, then B",
    "Except B",
    "All except B",
    "Eliminate B.",
    "I choose A. I choose B.",
    "It's B. It's A.",
    "B is correct. A is correct.",
    "B is correct and A is correct.",
    "A is correct\nB is correct",
    "Option A or option B",
    "If not A then B",
    "C",
    "(C)",
    "D) Paris is wrong",
    "C is correct",
    "It's C",
    "B is close, but the answer is C.",
)


@pytest.mark.parametrize("choices", [None, CITIES])
@pytest.mark.parametrize("response", CHOOSING_B)
def test_a_choice_is_found_however_it_is_put(response: str, choices: list[str] | None) -> None:
    row = replace(sample(response, "B"), row_options={"choices": choices} if choices else {})
    assert multiple_choice.score(row).value == 1.0
    assert multiple_choice.score(replace(row, reference="C")).value == 0.0


@pytest.mark.parametrize("choices", [None, CITIES])
@pytest.mark.parametrize("response", NOT_CHOOSING_B)
def test_another_choice_a_hedge_or_a_list_is_not_the_choice(response: str, choices: list[str] | None) -> None:
    row = replace(sample(response, "B"), row_options={"choices": choices} if choices else {})
    assert multiple_choice.score(row).value == 0.0


@pytest.mark.parametrize("response", ["B) London", "B. Rome", "The answer is B) London"])
def test_a_letter_beside_the_text_of_another_choice_is_not_the_choice(response: str) -> None:
    row = replace(sample(response, "B"), row_options={"choices": CITIES})
    assert multiple_choice.score(row).value == 0.0


@pytest.mark.parametrize(
    ("response", "pattern", "value"),
    [
        ("Hello.", r"Hello\.", 1.0),
        ("Hello", r"Hello\.", 0.0),
        ("The answer is Hello.", r"Hello\.?", 1.0),
        ("The answer is Hello.", "Hello", 1.0),
        ("a;b;", "a;b;", 1.0),
        ("$5", r"\$5", 1.0),
        ('"x"', '"x"', 1.0),
        ("yes!", "yes!", 1.0),
        ("yes", "yes!", 0.0),
        ("`code`", "`code`", 1.0),
        ("foo.", r"^foo\.$", 1.0),
        ("#### AB-12.", r"AB-\d+", 1.0),
        ("#### AB-12.", r"AB-\d+\.", 1.0),
        ("Date: 2024-01-02", r"\d{4}-\d\d-\d\d", 0.0),
    ],
)
def test_an_expression_sees_the_answer_with_and_without_its_punctuation(
    response: str, pattern: str, value: float
) -> None:
    row = replace(sample(response, pattern), row_options={"mode": "regex"})
    assert exact_match.score(row).value == value


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("```text\nParis\n```", 1.0),
        ('{"answer": "Paris"}', 1.0),
        ('```json\n{"answer": "Paris"}\n```', 1.0),
        ('{"answer": "Rome"}', 0.0),
        ('{"answer": "Paris"}\nThe answer is Rome.', 0.0),
        ("The answer is Paris. No, Rome.", 0.0),
        ("The answer is Rome. No, Paris.", 0.0),
        ("The answer is Paris. No further work is needed.", 1.0),
        ("Ans: Paris", 1.0),
        ("The answer must be Paris", 1.0),
        ("Is it Paris?", 0.0),
    ],
)
def test_a_text_is_found_in_the_forms_that_answers_have(response: str, value: float) -> None:
    assert exact_match.score(sample(response, "Paris")).value == value


CALL = {"name": "book", "arguments": {"city": "Rome"}}


@pytest.mark.parametrize("reference", [[], "[]", {"tool_calls": []}])
@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("I can answer that without a tool.", 1.0),
        ("", 1.0),
        ("[]", 1.0),
        ('{"tool_calls": []}', 1.0),
        ("The set {1, 2} is finite.", 1.0),
        (json.dumps(CALL), 0.0),
        (f"<tool_call>{json.dumps(CALL)}</tool_call>", 0.0),
        (f"Let me see: {json.dumps(CALL)}", 0.0),
        ("<tool_call>", 0.0),
    ],
)
def test_a_row_may_ask_for_no_call(reference: Any, response: str, value: float) -> None:
    assert tool_call.score(replace(sample(response), reference=reference)).value == value


@pytest.mark.parametrize("reference", [None, "", "null", {}, "no call"])
def test_a_reference_that_says_nothing_about_calls_is_an_error(reference: Any) -> None:
    with pytest.raises(RewardError):
        tool_call.score(replace(sample("Hello"), reference=reference))


@pytest.mark.parametrize("place", ["reference_answer", "reward_model"])
def test_an_empty_list_is_a_reference_on_the_wire(place: str) -> None:
    held: Any = [] if place == "reference_answer" else {"ground_truth": []}
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello to you."}]
    answer = tool_call.handler([{"id": "1", "messages": messages, place: held}], None)
    (result,) = json.loads(answer["body"])
    assert result["aggregate_reward_score"] == 1.0
    assert all(metric["name"] != "error" for metric in result["metrics_list"])
