"""The answer of a text that marks none: the whole of a short text, or its last sentence's only candidate."""

import re

from reward_functions._math.sentence import refine
from reward_functions._math.spans import (
    HOPE,
    MATHS,
    MAX_SENTENCE,
    NOT_EQUAL,
    NUMBER,
    SENTENCE,
    UNCLEAR,
    Span,
)

_BROKEN = re.compile(r"\\\([ \t]*\n|(?<!\$)\$[ \t]*\n[^$\n]*\n[ \t]*\$(?!\$)")
_DISPLAY = re.compile(r"\\\[.+?(\.?)\s*\\\]|\$\$.+?(\.?)\s*\$\$", re.DOTALL)
_HEDGES = re.compile(
    r"\b(?:or|maybe|perhaps|possibly|alternatively|either|might|could|not sure)\b", re.IGNORECASE
)
_CUE = (
    r"(?:no(?:pe)?|wait|actually|hmm+|oops|sorry|correction|scratch that|i meant?|my mistake"
    r"|on second thoughts?)"
)
_TAKEN_BACK = re.compile(rf"{_CUE}\b", re.IGNORECASE)
_ANNOTATION = re.compile(r"<<[^<>]{0,200}>>")
"""A calculation as grade-school data sets note it before its result."""
_STATEMENT = re.compile(
    rf"(?:(?:option|guess|attempt|possibility|candidate)\s[0-9A-C]\s?[:.)]\s|(?:so|thus|ok|okay|yes|{_CUE})[,:;]?\s)*"
    r"(?:(?:it|that|this|the (?:total|result|value|sum|number))"
    r"(?:'s|’s|\s(?:is|was|equals|should be|must be))\s"
    r"|i (?:get|think|say|mean)\s|[a-z]\s?=\s?)?"
    r"[$*\\({]{0,4}(-?[$€£]?[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?%?)[$*)}\\]{0,4}(?:\s[a-z]{1,20}){0,2}",
    re.IGNORECASE,
)
"""A sentence that is a value, or says of something that it is one."""
_DENIED = re.compile(
    rf"(?:\b|(?=n['’]t))(?:{NOT_EQUAL}|cannot\b|neither\b)\s{{1,3}}(?:[a-z]{{1,12}}\s){{0,2}}"
    r"[\s$*]{0,3}-?\$?[0-9][^\s]{0,40}[^0-9]*$",
    re.IGNORECASE,
)
"""A sentence that says of its last number that it is not the answer."""
_SHORT = 200
"""Characters in which two statements are two answers; in longer texts one of them has to be taken back."""
_LATEST = 4


def answer(text: str) -> list[Span]:
    """Without a mark: the whole of a short text, or the only candidate of its last sentence."""
    text = HOPE.sub("", _ANNOTATION.sub("", text[-MAX_SENTENCE:])).strip()
    if not text:
        return []
    if _BROKEN.search(text) or text.rstrip(" *_\"')").endswith("?"):
        return [UNCLEAR]
    if text.endswith(":"):
        return []
    sentences = [part.strip() for part in SENTENCE.split(_flat(text)) if part.strip(" .*_$")]
    last = sentences[-1] if sentences else text
    if len(sentences) == 1 and "\n" not in text:
        last = text
    stated = _statements(text, sentences)
    if len(stated) > 1:
        return [Span(number, prose=True) for number in stated]
    return _last(last, text)


def _last(last: str, text: str) -> list[Span]:
    """What the last sentence gives."""
    if _DENIED.search(last):
        return [UNCLEAR]
    if MATHS.search(last) is None and MATHS.search(text) and not NUMBER.search(last):
        return [Span(text, certain=False)]
    span = refine(last)
    if not span.certain or _HEDGES.search(last):
        return [Span(last, prose=True, certain=False)]
    if not NUMBER.search(span.text) and len(span.text.split()) > 3 and "\\" not in span.text:
        return []
    return [span]


def _flat(text: str) -> str:
    """Displayed mathematics on one line, and the sentence ended where the display ends it."""
    return _DISPLAY.sub(
        lambda found: found[0].replace("\n", " ") + ("\n" if found[1] or found[2] else ""), text
    )


def _statements(text: str, sentences: list[str]) -> list[str]:
    """The different values that a short text, or the end of a longer one, states and takes back."""
    latest = sentences[-_LATEST:]
    if len(text) > _SHORT and not any(_TAKEN_BACK.match(sentence) for sentence in latest[1:]):
        return []
    found = [_STATEMENT.fullmatch(sentence.strip(" *_$,;:")) for sentence in latest]
    return list(dict.fromkeys(one[1] for one in found if one)) if found and found[-1] else []
