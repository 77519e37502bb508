r"""The final answer of a text, by the marks that models and data sets put on it.

Marks, all of which count and none of which outranks another: ``#### x``, ``\boxed{x}``,
``<answer>x</answer>``, ``"answer": "x"``, and phrases (``The answer is x``, ``Final answer: x``, ``Answer:
x`` on a line). Two marks with different answers are two answers, whichever comes first, and so is a mark
followed by "or ...", "maybe ...", "no, ...". What stands before ``</think>`` is thinking and counts for
nothing. Every step takes time in proportion to the length of the text.

>>> final_answer("9 * 2 = 18, so she has 18 left.\n#### 18")
Final(answer='18', several=False, marked=True, written='18')
>>> final_answer(r"\boxed{41}. The final answer is 42.").several
True
"""

import json
import re
from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple

from reward_functions.kit.types import Reference, RewardError

MAX_ANSWER = 4_096
"""Longest text taken for an answer, in characters."""

REFERENCE_KEYS = (
    "answer",
    "final_answer",
    "solution",
    "ground_truth",
    "reference_answer",
    "target",
    "label",
    "value",
)
"""Where an object holds the answer, in this order."""

_THINKING = ("think", "thinking", "reasoning")
_TOKEN = re.compile(r"\\(?:boxed|fbox)\s{0,4}\{|\\.|[{}]", re.DOTALL)
_HASHES = re.compile(r"^[ \t]{0,8}####(?!#)(.*)$", re.MULTILINE)
HEADING = re.compile(
    r"[\s*_]{0,8}(?:\d{1,3}[.)]\s|(?:step|part|solution|explanation|(?:final )?answer|conclusion|reasoning"
    r"|analysis|calculations?|summary|approach|problem|question|verification|note|given|result)\b)|.*:[\s*_]{0,8}$|\s*$",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"(?:\b(?:the|my|our|correct|right|best|final|selected|chosen)\s{1,4}"
    r"(?:final\s{1,4}|correct\s{1,4}|right\s{1,4}|best\s{1,4})?answer"
    r"|\b(?:correct|right|best)\s{1,4}(?:option|choice|letter)"
    r"|^[ \t#>*_-]{0,8}(?:ans|answer))\b[*_]{0,3}[ \t]{0,4}"
    r"(?:is|are|would be|should be|must be|has to be|:|=)(?![a-z])[*_]{0,3}[ \t]{0,4}:?[*_]{0,3}[ \t]{0,4}"
    r"|^#{1,6}[ \t]{1,4}[*_]{0,3}(?:final[ \t]{1,4})?answer[*_]{0,3}[ \t]{0,4}$",
    re.IGNORECASE | re.MULTILINE,
)
_HEDGE = re.compile(
    r"(?:^|[.!?;,)\n])[\s\"'*_$]{0,8}(?:or|alternatively|maybe|perhaps|possibly|otherwise|actually|wait|hmm"
    r"|oops|correction|scratch that|i meant?|my mistake|on second thoughts?"
    r"|no(?:pe)?(?=\s?[.,:;!–—-]|\s(?:it|that|wait|sorry)\b)|sorry(?=\s?[.,:;!–—-])"
    r"|but it (?:could|might|may)|it (?:could|might|may)|(?:could|might|may) also)\b",
    re.IGNORECASE,
)
_JSON = re.compile(
    r'"(?:final_?)?answer"\s{0,4}:\s{0,4}("(?:[^"\\\n]|\\[^\n]){0,4000}"|-?[0-9][^,}\]\s]{0,40})',
    re.IGNORECASE,
)
_FENCED = re.compile(r"\s{0,40}```(?:text|plaintext|markdown)?[ \t]{0,8}\n([^`]*)```\s{0,40}")
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")
_NEGATION = re.compile(r"not\b", re.IGNORECASE)
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf)\s{0,4}\{([^{}]*)\}")
_SHELL = " \t\r\n*_`\"'“”‘’$"
_TAIL = ".,;:!。"
_LAYERS = 4
_GAP = 40
_WHITESPACE = re.compile(r"\s+")


class Final(NamedTuple):
    """``answer`` is None when there is none, or ``several``; ``marked`` when something marks it as final.

    ``written`` is the answer with the quotes and the punctuation around it.
    """

    answer: str | None
    several: bool = False
    marked: bool = False
    written: str = ""


class _Mark(NamedTuple):
    start: int
    end: int
    content: str
    written: str


def _mark(start: int, end: int, written: str) -> _Mark:
    return _Mark(start, end, bare(written), written.strip())


def final_answer(text: str, same: Callable[[str], Hashable] | None = None) -> Final:
    """The final answer of a text; without any mark, the whole of a text short enough to be one.

    ``same`` maps answers that count as equal to equal keys; by default case, white space and surrounding
    punctuation make no difference.
    """
    text = visible(text)
    same = same or plain
    marks = sorted(_marks(text))
    # A mark around another one, like <answer>\boxed{4}</answer>, is one answer.
    inner = [
        mark
        for index, mark in enumerate(marks)
        if index + 1 == len(marks) or marks[index + 1].start >= mark.end
    ]
    stated = [mark for mark in inner if not mark.content.endswith("?") and not _NEGATION.match(mark.content)]
    if not stated:
        fenced = _FENCED.fullmatch(text)
        written = (fenced[1] if fenced else text).strip()
        whole = bare(written)
        usable = bool(whole) and len(whole) <= MAX_ANSWER and not inner
        return Final(whole if usable else None, written=written)
    last = max(stated, key=lambda mark: mark.end)
    if len({same(mark.content) for mark in stated}) > 1 or hedged(text, last.end):
        return Final(None, several=True, marked=True)
    usable = 0 < len(last.content) <= MAX_ANSWER
    return Final(last.content if usable else None, marked=True, written=last.written)


