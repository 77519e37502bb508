"""From the sentence or line that a mark introduces to the answer within it."""

import re
from itertools import pairwise

from reward_functions._math.quantities import said
from reward_functions._math.spans import (
    DIGITS,
    HEDGE,
    HOPE,
    LEADING,
    MATHS,
    MAX_SENTENCE,
    NUMBER,
    PERCENT,
    UNCLEAR,
    Span,
)
from reward_functions._math.units import UNITS

_LINKS = (" is ", " are ", " equals ", "=", ": ")
_OFFERED_BESIDE = re.compile(r"[^.]*\b(?:or|and)\b.*[0-9]")
_LINKED = re.compile(r"\b(?:is|are|equals|be)$|=$")
_LONG = 80
_REASON = re.compile(
    r"^(\$[^$]{1,200}\$|\\\([^$]{1,200}?\\\)),?\s{1,3}(?:since|because|given that|as)\b.*$", re.DOTALL
)
_ROUNDED = re.compile(r"\s{1,3}\((?:rounded|when rounded|to the nearest)\b[^()]{0,80}\)\.?$")
"""What may follow an answer without being a part of it."""
_CLAUSE = re.compile(
    r",\s(?:which|because|since|given that|as|so|meaning)\s|\s(?:because|since)\s"
    r"|\s[-–—]{1,2}\s(?:that|this|which|since|because|as)\s"
)
_BEFORE_CLAUSE = re.compile(r"[0-9\])}%]|[A-Za-z]{2}\s?$")
_ASIDE = re.compile(r"(?<=[\w%.])\s\(([^()]{1,120})\)[.\s]*$")
_REMARK = re.compile(r"[A-Za-z]{3}|^[^A-Za-z]*[0-9]\s?[-+*/×·÷=−][^A-Za-z]*$")
"""A closing remark in brackets: words, or a calculation. "2 (x+1)" is a product."""
_SIGN = re.compile(r"(?<![0-9)}]\s)\b(?:negative|minus)\s+(?=[$€£₹¥0-9.\\(])", re.IGNORECASE)
_SUM = re.compile(r"[0-9\s().,+*/×·÷$%−-]+=[0-9\s().,+*/×·÷$%=−-]+[A-Za-z ]{0,60}")
"""A calculation with its result, which may state two values."""
_SOLUTIONS = re.compile(
    r"([a-z])\s?=\s?[^\s,=]{1,40}(?:(?:,|\s(?:and|or)\b){1,2}\s\1\s?=\s?[^\s,=]{1,40}){1,8}", re.IGNORECASE
)
"""Every value of one name: "x = 1 or x = 2"."""
_ASSIGNED = re.compile(r"(?<![A-Za-z\\])[A-Za-z]\s?=(?!=)")
_GIVEN = re.compile(
    r"\b(?:the|these|those|all|both|each of|every|his|her|their|its|our|my|out of)\s"
    r"(?:other\s|first\s|last\s)?$",
    re.IGNORECASE,
)
"""What before a number says that it was known: "each of the 5 children", "out of 50"."""
_AREA = re.compile(r"(?<=[A-Za-z])\^\{?[23]\}?(?![0-9])")
_UNIT = re.compile(r"\s?(?:°\s?[CF]\b|[€£₹¥$¢°]|[A-Za-z]{1,12}(?:\.[A-Za-z]\.?)?(?:\^?[23])?)")
_GIVEN_WITHIN = 16


def refine(written: str) -> Span:
    """The answer within the sentence or line that a mark introduces."""
    if len(written) > MAX_SENTENCE:
        return UNCLEAR
    if DIGITS.fullmatch(written):
        return Span(written.strip(), prose=True)
    text = HOPE.sub("", written).strip().strip("*_ \t")
    text = _ROUNDED.sub("", _REASON.sub(r"\1", text))
    return _segments(text) or _stated(LEADING.sub("", text))


def _stated(text: str) -> Span:
    """The answer of a sentence without formulas."""
    text = _SIGN.sub("-", _without_remarks(text))
    if _starts_like_a_value(text) or any(form.fullmatch(text.rstrip(".")) for form in (_SUM, _SOLUTIONS)):
        return Span(text.rstrip("."), prose=True)
    if len(_ASSIGNED.findall(text)) > 1:
        return Span(text, prose=True, certain=False)
    for link in _LINKS:
        before, found, after = f" {text}".rpartition(link)
        after = LEADING.sub("", after.strip())
        if found and before[-1:] not in ("<", ">", "!") and _starts_like_a_value(after):
            return Span(after, prose=True)
    number = _only_number(text)
    if number:
        return Span(number, prose=True)
    unclear = NUMBER.search(text) or "\\" in text or len(text) > _LONG
    return Span(text, prose=True, certain=not unclear)


def _without_remarks(text: str) -> str:
    """The text without what explains the answer behind it, unless that may take the answer back."""
    clause = _CLAUSE.search(text)
    if clause is not None and _BEFORE_CLAUSE.search(text, 0, clause.start()):
        so = clause[0].strip(" ,") == "so" and not _starts_like_a_value(text)
        if not so and not HEDGE.search(text, clause.start()):
            text = text[: clause.start()]
    aside = _ASIDE.search(text)
    remark = aside is not None and _REMARK.search(aside[1]) and not HEDGE.search(aside[1])
    return text[: aside.start()] if aside and remark else text


def _only_number(text: str) -> str:
    """The one number of a sentence that was not known before, with its unit; nothing if there are others."""
    if "\\" in text.replace("\\$", "$").replace("\\%", "%") or "^" in _AREA.sub("", text):
        return ""
    found = list(NUMBER.finditer(text))
    if not found:
        return said(text)
    new = [one for one in found if not _GIVEN.search(text, max(0, one.start() - _GIVEN_WITHIN), one.start())]
    if len(found) > 1 and (len(new) != 1 or HEDGE.search(text)):
        return ""
    number = new[0] if new else found[0]
    unit = _UNIT.match(text, number.end())
    written = unit[0].strip(" .").replace("° ", "°") if unit else ""
    known = written in UNITS or (len(written) > 1 and written.lower() in UNITS)
    return text[number.start() : unit.end()] if unit and known else number[0]


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
