r"""Where a solution states its final answer.

Marks: ``\boxed{}``, ``#### x``, ``<answer>x</answer>``, "final answer ...", "the answer is x", "Answer: x".
Every mark counts and none outranks another, so a solution that states two answers gives two spans. Boxes
joined by "and", "or" or commas are one answer with several parts. Only without any mark is the last sentence
looked at. All expressions take time in proportion to the text.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from reward_functions._math import beside, lone, notation, unmarked
from reward_functions._math.sentence import refine
from reward_functions._math.spans import (
    DIGITS,
    MAX_SENTENCE,
    NOT_EQUAL,
    NUMBER,
    OPENING,
    PERCENT,
    SENTENCE,
    UNCLEAR,
    VALUE_START,
    Span,
)
from reward_functions.kit.answers import HEADING, unquoted, visible

_TOKEN = re.compile(r"\\{1,2}(?:boxed|fbox)\s?\{|\\.|[{}]", re.DOTALL)
_ONLY_BOX = re.compile(r"\\boxed\{([^{}\\$]{1,40})\}")
_BARE_BOX = re.compile(r"\\boxed\s{1,3}([^\s{}$\\]{1,40})")
_NOISE = re.compile(r"\\[A-Za-z]+|[A-Za-z]\s?_\{?\w{1,4}\}?\s?=|\b[a-z]\s?=|[^A-Za-z,;]")
_BARE_DOLLAR = re.compile(r"(?<!\\)(?<!US)\$")
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n]*)(?:\n+[ \t]*([^\n#]*))?")
_TAG = re.compile(r"<answer>([^<]{0,2000})</answer>", re.IGNORECASE)
_JSON = re.compile(
    r'"(?:final_?)?answer"\s{0,4}:\s{0,4}'
    r'("(?:[^"\\\n]|\\[^\n]){0,2000}"|-?[0-9][^,}\]\s]{0,40})',
    re.IGNORECASE,
)
_FENCE = re.compile(
    r"^[ \t]{0,8}```(?:text|json|latex|math|markdown|plaintext|answer)?[ \t]{0,8}$", re.MULTILINE
)
_BEFORE = re.compile(
    r"(?:^|[\n.!?:;,*_>#(\"']|\b(?:the|my|our|correct|so|therefore|thus|hence|and|is|exact|numerical|overall"
    r"|first|second|third|other|another|new|old|revised|updated|corrected|possible|alternative))[\s*_#]*$",
    re.IGNORECASE,
)
_IS = re.compile(
    r"s?[*_]{0,3}(?:\s{1,3}(?:to|for)\s(?:the|this|your)\s(?:final\s)?(?:question|problem))?[\s*_]{0,6}"
    r"(?:is\b|are\b|would be\b|should be\b|must be\b|:|=)[\s*_]{0,3}(?:that\b|thus\b|therefore\b)?[:\s*_]*",
    re.IGNORECASE,
)
_TOKENS = re.compile(r"<\|[^|<>\n]{1,40}\|>|</s>")
_LIST_ITEM = re.compile(r"\s*[0-9]+[.):]\s")
_BOUND = re.compile(
    rf"[\s$*]{{0,6}}(?:[<>≤≥≠]|\\(?:ne|neq|lt|gt|le|leq|ge|geq)\b|{NOT_EQUAL}"
    r"|(?:not|less|more|greater|fewer|under|over|up to|at (?:least|most))\b)",
    re.IGNORECASE,
)
"""What comes before a number that is a bound or the opposite of an answer."""
_IF = re.compile(
    r"\b(?:if|suppose|supposing|assume|assuming|whether|unless)\s(?:that\s)?(?:the|my|our)?\s?$",
    re.IGNORECASE,
)
_MARGIN = 120
_CONNECTING = 6
MAX_MARKS = 256


class _Mark(NamedTuple):
    start: int
    end: int
    span: Span


def finals(text: str) -> list[Span]:
    """The final answers that a text states, in order; empty when it states none."""
    found = lone.answer(text)
    return [found] if found is not None else everywhere(text)


def everywhere(text: str) -> list[Span]:
    """The same for any text, by every mark there is."""
    text = _shown(text)
    marks = _boxes(text) if "boxed" in text or "\\fbox" in text else []
    if "####" in text:
        marks += _hashes(text, bool(marks))
    if "answer>" in text:
        marks += [_Mark(found.start(), found.end(), refine(found[1])) for found in _TAG.finditer(text)]
    if 'nswer"' in text:
        found_in = _JSON.finditer(text)
        marks += [_Mark(found.start(), found.end(), refine(unquoted(found[1]))) for found in found_in]
    if "nswer" in text or "NSWER" in text:
        marks += _phrases(text, marks)
    if not marks:
        return unmarked.answer(text)
    if len(marks) > MAX_MARKS:
        return [UNCLEAR]
    if len(marks) > 1:
        marks.sort()
    spans = [mark.span for mark in marks]
    spans += beside.others(text, marks[0].start, marks[-1].end)
    return list(dict.fromkeys(spans)) if len(spans) > 1 else spans


def _shown(text: str) -> str:
    """What a reader is shown: no thinking, nothing after the end of the text, no fences around it."""
    if "think" in text or "reasoning" in text:
        text = visible(text)
    if "<|" in text or "</s>" in text:
        text = _TOKENS.split(text, maxsplit=1)[0]
    text = notation.in_ascii(text)
    return _FENCE.sub("", text) if "```" in text else text


def _boxes(text: str) -> list[_Mark]:
    """Outermost closed boxes, with neighbours joined into one answer. One pass, however they are nested."""
    only = _ONLY_BOX.search(text) if text.count("boxed") == 1 else None
    if only is not None:
        return [_together(text, [(only.start(), only.end(), only[1])])]
    opened: list[tuple[int, int, bool]] = []
    found: list[tuple[int, int, str]] = []
    for token in _TOKEN.finditer(text, max(0, text.find("boxed") - 1) if "\\fbox" not in text else 0):
        written = token[0]
        if written[-1] == "{" and written != "\\{":
            opened.append((token.start(), token.end(), len(written) > 1))
        elif written == "}" and opened:
            start, inside, box = opened.pop()
            if box:
                while found and found[-1][0] > start:
                    found.pop()
                found.append((start, token.end(), text[inside : token.start()]))
    if not found:
        found = [(bare.start(), bare.end(), bare[1]) for bare in _BARE_BOX.finditer(text)]
    return _joined(text, found)


def _joined(text: str, boxes: list[tuple[int, int, str]]) -> list[_Mark]:
    marks: list[_Mark] = []
    group: list[tuple[int, int, str]] = []
    for box in boxes:
        between = text[group[-1][1] : box[0]] if group else ""
        if group and not _connects(between):
            marks.append(_together(text, group))
            group = []
        group.append(box)
    if group:
        marks.append(_together(text, group))
    return marks


def _connects(between: str) -> bool:
    """Whether the text between two boxes makes them parts of one answer: nothing, a comma, "and", "or"."""
    if len(between) > _MARGIN:
        return False
    words = _NOISE.sub(" ", between).replace(",", " , ").replace(";", " , ").split()
    joining = not words or not {",", "and", "or"}.isdisjoint(word.lower() for word in words)
    return joining and len(words) <= _CONNECTING and ("." not in between or words in ([], ["and"], ["or"]))


def _together(text: str, group: list[tuple[int, int, str]]) -> _Mark:
    start, end = group[0][0], group[-1][1]
    percent = PERCENT.match(text, end)
    contents = [content for _, _, content in group]
    if len(group) > 1 or "$" in contents[0]:
        contents = list(dict.fromkeys(_BARE_DOLLAR.sub("", content).strip() for content in contents))
    if len(contents) > 1:
        return _Mark(start, end, Span(", ".join(contents)))
    content = contents[0]
    if content.rstrip(" }").endswith("?"):
        return _Mark(start, end, UNCLEAR)
    content = OPENING.sub("", content)
    return _Mark(start, end, Span(content + "%" if percent and "%" not in content else content))


def _hashes(text: str, boxed: bool) -> list[_Mark]:
    """``#### x`` is an answer, "#### Step 2: ..." a heading: only the last may be anything but a number."""
    at = text.rfind("####")
    if at == text.find("####") and DIGITS.fullmatch(text, at + 4):
        return [_Mark(at, len(text), Span(text[at + 4 :].strip(), prose=True))]
    found = list(_HASH.finditer(text))
    marks = []
    for hashes in found:
        line = hashes[1].strip() or (hashes[2] or "").strip()
        end = hashes.end(1) if hashes[1].strip() else hashes.end()
        if not line or line.endswith("?"):
            continue
        span = refine(line)
        after = text[end:].lstrip()
        last = not boxed and hashes is found[-1] and not after
        rival = not boxed and after.startswith("####") and not HEADING.match(line)
        if DIGITS.fullmatch(line) or (_plainly(line) and NUMBER.search(span.text)) or last or rival:
            marks.append(_Mark(hashes.start(), end, UNCLEAR if _BOUND.match(line) else span))
    return marks


