"""LaTeX and Markdown of simple answers down to plain text: "\\frac{1}{2}\\text{ cm}" becomes "1/2 cm"."""

import re

from reward_functions._math import notation

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
_LABEL = re.compile(r"^\\(?:textbf|text|mathrm|textrm|mathbf)\s?\{\s?\([A-J]\)\s?\}[\s~\\,;:]*(?=[^\s])")
"""The letter of a choice before its value."""
_FRACTION = re.compile(
    r"\\[dtc]?frac\s*(?:\{\s*([-+−]?[0-9][0-9,]*(?:\.[0-9]+)?)\s*\}|([0-9]))"
    r"\s*(?:\{\s*([0-9][0-9,]*(?:\.[0-9]+)?)\s*\}|([0-9]))"
)
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
        text = _DEGREES.sub("°", text)
        text = _SPACE.sub(" ", text)
        text = _FRACTION.sub(_written_out, text)
        text = _WORD.sub(lambda found: _WORDS[found[0]], text)
        text = strip_wrapping(" ".join(text.split()))
    return " ".join(text.replace("**", "").split())


def _words(found: re.Match[str]) -> str:
    inner = found[1].strip()
    return f" {MARK}{inner} " if inner[:1].isalpha() else f" {inner} "


def _written_out(found: re.Match[str]) -> str:
    return f" ({found[1] or found[2]}/{found[3] or found[4]}) "
