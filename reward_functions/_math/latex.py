"""LaTeX and Markdown of simple answers down to plain text: "\\frac{1}{2}\\text{ cm}" becomes "1/2 cm"."""

import re

from reward_functions._math import notation
from reward_functions._math.spans import OPENING

MARK = "\x01"
"""Stands before words that LaTeX sets as text, which are never factors of a product."""

_WRAPS = (
    ("$$", "$$"),
    ("$", "$"),
    ("\\(", "\\)"),
    ("\\[", "\\]"),
    ("**", "**"),
    ("`", "`"),
    ('"', '"'),
    ("__", "__"),
)
_SIZES = re.compile(r"\\(?:left|right|bigl|bigr|Bigl|Bigr|big|Big|displaystyle|textstyle|limits)(?![A-Za-z])")
_SPACE = re.compile(r"\\[,;: ]|\\q?quad(?![A-Za-z])|~|[\u00a0\u2009\u202f]")
_THIN_COMMA = re.compile(r",\s*\\!\s*|\{,\}")
_TEXT = re.compile(
    r"\\(?:text|textbf|textrm|textit|textnormal|mathrm|mathbf|mbox|rm|operatorname)\s*\{((?:[^{}\\]|\\[$%&#])*)\}"
)
_LABEL = re.compile(
    r"^(?:\\(?:textbf|text|mathrm|textrm|mathbf)\s?\{\s?\(?[A-J]\)\s?\}|\([A-J]\)(?=[\s~\\]))[\s~\\,;:]*(?=[^\s])"
)
"""The letter of a choice before its value."""
_FRACTION = re.compile(
    r"\\[dtc]?frac\s*(?:\{\s*([-+−]?[0-9][0-9,]*(?:\.[0-9]+)?)\s*\}|([0-9]))"
    r"\s*(?:\{\s*([0-9][0-9,]*(?:\.[0-9]+)?)\s*\}|([0-9]))"
)
_REPEATING = re.compile(
    r"([0-9]{0,12})\.([0-9]{0,12})\\(?:overline|bar|dot)\s?\{\s?([0-9]{1,12})\s?\}(?![0-9])"
)
_CODE = re.compile(r"^(US\$|USD|EUR|GBP|INR|Rs\.?)\s?(?=[0-9])")
_SIGNS = {"US$": "$", "USD": "$", "EUR": "€", "GBP": "£", "INR": "₹", "Rs": "₹", "Rs.": "₹"}
_EACH = re.compile(
    r"(?<=[0-9])\s?/\s?(?=(?:hour|hr|day|week|month|year|minute|min|second|sec|person|item|unit|pound|mile|gallon)\b)"
)
_STARTS = frozenset("-$€£₹0123456789.\\(")
_NAMED = re.compile(r"\s\([A-Za-z][a-z ]{3,40}\)$")
"""What was counted, in brackets behind it."""
_WORDS = {
    "\\%": "%",
    "\\$": "$",
    "\\{": "{",
    "\\}": "}",
    "\\lbrace": "{",
    "\\rbrace": "}",
    "\\degree": "°",
    "\\times": "×",
    "\\cdot": "·",
    "\\varnothing": "\\emptyset",
    "\\euro": "€",
    "\\pounds": "£",
}
_WORD = re.compile(r"\\[%${}]|\\(?:lbrace|rbrace|degree|times|cdot|varnothing|euro|pounds)(?![A-Za-z])")
_DEGREES = re.compile(r"\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))")
_DOLLAR = re.compile(r"(?<!\\)\$")
_TRAILING = " \t\r\n.,;:!"


def strip_wrapping(text: str) -> str:
    """The text without the dollars, brackets, stars and closing punctuation around all of it."""
    for _ in range(8):
        before = text
        text = text.strip().rstrip(_TRAILING).lstrip(" \t\r\n:")
        for opening, closing in _WRAPS:
            size = len(opening)
            if len(text) > 2 * size and text.startswith(opening) and text.endswith(closing):
                inner = text[size:-size]
                if opening not in inner and not inner.endswith("\\"):
                    text = inner
        if text == before:
            break
    return text


def plain(text: str) -> str:
    """The text with simple LaTeX written out. What it does not know stays, backslash and all."""
    text = _LABEL.sub("", notation.in_ascii(text))
    if "'" in text or "_" in text or "’" in text:
        text = notation.thousands(text)
    text = strip_wrapping(" ".join(text.replace(MARK, "").split()))
    if "\\" in text or "{" in text or "~" in text or not text.isascii():
        text = _THIN_COMMA.sub(",", text).replace("\\!", "")
        text = _TEXT.sub(_words, _SIZES.sub("", text))
        text = _REPEATING.sub(_repeated, _DEGREES.sub("°", text))
        text = _SPACE.sub(" ", text)
        text = _FRACTION.sub(_written_out, text)
        text = _WORD.sub(lambda found: _WORDS[found[0]], text)
        text = strip_wrapping(" ".join(text.split()))
    text = " ".join(text.replace("**", "").split())
    if text[:1].isalpha() or text[:1] == MARK:
        opened = OPENING.sub("", text.lstrip(MARK))
        opened = _CODE.sub(lambda found: _SIGNS[found[1]], opened)
        text = opened if opened[:1] in _STARTS else text
    if "/" in text:
        text = _EACH.sub(" per ", text)
    return _NAMED.sub("", text) if text.endswith(")") and text[:1] in _STARTS else text


def _words(found: re.Match[str]) -> str:
    inner = found[1].strip()
    return f" {MARK}{inner} " if inner[:1].isalpha() else f" {inner} "


def _repeated(found: re.Match[str]) -> str:
    """ "0.1\\overline{6}" as the fraction that it is."""
    whole, once, again = found.groups()
    below = 10 ** len(once) * (10 ** len(again) - 1)
    above = int(whole + once + again) - int(whole + once or "0")
    return f" ({above}/{below}) "


def _written_out(found: re.Match[str]) -> str:
    return f" ({found[1] or found[2]}/{found[3] or found[4]}) "
