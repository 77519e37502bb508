"""Equivalence of final answers, case by case, each with its reason."""

import pytest

from reward_functions import math_answer
from reward_functions._math.extract import finals
from reward_functions._math.verdict import Open, Verdict, exact, verdict
from reward_functions.kit import Sample, try_out

RIGHT = [
    ("42.", "42", "a full stop ends the sentence"),
    (r"\boxed{42.}", "42", "inside a box as well"),
    ("#### 1,234", "1234", "thousands"),
    ("#### 1234", "1,234", "thousands in the reference"),
    (r"\boxed{14{,}916}", "14916", "a LaTeX thousands separator"),
    (r"\boxed{11,\! 111,\! 111}", "11111111", "thin negative spaces"),
    ("1 000", "1000", "a space between thousands"),
    ("#### $1,000.50", "1000.5", "currency before"),
    ("The answer is 1,000.50€.", "1000.5", "currency behind"),
    (r"\boxed{\$16386.17}", "16386.17", "an escaped dollar"),
    ("#### -5", "-5", "a sign"),
    ("#### −5", "-5", "the typographic minus"),
    ("#### -$5", "$-5", "either order of sign and currency"),
    ("#### 42 apples", "42", "what was counted"),
    ("#### 5 men", "5", "a short word in prose"),
    ("**Answer:** 42 dollars", "$42", "dollars in words"),
    ("The answer is $0.50", "50 cents", "currency converted"),
    ("#### 120 minutes", "2 hours", "time converted"),
    ("5 cm", "0.05 m", "length converted"),
    (r"\boxed{90^\circ}", "90", "degrees"),
    (r"\boxed{15\text{ cm}}", "15", "a unit set as text"),
    (r"\boxed{\frac{1}{2}}", "0.5", "a fraction for a decimal"),
    (r"\boxed{\dfrac12}", "1/2", "a fraction without braces"),
    (r"\boxed{-\frac{10}{4}}", "-2.5", "not in lowest terms"),
    (r"\boxed{2\frac{1}{2}}", "5/2", "a mixed number"),
    ("0.333333", "1/3", "six decimals stand for the exact value"),
    ("42%", "42", "the number before the sign"),
    ("42", "42%", "and the other way round"),
    ("0.42", "42%", "the value of a percentage"),
    (r"$\boxed{28}$ percent", r"28\%", "percent behind the box"),
    ("3 million", "3000000", "a scale in words"),
    (r"1.5 \times 10^3", "1500", "scientific notation"),
    ("1e3", "1000", "and in e notation"),
    ("1.5", "1,5", "a decimal comma in the reference"),
    ("1,5", "1,5", "on both sides"),
    ("x = 5", "5", "a name before the value"),
    ("5", "x=5", "a name in the reference"),
    ("#### 3 + 4 = 7", "7", "the working stays on the line"),
    ("She has 5+3=8 apples", "8", "no mark, one candidate"),
    ("It costs 7 and then 9.\nIn total that makes 16 dollars.", "16", "the last sentence's only number"),
    (r"\boxed{\{3, 1, 2\}}", r"\{1,2,3\}", "sets have no order"),
    (r"\boxed{12\text{ and }13}", "12, 13", "a list in words"),
    (r"\boxed{1} and \boxed{-2}", "-2, 1", "one answer in two boxes"),
    (r"\boxed{(6,31,-1)}", "(6, 31, -1)", "a tuple"),
    (r"\boxed{[0,1)}", "[0, 1)", "an interval"),
    (r"\boxed{(x-1)(x+1)}", "x^2-1", "one polynomial in two forms"),
    (r"\boxed{\sqrt{12}}", r"2\sqrt{3}", "one root in two forms"),
    (r"\boxed{\frac{\pi}{2}}", r"\frac12\pi", "one multiple of pi in two forms"),
    (r"\boxed{1 + \sin^2(x)}", r"2 - \cos^2(x)", "left to math-verify"),
    (r"\boxed{\text{Evelyn}}", "Evelyn", "a word"),
    ("The answer is 42. So the answer is 42.", "42", "one answer, said twice"),
    (r"\boxed{42}. The final answer is $42$. I hope it is correct.", "42", "in two places"),
    ("<think>maybe 41, the answer is 41</think>\n#### 42", "42", "thinking does not count"),
    ("<answer>42</answer>", "42", "tags"),
    (
        "#### Step 1: add\n5 + 2 = 7\n#### Step 2: multiply\nThe answer is 42.",
        "42",
        "headings are no answers",
    ),
    ("Final Answer: The maximum number of points is 19.", "19", "a sentence behind the mark"),
    (
        "Natalia sold 48/2 = <<48/2=24>>24.\n#### 72",
        "Natalia sold 24, so 72.\n#### 72",
        "a solution as reference",
    ),
]

