r"""What models write outside of ASCII and of LaTeX, in LaTeX's terms: "½", "10³", "√2", "≤", "1'000"."""

import re

_SINGLE = {
    "−": "-",
    "\u2010": "-",
    "\u2011": "-",
    "＝": "=",
    "½": " 1/2",
    "⅓": " 1/3",
    "⅔": " 2/3",
    "¼": " 1/4",
    "¾": " 3/4",
    "⅕": " 1/5",
    "⅖": " 2/5",
    "⅗": " 3/5",
    "⅘": " 4/5",
    "⅙": " 1/6",
    "⅚": " 5/6",
    "⅛": " 1/8",
    "⅜": " 3/8",
    "⅝": " 5/8",
    "⅞": " 7/8",
    "∞": "\\infty ",
    "∪": "\\cup ",
    "∩": "\\cap ",
    "∅": "\\emptyset ",
    "±": "\\pm ",
    "≤": "\\le ",
    "≥": "\\ge ",
    "∈": "\\in ",
    "⁄": "/",
    "％": "%",
    "\ufeff": "",
    "\u200b": "",
}
_TABLE = str.maketrans(_SINGLE)
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
_RAISED = re.compile(f"[{_SUPERSCRIPTS}]{{1,8}}")
_LOWERED = str.maketrans(_SUPERSCRIPTS, "0123456789-")
_ROOT = re.compile(r"√\s?(?:\(([^()]{1,80})\)|([0-9]{1,12}|[a-z]))")
_DASH = re.compile(r"(^|[\s=({\[$,;:])[–—](?=[0-9.\\$])")
_APOSTROPHE = re.compile(r"(?<=[0-9])['’_](?=[0-9]{3}(?![0-9]))")


def in_ascii(text: str) -> str:
    """The text with such signs written out; takes time in proportion to the text."""
    if text.isascii():
        return text
    text = _RAISED.sub(_exponent, text.translate(_TABLE))
    if "√" in text:
        text = _ROOT.sub(lambda found: f"\\sqrt{{{found[1] or found[2]}}}", text)
    return _DASH.sub(r"\1-", text)


def thousands(text: str) -> str:
    """The text with "1'000" and "1_000" written "1000"."""
    return _APOSTROPHE.sub("", text)


def _exponent(found: re.Match[str]) -> str:
    digits = found[0].translate(_LOWERED)
    return f"^{digits}" if len(digits) == 1 else f"^{{{digits}}}"
