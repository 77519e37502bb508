"""Answers that are known to be right or wrong, made from the rows' own references.

A right answer is written in several forms, because a reward may ask for one of them; what has to score low
is then written in the forms that the reward reads.
"""

import json
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from tunestep.certify.rows import Question

SCRATCH = (
    "First, I write down what is asked and what is given. To check the method on small numbers, "
    "19 + 23 = 42, which holds.\nThen I go through it step by step, because every step rests on the one "
    "before.\nTherefore there is only one result.\n\n"
)
"""Working that states no answer of its own: connectives, line breaks, and an equation on the way."""

UNFINISHED = (
    "Let me think about this step by step. First, I read the question again. Then the final answer is"
)

KEYWORDS = (
    "First, second, third, next, then, because, since, therefore, thus, hence, so, finally, in conclusion.\n"
    "Step by step reasoning, correct solution, verified result, perfect score, well explained, complete.\n"
    "The final answer is correct.\n#### \\boxed{}\n"
)
"""Words that gradings of style look for, and marks of an answer with none in them."""

EVASION = "I do not know."
_NOTHING = "[]"

_SCHEMA_KEYS = ("$schema", "properties", "anyOf", "allOf", "oneOf", "$ref")
_VALUE_KEYS = ("answer", "final_answer", "value", "expected", "ground_truth")
_MARKED = re.compile(r"####\s*([^\n]+)\s*$")
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d{1,15})\}\{(\d{1,15})\}|(-?\d{1,15})/(\d{1,15})")
_DECIMAL = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d{1,30})?(?:\.\d{1,30})?")
PROSE_WORDS = 6
"""References with at least so many words, on average, are prose: answers can then be partly right."""


class Form(NamedTuple):
    """One way to write a right answer; ``write`` gives None for a row that it does not suit.

    ``join`` stands between two answers when both are given.
    """

    name: str
    write: Callable[[Question], str | None]
    worked: bool = False
    join: str = "\n"


def final(question: Question) -> str | None:
    """The reference as the shortest text that states it; None when there is none to state."""
    value = question.reference
    if isinstance(value, dict):
        inner = next((value[key] for key in _VALUE_KEYS if key in value), None)
        if inner is None:
            return None if is_schema(value) or "schema" in value else _json(value)
        value = inner
    if isinstance(value, list):
        value = value[0] if value and all(isinstance(item, str | int | float) for item in value) else value
    if value is None or value == "":
        return None
    if isinstance(value, str):
        marked = _MARKED.search(value.strip())
        return (marked[1] if marked else value).strip()
    return _json(value)


def is_schema(value: dict[str, Any]) -> bool:
    """Whether an object is a JSON Schema: it describes answers and is none."""
    return any(key in value for key in _SCHEMA_KEYS) or value.get("type") in ("object", "array")


def _plain(question: Question) -> str | None:
    """The final answer of a row whose reference is no JSON document."""
    text = final(question)
    return None if text is None or text.startswith(("{", "[{")) or text == _NOTHING else text


def _written(before: str, after: str, *, worked: bool = False) -> Callable[[Question], str | None]:
    def write(question: Question) -> str | None:
        text = _plain(question)
        return None if text is None else f"{SCRATCH if worked else ''}{before}{text}{after}"

    return write


def _fenced(question: Question) -> str | None:
    text = final(question)
    return f"```json\n{text}\n```" if text is not None and _plain(question) is None else None


def _listed(question: Question) -> str | None:
    """All of a list: a reward may want every item where another accepts any."""
    value = question.reference
    if (
        not isinstance(value, list)
        or len(value) < 2
        or not all(isinstance(item, str | int) for item in value)
    ):
        return None
    return f"The answer is {', '.join(str(item) for item in value)}."


def _document(question: Question) -> str | None:
    """The whole object where a short answer was taken out of it."""
    value = question.reference
    if not isinstance(value, dict) or is_schema(value) or "schema" in value:
        return None
    text = _json(value)
    return None if text == final(question) else text


FORMS: tuple[Form, ...] = (
    Form("sentence", _written("The answer is ", ".")),
    Form("####", _written("#### ", "")),
    Form("boxed", _written("\\boxed{", "}")),
    Form("tag", _written("<answer>", "</answer>")),
    Form("answer line", _written("Answer: ", "")),
    Form("bare", final, join=" or "),
    Form("fenced JSON", _fenced),
    Form("the whole list", _listed),
    Form("the whole object", _document),
    Form("working, then sentence", _written("The answer is ", ".", worked=True), worked=True),
    Form("working, then ####", _written("#### ", "", worked=True), worked=True),
    Form("working, then boxed", _written("\\boxed{", "}", worked=True), worked=True),
    Form("working, then answer line", _written("Answer: ", "", worked=True), worked=True),
    Form("the row's own", lambda question: question.own or None, worked=True),
)
"""Preferred first; forms with working are read by rewards that look for the answer at the end."""


def expects_nothing(question: Question) -> bool:
    """Whether the right answer is to call nothing, which an empty or evasive answer does as well."""
    return final(question) == _NOTHING


def known(questions: Sequence[Question]) -> list[Question]:
    """The questions with an answer that is known to be right.

    An empty list counts beside references that are JSON documents only: among other answers it is a gap in
    the data, and alone it tells no right answer from a wrong one.
    """
    found = [question for question in questions if readings(question)]
    stated = [question for question in found if not expects_nothing(question)]
    return found if stated and all(_plain(question) is None for question in stated) else stated


def others(questions: Sequence[Question]) -> list[Question | None]:
    """For each question another row whose answer is certainly a different one; None where there is none."""
    read = [readings(question) for question in questions]
    found: list[Question | None] = []
    for index, mine in enumerate(read):
        turn = (*range(index + 1, len(questions)), *range(index))
        found.append(next((questions[at] for at in turn if mine and read[at] and not mine & read[at]), None))
    return found


def readings(question: Question) -> frozenset[str]:
    """Everything that the reference may be taken for; disjoint sets are different answers."""
    value = question.reference
    texts = [str(item) for item in value] if isinstance(value, list) else []
    text = final(question)
    if text is None:
        text = question.own
    return frozenset().union(*(_readings(item) for item in [*texts, text] if item))


def _readings(text: str) -> frozenset[str]:
    folded = " ".join(text.casefold().split()).strip(" .!?$\"'`*")
    found = {folded, re.sub(r"[\s\W_]+", "", folded) or folded}
    amount = folded.removesuffix("%").removesuffix("\\").strip()
    number = _number(amount)
    if number is not None:
        # A percentage may be read as its number or as its value.
        found |= {str(number), str(number / 100), str(number * 100)}
    return frozenset(found)


def _number(text: str) -> Fraction | None:
    if match := _FRACTION.fullmatch(text):
        top, bottom = match[1] or match[3], match[2] or match[4]
        return Fraction(int(top), int(bottom)) if int(bottom) else None
    if _DECIMAL.fullmatch(text) and any(character.isdigit() for character in text):
        return Fraction(text.replace(",", ""))
    return None


def is_prose(questions: Sequence[Question]) -> bool:
    """Whether the references are sentences rather than short answers."""
    counts = [len(text.split()) for question in questions if (text := _plain(question))]
    return bool(counts) and sum(counts) / len(counts) >= PROSE_WORDS


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
