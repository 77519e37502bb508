"""Text from outside, made safe to show: control, bidirectional and escape characters become visible."""

import unicodedata

_KEEP = frozenset("\n\t")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: object, limit: int = 2000) -> str:
    """The text with every character that a terminal or a mail reader would act on written as ``\\uXXXX``.

    Newlines and tabs stay. Longer texts are cut and say so.
    """
    shown = "".join(_escape(character) for character in str(text)[: limit + 1])
    return shown if len(str(text)) <= limit else shown[:limit] + " [cut]"


def one_line(text: object, limit: int = 200) -> str:
    """Like visible, on one line."""
    return " ".join(visible(text, limit).split())


def _escape(character: str) -> str:
    if character in _KEEP or unicodedata.category(character) not in _HIDDEN_CATEGORIES:
        return character
    return f"\\u{ord(character):04x}"
