"""What holds for every number: its forms are equal to each other, and to no other number's."""

from fractions import Fraction

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reward_functions._math import expressions
from reward_functions._math.compare import numbers, same
from reward_functions._math.extract import finals
from reward_functions._math.kinds import Number
from reward_functions._math.values import read
from reward_functions._math.verdict import Verdict, exact

INTEGERS = st.integers(-(10**15), 10**15)
SMALL = st.integers(-999, 999)


def forms(number: int) -> list[str]:
    sign, size = ("-" if number < 0 else ""), abs(number)
    return [
        f"{number}",
        f"{number:,}",
        f"{number}.",
        f"{number}.00",
        f"{number:,}.0",
        f"${number}$",
        f"\\({number}\\)",
        f"**{number}**",
        f"{sign}\\${size}",
        f"{number} apples",
        f"{number}\\text{{ cm}}",
        f"{sign}\\frac{{{size}}}{{1}}",
        f"{sign}\\frac{{{2 * size}}}{{2}}",
        f"{number}".replace("-", "−"),
        f"{number:,}".replace(",", "{,}"),
        f"{number:,}".replace(",", ",\\!"),
        f"x = {number}",
        f"({number})",
    ]


@given(INTEGERS)
def test_every_form_of_an_integer_is_that_integer(number: int) -> None:
    for form in forms(number):
        found = read(form)
        assert isinstance(found, Number), form
        assert found.value == number, form


@given(INTEGERS, INTEGERS)
def test_no_form_of_an_integer_is_another_integer(one: int, other: int) -> None:
    if one == other:
        return
    for left, right in zip(forms(one), reversed(forms(other)), strict=True):
        assert exact(f"#### {left}", right) in (
            Verdict(False, "not equal to the reference"),
            Verdict(None, "equal only when rounded or in another notation"),
        ), (left, right)


@given(st.integers(-(10**6), 10**6), st.integers(0, 6), st.integers(-(10**6), 10**6), st.integers(0, 6))
def test_decimals_are_equal_only_when_they_are_the_same_number(
    a: int, places: int, b: int, others: int
) -> None:
    one, other = Fraction(a, 10**places), Fraction(b, 10**others)
    left, right = f"{a / 10**places:.{places}f}", f"{b / 10**others:.{others}f}"
    verdict = exact(f"#### {left}", right)
    assert isinstance(verdict, Verdict)
    assert (verdict.correct is True) == (one == other), (left, right)


@given(SMALL, st.integers(1, 999), SMALL, st.integers(1, 999))
def test_fractions_are_equal_exactly_when_they_are_the_same_number(a: int, b: int, c: int, d: int) -> None:
    sign = "-" if a < 0 else ""
    verdict = exact(f"\\boxed{{{sign}\\frac{{{abs(a)}}}{{{b}}}}}", f"{c}/{d}")
    assert isinstance(verdict, Verdict)
    assert verdict.correct is (Fraction(a, b) == Fraction(c, d))


VALUES = st.one_of(
    SMALL.map(str),
    st.tuples(SMALL, st.integers(1, 99)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    SMALL.map(lambda number: f"{number}%"),
    st.tuples(SMALL, st.sampled_from(["cm", "m", "km", "hours", "minutes"])).map(
        lambda p: f"{p[0]} \\text{{ {p[1]}}}"
    ),
    st.lists(SMALL, min_size=2, max_size=4).map(lambda items: f"({', '.join(map(str, items))})"),
    st.lists(SMALL, min_size=1, max_size=4).map(lambda items: f"\\{{{', '.join(map(str, items))}\\}}"),
    st.tuples(st.integers(1, 20), st.integers(2, 50)).map(lambda pair: f"{pair[0]}\\sqrt{{{pair[1]}}}"),
)


@given(VALUES, VALUES)
def test_equality_does_not_depend_on_the_side(one: str, other: str) -> None:
    left, right = read(one), read(other)
    assert left is not None and right is not None
    assert same(left, right) == same(right, left)
    assert same(left, left) is True


@given(st.permutations(list(range(5))), st.lists(SMALL, min_size=5, max_size=5))
def test_a_set_is_the_same_in_every_order(order: list[int], items: list[int]) -> None:
    one, other = ", ".join(map(str, items)), ", ".join(str(items[index]) for index in order)
    left, right = read(f"\\{{{one}\\}}"), read(f"\\{{{other}\\}}")
    assert left is not None and right is not None
    assert same(left, right) is True


@given(SMALL, SMALL, SMALL, SMALL, st.integers(-20, 20))
def test_polynomials_agree_in_form_exactly_when_they_agree_in_value(
    a: int, b: int, c: int, d: int, x: int
) -> None:
    one = expressions.read(f"({a} + {b}x)({c} - {d}x)" if min(a, b, c, d) >= 0 else "x")
    other = expressions.read(f"{a * c}+{abs(b * c)}x-{abs(a * d)}x-{abs(b * d)}x^2")
    if min(a, b, c, d) >= 0:
        assert one is not None and one == other
        assert sum((v * x ** dict(k[1]).get("x", 0) for k, v in one.items()), Fraction(0)) == (a + b * x) * (
            c - d * x
        )


@given(st.integers(1, 40), st.integers(1, 500))
def test_a_root_has_one_form(factor: int, radicand: int) -> None:
    assert expressions.read(f"\\sqrt{{{factor * factor * radicand}}}") == expressions.read(
        f"{factor}\\sqrt{{{radicand}}}"
    )


@given(st.integers(0, 10**9), st.integers(2, 6))
def test_a_percentage_is_its_value_and_its_number_and_nothing_else(number: int, places: int) -> None:
    percent, value, bare = read(f"{number}%"), read(f"{number}/100"), read(str(number))
    assert isinstance(percent, Number) and isinstance(value, Number) and isinstance(bare, Number)
    assert numbers(percent, value) is True
    assert numbers(percent, bare) is True
    assert numbers(value, bare) is (number == 0)


@settings(max_examples=300)
@given(st.text(alphabet="0123456789.,;$%\\{}()[]^_/+-*=! \n#boxedfrcsqtanwi<>|'\"", max_size=120))
@example("=a")
@example("total: ")
def test_no_text_breaks_reading_or_extraction(text: str) -> None:
    read(text)
    finals(text)
    exact(text, "42")
    exact("#### 42", text)
