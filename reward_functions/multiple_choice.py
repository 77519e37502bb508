r"""Multiple choice: 1 when the letters chosen are exactly those of the reference; else 0.

Formula: ``value = 1 if choices(final answer) == choices(reference) else 0``, both as sets. The final answer
is what the response marks (``The answer is (B)``, ``\boxed{B}``, ``#### B``, ``<answer>B</answer>``, ``The
correct option is B``), or the whole response when it is nothing but a choice, or its first or last line
likewise, or what one sentence of it says (``I choose B``, ``It's B``, ``B is correct``). A choice reads
``B``, ``(B)``, ``B.``, ``B) Paris``, ``option B``; several read ``A, C`` or ``A and C``. Listing the options
again, naming two where one is asked for, or hedging (``B or C``, ``B. No, C.``) scores 0.

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
    r"|,?\s{1,4}(?:because|since|as)\b|,\s{1,4}(?=[^\n]{2})|\s(?=\()|$)(.*)",
    re.DOTALL | re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"(?:(?:options|choices|answers)\s{1,4})?[(\[]?[A-J][)\]]?"
    r"(?:(?:\s{0,4},\s{0,4}(?:and\s{1,4})?|\s{1,4}and\s{1,4}|\s{0,4}&\s{0,4}|\s{0,4};\s{0,4})[(\[]?[A-J][)\]]?){1,9}",
    re.IGNORECASE,
)
_SHORT = 24
"""Longest rest behind a letter, in characters, in which a second letter is a second choice."""
_LETTER = re.compile(r"(?<![A-Za-z])[A-Ja-j](?![A-Za-z])")
_LABEL = re.compile(r"(?<![A-Za-z])([A-J])(?:[).:\]]|\s{1,2}[-–—]\s)|(?<![A-Za-z])([a-j])[)\]]")


_WRITTEN = r"[(\[*_\"'$`]{0,4}([A-J])(?![A-Za-z0-9'’/])[)\]*_\"'$`]{0,4}"
_RIGHT = r"(?i:(?:(?:the|my)\s)?(?:most\s)?(?:correct|right|best|answer|true\s(?:option|answer)))(?![A-Za-z])"
_IS = r"(?i:(?:'s|’s|\sis|\smust be|\shas to be|\sshould be|\swould be)(?:\s(?:clearly|definitely))?)"
_WE = (
    r"(?i:\b(?:i|we)(?:'d|’d|\swould|'ll|’ll|\swill|'m|’m|\sam|\scan)?"
    r"\s(?:choose|pick|select|go with|going with|choosing|vote for))"
)
_IT = rf"(?i:\b(?:it|that|this)){_IS}"
_CHOICE = (
    rf"(?i:\b(?:my|the|selected|chosen)\s(?:choice|pick|option|letter|solution|selection))(?:{_IS}|\s?:)"
)
_SO = r"(?i:(?:^|[.!?\n])\s{0,4}(?:therefore|thus|hence|so|clearly|definitely|yes|going with|letter)),?"
_END = r"(?=\s{0,4}(?:$|[.,;:!)\n–—-]|(?i:because|since|as)\b))"
_STATED = re.compile(
    rf"(?:{_WE}|{_IT}|{_CHOICE}|{_SO})\s(?i:(?:option|choice|answer|letter)\s)?{_WRITTEN}{_END}"
    rf"|(?<![A-Za-z]){_WRITTEN}\s(?i:is|must be|has to be)\s(?i:clearly\s|definitely\s|indeed\s)?{_RIGHT}",
    re.MULTILINE,
)
"""Sentences that choose a letter."""
_ASKED = re.compile(rf"(?:^|[.!\n])\s{{0,4}}{_WRITTEN}\?", re.MULTILINE)
_LONE = re.compile(r"(?<![A-Za-z])[B-HJ](?![A-Za-z'’])|^\s?A(?![A-Za-z'’ ])")
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf)\s{0,4}\{([^{}]*)\}")
_EITHER = re.compile(rf"{_WRITTEN}\s?(?:/|(?i:or|vs\.?|over))\s?(?i:option\s|choice\s)?{_WRITTEN}")


def score(sample: Sample) -> Score:
    """See the module's text."""
    texts = _choices(sample)
    wanted = _wanted(sample, texts)
    final = final_answer(sample.response, lambda text: chosen(text, texts) or plain(text))
    if final.several:
        return Score(0.0, reason="two different final answers")
    letters = chosen(final.answer or "", texts) if final.marked else _unmarked(sample.response, texts)
    if letters is None:
        return Score(0.0, reason="no choice found")
    return Score(float(letters == wanted), reason="equal" if letters == wanted else "different")


def chosen(answer: str, texts: Mapping[str, str]) -> frozenset[str] | None:
    """The letters that an answer chooses; None when it is no choice."""
    if hedged(answer):
        return None
    whole = _ONE.fullmatch(answer)
    if whole and not _SEVERAL.fullmatch(answer) and _doubled(whole):
        return None
    for reading in map(_set_plainly, readings(answer)):
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


def _set_plainly(text: str) -> str:
    """Without LaTeX's text commands: ``\\textbf{(B) } Paris`` is "(B) Paris"."""
    return bare(_TEXT.sub(r"\1", text)) if "\\" in text else text


def _doubled(one: re.Match[str]) -> bool:
    """Whether a letter follows the letter that is chosen: "B. C.", "B, then C"."""
    between, rest = one[0][one.end(1) - one.start() : one.start(2) - one.start()], one[2]
    if stated(rest) - {one[1].upper()}:
        return True
    listed = between.strip() in (",", ".", "") and _LONE.search(rest)
    return bool(listed) and len(rest) < _SHORT


def stated(text: str) -> frozenset[str]:
    """The letters that sentences of a text choose."""
    return frozenset(letter for found in _STATED.findall(text) for letter in found if letter)


def labels(text: str) -> set[str]:
    """The letters that a text uses to label options."""
    return {(upper or lower).upper() for upper, lower in _LABEL.findall(text)}


def _unmarked(response: str, texts: Mapping[str, str]) -> frozenset[str] | None:
    """What the whole response chooses; or its first or last line, if no other does; or a sentence."""
    whole = bare(visible(response))
    if hedged(whole) or _EITHER.search(whole):
        return None
    if "\n" not in whole and (letters := chosen(whole[:MAX_ANSWER], texts)):
        return letters
    lines = [bare(line)[:MAX_ANSWER] for line in whole.splitlines() if line.strip()]
    choosing = {place: found for place, line in enumerate(lines) if (found := chosen(line, texts))}
    if len(lines) > 1 and len(choosing) > 1:
        return None
    said = stated(whole)
    if not said.issuperset(_ASKED.findall(whole)):
        return None
    for place, letters in choosing.items():
        return letters if place in (0, len(lines) - 1) and said <= letters else None
    return said if len(said) == 1 else None


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
