"""Whether anybody is there to ask."""

from collections.abc import Collection, Sequence

from tunestep.findings import Finding, error, warning
from tunestep.gate import channels
from tunestep.settings import Approver, Settings

_WHERE = "$.approval"
_FIX = (
    "Confirm addresses with `tunestep approvers confirm`, or set `slack_user` (with `slack`) or "
    "`iam_principal` for the `approvers`."
)


def findings(settings: Settings, *, laptop: bool, unconfirmed: Collection[str] = ()) -> list[Finding]:
    """What is wrong with the approvers of a run that needs a decision.

    ``unconfirmed`` are the ids of those whose address was never confirmed, so that no mail reaches it.
    On a laptop the command line decides as well, so nobody has to be reachable in any other way.
    """
    if not settings.approvers:
        return [] if laptop else [_nobody()]
    silent = [person for person in settings.approvers if not _reachable(settings, person, unconfirmed)]
    if not silent:
        return []
    if len(silent) == len(settings.approvers) and not laptop:
        return [_unreachable(silent)]
    return [
        warning(
            "APPROVER_UNREACHABLE",
            _WHERE,
            f"Not everybody can be asked: {_why(silent)}.",
            _FIX,
        )
    ]


def _reachable(settings: Settings, person: Approver, unconfirmed: Collection[str]) -> bool:
    ways = channels.reachable(settings, person)
    return bool(ways) and (ways != [channels.EMAIL] or person.id not in unconfirmed)


def _why(silent: Sequence[Approver]) -> str:
    waiting = ", ".join(person.id for person in silent if person.email)
    without = ", ".join(person.id for person in silent if not person.email)
    said = (
        f"the e-mail address of {waiting} was never confirmed" if waiting else "",
        f"the settings name no channel of {without} that the stack has" if without else "",
    )
    return ", and ".join(filter(None, said))


def _nobody() -> Finding:
    return error(
        "NO_APPROVER",
        _WHERE,
        "The run needs a decision, and the settings of this stack name nobody who may decide.",
        "Name people under `approvers` in tunestep.yaml and deploy.",
    )


def _unreachable(silent: Sequence[Approver]) -> Finding:
    return error(
        "NO_REACHABLE_APPROVER",
        _WHERE,
        f"The run needs a decision, and no approver can be asked or can answer: {_why(silent)}.",
        _FIX,
    )