def readings(answer: str) -> list[str]:
    """What an answer may be read as: the whole, or its first sentence when the rest adds no other answer."""
    found = _SENTENCE_END.search(answer)
    if found is None or hedged(answer, found.start()):
        return [answer]
    return [answer, bare(answer[: found.start()])]


def hedged(text: str, start: int = 0) -> bool:
    """Whether a text takes back or doubles what stands before it ("or ...", "maybe ...", "wait ...")."""
    return _HEDGE.search(text, start) is not None


def expected(reference: Reference) -> str:
    """The answer that a reference holds; raises RewardError when it holds none or several.

    A text with a mark holds what is marked (``... #### 18``); an object holds it under one of REFERENCE_KEYS.
    """
    if isinstance(reference, dict):
        value = next((reference[key] for key in REFERENCE_KEYS if reference.get(key) not in (None, "")), None)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise RewardError(f"the reference is an object without a text under {', '.join(REFERENCE_KEYS)}")
        reference = str(value)
    if not isinstance(reference, str):
        raise RewardError("there is no reference answer" if reference is None else "the reference is a list")
    found = final_answer(reference)
    if found.several:
        raise RewardError("the reference has two different final answers")
    if found.answer is None:
        raise RewardError("the reference has no answer")
    return found.answer


def visible(text: str) -> str:
    """The text after the model's thinking; nothing while that is not closed."""
    for tag in _THINKING:
        before, closed, after = text.rpartition(f"</{tag}>")
        if closed:
            text = after
        elif f"<{tag}>" in before + after:
            text = text.partition(f"<{tag}>")[0]
    return text


def bare(text: str) -> str:
    """Without white space, emphasis, quotes, dollar signs or LaTeX text around it, or final punctuation."""
    for _ in range(_LAYERS):
        text = text.strip(_SHELL).rstrip(_TAIL)
        if text.startswith("\\(") and text.endswith("\\)"):
            text = text[2:-2]
        if wrapped := _TEXT.fullmatch(text):
            text = wrapped[1]
    return text


def plain(text: str) -> str:
    """One form for texts that differ in case, white space and surrounding punctuation alone."""
    return _WHITESPACE.sub(" ", bare(text)).casefold()


def in_tags(text: str) -> list[str]:
    """The different contents of ``<answer>...</answer>``, in their order."""
    return list(dict.fromkeys(mark.content for mark in _tagged(text, "answer")))


def _marks(text: str) -> Iterator[_Mark]:
    for found in _HASHES.finditer(text):
        if not HEADING.match(found[1]):
            yield _mark(found.start(), found.end(), found[1])
    yield from _phrases(text)
    yield from _boxes(text)
    yield from _tagged(text, "answer")
    for held in _JSON.finditer(text) if 'nswer"' in text.lower() else ():
        yield _mark(held.start(), held.end(), unquoted(held[1]))


def unquoted(written: str) -> str:
    """The text of a JSON value as it stands in a response; what cannot be read stays as it is."""
    try:
        value = json.loads(written)
    except ValueError:
        return written.strip('"')
    return value if isinstance(value, str) else written


def _phrases(text: str) -> Iterator[_Mark]:
    """A phrase's answer goes to the end of its line, or of the next one with text when nothing follows it."""
    found = list(_PHRASE.finditer(text))
    for index, phrase in enumerate(found):
        gap = text[phrase.end() : phrase.end() + _GAP]
        start = phrase.end() + len(gap) - len(gap.lstrip())
        limit = found[index + 1].start() if index + 1 < len(found) else len(text)
        end = text.find("\n", start, limit)
        end = limit if end < 0 else end
        box, stop = text.find("\\boxed", start, end), _SENTENCE_END.search(text, start, end)
        if stop and box > stop.start():
            end = stop.start()
        if bare(text[start:end]):
            yield _mark(phrase.start(), end, text[start:end])


def _boxes(text: str) -> Iterator[_Mark]:
    r"""``\boxed{...}`` with balanced braces; one that is never closed is no mark."""
    opened: list[tuple[int, int, bool]] = []
    for found in _TOKEN.finditer(text):
        piece = found[0]
        if piece.endswith("{") and piece != "\\{":
            opened.append((found.start(), found.end(), piece != "{"))
        elif piece == "}" and opened:
            start, inside, boxed = opened.pop()
            if boxed and found.start() - inside <= MAX_ANSWER:
                yield _mark(start, found.end(), text[inside : found.start()])


def _tagged(text: str, tag: str) -> Iterator[_Mark]:
    opening, closing = f"<{tag}>", f"</{tag}>"
    start = text.find(opening)
    while start >= 0:
        end = text.find(closing, start)
        if end < 0:
            return
        yield _mark(start, end + len(closing), text[start + len(opening) : end])
        start = text.find(opening, end)
