"""Format: the share of the rules that the response keeps.

Formula: ``value = rules kept / rules configured``; with ``all``, 1 when every rule is kept, else 0. What the
text says is not looked at: combine this with a reward that does (see ``combine``). A rule that length alone
could satisfy does not exist without an upper bound: ``length`` needs ``max``.

Inputs: the response, thinking included; the reference is not used. Configuration (REWARD_CONFIG, or
``metadata.reward`` of a row), rules in any combination:
  tags (["think", "answer"]): ``<tag>...</tag>`` in this order, each once and not blank, nothing outside of
    them; sections ([]): headings in this order, each once, on a line of its own (``## Title``,
    ``**Title**``, ``Title:``), with text under each; length ({}): {"max": n, "min": m, "unit": "words" |
    "characters" | "lines"}, words unless said otherwise; script (""): at least ``script_share`` (0.9) of
    the letters are in this script: latin, cyrillic, greek, arabic, hebrew, devanagari, bengali, tamil, thai,
    hangul, japanese (kana or Chinese characters), chinese (Chinese characters, no kana). This tells scripts
    apart, not languages: English and French are both latin; all (false).

Configured rules that cannot be read, or none at all, are an error, not a score of 0.

>>> from reward_functions.kit.try_out import sample
>>> score(sample("<think>6 * 7</think><answer>42</answer>")).value
1.0
>>> score(sample("<answer>42</answer><think>6 * 7</think>")).value
0.0
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from reward_functions.kit import RewardError, Sample, Score, options, serve

OPTIONS: Mapping[str, Any] = {
    "tags": ["think", "answer"],
    "sections": [],
    "length": {},
    "script": "",
    "script_share": 0.9,
    "all": False,
}
SCRIPTS: Mapping[str, tuple[str, ...]] = {
    **{
        name: (name.upper(),)
        for name in (
            "latin",
            "cyrillic",
            "greek",
            "arabic",
            "hebrew",
            "devanagari",
            "bengali",
            "tamil",
            "thai",
            "hangul",
        )
    },
    "japanese": ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK"),
    "chinese": ("CJK",),
}
"""First words of the Unicode names of each script's letters."""

MAX_RULE = 100
_LETTERS_LOOKED_AT = 20_000
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols without any ink, which Unicode counts as neither white space nor format characters."""
_NAME = re.compile(r"[A-Za-z][\w-]{0,39}", re.ASCII)
_HEADING_SHELL = re.compile(r"^\s{0,8}#{0,6}\s{0,4}[*_]{0,3}|[*_]{0,3}:?[*_]{0,3}\s{0,8}$")


def score(sample: Sample) -> Score:
    """See the module's text."""
    chosen = options(sample, OPTIONS)
    kept = dict(_rules(sample.response, chosen))
    if not kept:
        raise RewardError("no rule is configured: give tags, sections, length or script")
    share = sum(kept.values()) / len(kept)
    value = float(share == 1) if chosen["all"] else share
    broken = ", ".join(name for name, held in kept.items() if not held)
    return Score(
        value, {}, f"not kept: {broken}" if broken else "all kept", {k: float(v) for k, v in kept.items()}
    )


def _rules(text: str, chosen: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    if chosen["tags"]:
        yield "tags", has_tags(text, _names(chosen["tags"], _NAME))
    if chosen["sections"]:
        yield "sections", has_sections(text, _names(chosen["sections"]))
    if chosen["length"]:
        yield "length", has_length(text, chosen["length"])
    if chosen["script"]:
        yield "script", script_share(text, chosen["script"]) >= chosen["script_share"]


def has_tags(text: str, tags: list[str]) -> bool:
    """Each tag once, in order, with content; nothing but white space outside of them."""
    rest = text.strip()
    for tag in tags:
        opening, closing = f"<{tag}>", f"</{tag}>"
        if not (text.count(opening) == text.count(closing) == 1 and rest.startswith(opening)):
            return False
        content, closed, rest = rest.removeprefix(opening).partition(closing)
        if not closed or not _shows(content):
            return False
        rest = rest.strip()
    return not rest


def has_sections(text: str, sections: list[str]) -> bool:
    """Each heading once, in order, on a line of its own, and something to read under each."""
    wanted = [section.casefold() for section in sections]
    found: list[str] = []
    empty = False
    for line in text.split("\n"):
        heading = _HEADING_SHELL.sub("", line).casefold() if len(line) <= MAX_RULE * 2 else ""
        if heading in wanted:
            if empty:
                return False
            found.append(heading)
            empty = True
        elif empty and any(one.isalnum() and one not in _BLANKS for one in line):
            empty = False
    return found == wanted and not empty


def has_length(text: str, rule: Mapping[str, Any]) -> bool:
    """Between min and max words, characters or lines, both included."""
    low, high, unit = rule.get("min", 0), rule.get("max"), rule.get("unit", "words")
    if (
        set(rule) - {"min", "max", "unit"}
        or type(low) is not int
        or type(high) is not int
        or not 0 <= low <= high
    ):
        raise RewardError('length is {"max": n, "min": m, "unit": ...}, with 0 <= m <= n')
    if unit == "words":
        size = sum(map(_shows, text.split()))
    elif unit == "characters":
        size = len(text.strip())
    elif unit == "lines":
        size = sum(map(_shows, text.split("\n")))
    else:
        raise RewardError("the unit of length is words, characters or lines")
    return bool(low <= size <= high)


def _shows(text: str) -> bool:
    """Whether a reader sees anything of a text: one of zero-width and blank characters is an empty one."""
    return any(unicodedata.category(one)[0] not in "CZ" and one not in _BLANKS for one in text)


def script_share(text: str, script: str) -> float:
    """Share of the letters that belong to a script; 0 without any letter."""
    names = SCRIPTS.get(script)
    if names is None:
        raise RewardError(f"script is one of {', '.join(SCRIPTS)}")
    letters = [_script(character) for character in text[:_LETTERS_LOOKED_AT] if character.isalpha()]
    return sum(letter in names for letter in letters) / len(letters) if letters else 0.0


@functools.lru_cache(maxsize=8192)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def _names(listed: object, pattern: re.Pattern[str] | None = None) -> list[str]:
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise RewardError("tags and sections are lists of texts")
    if any(
        not name.strip() or len(name) > MAX_RULE or (pattern and not pattern.fullmatch(name))
        for name in listed
    ):
        raise RewardError(f"tags are names, sections texts of at most {MAX_RULE} characters")
    return listed


# Each rule passes over the text a fixed number of times: no worker is needed.
handler = serve(score, quick=score)
