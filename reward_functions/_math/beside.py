"""Other answers that stand beside the marked one: "... 42. Or maybe 41", "41 or \\boxed{42}", "No, 41"."""

import re

from reward_functions._math import lone
from reward_functions._math.spans import MAX_SENTENCE, Span

_AFTERTHOUGHT = re.compile(
    r"\b(?:maybe|perhaps|possibly|alternatively|otherwise|actually|wait|(?:could|might|may) (?:also )?be|hmm"
    r"|oops|sorry|correction|scratch that|i meant?|my mistake|on second thoughts?"
    r"|no(?:pe)?(?=\s?[.,:;!–—-]|\s(?:it|that|wait|sorry|the)\b))\b"
    r"[.!,:;–—-]{0,3}[^.!?\n0-9]{0,60}?(-?\$?[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?)",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"(?:^|[.!;\n*])[\s*_]{0,4}(?:"
    r"(?:but|however|i made|there (?:is|was) an? |the (?:correct|right|true|real|actual)\b)[^.!?\n0-9]{0,80}?"
    r"\b(?:it|that|this|value|result|number|one|total)"
    r"(?:'s|’s|\s(?:is|was|should be|must be|has to be|should have been))\s"
    r"|then again,\s|(?:edit|update|let me (?:correct|fix|revise)[^.!?\n0-9:]{0,20}):\s)"
    r"[\s*]{0,3}(?:(?:it|that)(?:'s|’s|\sis)\s)?(?:actually\s|really\s)?"
    r"[$*\\({]{0,4}(-?[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?)"
    r"(?=(?:\s[A-Za-z]{1,20}){0,3}[\s*$)}\\]{0,4}(?:[.,!;\n]|$))",
    re.IGNORECASE,
)
"""A sentence that says that the answer is another one."""
_EQUATED = re.compile(r"[\s$]{0,3}=[\s$]{0,3}(-?[0-9][0-9,]*(?:\.[0-9]+)?)[\s$.]{0,4}(?:\n|$)")
"""What a marked answer is said to equal."""
_OR = re.compile(
    r"[\s$*_.,)}\]\\]{0,8}(?:or|/)\s[^.!?\n0-9]{0,30}?(?<![\w(])[$*\\({]*(-?[0-9][0-9,]*(?:\.[0-9]+)?)(?![\w^])",
    re.IGNORECASE,
)
_OR_BEFORE = re.compile(
    r"(-?[0-9][0-9,]*(?:\.[0-9]+)?)[\s$*\\)]{0,4}\s(?:or)\s[^.!?\n0-9=]{0,20}$", re.IGNORECASE
)
_RESTATED = re.compile(
    r"[\s.,;!$*)}\]\\]{0,8}(?:it|that|this)(?:'s|’s|\s(?:is|equals|should be|must be))\s"
    r"[$*\\({]{0,4}(-?[0-9][0-9,]*(?:\.[0-9]+)?)(?:\s[A-Za-z]{1,20}){0,2}[\s.!$*)}\\]{0,8}$",
    re.IGNORECASE,
)
"""What follows an answer when all of it is another statement of one."""
_CONNECTING = 2


def others(text: str, start: int, end: int) -> list[Span]:
    """Other answers offered beside the marked one: "... 42. Or maybe 41", "41 or \\boxed{42}"."""
    offered = []
    if end + _CONNECTING < len(text):
        tail = text[end : end + MAX_SENTENCE]
        offered = [found[1] for form in (_AFTERTHOUGHT, _TAKEN_BACK) for found in form.finditer(tail)]
        offered += [found[1] for form in (_OR, _RESTATED, _EQUATED) if (found := form.match(tail))]
    before = text[max(0, start - lone.BESIDE) : start]
    ahead = _OR_BEFORE.search(before) if " or " in before else None
    if ahead is not None:
        offered.append(ahead[1])
    return [Span(number.rstrip(","), prose=True) for number in offered]
