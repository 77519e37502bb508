"""How the command fails: one message on stderr, JSON on stdout where it was asked for, no traceback."""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from tunestep.findings import Finding
from tunestep.text import visible


class CliError(Exception):
    """A message for the user. ``code`` is the exit code; ``findings`` are listed below the message."""

    def __init__(self, message: str, *, code: int = 2, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.message, self.code, self.findings = message, code, tuple(findings)


def show(failure: CliError, *, as_json: bool) -> None:
    """Print the failure."""
    if as_json:
        body = {"error": failure.message, "findings": [msgspec.to_builtins(f) for f in failure.findings]}
        print(json.dumps(body, indent=2))
    print(f"tunestep: {visible(failure.message)}", file=sys.stderr)
    for finding in failure.findings:
        print(f"  {finding.severity:7} {visible(finding.line())}", file=sys.stderr)


@contextlib.contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Turn an AWS failure while ``doing`` something into a message that names it."""
    try:
        yield
    except ClientError as error:
        detail = error.response.get("Error", {})
        hint = ". Is the stack deployed there?" if detail.get("Code") == "ResourceNotFoundException" else ""
        told = f"{detail.get('Code', '?')}: {detail.get('Message', error)}{hint}"
        raise CliError(f"could not {doing}: AWS answered {told}", code=1) from error
    except BotoCoreError as error:
        raise CliError(f"could not {doing}: {error}", code=1) from error
