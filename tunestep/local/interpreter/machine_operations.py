"""The operations on state machines: create, change, describe, list, tag, validate, delete."""

# ruff: noqa: N802 - operations have the service's names

import base64
import binascii
import re
import uuid
from typing import Any

from tunestep.local.awsjson import AwsError, JsonService
from tunestep.local.interpreter import definition
from tunestep.local.interpreter.clock import Clock
from tunestep.local.interpreter.documents import dumps, loads
from tunestep.local.interpreter.store import Row, Store

Answer = dict[str, Any]

PAGE = 100
"""Items on a page when the request does not say."""

_FORBIDDEN_IN_NAMES = re.compile(r"""[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]""")
_SETTINGS = ("loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")
_MACHINE = """SELECT m.arn, m.name, m.created, r.definition, r.role_arn, r.id, m.settings
  FROM machines m JOIN revisions r ON r.id = m.revision """


def valid_name(name: str) -> str:
    """The name of a machine or an execution. Raises AwsError (InvalidName)."""
    if _FORBIDDEN_IN_NAMES.search(name):
        raise AwsError("InvalidName", f"Invalid Name: '{name}'")
    return name


def page(items: list[Any], params: Answer) -> tuple[list[Any], str | None]:
    """One page of a list and the token of the next. Raises AwsError (InvalidToken)."""
    first, size = offset(params), params.get("maxResults") or PAGE
    return items[first : first + size], next_token(first + size, len(items))


def offset(params: Answer) -> int:
    """Where the page asked for begins. Raises AwsError (InvalidToken)."""
    token = params.get("nextToken")
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error):
        raise AwsError("InvalidToken", "Invalid Token: 'Invalid token'") from None


def next_token(position: int, total: int) -> str | None:
    """The token of the page that begins at a position, if there is one."""
    return base64.urlsafe_b64encode(str(position).encode()).decode() if position < total else None


def _checked(text: str) -> None:
    try:
        definition.load(text)
    except definition.DefinitionInvalid as invalid:
        raise AwsError("InvalidDefinition", str(invalid)) from None


class MachineOperations(JsonService):
    """State machines in the store: each change is a new revision, so that running executions keep theirs."""

    store: Store
    clock: Clock

    def machine_arn(self, name: str) -> str:
        """The ARN of a state machine."""
        raise NotImplementedError

    def CreateStateMachine(self, params: Answer) -> Answer:
        """Create, or answer again for the same definition and settings; the first role and tags stay."""
        name = valid_name(params["name"])
        if params.get("type", "STANDARD") != "STANDARD":
            raise AwsError("StateMachineTypeNotSupported", "the laptop cloud runs STANDARD state machines")
        _checked(params["definition"])
        arn, now = self.machine_arn(name), self.clock.now()
        settings = {key: params[key] for key in _SETTINGS if key in params}
        tags = {tag["key"]: tag.get("value", "") for tag in params.get("tags", [])}
        with self.store.transaction():
            existing = self.store.row(_MACHINE + "WHERE m.arn=?", arn)
            if existing is not None:
                if (existing[3], loads(existing[6])) != (params["definition"], settings):
                    raise AwsError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
                return {"stateMachineArn": arn, "creationDate": existing[2]}
            revision = self._revise(arn, params["definition"], params["roleArn"], now)
            self.store.rows(
                "INSERT INTO machines VALUES (?,?,?,?,?,?)",
                arn,
                name,
                revision,
                now,
                dumps(settings),
                dumps(tags),
            )
        return {"stateMachineArn": arn, "creationDate": now}

    def UpdateStateMachine(self, params: Answer) -> Answer:
        """A new revision; executions that are running keep theirs."""
        arn, now = params["stateMachineArn"], self.clock.now()
        given = [key for key in ("definition", "roleArn", *_SETTINGS) if key in params]
        if not given:
            raise AwsError(
                "MissingRequiredParameter", "Either the definition, the role ARN, or a setting must be given"
            )
        if "definition" in params:
            _checked(params["definition"])
        with self.store.transaction():
            machine = self.find_machine(arn)
            settings = loads(machine[6]) | {key: params[key] for key in _SETTINGS if key in params}
            text = str(params.get("definition", machine[3]))
            role_arn = str(params.get("roleArn", machine[4]))
            revision = self._revise(arn, text, role_arn, now)
            self.store.rows(
                "UPDATE machines SET revision=?, settings=? WHERE arn=?", revision, dumps(settings), arn
            )
        return {"updateDate": now, "revisionId": revision}

    def _revise(self, arn: str, text: str, role_arn: str, now: float) -> str:
        revision = str(uuid.uuid4())
        self.store.rows("INSERT INTO revisions VALUES (?,?,?,?,?)", revision, arn, text, role_arn, now)
        return revision

    def find_machine(self, arn: str) -> Row:
        """(arn, name, created, definition, role, revision, settings). Raises AwsError."""
        if not arn.startswith("arn:") or ":stateMachine:" not in arn:
            raise AwsError("InvalidArn", f"Invalid Arn: 'Resource type not valid in this context: {arn}'")
        machine = self.store.row(_MACHINE + "WHERE m.arn=?", arn)
        if machine is None:
            raise AwsError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return machine

    def DescribeStateMachine(self, params: Answer) -> Answer:
        """The machine and its current definition."""
        arn, name, created, text, role_arn, revision, settings = self.find_machine(params["stateMachineArn"])
        return {
            "stateMachineArn": arn,
            "name": name,
            "status": "ACTIVE",
            "definition": text,
            "roleArn": role_arn,
            "type": "STANDARD",
            "creationDate": created,
            "revisionId": revision,
            **loads(settings),
        }

    def ListStateMachines(self, params: Answer) -> Answer:
        """Machines by name."""
        machines = self.store.rows(_MACHINE + "ORDER BY m.name")
        shown, following = page(machines, params)
        listed = [
            {"stateMachineArn": row[0], "name": row[1], "type": "STANDARD", "creationDate": row[2]}
            for row in shown
        ]
        return {"stateMachines": listed, "nextToken": following}

    def DeleteStateMachine(self, params: Answer) -> Answer:
        """Delete a machine; its executions go on with their own revision, to their end."""
        self.store.rows("DELETE FROM machines WHERE arn=?", params["stateMachineArn"])
        return {}

    def ValidateStateMachineDefinition(self, params: Answer) -> Answer:
        """Every fault of a definition, without creating anything."""
        try:
            definition.load(params["definition"])
        except definition.DefinitionInvalid as invalid:
            faults = [{"severity": "ERROR", **fault._asdict()} for fault in invalid.diagnostics]
            limit = params.get("maxResults") or 100
            return {"result": "FAIL", "diagnostics": faults[:limit], "truncated": len(faults) > limit}
        return {"result": "OK", "diagnostics": []}

    def TagResource(self, params: Answer) -> Answer:
        """Add or replace tags of a state machine."""
        tags = self._tags(params["resourceArn"])
        tags |= {tag["key"]: tag.get("value", "") for tag in params["tags"]}
        self.store.rows("UPDATE machines SET tags=? WHERE arn=?", dumps(tags), params["resourceArn"])
        return {}

    def ListTagsForResource(self, params: Answer) -> Answer:
        """The tags of a state machine."""
        return {"tags": [{"key": k, "value": v} for k, v in self._tags(params["resourceArn"]).items()]}

    def _tags(self, arn: str) -> dict[str, str]:
        found = self.store.row("SELECT tags FROM machines WHERE arn=?", arn)
        if found is None:
            raise AwsError("ResourceNotFound", f"Resource not found: '{arn}'")
        tags: dict[str, str] = loads(found[0])
        return tags
