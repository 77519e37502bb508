r"""Multiple choice: 1 when the letters chosen are exactly those of the reference; else 0.

Formula: ``value = 1 if choices(final answer) == choices(reference) else 0``, both as sets. The final answer
is what the response marks (``The answer is (B)``, ``\boxed{B}``, ``#### B``, ``<answer>B</answer>``, ``The
correct option is B``), or the whole response when it is nothing but a choice, or its last line likewise. A
choice reads ``B``, ``(B)``, ``B.``, ``B) Paris``, ``option B``; several read ``A, C`` or ``A and C``. Listing
the options again, naming two where one is asked for, or hedging (``B or C``) scores 0.

Inputs: the response; a reference of letters (``"B"``, ``"A, C"``, ``["A", "C"]``) or, with the row's choices
known, the text of one. Configuration (REWARD_CONFIG, or ``metadata.reward`` of a row):
  choices: the options' texts in order, or an object from letter to text; a final answer that is exactly one
  of these texts then counts as its letter. Also read from ``metadata.choices`` and ``extra_info.choices``.

An unparseable reference (no letters, and no choice's text) is an error, not a score of 0.

>>> from reward_functions.kit.try_out import sample
>>> score(sample("Water boils at 100 C, so the answer is (B).", "B")).value
1.0
>>> score(sample("A or B", "B")).value
0.0
"""

import re
from collections.abc import Mapping
from typing import Any

from reward_functions.kit import RewardError, Sample, Score, options, serve
from reward_functions.kit.answers import (
    MAX_ANSWER,
    bare,
    expected,
    final_answer,
    hedged,
    plain,
    readings,
    visible,
)

OPTIONS: Mapping[str, Any] = {"choices": None}
LETTERS = "ABCDEFGHIJ"

_ONE = re.compile(
    r"(?:(?:option|choice|answer)\s{1,4})?[(\[]?([A-J])(?:[)\]](?:\s{0,4}[.:-])?|[.:]|\s{0,4}[-–—:]\s"
    r"|,?\s{1,4}(?:because|since|as)\b|\s(?=\()|$)(.*)",
    re.DOTALL | re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"(?:(?:options|choices|answers)\s{1,4})?[(\[]?[A-J][)\]]?"
    r"(?:(?:\s{0,4},\s{0,4}(?:and\s{1,4})?|\s{1,4}and\s{1,4}|\s{0,4}&\s{0,4}|\s{0,4};\s{0,4})[(\[]?[A-J][)\]]?){1,9}",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?<![A-Za-z])[A-Ja-j](?![A-Za-z])")
_LABEL = re.compile(r"(?<![A-Za-z])([A-J])(?:[).:\]]|\s{1,2}[-–—]\s)|(?<![A-Za-z])([a-j])[)\]]")


def score(sample: Sample) -> Score:
    """See the module's text."""
    texts = _choices(sample)
    wanted = _wanted(sample, texts)
    final = final_answer(sample.response, lambda text: chosen(text, texts) or plain(text))
    if final.several:
        return Score(0.0, reason="two different final answers")
    answer = final.answer if final.marked else _unmarked(sample.response, texts)
    letters = chosen(answer, texts) if answer else None
    if letters is None:
        return Score(0.0, reason="no choice found")
    return Score(float(letters == wanted), reason="equal" if letters == wanted else "different")


def chosen(answer: str, texts: Mapping[str, str]) -> frozenset[str] | None:
    """The letters that an answer chooses; None when it is no choice."""
    if hedged(answer):
        return None
    for reading in readings(answer):
        by_text = frozenset(letter for letter, text in texts.items() if plain(text) == plain(reading))
        if by_text:
            return by_text
        if _SEVERAL.fullmatch(reading):
            return frozenset(letter.upper() for letter in _LETTER.findall(reading))
        one = _ONE.fullmatch(reading)
        if one and labels(one[2]) <= {one[1].upper()}:
            letter, rest = one[1].upper(), one[2].strip()
            contradicted = plain(rest) in {plain(text) for key, text in texts.items() if key != letter}
            return None if contradicted else frozenset(letter)
    return None


def labels(text: str) -> set[str]:
    """The letters that a text uses to label options."""
    return {(upper or lower).upper() for upper, lower in _LABEL.findall(text)}


def _unmarked(response: str, texts: Mapping[str, str]) -> str | None:
    """The whole response, or its last line when nothing else in it looks like a choice."""
    whole = visible(response).strip()
    if "\n" not in whole:
        return bare(whole[:MAX_ANSWER])
    before, _, last = whole.rpartition("\n")
    elsewhere = any(chosen(line.strip()[:MAX_ANSWER], texts) for line in before.splitlines() if line.strip())
    return None if elsewhere else bare(last[:MAX_ANSWER])


def _wanted(sample: Sample, texts: Mapping[str, str]) -> frozenset[str]:
    reference = sample.reference
    if isinstance(reference, list):
        reference = ", ".join(str(item) for item in reference)
    text = expected(reference)
    letters = chosen(text, texts)
    if not letters:
        raise RewardError(f"the reference names no choice from {LETTERS[0]} to {LETTERS[-1]}")
    return letters


def _choices(sample: Sample) -> dict[str, str]:
    given = options(sample, OPTIONS)["choices"]
    for place in ("metadata", "extra_info"):
        held = sample.row.get(place)
        if given is None and isinstance(held, Mapping):
            given = held.get("choices")
    if given is None:
        return {}
    if isinstance(given, list) and len(given) <= len(LETTERS):
        given = dict(zip(LETTERS, given, strict=False))
    if not isinstance(given, Mapping) or not all(str(key).upper() in [*LETTERS] for key in given):
        raise RewardError(f"choices are at most {len(LETTERS)} texts, or an object from letter to text")
    return {str(key).upper(): str(value) for key, value in given.items()}


# Every expression above is bounded in its repetitions, and the text is capped: no worker is needed.
handler = serve(score, quick=score)
