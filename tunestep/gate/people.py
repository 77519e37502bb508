"""Who may decide: the approvers of the settings, read anew at every decision."""

from collections.abc import Callable

from tunestep.environment import Environment
from tunestep.settings import Approver

LOCAL = Approver(id="local")
"""Who decides on a laptop whose settings name nobody: whoever is at the keyboard, unverified."""


def approvers(env: Environment) -> tuple[Approver, ...]:
    """Everybody who may decide. Empty on a deployed stack whose settings name nobody."""
    return env.settings.approvers or ((LOCAL,) if env.laptop else ())


def by_id(env: Environment, approver_id: str) -> Approver | None:
    return _only(env, lambda approver: approver.id == approver_id)


def by_slack_user(env: Environment, user: str) -> Approver | None:
    """The approver who is this member of the Slack team; the caller has checked team and app."""
    return _only(env, lambda approver: bool(user) and approver.slack_user == user)


def by_principal(env: Environment, user_arn: str) -> Approver | None:
    """The approver who signs as this principal; a role's session counts as the role.

    ``user_arn`` is as the HTTP API gives it: ``arn:aws:iam::…:user/…`` for a user, and
    ``arn:aws:sts::<account>:assumed-role/<role name>/<session>`` for a role, whose path is left out
    (IAM user guide, "IAM identifiers"). Where one approver is a role and another a session of it, the
    session is the latter.
    """
    exact = _only(env, lambda approver: bool(user_arn) and approver.iam_principal == user_arn)
    return exact or _only(env, lambda approver: same_principal(approver.iam_principal or "", user_arn))


def _only(env: Environment, fits: Callable[[Approver], bool]) -> Approver | None:
    return next((approver for approver in approvers(env) if fits(approver)), None)


def same_principal(listed: str, user_arn: str) -> bool:
    """Whether a caller is the user or role that the settings list; a role's session counts as the role."""
    if not listed or not user_arn:
        return False
    if listed == user_arn:
        return True
    left, right = _role(listed), _role(user_arn)
    return left is not None and left == right and not _is_session(listed)


def _is_session(arn: str) -> bool:
    return ":assumed-role/" in arn


def _role(arn: str) -> tuple[str, str, str] | None:
    """(partition, account, role name) of a role or of one of its sessions; None for anything else."""
    parts = arn.split(":", 5)
    if len(parts) != 6:
        return None
    kind, _, name = parts[5].partition("/")
    if (parts[2], kind) == ("iam", "role"):
        return parts[1], parts[4], name.rpartition("/")[2]
    if (parts[2], kind) == ("sts", "assumed-role"):
        return parts[1], parts[4], name.partition("/")[0]
    return None
