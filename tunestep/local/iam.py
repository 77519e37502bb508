"""IAM SimulatePrincipalPolicy over the policies of the roles in moto, which has no simulation itself.

Conditions see the context that the caller gives; one on a key that the caller does not give does not hold.
"""

import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tunestep.local.access import policy
from tunestep.local.awsjson import AwsError

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"


def answer(body: bytes, roles: list[Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The query-protocol answer to a SimulatePrincipalPolicy request."""
    try:
        status, text = "200 OK", _simulation(parse_qs(body.decode()), roles)
    except AwsError as fault:
        status = f"{fault.status} Error"
        text = (
            f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{escape(fault.code)}</Code>'
            f"<Message>{escape(fault.message)}</Message></Error></ErrorResponse>"
        )
    data = text.encode()
    start_response(status, [("Content-Type", "text/xml"), ("Content-Length", str(len(data)))])
    return [data]


def _simulation(form: dict[str, list[str]], roles: list[Any]) -> str:
    arn = form.get("PolicySourceArn", [""])[0]
    role = next((role for role in roles if role.arn == arn), None)
    if role is None:
        raise AwsError("NoSuchEntity", f"The role with ARN {arn} cannot be found.", 404)
    statements = policy.of_role(role)
    results = [
        _result(action, resource, policy.decide(statements, action, resource, _context(form)).outcome)
        for action in _members(form, "ActionNames")
        for resource in _members(form, "ResourceArns") or ["*"]
    ]
    return (
        f'<SimulatePrincipalPolicyResponse xmlns="{_NAMESPACE}"><SimulatePrincipalPolicyResult>'
        f"<IsTruncated>false</IsTruncated><EvaluationResults>{''.join(results)}</EvaluationResults>"
        f"</SimulatePrincipalPolicyResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId>"
        "</ResponseMetadata></SimulatePrincipalPolicyResponse>"
    )


def _result(action: str, resource: str, decision: str) -> str:
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName><EvalDecision>{decision}</EvalDecision>"
        "<MatchedStatements/><MissingContextValues/></member>"
    )


def _members(form: dict[str, list[str]], name: str) -> list[str]:
    found = {
        int(key.rpartition(".")[2]): values[0]
        for key, values in form.items()
        if re.fullmatch(rf"{name}\.member\.\d+", key)
    }
    return [found[index] for index in sorted(found)]


def _context(form: dict[str, list[str]]) -> policy.Context:
    context: dict[str, list[str]] = {}
    for key, values in form.items():
        if match := re.fullmatch(r"ContextEntries\.member\.(\d+)\.ContextKeyName", key):
            prefix = f"ContextEntries.member.{match[1]}.ContextKeyValues.member."
            context[values[0].lower()] = [v[0] for k, v in sorted(form.items()) if k.startswith(prefix)]
    return context
