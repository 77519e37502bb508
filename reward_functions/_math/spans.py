"""From the sentence or line that a mark introduces to the answer within it."""

import re
from itertools import pairwise
from typing import NamedTuple


class Span(NamedTuple):
    """``text`` is an answer as written; ``prose`` if it stood in a sentence and not in mathematics.

    ``certain`` is False for text that holds the answer somewhere and is left to the second opinion.
    """

    text: str
    prose: bool = False
    certain: bool = True


MATHS = re.compile(r"\$\$(.+?)\$\$|\$((?:[^$\\\n]|\\.)+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
NUMBER = re.compile(
    r"(?<![\w.])[-−]?[$€£₹¥]?-?(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:[.,/][0-9]+)*(?:\s?%)?(?![0-9])"
)
VALUE_START = re.compile(r"[\s*_$\\({\[−+-]*[$€£₹¥]?[-−.]?[0-9]")
DIGITS = re.compile(r"\s?-?[0-9][0-9,]*(?:\.[0-9]+)?\s?")
_LEADING = re.compile(
    r"^(?:(?:that|it|equal to|equals|approximately|about|around|roughly|exactly|just|only|either|simply|"
    r"indeed|clearly|therefore|thus|a total of|probably|likely|maybe|perhaps|≈|=|:)\s*)+",
    re.IGNORECASE,
)
HOPE = re.compile(r"I hope (?:it|this) is correct.*", re.IGNORECASE | re.DOTALL)
PERCENT = re.compile(r"[\s$]{0,3}(?:\\\))?\s?(?:\\?%|percent\b|percentage\b|pct\b)")
SENTENCE = re.compile(r"[.!?](?=[\s*]|[\"')\]]*(?:\s|$)|$)|\n")
_LINKS = (" is ", " are ", " equals ", "=")
_OFFERED_BESIDE = re.compile(r"[^.]*\b(?:or|and)\b.*[0-9]")
_LINKED = re.compile(r"\b(?:is|are|equals|be)$|=$")
_LONG = 80
MAX_SENTENCE = 2_000
UNCLEAR = Span("", certain=False)


_REASON = re.compile(
    r"^(\$[^$]{1,200}\$|\\\([^$]{1,200}?\\\)),?\s{1,3}(?:since|because|given that|as)\b.*$", re.DOTALL
)
_ROUNDED = re.compile(r"\s{1,3}\((?:rounded|when rounded|to the nearest)\b[^()]{0,80}\)\.?$")
"""What may follow an answer without being a part of it."""
_SUM = re.compile(r"[0-9\s().,+*/×·÷$%−-]+=[0-9\s().,+*/×·÷$%=−-]+[A-Za-z ]{0,60}")
"""A calculation with its result, which may state two values."""

_SOLUTIONS = re.compile(
    r"([a-z])\s?=\s?[^\s,=]{1,40}(?:(?:,|\s(?:and|or)\b){1,2}\s\1\s?=\s?[^\s,=]{1,40}){1,8}", re.IGNORECASE
)
"""Every value of one name: "x = 1 or x = 2"."""


def refine(written: str) -> Span:
    """The answer within the sentence or line that a mark introduces."""
    if len(written) > MAX_SENTENCE:
        return UNCLEAR
    if DIGITS.fullmatch(written):
        return Span(written.strip(), prose=True)
    text = HOPE.sub("", written).strip().strip("*_ \t")
    text = _ROUNDED.sub("", _REASON.sub(r"\1", text))
    return _segments(text) or _stated(_LEADING.sub("", text))


def _stated(text: str) -> Span:
    """The answer of a sentence without formulas."""
    if _starts_like_a_value(text) or any(form.fullmatch(text.rstrip(".")) for form in (_SUM, _SOLUTIONS)):
        return Span(text.rstrip("."), prose=True)
    for link in _LINKS:
        before, found, after = text.rpartition(link)
        after = _LEADING.sub("", after.strip())
        if found and before[-1:] not in ("<", ">", "!") and _starts_like_a_value(after):
            return Span(after, prose=True)
    numbers = NUMBER.findall(text)
    if len(numbers) == 1 and "\\" not in text and "^" not in text:
        return Span(numbers[0], prose=True)
    return Span(text, prose=True, certain=not (numbers or "\\" in text or len(text) > _LONG))


def _starts_like_a_value(text: str) -> bool:
    begins = text[:1].isdigit() or (len(text) > 1 and text[0] in "-−+.$€£₹¥([{\\")
    return begins and " = " not in text


def _segments(text: str) -> Span | None:
    """The one formula of a sentence; several joined by "and" or commas are the parts of one answer."""
    if "$" not in text and "\\(" not in text and "\\[" not in text:
        return None
    found = list(MATHS.finditer(text))
    if not found:
        return None
    first, last = found[0], found[-1]
    inner = [next(group for group in segment.groups() if group is not None).strip() for segment in found]
    gaps = [text[one.end() : next_one.start()].strip(" ,;") for one, next_one in pairwise(found)]
    if gaps and all(gap in ("", "and", "or") for gap in gaps):
        return Span(", ".join(inner))
    beside = not gaps and not text[: first.start()].strip() and _OFFERED_BESIDE.match(text, first.end())
    after = _after_formula(text, last.end())
    if after is not None:
        return after
    if beside or (gaps and not _LINKED.search(text[: last.start()].rstrip())):
        return Span(text, prose=True, certain=False)
    percent = PERCENT.match(text, last.end())
    return Span(inner[-1] + "%" if percent and "%" not in inner[-1] else inner[-1])


def _after_formula(text: str, start: int) -> Span | None:
    """The number after the last formula, in "The volume of $V$ is 120"."""
    before, found, after = text[start:].rpartition(" is ")
    stated = found and _starts_like_a_value(after) and not before.strip(" ,")
    return Span(after, prose=True) if stated else None