def _plainly(line: str) -> bool:
    """Whether a line begins as a number does, and not as the item of a list ("2. Add the parts")."""
    return VALUE_START.match(line) is not None and _LIST_ITEM.match(line) is None


def _phrases(text: str, others: list[_Mark]) -> list[_Mark]:
    """What follows "final answer", "the answer is" and their like, unless another mark says it already."""
    marks: list[_Mark] = []
    if len(others) > MAX_MARKS:
        return marks
    conclusion = _conclusion(text)
    for count, (start, after, final) in enumerate(_introductions(text)):
        if count > MAX_MARKS:
            return [_Mark(start, len(text), UNCLEAR)]
        end = _sentence_end(text, after)
        if marks and start < marks[-1].end:
            marks.pop()
        if text[end : end + 1] == "?" or (not final and "=" in text[end:conclusion]):
            continue
        if any(mark.start <= start < mark.end for mark in others):
            continue
        marked = next((mark.start for mark in others if after <= mark.start < end), None)
        span = _introduced(text, after, end) if marked is None else _before_mark(text[after:marked])
        if span == UNCLEAR or (span.text and (span.certain or not others)):
            marks.append(_Mark(start, end if marked is None else marked, span))
    if others or any(mark.span.certain for mark in marks):
        marks = [mark for mark in marks if mark.span.certain]
    return marks


