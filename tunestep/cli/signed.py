"""Signed requests to the stack's HTTP API: IAM knows who decides, and the record says so."""

import json
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from tunestep import names
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target

_SERVICE = "execute-api"
_TIMEOUT_SECONDS = 35
"""The API itself gives up after 30."""


def call(target: Target, method: str, path: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """The API's answer, as a document; faults are {"error": {name, message}} as from the functions.

    Raises CliError when the API cannot be reached, or answers what is no document of its own.
    """
    with aws_errors(f"find the API of stack {target.stack}"):
        base = api_url(target)
    body = b"" if document is None else json.dumps(document).encode()
    request = AWSRequest(method, f"{base}{path}", headers={"Content-Type": "application/json"}, data=body)
    with aws_errors(f"reach {base}"):
        SigV4Auth(target.clients.session.get_credentials(), _SERVICE, target.region).add_auth(request)
        answer = URLLib3Session(timeout=_TIMEOUT_SECONDS).send(request.prepare())
    try:
        found = json.loads(answer.content)
    except ValueError:
        found = None
    if isinstance(found, dict) and (answer.status_code == 200 or "error" in found):
        return found
    raise CliError(_refused(target, answer.status_code, path), code=1)


def api_url(target: Target) -> str:
    """Where the stack's API is, as the function knows that sends its links. Raises what boto3 raises."""
    function = names.function_name(target.stack, "request_approval")
    there = target.clients.lambda_.get_function_configuration(FunctionName=function)
    return str(there["Environment"]["Variables"]["TUNESTEP_API_URL"])


def _refused(target: Target, status: int, path: str) -> str:
    if status == 403:
        return (
            f"IAM does not let you call {path} of stack {target.stack}. Ask for execute-api:Invoke on "
            f"the API {names.api_name(target.stack)}."
        )
    return f"the API of stack {target.stack} answered {status} to {path}; try again in a minute"
