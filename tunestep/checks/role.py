"""The execution role: allowed, there, trusted by SageMaker, and probably able to do its work."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from tunestep import allowed, arns
from tunestep.aws import error_code
from tunestep.checks.calls import ask
from tunestep.checks.context import Inquiry

_WHERE = "$.execution_role"
_SERVICE = "sagemaker.amazonaws.com"
_ROLE = re.compile(r"role/(?:[\w+=,.@/-]*/)?([\w+=,.@-]{1,64})", re.ASCII)


class Need(NamedTuple):
    """Actions that the job's role needs on resources (ARNs)."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]


def check(inquiry: Inquiry) -> str | None:
    """ARN of the role the job runs under; None after an error finding."""
    asked = inquiry.request.execution_role or inquiry.ctx.execution_role_arn
    arn = asked if asked.startswith("arn:") else _arn_of(inquiry, asked)
    if arn is None:
        return None
    parsed = arns.parse(arn)
    match = _ROLE.fullmatch(parsed.resource) if parsed and parsed.service == "iam" else None
    if parsed is None or match is None:
        inquiry.error(
            "ROLE_ARN_INVALID",
            _WHERE,
            f"{arn!r} is not the ARN of an IAM role.",
            "It reads arn:aws:iam::ACCOUNT:role/NAME; leave the field out to use the stack's role.",
        )
        return None
    if not inquiry.allows(allowed.role(inquiry.ctx, arn, _WHERE)):
        return None
    if parsed.account != inquiry.ctx.account:
        inquiry.error(
            "ROLE_ELSEWHERE",
            _WHERE,
            f"{arn} is not in account {inquiry.ctx.account}.",
            "Use a role of this account.",
        )
        return None
    return arn if _is_trusted(inquiry, arn, match[1]) else None


def _arn_of(inquiry: Inquiry, name: str) -> str | None:
    """ARN of a role given by name: a listed one, or any where everything is allowed."""
    ctx = inquiry.ctx
    for arn in (ctx.execution_role_arn, *ctx.settings.allowed.execution_roles):
        if arn.rpartition("/")[2] == name:
            return arn
    if not inquiry.allows(allowed.role(ctx, name, _WHERE)):
        return None
    answer = ask(inquiry.clients.iam.get_role, RoleName=name)
    if answer.problem == "absent":
        inquiry.error("ROLE_NOT_FOUND", _WHERE, f"There is no role {name}.", "Create it or correct the name.")
        return None
    return (
        str(answer.data["Role"]["Arn"])
        if not answer.problem
        else f"arn:{ctx.partition}:iam::{ctx.account}:role/{name}"
    )


def _is_trusted(inquiry: Inquiry, arn: str, name: str) -> bool:
    answer = ask(inquiry.clients.iam.get_role, RoleName=name)
    if answer.problem == "absent":
        inquiry.error("ROLE_NOT_FOUND", _WHERE, f"There is no role {arn}.", "Create it or correct the ARN.")
        return False
    if answer.problem:
        inquiry.warning(
            "ROLE_NOT_CHECKED",
            _WHERE,
            f"The trust of {arn} was not checked: the role may not be read. {answer.message}".strip(),
            "Allow iam:GetRole on it to whoever makes the plan.",
        )
        return True
    found = str(answer.data["Role"]["Arn"])
    if found.partition(":role/")[2] != arn.partition(":role/")[2]:
        inquiry.error(
            "ROLE_NOT_FOUND", _WHERE, f"There is no role {arn}; {found} has its name.", "Correct the path."
        )
        return False
    if not trusts_sagemaker(answer.data["Role"].get("AssumeRolePolicyDocument")):
        inquiry.error(
            "ROLE_NOT_TRUSTED",
            _WHERE,
            f"{arn} does not let {_SERVICE} assume it.",
            f"Add sts:AssumeRole for the service {_SERVICE} to its trust policy.",
        )
        return False
    return True


def trusts_sagemaker(document: object) -> bool:
    """Whether a trust policy lets SageMaker assume the role; conditions are not evaluated."""
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    return any(
        statement.get("Effect") == "Allow"
        and {"sts:AssumeRole", "sts:*", "*"} & set(_texts(statement.get("Action")))
        and _names_sagemaker(statement.get("Principal"))
        for statement in ([statements] if isinstance(statements, dict) else statements)
    )


def _names_sagemaker(principal: object) -> bool:
    if isinstance(principal, dict):
        return _SERVICE in _texts(principal.get("Service"))
    return principal == "*"


def _texts(value: Any) -> Iterable[str]:
    return [value] if isinstance(value, str) else list(value or [])


def simulate(inquiry: Inquiry, arn: str, needs: Iterable[Need]) -> None:
    """Ask IAM whether the role's own policies allow what the job does.

    Resource policies and service control policies are not simulated in full, so that a denial is a
    warning, never an error; for the same reason a simulation that fails is said and stops nothing.
    """
    denied: list[str] = []
    for need in needs:
        try:
            answer = inquiry.clients.iam.simulate_principal_policy(
                PolicySourceArn=arn, ActionNames=list(need.actions), ResourceArns=list(need.resources)
            )
        except (ClientError, BotoCoreError) as fault:
            code = error_code(fault) if isinstance(fault, ClientError) else type(fault).__name__
            _not_simulated(inquiry, arn, code)
            return
        denied += [
            f"{result['EvalActionName']} on {result.get('EvalResourceName', '*')}"
            for result in answer.get("EvaluationResults", [])
            if result.get("EvalDecision") != "allowed"
        ]
    if denied:
        inquiry.warning(
            "ROLE_MAY_LACK_PERMISSION",
            _WHERE,
            f"By its own policies, {arn} is not allowed {', '.join(sorted(set(denied)))}.",
            "Allow these, unless a policy of the bucket or key does.",
        )


def _not_simulated(inquiry: Inquiry, arn: str, code: str) -> None:
    inquiry.info(
        "ROLE_PERMISSIONS_NOT_CHECKED",
        _WHERE,
        f"The permissions of {arn} were not checked: the policy simulation is not available ({code}).",
        "Allow iam:SimulatePrincipalPolicy on it to whoever makes the plan, if the check is wanted.",
    )
