"""What a check says: one state, where, and what to do."""

from typing import Literal

import msgspec

from tunestep.checks.calls import Answer

State = Literal["ok", "broken", "warning", "unknown", "skipped"]
"""``broken`` keeps runs, decisions or notices from working; ``unknown`` could not be looked at."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One observation; ``fix`` is empty where nothing has to be done. ``check`` is filled in by examine."""

    state: State
    where: str
    message: str
    fix: str = ""
    check: str = ""


def ok(where: str, message: str) -> Diagnosis:
    return Diagnosis(state="ok", where=where, message=message)


def broken(where: str, message: str, fix: str) -> Diagnosis:
    return Diagnosis(state="broken", where=where, message=message, fix=fix)


def warning(where: str, message: str, fix: str) -> Diagnosis:
    return Diagnosis(state="warning", where=where, message=message, fix=fix)


def skipped(where: str, message: str) -> Diagnosis:
    return Diagnosis(state="skipped", where=where, message=message)


def unseen(where: str, answer: Answer, *, kind: str, fix: str, action: str) -> Diagnosis | None:
    """What keeps a thing of a kind from being looked at: it is not there, which ``fix`` mends, or may not be.

    None when it was seen.
    """
    if answer.problem == "absent":
        return broken(where, f"there is no such {kind}.", fix)
    return unreadable(where, answer, action) if answer.problem else None


def unreadable(where: str, answer: Answer, action: str) -> Diagnosis:
    """What could not be looked at; ``action`` is the IAM action that whoever asks needs for it."""
    if answer.problem == "denied":
        return Diagnosis(
            state="unknown",
            where=where,
            message="you may not look at it.",
            fix=f"Have {action} allowed to yourself, if this is to be checked.",
        )
    return Diagnosis(
        state="unknown",
        where=where,
        message=f"it could not be looked at: {answer.message or answer.problem}.",
        fix="Try again later; if it stays, look at it in the console.",
    )
