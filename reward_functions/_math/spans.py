"""What an answer found in a text is, and the patterns by which one is found."""

import re
from typing import NamedTuple


class Span(NamedTuple):
    """``text`` is an answer as written; ``prose`` if it stood in a sentence and not in mathematics.

    ``certain`` is False for text that holds the answer somewhere and is left to the second opinion.
    """

    text: str
    prose: bool = False
    certain: bool = True


MATHS = re.compile(
    r"\$\$(.+?)\$\$|(?<!\\)\$((?:[^$\\\n]|\\.)+)\$(?![0-9])|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL
)
"""Formulas. A dollar before a digit opens an amount of money and closes no formula: "$120 + $80 = $200"."""
NUMBER = re.compile(
    r"(?<![\w.])[-−]?\\?[$€£₹¥]?-?"
    r"(?:(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+(?:\s[0-9]{1,3}(?=/[0-9]))?)(?:[.,/:][0-9]+)*|\.[0-9]+)"
    r"(?:\s?\\?%)?(?![0-9])"
)
VALUE_START = re.compile(r"[\s*_$\\({\[−+-]*[$€£₹¥]?[-−.]?[0-9]")
DIGITS = re.compile(r"\s?-?[0-9][0-9,]*(?:\.[0-9]+)?\s?")
HOPE = re.compile(r"I hope (?:it|this) is correct.*", re.IGNORECASE | re.DOTALL)
PERCENT = re.compile(r"[\s$]{0,3}(?:\\\))?\s?(?:\\?%|percent\b|percentage\b|pct\b)")
SENTENCE = re.compile(r"[.!?](?=[\s*]|[\"')\]]*(?:\s|$)|$)|\n")
HEDGE = re.compile(
    r"\b(?:or|maybe|perhaps|possibly|alternatively|either|might|could|not|rather|instead|but)\b",
    re.IGNORECASE,
)
_HOW_EXACTLY = r"approximately|about|around|roughly|exactly|just|only|a total of|≈|~|\\approx"
OPENING = re.compile(rf"^(?:(?:{_HOW_EXACTLY})\s*)+(?=[$\\€£0-9−.-])", re.IGNORECASE)
"""What may stand before the number of an answer in a formula."""
LEADING = re.compile(
    rf"^(?:(?:that|it|equal to|equals|either|simply|indeed|clearly|therefore|thus|probably|likely|maybe"
    rf"|perhaps|=|:|{_HOW_EXACTLY})\s*)+",
    re.IGNORECASE,
)
"""What may stand before an answer in a sentence and is no part of it."""
NOT_EQUAL = (
    r"(?:(?:not|never|(?:any|every|no)thing (?:but|except|like)|except|other than|different from"
    r"|rather than|instead of"
    r"|(?:less|more|greater|fewer|smaller|larger|higher|lower) than|close to|almost|nearly|near)\b|n['’]t\b)"
)
"""What before a number says that the answer is another one, or a bound."""
MAX_SENTENCE = 2_000
UNCLEAR = Span("", certain=False)
