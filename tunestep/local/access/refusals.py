"""AccessDenied as each service says it: its code, its protocol, IAM's sentence.

Source: IAM user guide, "Troubleshoot access denied error messages", and the error sections of each
service's API reference.
"""

import json
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from tunestep.local.access.policy import EXPLICIT_DENY

_JSON = frozenset({"sagemaker", "states", "dynamodb", "secretsmanager", "logs", "lambda", "bedrock"})
_REST_JSON = frozenset({"lambda", "bedrock"})
_CODES = {"s3": "AccessDenied", "iam": "AccessDenied", "sts": "AccessDenied", "sns": "AuthorizationError"}
INVALID_TOKEN = "The security token included in the request is invalid."  # noqa: S105 - AWS's sentence


def sentence(caller: str, action: str, resource: str, outcome: str) -> str:
    """What AWS says about a denied call. ``caller`` is the ARN of the assumed role."""
    because = (
        "with an explicit deny in an identity-based policy"
        if outcome == EXPLICIT_DENY
        else f"because no identity-based policy allows the {action} action"
    )
    on = f" on resource: {resource}" if resource != "*" else ""
    return f"User: {caller} is not authorized to perform: {action}{on} {because}"


def answer(
    service: str, message: str, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """The refusal in the protocol of the service; one whose protocol is not known gets JSON."""
    request_id = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request_id)]
    code = _CODES.get(service, "AccessDeniedException")
    if service in _CODES:
        headers.append(("Content-Type", "text/xml"))
        data = _xml(service, code, message, request_id).encode()
    elif service == "sagemaker-mlflow":
        headers.append(("Content-Type", "application/json"))
        data = json.dumps({"error_code": "PERMISSION_DENIED", "message": message}).encode()
    else:
        headers += [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
        data = json.dumps({"__type": code, "message": message}).encode()
    status = "400 Bad Request" if service in _JSON - _REST_JSON else "403 Forbidden"
    if environ["REQUEST_METHOD"] == "HEAD":
        data = b""
    start_response(status, [*headers, ("Content-Length", str(len(data)))])
    return [data]


def _xml(service: str, code: str, message: str, request_id: str) -> str:
    said = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    if service == "s3":
        return f"<Error>{said}<RequestId>{request_id}</RequestId></Error>"
    return (
        f"<ErrorResponse><Error><Type>Sender</Type>{said}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
