import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunestep.patterns import MAX_PATTERN, Pattern, PatternUnsupported

TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "aaaa",
    "ababc",
    "abababab",
    "aabab",
    "]",
    "s3://b/k",
    "1.",
    "12.5",
    "A-1",
    "\n",
    "a\nb",
]
EXPRESSIONS = [
    "",
    "^$",
    "a",
    "^a*$",
    "(a+)+$",
    "^(a|aa)+$",
    "a|b|",
    "^(?:ab){2,3}c?$",
    r"^\d+\.\d*$",
    "^[]a]$",
    "^[^a-b]+$",
    "(a{0,2}b){2}",
    "^s3://[^/]+/.*$",
    r"^[a-zA-Z0-9_\-]{1,64}$",
    "x*",
    "^a?b?$",
    "^.$",
    "a{0}b",
    "^(a|b){3,}$",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_agrees_with_python_on_what_both_can_run(expression: str) -> None:
    theirs = re.compile(expression.replace("$", r"\Z"))
    ours = Pattern(expression)
    assert {text: ours.matches(text) for text in TEXTS} == {text: bool(theirs.search(text)) for text in TEXTS}


PARTS = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", "^", "$"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])).map(
            lambda p: f"(?:{p[0]}){p[1]}"
        ),
    ),
    max_leaves=6,
)


@given(PARTS, st.text(alphabet="abc", max_size=8))
def test_agrees_with_python_on_any_expression_of_the_subset(expression: str, text: str) -> None:
    assert Pattern(expression).matches(text) == bool(re.search(expression.replace("$", r"\Z"), text))


@pytest.mark.parametrize("expression", ["^(a+)+$", "^(a|a)*$", "^(a*)*b$", "a*" * 20 + "b$", "^(.*)*$x"])
def test_catastrophic_expressions_end_soon(expression: str) -> None:
    began = time.process_time()
    Pattern(expression).matches("a" * 2500 + "!")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "expression",
    [
        "(",
        "a)",
        "*a",
        "a**",
        "a{2,1}",
        "{",
        "[a",
        "[z-a]",
        "[[a]",
        "[a--b]",
        "(?=a)",
        "(?P<n>a)",
        "(?i)a",
        r"(a)\1",
        r"\b",
        "a+?",
        "(a{1000}){1000}",
        "(((){1000}){1000}){1000}",
        "(" * 200 + ")" * 200,
        "a" * (MAX_PATTERN + 1),
    ],
)
def test_what_is_outside_of_the_subset_is_said_and_not_run(expression: str) -> None:
    with pytest.raises(PatternUnsupported):
        Pattern(expression)


@given(st.text(alphabet="ab()[]{}*+?|^$\\.,0123-:=<", max_size=30))
def test_any_text_is_compiled_or_refused(expression: str) -> None:
    try:
        Pattern(expression).matches("ab")
    except PatternUnsupported as refused:
        assert str(refused)
