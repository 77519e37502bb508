"""The final answer in what a model wrote, and whether it is the reference's.

Strict and without mathematics: two texts agree when they are the same but for case, spacing, a full stop
at the end, and thousands separators. Used for the held-out exact match, and as the laptop's stand-in for
the service's preset reward gsm8k.
"""

import re

MARK = "####"
"""What GSM8K's solutions write before the final answer."""

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))")


def final_answer(text: str) -> str:
    """What stands after the last mark, inside the last ``\\boxed{...}``, or else the whole text."""
    if MARK in text:
        return text.rpartition(MARK)[2].strip()
    _, box, rest = text.rpartition("\\boxed{")
    if box and "}" in rest:
        return rest[: rest.index("}")].strip()
    return text.strip()


def agrees(written: str, expected: str) -> bool:
    """Whether the final answer of ``written`` is that of ``expected``; nothing agrees with no answer."""
    wanted = _plain(final_answer(expected))
    return bool(wanted) and _plain(final_answer(written)) == wanted


def _plain(text: str) -> str:
    return _THOUSANDS.sub("", " ".join(text.casefold().split()).removesuffix(".").removeprefix("$"))
