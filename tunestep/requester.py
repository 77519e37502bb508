"""Who asked for a run, as far as that is known, and whether that person would decide on it himself."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from tunestep.gate import people
from tunestep.settings import Approver

CLAIMED = "as claimed"
CONSOLE = "started in the console"
NOT_KNOWN = "not known"

LONGEST = 640
"""Characters of a name that are kept: all of the longest ARN that a caller of AWS can have (IAM quotas: a
path of 512, a name of 64), because a name that was cut is nobody's."""


def shown(run: Mapping[str, Any]) -> tuple[str, str]:
    """The requester of a run for people, and how the requester is known.

    Only a start that AWS signed for and an event say who asked; a name that a caller gave is a claim.
    """
    name, assurance = str(run.get("requester") or ""), str(run.get("requester_assurance") or "")
    if run.get("source", "console") == "console":
        return NOT_KNOWN, CONSOLE
    if assurance in ("", "unverified"):
        return (name, CLAIMED) if name and name != "unknown" else (NOT_KNOWN, "nobody said who asked")
    return name, assurance


def decides_alone(question: Mapping[str, Any], approver: Approver | None, actor: str) -> bool:
    """Whether whoever decides is the one who asked, by any name that the settings or the caller give.

    A requester who is not known is nobody. A claimed name counts as well: a person who claims to be the
    requester is taken at the word; so is one whose session or user is called like an approver.
    """
    asked = _folded(question.get("requester"))
    if not asked or asked == NOT_KNOWN:
        return False
    names = {actor} | ({approver.id, approver.email, approver.iam_principal} if approver else set())
    if {asked, asked.rpartition("/")[2]} & {_folded(name) for name in names if name}:
        return True
    principal = approver.iam_principal if approver else None
    return bool(principal) and people.same_principal(principal or "", str(question["requester"]))


def _folded(name: object) -> str:
    """A name as people compare it: without case, and without the forms in which Unicode writes one letter."""
    return unicodedata.normalize("NFKC", str(name or "")).strip().casefold()
