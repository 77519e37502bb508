"""One verdict on one answer: exactly where that is possible, by the second opinion where it is not."""

import functools
import re
from fractions import Fraction
from typing import NamedTuple

from reward_functions._math import digits, symbolic
from reward_functions._math.compare import nearly, numbers, same
from reward_functions._math.extract import finals
from reward_functions._math.kinds import Expression, Number, Value, Word
from reward_functions._math.latex import plain
from reward_functions._math.spans import HEDGE, NUMBER, Span
from reward_functions._math.values import FACTORIAL, quantity, read

MAX_WORDS = 12
MAX_COMPARED = 2_048


class Verdict(NamedTuple):
    """``correct`` is None for an undecided answer; ``unreadable`` when the reference is at fault."""

    correct: bool | None
    why: str
    unreadable: bool = False


class Reference(NamedTuple):
    """A reference answer: its text, and its value when that can be read exactly."""

    text: str
    value: Value | None


class Open(NamedTuple):
    """What is left to decide after the exact comparison: these answers against this reference."""

    reference: Reference
    answers: tuple[Span, ...]
    another_right: bool = False


_STEP = re.compile(
    r"(?<![<>=!:])=(?![=>])|->|=>|→|⇒|⟶|\\(?:to|rightarrow|Rightarrow|longrightarrow|implies)(?![A-Za-z])"
)
_RELATION = re.compile(r"\s*(?:[<>≤≥≠]|\\(?:ne|neq|not|lt|gt|le|leq|ge|geq)(?![A-Za-z]))")
_OPERATOR = re.compile(r"[0-9)}\s][+*/×·÷−-]|\\(?:times|cdot|div|[dt]?frac)")
_ABOUT = Fraction(1, 100)
_DOUBTED = re.compile(
    r"\b(?:maybe|perhaps|possibly|might|could)\b|\bor (?:more|less|fewer|so)\b", re.IGNORECASE
)
_WORDS = re.compile(r"(?<![\\A-Za-z])(?!sin|cos|tan|cot|sec|csc|log|exp|and|pi|mod)[A-Za-z]{3,}")
NO_ANSWER = Verdict(False, "no final answer")
RIGHT = Verdict(True, "equal to the reference")
WRONG = Verdict(False, "not equal to the reference")
SEVERAL = Verdict(None, "several different final answers, one of them right")
NEARLY = Verdict(None, "equal only when rounded or in another notation")
UNCLEAR = Verdict(None, "several candidates and no clear answer")
TOO_LARGE = Verdict(None, "an expression too large to evaluate")
UNREADABLE = Verdict(None, "the reference cannot be read as mathematics", unreadable=True)

_SEVEREST = (UNREADABLE, WRONG, TOO_LARGE, UNCLEAR, NEARLY, RIGHT)


def verdict(answer_text: str, reference_text: str) -> Verdict:
    """Grade a solution; may take long on hostile input (see ``symbolic``), ``exact`` never does."""
    found = exact(answer_text, reference_text)
    return found if isinstance(found, Verdict) else decide(found)


def exact(answer_text: str, reference_text: str) -> Verdict | Open:
    """The verdict when exact arithmetic gives one, in time proportional to the texts; else what is open."""
    answers = finals(answer_text)
    if len(answers) == 1 and len(reference_text) <= MAX_COMPARED and len(answers[0].text) <= MAX_COMPARED:
        equal = digits.same(answers[0].text, reference_text)
        verdict = _remembered(reference_text, answers[0]) if equal is None else RIGHT if equal else WRONG
        return Open(reference(reference_text), tuple(answers)) if verdict is None else verdict
    gold = reference(reference_text)
    if not gold.text:
        return UNREADABLE
    if not answers:
        return NO_ANSWER
    found = {answer: _compare(gold, answer) for answer in answers}
    verdicts = list(found.values())
    if WRONG in verdicts:
        return SEVERAL if RIGHT in verdicts else WRONG
    if None in verdicts:
        return Open(
            gold, tuple(answer for answer, verdict in found.items() if verdict is None), RIGHT in verdicts
        )
    return NEARLY if NEARLY in verdicts else RIGHT


def decide(question: Open) -> Verdict:
    """The second opinion on every open answer; all of them have to be right."""
    gold = question.reference
    if symbolic.too_large(gold.text):
        return TOO_LARGE
    verdicts = [_second_opinion(gold, answer) for answer in question.answers]
    if WRONG in verdicts and (question.another_right or RIGHT in verdicts):
        return SEVERAL
    return min(verdicts, key=_SEVEREST.index)


