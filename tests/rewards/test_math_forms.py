"""Answers to grade-school tasks: the forms that data and models have, in every place an answer stands in."""

import re

import pytest

from reward_functions._math.verdict import verdict

PLACES = (
    *("{}", "{}.", "**{}**", "#### {}", "####{}", "#### **{}**", "The answer is {}.", "The answer is: {}"),
    *("So the answer is **{}**.", "Therefore, the answer is {}, as required.", "The answer is about {}."),
    *("The final answer is {}", "**Final Answer:** {}", "**Final Answer**\n\n{}", "### Answer\n{}"),
    *("Answer: {}", "**Answer: {}**", "A: {}", "Ans. {}", "<answer>\n{}\n</answer>", '{{"answer": "{}"}}'),
    *("```\n{}\n```", "> **Answer:** {}", "= {}", "Total: {}", "So, {}.", "It is {}.", "We get {}."),
    *("The answer is therefore {}.", "The answer is {}.\n#### {}", "The answer is {0} because of this."),
)
FORMULAS = (
    *("\\boxed{{{}}}", "$\\boxed{{{}}}$", "\\[\\boxed{{{}}}\\]", "The answer is \\({}\\)."),
    *("The final answer is $\\boxed{{{}}}$. I hope it is correct.", "The answer is {0}.\n\n$\\boxed{{{0}}}$"),
)
WORKING = (
    "",
    "Step 1: 3 x 5 = 15.\n\nStep 2: 15% of $200 is $30, so 1/3 of it is $10.\n\n",
)
FORMS = (
    ("42", ("42", "42.0"), ("41", "4.2", "-42")),
    ("1,234", ("1234",), ("1.234", "234")),
    ("12,345.67", ("12345.67",), ("12345",)),
    (".5", ("1/2", "0.5"), ("5",)),
    ("3.50", ("3.5", "7/2"), ("350",)),
    ("−7", ("-7",), ("7",)),
    ("3/4", ("0.75", "\\frac{3}{4}"), ("4/3", "3")),
    ("1 1/2", ("1.5", "3/2"), ("11/2", "1")),
    ("42%", ("42", "42%", "0.42"), ("4.2",)),
    ("42 percent", ("42",), ("41",)),
    ("42 dollars", ("42", "$42"), ("43",)),
    ("75 cents", ("75", "0.75 dollars"), ("74", "$75")),
    ("42 USD", ("42", "$42"), ("41",)),
    ("42 apples", ("42",), ("41",)),
    ("42 mph", ("42", "42 miles per hour"), ("41",)),
    ("42 square feet", ("42",), ("41",)),
    ("42 sq ft", ("42",), ("41",)),
    ("42cm", ("42", "0.42 m"), ("42 m",)),
    ("42 of the students", ("42",), ("41",)),
    ("a total of 42 apples", ("42",), ("41",)),
    ("exactly 42", ("42",), ("41",)),
    ("42 apples and oranges", ("42",), ("41",)),
    ("42 (apples)", ("42",), ("41",)),
    ("42 dollars per week", ("42",), ("41",)),
    ("3:30 PM", ("3:30", "3:30 pm", "15:30"), ("3:30 AM", "3", "30", "3:31 PM")),
    ("5 pm", ("5", "5:00 PM"), ("5 am", "6 pm")),
    ("3:2", ("3:2", "3 to 2"), ("2:3", "3", "2")),
)


@pytest.mark.parametrize("place", [*PLACES, *FORMULAS])
def test_a_form_means_the_same_wherever_it_stands(place: str) -> None:
    for working in WORKING:
        for written, equal, unequal in FORMS:
            text = working + place.format(written, written)
            for reference in equal:
                assert verdict(text, reference).correct is True, (text, reference)
            for reference in unequal:
                assert verdict(text, reference).correct is not True, (text, reference)


@pytest.mark.parametrize("money", ["$42", "$1,234.50", "-$5", "$0.75", "US$42", "$42 per week", "$42/week"])
@pytest.mark.parametrize("place", PLACES)
def test_dollars_of_money_are_no_formula(place: str, money: str) -> None:
    amount = re.sub("[^0-9.-]", "", money)
    assert verdict(place.format(money, money), amount).correct is True
    assert verdict(place.format(money, money), amount + "9").correct is False


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("Each of the 5 children gets 42 candies.", "42"),
        ("Thus John earned $120 + $80 = $200 in all.", "200"),
        ("The number of girls is 50, which is 1/4 of 200.", "50"),
        ("She has five apples left.", "5"),
        ("Therefore, 42 of the 100 students passed.", "42"),
    ],
)
def test_the_number_that_a_last_sentence_states_is_told_from_those_it_mentions(
    sentence: str, number: str
) -> None:
    assert verdict(sentence, number).correct is True
    for other in ("5", "120", "80", "200", "1/4", "4", "100"):
        if other != number:
            assert verdict(sentence, other).correct is not True