WRONG = [
    ("#### 41", "42", "another number"),
    ("32, 349", "32349", "a list with spaces is not a number"),
    ("#### 32, 349", "32349", "nor behind a mark"),
    ("0.42", "42", "a percentage without its sign"),
    ("28/100", "28", "nor as a fraction"),
    ("1,234", "1.234", "a thousands separator is no decimal point"),
    ("The answer is 41 or 42", "42", "two answers in one"),
    (r"\boxed{41, 42}", "42", "a list for a number"),
    (r"\boxed{42, 43}", "41, 42", "another set"),
    (r"\boxed{(3,1)}", "(1,3)", "tuples have an order"),
    (r"\boxed{(0,9)}", "[0,9)", "brackets of intervals count"),
    ("5 cm", "5 km", "units that disagree"),
    ("7 am", "7 pm", "morning is not evening"),
    ("€5", "$5", "currencies that disagree"),
    (r"\boxed{4\sqrt{2}}", "4", "a root too many"),
    (r"\boxed{2ab}", "2", "letters are factors"),
    (r"\boxed{x^2+1}", "x^2-1", "another polynomial"),
    ("", "42", "nothing"),
    (
        "42 is a number in the question, let us think step by step. Therefore, in conclusion",
        "42",
        "no answer",
    ),
    ("<think>The answer is 42", "42", "thinking that never ends"),
    (r"The answer is \boxed{4", "4", "a box that is never closed"),
    ("AZYUK2A", "2", "a digit within a word"),
]

UNDECIDED = [
    (r"\boxed{41}. The final answer is 42", "42", "two answers"),
    (r"\boxed{42}. The final answer is 41", "42", "two answers, the right one first"),
    ("#### 42\n#### 41", "42", "two marks of one kind"),
    ("The answer is 41. Wait, no. The answer is 42.", "42", "a correction is a second answer"),
    ("#### 42\nOr maybe 41", "42", "an afterthought"),
    (r"either 41 or \boxed{42}", "42", "an alternative before the mark"),
    ("0.3333", "1/3", "too few decimals"),
    ("3", "3 million", "a scale that one side leaves out"),
    ("1,5", "1.5", "a decimal comma that the reference does not use"),
    ("The answer is 41 (or 42)", "42", "an alternative in brackets"),
    (r"\boxed{9^{9^9}}", "42", "too large to evaluate"),
]


@pytest.mark.parametrize(("answer", "reference", "reason"), RIGHT)
def test_a_right_answer_is_right_however_it_is_written(answer: str, reference: str, reason: str) -> None:
    assert verdict(answer, reference).correct is True, reason


@pytest.mark.parametrize(("answer", "reference", "reason"), WRONG)
def test_a_wrong_answer_is_wrong_however_it_is_written(answer: str, reference: str, reason: str) -> None:
    assert verdict(answer, reference).correct is False, reason


@pytest.mark.parametrize(("answer", "reference", "reason"), UNDECIDED)
def test_what_is_neither_right_nor_certainly_wrong_earns_nothing_and_says_so(
    answer: str, reference: str, reason: str
) -> None:
    result = math_answer.score(Sample("1", (), answer, reference))
    assert result.value == 0.0, reason
    assert result.metrics == {"undecided": 1.0}, reason


@pytest.mark.parametrize("reference", [None, "", "   ", "???", r"\frac{1}{", {}, {"x": 1}, ["1", "2"], True])
def test_a_reference_that_cannot_be_read_is_an_error_and_not_a_wrong_answer(reference: object) -> None:
    result = math_answer.score(Sample("1", (), "#### 42", reference))  # type: ignore[arg-type]
    assert result.value == 0.0
    assert result.metrics == {"error": 1.0, "reference_unreadable": 1.0}


@pytest.mark.parametrize(
    "reference", ["42", {"answer": "42"}, {"final_answer": 42}, ["42"], "So 42.\n#### 42"]
)
def test_a_reference_is_read_in_every_form_it_comes_in(reference: object) -> None:
    assert math_answer.score(Sample("1", (), "#### 42", reference)).value == 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize(("answer", "reference", "reason"), RIGHT + WRONG + UNDECIDED)
