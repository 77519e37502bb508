"""Scripts for functions, outcomes of executions, and the runner of our interpreter.

A script says what each function does each time it is invoked, by the name of the state (if the payload
carries it) or of the function; the last action repeats.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.local.asl.machine import ACCOUNT, REGION, ROLE
from tunestep.local.awsjson import AwsError
from tunestep.local.interpreter.clock import VirtualClock
from tunestep.local.stepfunctions import Invocation, StepFunctionsService


@dataclass(frozen=True)
class Returns:
    """The function answers; ``after`` seconds when it is slow."""

    value: Any
    after: float = 0


@dataclass(frozen=True)
class Raises:
    """The function raises."""

    name: str
    message: str = "said why"


@dataclass(frozen=True)
class Refuses:
    """Lambda refuses the invocation with this error code."""

    code: str


@dataclass(frozen=True)
class Sends:
    """The function answers its own token before it returns."""

    output: Any


@dataclass(frozen=True)
class Fails:
    """The function ends its own token with an error before it returns."""

    error: str
    cause: str = "said why"


@dataclass(frozen=True)
class Silent:
    """The function returns and nobody ever answers its token."""


Action = Returns | Raises | Refuses | Sends | Fails | Silent
Script = Mapping[str, Sequence[Action]]


class Outcome(NamedTuple):
    """What an execution did: states entered, its last document, and how it ended."""

    path: tuple[str, ...]
    document: Any
    status: str
    error: str | None
    cause: str | None


class Player:
    """Plays a script: finds the action of an invocation."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._played: dict[str, int] = {}

    def action(self, function: str, payload: Any) -> Action:
        state = payload.get("state") if isinstance(payload, dict) else None
        name = state if state in self._script else function.rsplit(":", 1)[-1]
        actions = self._script[name]
        turn = self._played.get(name, 0)
        self._played[name] = turn + 1
        return actions[min(turn, len(actions) - 1)]


def raised(action: Raises) -> bytes:
    """The payload with which Lambda reports an exception."""
    report = {"errorMessage": action.message, "errorType": action.name, "stackTrace": []}
    return json.dumps(report, separators=(",", ":")).encode()


def outcome_of(history: list[dict[str, Any]], described: Mapping[str, Any]) -> Outcome:
    """Read an outcome from a history in the API's shape."""
    entered = [event["stateEnteredEventDetails"] for event in history if "stateEnteredEventDetails" in event]
    last = history[-1]
    text = last.get("executionSucceededEventDetails", {}).get("output") or entered[-1]["input"]
    ended = last.get("executionFailedEventDetails", {})
    return Outcome(
        tuple(event["name"] for event in entered),
        json.loads(text),
        described["status"],
        ended.get("error"),
        ended.get("cause"),
    )


class Ours:
    """Our service in virtual time with a scripted Lambda."""

    def __init__(self, script: Script, path: Path = Path(":memory:")) -> None:
        self.clock = VirtualClock()
        self.player = Player(script)
        self.events: list[dict[str, Any]] = []
        self.payloads: list[Any] = []
        self.service = self.open(path)

    def open(self, path: Path) -> StepFunctionsService:
        self.service = StepFunctionsService(
            path,
            invoke=self.invoke,
            emit=self.events.append,
            region=REGION,
            account=ACCOUNT,
            clock=self.clock,
            seed=1,
        )
        self.service.start()
        return self.service

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        return self.service.dispatch(operation, params)

    def invoke(self, function: str, payload: bytes) -> Invocation:
        document = json.loads(payload)
        self.payloads.append(document)
        match self.player.action(function, document):
            case Returns(value, after):
                self.clock.advance(after)
                return Invocation(json.dumps(value).encode(), False)
            case Raises() as action:
                return Invocation(raised(action), True)
            case Refuses(code):
                raise AwsError(code, "refused")
            case Sends(output):
                self.call("SendTaskSuccess", taskToken=document["task_token"], output=json.dumps(output))
            case Fails(error, cause):
                self.call("SendTaskFailure", taskToken=document["task_token"], error=error, cause=cause)
        return Invocation(b"null", False)

    def begin(self, definition: Mapping[str, Any], document: Any) -> str:
        created = self.call(
            "CreateStateMachine", name="machine", roleArn=ROLE, definition=json.dumps(definition)
        )
        arn: str = self.call(
            "StartExecution",
            stateMachineArn=created["stateMachineArn"],
            name="run-1",
            input=json.dumps(document),
        )["executionArn"]
        return arn

    def history(self, arn: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        following: dict[str, Any] | None = {}
        while following is not None:
            page = self.call("GetExecutionHistory", executionArn=arn, maxResults=1000, **following)
            events += page["events"]
            following = {"nextToken": page["nextToken"]} if "nextToken" in page else None
        return events

    def outcome(self, arn: str) -> Outcome:
        return outcome_of(self.history(arn), self.call("DescribeExecution", executionArn=arn))


def run_ours(definition: Mapping[str, Any], script: Script, document: Any = None) -> Outcome:
    """Run a definition to its end on our interpreter."""
    ours = Ours(script)
    try:
        arn = ours.begin(definition, {} if document is None else document)
        ours.service.engine.run()
        return ours.outcome(arn)
    finally:
        ours.service.close()
