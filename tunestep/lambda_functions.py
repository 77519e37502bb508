"""Lambda functions: their ARNs, and what they are at this moment, as digests."""

import hashlib
import json
import re
from typing import Any, NamedTuple

from tunestep import arns
from tunestep.aws import Client
from tunestep.checks.calls import ask
from tunestep.hub import Absence

_FUNCTION = re.compile(r"function:([a-zA-Z0-9_-]{1,64})(?::([$a-zA-Z0-9_-]+))?")

LATEST = "$LATEST"
"""The qualifier of the code that an unqualified ARN runs."""


class FunctionArn(NamedTuple):
    """A function's ARN taken apart; ``qualifier`` is a version or alias, or empty."""

    region: str
    account: str
    name: str
    qualifier: str
    unqualified: str


class Described(NamedTuple):
    """A function's code and configuration as digests, and its state (Active, Pending, Inactive, Failed).

    ``code_sha256`` is Lambda's CodeSha256 (base64), ``configuration_sha256`` is hex.
    """

    code_sha256: str
    configuration_sha256: str
    state: str


def parse(text: str) -> FunctionArn | None:
    """The parts of a function's ARN; None for any other text."""
    arn = arns.parse(text)
    match = _FUNCTION.fullmatch(arn.resource) if arn and arn.service == "lambda" else None
    if arn is None or match is None:
        return None
    name, qualifier = match[1], match[2] or ""
    unqualified = text if not qualifier else text[: -len(qualifier) - 1]
    return FunctionArn(arn.region, arn.account, name, qualifier, unqualified)


def describe(client: Client, arn: str) -> Described | Absence:
    """Look a function up. Raises TransientFault and ServiceFault as tunestep.checks.calls does."""
    answer = ask(client.get_function_configuration, FunctionName=arn)
    if answer.problem:
        return Absence(answer.problem, answer.message)
    return Described(
        str(answer.data.get("CodeSha256") or ""),
        _configuration_sha256(answer.data),
        str(answer.data.get("State") or "Active"),
    )


def _configuration_sha256(data: dict[str, Any]) -> str:
    """Digest of what changes a function's answers without changing its code."""
    shaping = {
        "Runtime": data.get("Runtime"),
        "Handler": data.get("Handler"),
        "Variables": (data.get("Environment") or {}).get("Variables"),
        "Layers": [layer.get("Arn") for layer in data.get("Layers") or []],
        "Image": data.get("ImageConfigResponse"),
    }
    return hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode()).hexdigest()
