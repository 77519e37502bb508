"""Text from outside, made safe to show: control, bidirectional and escape characters become visible."""

import re
import unicodedata
from typing import Any

_KEEP = frozenset("\n\t")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class _Shown(dict[int, str]):
    """How each character is shown, found out once."""

    def __missing__(self, code: int) -> str:
        self[code] = _escape(chr(code))
        return self[code]


_SHOWN = _Shown()


def visible(text: object, limit: int = 2000) -> str:
    """The text with every character that a terminal or a mail reader would act on written as ``\\uXXXX``.

    Newlines and tabs stay. Longer texts are cut and say so.
    """
    shown = str(text)[: limit + 1].translate(_SHOWN)
    return shown if len(str(text)) <= limit else shown[:limit] + " [cut]"


def one_line(text: object, limit: int = 200) -> str:
    """Like visible, on one line."""
    return " ".join(visible(text, limit).split())


def _escape(character: str) -> str:
    if character in _KEEP or unicodedata.category(character) not in _HIDDEN_CATEGORIES:
        return character
    return f"\\u{ord(character):04x}"


_SCHEME = re.compile(
    r"(?i)://|\b(javascript|vbscript|data|file|mailto|tel|sms|ftp|https?|blob|about)\s*:(?=\S)"
)
_DOT = re.compile(r"(?<=[^\s.])[.\u3002\uff0e\uff61](?=[^\W\d])")
"""A dot that may belong to a host name, whose labels may be emoji; version numbers have digits after theirs.
Browsers take the other three characters for a full stop as well (UTS 46, section 2.3)."""


def defanged(text: str) -> str:
    """The text with nothing in it that a mail reader or a chat would make a link of."""
    return _DOT.sub("[.]", _SCHEME.sub(lambda found: found[0].replace(":", "[:]"), text))


def quoted(text: object, limit: int = 200) -> str:
    """Somebody's words as one line in quotation marks, without links; at most ``limit`` characters in all."""
    line = defanged(one_line(text, 2 * limit)).replace('"', "'")
    return f'"{line}"' if len(line) <= limit - 2 else f'"{line[: limit - 8]} [cut]"'


def encodable(value: Any) -> Any:
    """A JSON value whose texts have a UTF-8 form: half of a surrogate pair becomes a question mark.

    JSON can write such halves as escapes, and Python reads them.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {encodable(key): encodable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [encodable(inner) for inner in value]
    return value