def test_padding_a_solution_with_keywords_changes_nothing(answer: str, reference: str, reason: str) -> None:
    padded = "Let us think step by step. Therefore, we verify the result carefully.\n\n" + answer
    if verdict(answer, reference).correct is not True:
        assert verdict(padded, reference).correct is not True, reason


def test_plain_answers_never_reach_the_second_opinion() -> None:
    for answer, reference, _ in RIGHT[:20]:
        assert isinstance(exact(answer, reference), Verdict), answer


def test_what_is_left_open_carries_the_extracted_answer_alone() -> None:
    working = "We compute many things, such as $a+b$ and 17.\n" * 20
    found = exact(working + r"So we get \boxed{1 + \sin^2(x)}.", r"2-\cos^2(x)")
    assert isinstance(found, Open)
    assert [answer.text for answer in found.answers] == [r"1 + \sin^2(x)"]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        (r"\boxed{\boxed{42}}", [r"\boxed{42}"]),
        (r"\boxed{\frac{1}{2}} then \boxed{3}", [r"\frac{1}{2}", "3"]),
        ("The answer to the question is: 42", ["42"]),
        ("answer = 42", ["42"]),
        ("The final answer is:\n\\[ \\frac{1}{2} \\]", [r"\frac{1}{2}"]),
        ("There is no answer here at all, only text", []),
        ("The first answer was wrong.\n#### 42", ["42"]),
        ("#### 42<|im_end|>\n#### 43", ["42"]),
    ],
)
def test_final_answers_are_found_where_they_are_stated(text: str, spans: list[str]) -> None:
    assert [span.text for span in finals(text)] == spans


@pytest.mark.parametrize(
    ("solution", "value"),
    [
        ("The answer is 12 apples in each box.\n3 boxes hold 12*3=<<12*3=36>>36 apples.\n#### 36", 1.0),
        ("The answer is 12 apples in each box.\n3 boxes hold 12*3=<<12*3=36>>36 apples.\n#### 35", 0.0),
        ("The answer is 41.\n#### 36", 0.0),
        ("#### 36\nThe answer is 41.", 0.0),
        ("The final answer is 41. 2*18=36\n#### 36", 0.0),
    ],
)
def test_an_answer_to_a_part_is_no_second_final_answer_if_more_is_worked_out(
    solution: str, value: float
) -> None:
    assert math_answer.score(try_out.sample(solution, "36")).value == value


@pytest.mark.parametrize(
    ("solution", "reference", "value"),
    [
        ("#### \\sqrt2\n#### \\sqrt3", "\\sqrt3", 0.0),
        ("#### yes\n#### no", "no", 0.0),
        ("#### \\frac{1}{2}\n#### 1/3", "1/3", 0.0),
        ("#### Cleo has 41\n#### 42", "42", 0.0),
        ("#### Step 1: add\n2+2=4\n#### 4", "4", 1.0),
        ("#### Solution\nWe add.\n#### 4", "4", 1.0),
    ],
)
def test_an_answer_that_is_no_number_is_an_answer_and_a_heading_is_none(
    solution: str, reference: str, value: float
) -> None:
    assert math_answer.score(try_out.sample(solution, reference)).value == value


@pytest.mark.parametrize(
    ("solution", "reference", "value"),
    [
        ("\\boxed{5!}", "120", 1.0),
        ("\\boxed{120}", "5!", 1.0),
        ("\\boxed{5!}", "5", 0.0),
        ("\\boxed{5}", "5!", 0.0),
        ("\\boxed{42!}", "42", 0.0),
        ("The answer is 42!", "42", 1.0),
    ],
)
def test_a_factorial_in_a_formula_is_one_and_in_a_sentence_is_a_tone(
    solution: str, reference: str, value: float
) -> None:
    assert math_answer.score(try_out.sample(solution, reference)).value == value


@pytest.mark.parametrize("answer", ["not 42", "less than 42", "at least 42", "> 42", "over 42"])
def test_a_bound_or_a_denial_is_no_answer(answer: str) -> None:
    for written in (f"The answer is {answer}.", f"#### {answer}"):
        assert math_answer.score(try_out.sample(written, "42")).value == 0.0
