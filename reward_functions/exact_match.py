r"""Exact match: 1 when the final answer is the reference, after normalisation; else 0.

Formula: ``value = 1 if n(final answer) in {n(reference), ...} else 0``. The final answer is what the response
marks (``#### x``, ``\boxed{x}``, ``<answer>x</answer>``, ``The answer is x``), or the whole response when
it marks nothing; two different final answers score 0. ``n`` ignores case, white space and surrounding
punctuation, and compares plain numbers by value (``42.`` is ``42``, ``1,000`` is ``1000``; ``1 000`` is not).

Inputs: the response; a reference text, number, object with ``answer``, or list of accepted answers.
Configuration (REWARD_CONFIG, or ``metadata.reward`` of a row):
  mode: "text", or "regex": the reference is a regular expression that must match the whole final answer,
    with or without the quotes and the punctuation around it.
  ignore_case (true), ignore_punctuation (false: all punctuation), ignore_articles (false: a, an, the),
  ignore_accents (false), numbers (true: compare numbers by value),
  unmarked: "whole" response (default) or "last_line", when nothing is marked.

An unparseable reference (none, empty, two different answers, an expression that does not compile) is an
error, not a score of 0. Regular expressions run in a process that is killed at the deadline.

>>> from reward_functions.kit.try_out import sample
>>> score(sample("I looked it up.\nThe answer is **Paris**.", "paris")).value
1.0
>>> score(sample("The answer is Paris. The answer is Rome.", "Paris")).value
0.0
"""

import re
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from reward_functions.kit import RewardError, Sample, Score, options, serve
from reward_functions.kit.answers import MAX_ANSWER, bare, expected, final_answer, readings, visible

OPTIONS: Mapping[str, Any] = {
    "mode": "text",
    "ignore_case": True,
    "ignore_punctuation": False,
    "ignore_articles": False,
    "ignore_accents": False,
    "numbers": True,
    "unmarked": "whole",
}
MAX_PATTERN = 1_000
"""Longest regular expression, in characters."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3}){1,20}|\d{1,60})?(?:\.\d{0,60})?", re.ASCII)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b", re.IGNORECASE)
_WHITESPACE = re.compile(r"\s+")


def score(sample: Sample) -> Score:
    """See the module's text."""
    chosen = options(sample, OPTIONS)
    if chosen["mode"] not in ("text", "regex") or chosen["unmarked"] not in ("whole", "last_line"):
        raise RewardError('mode is "text" or "regex", unmarked is "whole" or "last_line"')
    accepted = _accepted(sample, regex=chosen["mode"] == "regex")
    final = final_answer(sample.response, lambda text: normalise(text, chosen))
    answer = final.answer
    if not final.marked and chosen["unmarked"] == "last_line":
        answer = last_line(sample.response)
    if answer is None:
        return Score(0.0, reason="two different final answers" if final.several else "no final answer")
    if chosen["mode"] == "regex":
        forms = (answer, final.written) if len(final.written) <= MAX_ANSWER else (answer,)
        expressions = [_compiled(pattern, chosen) for pattern in accepted]
        matched = any(one.fullmatch(form) for one in expressions for form in forms)
    else:
        wanted = {normalise(text, chosen) for text in accepted}
        matched = any(normalise(reading, chosen) in wanted for reading in readings(answer))
    return Score(float(matched), reason="equal" if matched else "different")


def quick(sample: Sample) -> Score | None:
    """Text comparison takes time in proportion to the text; somebody's regular expression does not."""
    return None if options(sample, OPTIONS)["mode"] == "regex" else score(sample)


def normalise(text: str, chosen: Mapping[str, Any]) -> str:
    """The form in which answers are compared; different forms are different answers."""
    text = bare(text)
    if chosen["numbers"] and len(text) > 0 and (number := _number(text)) is not None:
        return number
    if chosen["ignore_accents"]:
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    if chosen["ignore_punctuation"]:
        text = "".join(" " if unicodedata.category(c).startswith("P") else c for c in text)
    if chosen["ignore_articles"]:
        text = _ARTICLES.sub(" ", text)
    text = _WHITESPACE.sub(" ", text).strip()
    return text.casefold() if chosen["ignore_case"] else text


def last_line(text: str) -> str | None:
    """The last line that is not empty, after the model's thinking."""
    lines = visible(text).rstrip().rsplit("\n", 1)
    return bare(lines[-1]) or None


def _number(text: str) -> str | None:
    found = _NUMBER.fullmatch(text)
    if found is None or not any(character.isdigit() for character in text):
        return None
    return f"= {Fraction(text.replace(',', ''))}"


def _accepted(sample: Sample, *, regex: bool) -> list[str]:
    listed = sample.reference if isinstance(sample.reference, list) else [sample.reference]
    if not listed:
        raise RewardError("the reference is an empty list")
    if not regex:
        return [expected(str(item) if isinstance(item, int | float) else item) for item in listed]
    if not all(isinstance(item, str) and len(item) <= MAX_PATTERN for item in listed):
        raise RewardError(f"in regex mode a reference is an expression of at most {MAX_PATTERN} characters")
    return [str(item) for item in listed]


def _compiled(pattern: str, chosen: Mapping[str, Any]) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE if chosen["ignore_case"] else 0)
    except (re.error, RecursionError, OverflowError) as fault:
        raise RewardError("the reference is no regular expression", str(fault)) from None


handler = serve(score, quick=quick, sample_deadline=0.5)