def _introduced(text: str, after: int, end: int) -> Span:
    return UNCLEAR if _BOUND.match(text, after, end) else refine(text[after:end])


def _before_mark(text: str) -> Span:
    """The value that a sentence states before the mark in it, as in "The answer is 41 \\boxed{42}"."""
    value = text.strip(" $*([\\")
    return Span(value if NUMBER.fullmatch(value) else "", prose=True)


def _conclusion(text: str) -> int:
    """Where a closing ``#### x`` line begins, 0 without one.

    "The answer is x" counts as a step on the way there if more is worked out in between: grade-school
    solutions speak of the answer to a part before they go on.
    """
    at = text.rfind("####")
    return at if at > 0 and "\n" not in text[at:].strip() else 0


def _introductions(text: str) -> Iterator[tuple[int, int, bool]]:
    """Where "(final) answer is" begins, where what it introduces does, and whether it says final."""
    for middle in ("nswer", "NSWER"):
        at = text.find(middle)
        while at >= 0:
            linked = _IS.match(text, at + 5) if at and text[at - 1] in "aA" else None
            if linked is not None:
                before = text[max(0, at - 21) : at - 1]
                final = before.rstrip()[-5:].lower() == "final"
                if final or (_BEFORE.search(before) and not _IF.search(before)):
                    yield at - 1, linked.end(), final
            at = text.find(middle, at + 5)


def _sentence_end(text: str, start: int) -> int:
    """The end of the sentence from ``start``; displayed mathematics at its beginning is part of it."""
    opening = text[start : start + 2]
    closing = {"\\[": "\\]", "$$": "$$", "\\(": "\\)"}.get(opening)
    if closing is not None:
        close = text.find(closing, start + 2, start + MAX_SENTENCE)
        if close >= 0:
            return close + 2
    end = SENTENCE.search(text, start, start + MAX_SENTENCE)
    return end.start() if end else min(len(text), start + MAX_SENTENCE)
