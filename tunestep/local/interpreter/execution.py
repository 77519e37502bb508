"""An execution between two transitions: plain data that is stored as it is and goes on from there."""

import datetime
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

Phase = Literal["start", "enter", "invoking", "waiting", "backoff", "ended"]
Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]

HISTORY_LIMIT = 25_000
"""Most events in one execution's history; reaching it ends the execution (Step Functions quotas)."""


class Call(NamedTuple):
    """A function that has to be invoked: which attempt asks, the function's ARN, the payload."""

    attempt: int
    function: str
    payload: Any


class Draws(Protocol):
    """What a transition may draw from outside: the time, chance and new tokens."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def uniform(self) -> float:
        """A number in [0, 1)."""

    def token(self) -> str:
        """A new task token."""


@dataclass
class Execution:
    """Everything a transition needs to know besides the definition. Times are epoch seconds."""

    arn: str
    name: str
    machine_arn: str
    machine_name: str
    role_arn: str
    input: str
    started_at: float
    status: Status = "RUNNING"
    phase: Phase = "start"
    expires_at: float | None = None
    state: str = ""
    document: Any = None
    entered_at: float = 0.0
    entered_event: int = 0
    retries: list[int] = field(default_factory=list)
    attempt: int = 0
    function: str = ""
    payload: Any = None
    token: str | None = None
    deadline: float | None = None
    heartbeat_seconds: float | None = None
    heartbeat_due: float | None = None
    retry_at: float | None = None
    events: int = 0
    stopped_at: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"

    @property
    def ready(self) -> bool:
        """Whether the next transition needs nothing from outside."""
        return self.running and self.phase in ("start", "enter")

    def call(self) -> Call | None:
        """The invocation whose answer is outstanding."""
        if self.running and self.phase == "invoking":
            return Call(self.attempt, self.function, self.payload)
        return None

    def due(self) -> float | None:
        """When time alone moves the execution on, if nothing else does before."""
        times = (self.expires_at, self.deadline, self.heartbeat_due, self.retry_at)
        return min((time for time in times if time is not None), default=None) if self.running else None

    def context(self, input_document: Any) -> dict[str, Any]:
        """The context object (``$$``) for the current state."""
        context: dict[str, Any] = {
            "Execution": {
                "Id": self.arn,
                "Input": input_document,
                "Name": self.name,
                "RoleArn": self.role_arn,
                "StartTime": iso(self.started_at),
                "RedriveCount": 0,
            },
            "StateMachine": {"Id": self.machine_arn, "Name": self.machine_name},
            "State": {
                "Name": self.state,
                "EnteredTime": iso(self.entered_at),
                "RetryCount": sum(self.retries),
            },
        }
        if self.token is not None:
            context["Task"] = {"Token": self.token}
        return context


@dataclass(frozen=True)
class Continue:
    """Go on: nothing from outside is needed."""


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Answered:
    """A function answered; ``error`` says that it failed and the payload is the error's JSON."""

    attempt: int
    payload: bytes
    error: bool


@dataclass(frozen=True)
class Refused:
    """The function could not be invoked; ``error`` is a name such as Lambda.TooManyRequestsException."""

    attempt: int
    error: str
    cause: str


@dataclass(frozen=True)
class TokenSucceeded:
    """SendTaskSuccess; the output is parsed JSON."""

    token: str
    output: Any


@dataclass(frozen=True)
class TokenFailed:
    """SendTaskFailure."""

    token: str
    error: str
    cause: str


@dataclass(frozen=True)
class Heartbeat:
    """SendTaskHeartbeat."""

    token: str


@dataclass(frozen=True)
class Abort:
    """StopExecution."""

    error: str | None
    cause: str | None


Event = Continue | Tick | Answered | Refused | TokenSucceeded | TokenFailed | Heartbeat | Abort


class Transition(NamedTuple):
    """The outcome of one step.

    ``history`` holds the new events in the API's shape. ``accepted`` is false for an event that came
    too late or twice; the execution may still have moved, because time had passed.
    """

    execution: Execution
    history: list[dict[str, Any]]
    accepted: bool


def iso(seconds: float) -> str:
    """The time as the context object writes it: ISO 8601 in UTC with milliseconds."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
