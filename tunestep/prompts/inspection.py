"""What is wrong with a judge's prompt before a job depends on it."""

import re
from itertools import pairwise

from tunestep.findings import Finding, error, warning
from tunestep.prompts.render import Rendered, TemplateFault, render

VARIABLES = ("prompt", "response")
"""What the service puts into a template (aws/sagemaker-python-sdk, RLAIF reward prompts)."""

_MARKS = {"prompt": "TUNESTEPPROMPTMARK", "response": "TUNESTEPRESPONSEMARK"}
_OPENING = re.compile(r"<([A-Za-z][\w:.-]*)[^<>]*>\s*$")
_BEGIN = re.compile(r"[\[<({#*=-]+\s*(?:BEGIN|START)\b[^\n]*[\])>}#*=:-]\s*$", re.IGNORECASE)
_END = re.compile(r"^\s*[\[<({#*=-]+\s*(?:END|STOP)\b", re.IGNORECASE)
_RULER = re.compile(r"(`{3,}|~{3,}|\"{3,}|'{3,}|-{3,}|={3,}|#{3,}|\*{3,}|<{3,}|>{3,})[^\S\n]*\w*\s*$")
_PAIRS = {"<": ">"}


def inspect(template: str, where: str) -> list[Finding]:
    """Findings on a template: it renders, takes exactly its two variables, shows both, and fences one.

    The template is read and rendered in processes of its own.
    """
    try:
        read = render(template, [])
        if findings := _file_faults(read, where) + _variable_faults(read, where):
            return findings
        (text,) = render(template, [_MARKS]).texts
    except TemplateFault as fault:
        place = f" (line {fault.line})" if fault.line else ""
        return [error("PROMPT_INVALID", where, f"The prompt{place}: {fault}.", "Mend the template.")]
    return _shown_faults(text, where) or _fence_warnings(text, where)


def _file_faults(read: Rendered, where: str) -> list[Finding]:
    if not read.files:
        return []
    named = ", ".join(name or "one that is only known later" for name in read.files)
    return [
        error(
            "PROMPT_USES_FILES",
            where,
            f"The prompt includes other templates ({named}), and a registered prompt is one file.",
            "Put their text into it.",
        )
    ]


def _variable_faults(read: Rendered, where: str) -> list[Finding]:
    findings = []
    if missing := [name for name in VARIABLES if name not in read.variables]:
        listed = " and ".join(f"{{{{ {name} }}}}" for name in missing)
        findings.append(
            error(
                "PROMPT_VARIABLES_MISSING",
                where,
                f"The prompt does not use {listed}, so the judge would not see what it has to judge.",
                f"Write {listed} where it belongs.",
            )
        )
    if unknown := [name for name in read.variables if name not in VARIABLES]:
        findings.append(
            error(
                "PROMPT_VARIABLES_UNKNOWN",
                where,
                f"The prompt uses {', '.join(unknown)}; the service fills in {' and '.join(VARIABLES)}.",
                "Remove the others: they would be empty.",
            )
        )
    return findings


def _shown_faults(text: str, where: str) -> list[Finding]:
    hidden = [name for name, mark in _MARKS.items() if mark not in text.upper()]
    return [
        error(
            "PROMPT_VARIABLE_NOT_SHOWN",
            where,
            f"The prompt mentions {name}, and its rendered text does not hold it.",
            f"Write {{{{ {name} }}}} outside of conditions and filters that drop it.",
        )
        for name in hidden
    ]


def _fence_warnings(text: str, where: str) -> list[Finding]:
    around = re.split(_MARKS["response"], text, flags=re.IGNORECASE)
    if all(fenced(before, after) for before, after in pairwise(around)):
        return []
    return [
        warning(
            "PROMPT_RESPONSE_NOT_FENCED",
            where,
            "Nothing marks where {{ response }} begins and ends, so an answer that speaks to the judge "
            "reads like part of the prompt.",
            "Put it between <response> and </response>, and tell the judge that all of it is to be judged.",
        )
    ]


def fenced(before: str, after: str) -> bool:
    """Whether what stands between the two texts is marked off: tags, rulers, or BEGIN and END lines."""
    before, after = before.rstrip(), after.lstrip()
    if opening := _OPENING.search(before):
        return after.lower().startswith(f"</{opening[1].lower()}")
    if _BEGIN.search(before):
        return bool(_END.match(after))
    if ruler := _RULER.search(before):
        mark = _PAIRS.get(ruler[1][0], ruler[1][0])
        return after.startswith(mark * 3)
    return False
