"""Which permissions the functions use while schedules are played, for tests.support.permissions_used.

The simulator refuses nothing by policy; what it adds to the whole runs of tests/local, which do, are the
paths that only faults lead to.
"""

import json

from botocore.awsrequest import AWSPreparedRequest

from tests.infra.support import function_role
from tests.support.permissions_used import gather
from tunestep.local.access.operations import ABSENCE, SERVICES, TELL_ABSENCE

_SIGNED_FOR = {
    "sfn": "states",
    "cloudwatch-logs": "logs",
    "secrets-manager": "secretsmanager",
    "bedrock-runtime": "bedrock",
}
"""The names of services in IAM, where botocore's events have another."""


class Permissions:
    """The actions that each verb used."""

    def __init__(self) -> None:
        self.used: set[tuple[str, str]] = set()

    def note(self, verb: str, event_name: str, request: AWSPreparedRequest, status: int) -> None:
        """What a call takes; ``event_name`` is botocore's, ``before-send.SERVICE.OPERATION``."""
        _, name, operation = event_name.split(".")
        if "versionId=" in request.url:
            operation += "OfVersion"
        body = request.body or b""
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
        for need in SERVICES[_SIGNED_FOR.get(name, name)].operations[operation]:
            if not need.only_with or f'"{need.only_with}"' in text:
                self.used.add((verb, need.action))
        if operation in TELL_ABSENCE and status == 404:
            self.used.add((verb, ABSENCE.action))

    def note_plain(
        self, verb: str, operation: str, *, of_version: bool = False, absent: bool = False
    ) -> None:
        """What a call takes that has no other member which asks for more; ``operation`` is
        SERVICE.OPERATION."""
        service, _, name = operation.partition(".")
        name += "OfVersion" if of_version else ""
        self.used.update((verb, need.action) for need in SERVICES[service].operations[name])
        if absent:
            self.used.add((verb, ABSENCE.action))

    def keep(self, stack: str) -> None:
        """Add them to the session's file, where there is one, under the names that roles have."""
        lines = []
        for verb, action in sorted(self.used):
            use = {
                "role": f"{stack}-{function_role(verb)}",
                "action": action,
                "outcome": "allowed",
                "by": "tests/faults",
                "resource": "",
            }
            lines.append(json.dumps(use) + "\n")
        gather("".join(lines))