def _second_opinion(gold: Reference, answer: Span) -> Verdict:
    if symbolic.too_large(answer.text):
        return TOO_LARGE
    if (answer.prose or not answer.certain) and not _one_candidate(gold, answer):
        return UNCLEAR
    if _DOUBTED.search(answer.text) and not _DOUBTED.search(gold.text):
        return UNCLEAR
    found = symbolic.equal(gold.text, answer.text, answer.prose)
    if found is None:
        return UNREADABLE
    if found:
        return RIGHT
    return NEARLY if symbolic.nearly(gold.text, answer.text, answer.prose) else WRONG


def reference(text: str) -> Reference:
    """A reference answer, from a bare value or from a whole solution that ends in one."""
    return _reference(text) if len(text) <= MAX_COMPARED else _reference.__wrapped__(text)


@functools.lru_cache(maxsize=4_096)
def _reference(text: str) -> Reference:
    text = text.strip()
    value = read(text, FACTORIAL.search(text) is None)
    if value is not None and not (isinstance(value, Word) and len(text.split()) > MAX_WORDS):
        return Reference(text, value)
    spans = finals(text) if _is_solution(text) else []
    if len(spans) == 1 and spans[0].certain:
        return Reference(spans[0].text, read(spans[0].text, spans[0].prose))
    return Reference(text, None)


def _is_solution(text: str) -> bool:
    return "boxed" in text or "####" in text or "answer" in text.lower()


def _one_candidate(gold: Reference, answer: Span) -> bool:
    """Whether a sentence leaves no choice: "41, not 42" and "$41$ or maybe $42$" do, "x > 3" does not."""
    if not answer.certain or (HEDGE.search(answer.text) and not HEDGE.search(gold.text)):
        return False
    return _mathematical(answer.text) or len(NUMBER.findall(answer.text)) <= 1


def _mathematical(text: str) -> bool:
    """Whether a text is a formula: signs, and no words beside them."""
    signs = text.replace("**", "")
    return any(sign in signs for sign in "\\^=<>+*/") and _WORDS.search(text) is None


def _says_otherwise(answer: Span, gold: Reference) -> bool:
    """Whether an answer is a bound, or states two values one after the other ("41 = 42", "42 -> 41")."""
    if _RELATION.match(answer.text) or answer.text.rstrip(" .$").endswith("+"):
        return isinstance(gold.value, Number)
    if _STEP.search(answer.text) is None or _STEP.search(gold.text):
        return False
    steps = _STEP.split(answer.text)
    values = [_plain_number(step, answer.prose) for step in steps]
    last = values[-1]
    if last is None:
        return False
    told = [
        value
        for place, (step, value) in enumerate(zip(steps, values, strict=True))
        if value is not None and (place == len(steps) - 2 or _OPERATOR.search(step) is None)
    ]
    return any(_far(value, last) for value in told)


def _plain_number(text: str, prose: bool) -> Number | None:
    value = read(text.strip(), prose)
    return value if isinstance(value, Number) else None


def _far(one: Number, other: Number) -> bool:
    """Whether two values are not even one rounded to the other."""
    if numbers(one, other) is not False:
        return False
    return abs(Fraction(one.value) - Fraction(other.value)) > _ABOUT * abs(Fraction(other.value))


def _in_units(gold: Reference, answer: Span) -> tuple[Value | None, Value | None]:
    """The two values, with letters behind a number read as a unit when the other side is a plain number."""
    left, right = gold.value, read(answer.text, answer.prose) if answer.certain else None
    if isinstance(left, Number) and (right is None or isinstance(right, Expression)) and answer.certain:
        right = quantity(answer.text) or right
    elif isinstance(right, Number) and (left is None or isinstance(left, Expression)):
        left = quantity(gold.text) or left
    return left, right


@functools.lru_cache(maxsize=16_384)
def _remembered(reference_text: str, answer: Span) -> Verdict | None:
    return _compare(reference(reference_text), answer)


def _compare(gold: Reference, answer: Span) -> Verdict | None:
    if not gold.text:
        return UNREADABLE
    if answer.certain and _says_otherwise(answer, gold):
        return UNCLEAR
    left, right = _in_units(gold, answer)
    if left is not None and right is not None:
        found = same(left, right)
        if found is not None:
            return RIGHT if found else WRONG
        if nearly(left, right):
            return NEARLY
    if answer.text == gold.text:
        return RIGHT
    short = max(len(answer.text), len(gold.text)) <= MAX_COMPARED
    factorial = not answer.prose and (FACTORIAL.search(answer.text) or FACTORIAL.search(gold.text))
    alike = (
        short and answer.text and answer.certain and not factorial and plain(answer.text) == plain(gold.text)
    )
    return RIGHT if alike else None
