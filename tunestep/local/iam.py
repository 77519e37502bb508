"""IAM SimulatePrincipalPolicy over the policies of the roles in moto, which has no simulation itself.

Evaluation: IAM user guide, "Policy evaluation logic": an explicit deny wins, then an allow, else it is
an implicit deny. Conditions: the string operators, with the context that the caller gives; a condition
on a key that the caller does not give does not hold. Only identity policies are looked at.
"""

import fnmatch
import json
import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tunestep.local.awsjson import AwsError

Statement = dict[str, Any]
Context = dict[str, list[str]]

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
    statements = _statements(role)
    results = [
        _result(action, resource, decide(statements, action, resource, _context(form)))
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


def _context(form: dict[str, list[str]]) -> Context:
    context: Context = {}
    for key, values in form.items():
        if match := re.fullmatch(r"ContextEntries\.member\.(\d+)\.ContextKeyName", key):
            prefix = f"ContextEntries.member.{match[1]}.ContextKeyValues.member."
            context[values[0].lower()] = [v[0] for k, v in sorted(form.items()) if k.startswith(prefix)]
    return context


def _statements(role: Any) -> list[Statement]:
    documents = list(role.policies.values())
    documents += [policy.document for policy in role.managed_policies.values()]
    statements: list[Statement] = []
    for document in documents:
        policy = json.loads(document) if isinstance(document, str) else document
        statements += _listed(policy.get("Statement", []))
    return statements


def decide(statements: list[Statement], action: str, resource: str, context: Context) -> str:
    """``allowed``, ``explicitDeny`` or ``implicitDeny``."""
    effects = {s["Effect"] for s in statements if _applies(s, action, resource, context)}
    if "Deny" in effects:
        return "explicitDeny"
    return "allowed" if "Allow" in effects else "implicitDeny"


def _applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    if "Action" in statement:
        acts = any(_like(action.lower(), pattern.lower()) for pattern in _listed(statement["Action"]))
    else:
        acts = not any(_like(action.lower(), p.lower()) for p in _listed(statement.get("NotAction", "*")))
    if "Resource" in statement:
        reaches = any(_like(resource, pattern) for pattern in _listed(statement["Resource"]))
    else:
        reaches = not any(_like(resource, pattern) for pattern in _listed(statement.get("NotResource", "*")))
    return acts and reaches and _conditions_hold(statement.get("Condition", {}), context)


def _conditions_hold(conditions: dict[str, dict[str, Any]], context: Context) -> bool:
    return all(
        _condition_holds(operator, context.get(key.lower()), [str(v) for v in _listed(expected)])
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def _condition_holds(operator: str, actual: list[str] | None, expected: list[str]) -> bool:
    if actual is None:
        return operator.endswith("IfExists") or "Not" in operator
    base = operator.removesuffix("IfExists").rpartition(":")[2]
    negated = "Not" in base
    match base.replace("Not", ""):
        case "StringEquals" | "ArnEquals":
            found = any(value in expected for value in actual)
        case "StringEqualsIgnoreCase" | "Bool":
            found = any(value.lower() in {e.lower() for e in expected} for value in actual)
        case "StringLike" | "ArnLike":
            found = any(_like(value, pattern) for value in actual for pattern in expected)
        case _:
            return False
    return found != negated


def _like(value: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
