"""One turn of an execution: the moves that every state shares.

A turn works on a copy of the execution and collects history events; nothing outside changes until the
caller stores both together.
"""

import copy
from typing import Any

from tunestep.local.interpreter import choices, failures, intrinsics, paths, templates
from tunestep.local.interpreter.definition import Machine, State
from tunestep.local.interpreter.documents import dumps, loads, too_large
from tunestep.local.interpreter.execution import HISTORY_LIMIT, Draws, Execution, Status
from tunestep.local.interpreter.failures import StateFailure

_WHOLE = {"truncated": False}


class HistoryFullError(Exception):
    """The history has room for one event only: the execution's end."""


class Turn:
    """The execution as it changes, and the history events of the change."""

    def __init__(self, machine: Machine, execution: Execution, draws: Draws) -> None:
        self.machine, self.draws, self.now = machine, draws, draws.now()
        self.execution = copy.copy(execution)
        self.history: list[dict[str, Any]] = []
        self._input = loads(execution.input)

    @property
    def state(self) -> State:
        """The current state's definition."""
        return self.machine.states[self.execution.state]

    @property
    def context(self) -> dict[str, Any]:
        """The context object of the current state."""
        return self.execution.context(self._input)

    def record(self, event: str, member: str | None = None, **details: Any) -> None:
        """Add a history event, its details under the API's member name."""
        if self.execution.events >= HISTORY_LIMIT - 1 and not self._ending:
            raise HistoryFullError
        self.execution.events += 1
        number = self.execution.events
        entry: dict[str, Any] = {
            "timestamp": self.now,
            "type": event,
            "id": number,
            "previousEventId": number - 1,
        }
        if member is not None:
            given = {key: value for key, value in details.items() if value is not None}
            for text in ("input", "output"):
                if text in given:
                    given[f"{text}Details"] = _WHOLE
            entry[f"{member}EventDetails"] = given
        self.history.append(entry)

    @property
    def _ending(self) -> bool:
        return self.execution.phase == "ended"

    def start(self) -> None:
        """The first transition: the input becomes the first state's."""
        run = self.execution
        if self.machine.timeout is not None:
            run.expires_at = run.started_at + self.machine.timeout
        self.record("ExecutionStarted", "executionStarted", input=run.input, roleArn=run.role_arn)
        run.phase, run.state, run.document = "enter", self.machine.start_at, self._input

    def enter(self) -> None:
        """Record that the current state has its input."""
        run = self.execution
        run.entered_at, run.retries = self.now, [0] * len(self.state.get("Retry", ()))
        self.record(
            f"{self.state['Type']}StateEntered", "stateEntered", name=run.state, input=dumps(run.document)
        )
        run.entered_event = run.events

    def run_pass(self) -> None:
        """A Pass state."""
        state, data = self.state, self.effective_input()
        self.leave(self.combined(state.get("Result", data)), state.get("Next"))

    def run_choice(self) -> None:
        """A Choice state: the first rule that holds decides."""
        data, context = self.selected("InputPath", self.execution.document), self.context
        for rule in self.state["Choices"]:
            if choices.holds(rule, data, context):
                following = rule["Next"]
                break
        else:
            if "Default" not in self.state:
                raise StateFailure(
                    failures.NO_CHOICE_MATCHED, f"No choice rule of the state '{self.execution.state}' holds"
                )
            following = self.state["Default"]
        self.leave(self.selected("OutputPath", data), following)

    def run_succeed(self) -> None:
        """A Succeed state."""
        data = self.selected("InputPath", self.execution.document)
        self.leave(self.selected("OutputPath", data), None)

    def run_fail(self) -> None:
        """A Fail state."""
        self.end("FAILED", error=self._text("Error"), cause=self._text("Cause"))

    def _text(self, name: str) -> str | None:
        text: str | None = self.state.get(name)
        if (path := self.state.get(f"{name}Path")) is None:
            return text
        try:
            value = intrinsics.evaluate(templates.expression(path), self.execution.document, self.context)
        except paths.PathNotFound as missing:
            document = dumps(self.execution.document)
            raise failures.not_in_input(str(missing), f"{name}Path", document) from None
        if not isinstance(value, str):
            raise StateFailure(failures.RUNTIME, f"{name}Path '{path}' does not select a string")
        return value

    def selected(self, field: str, document: Any) -> Any:
        """What InputPath or OutputPath selects; null selects an empty object."""
        text = self.state.get(field, "$")
        if text is None:
            return {}
        return self.at(paths.parse(text), document)

    def at(self, path: paths.Path, document: Any) -> Any:
        """What a path field selects. Raises StateFailure (States.Runtime) when that is nothing."""
        try:
            return paths.evaluate(path, document, self.context)
        except paths.PathNotFound:
            raise failures.no_results(path.text, path.bracketed) from None

    def effective_input(self) -> Any:
        """The raw input through InputPath and Parameters."""
        data = self.selected("InputPath", self.execution.document)
        if "Parameters" in self.state:
            data = templates.render(self.state["Parameters"], data, self.context)
        self.refuse_too_large(data, "received an input")
        return data

    def combined(self, result: Any) -> Any:
        """A result through ResultSelector, ResultPath and OutputPath."""
        self.refuse_too_large(result, "returned a result")
        if "ResultSelector" in self.state:
            result = templates.render(self.state["ResultSelector"], result, self.context)
        output = self.placed(self.state.get("ResultPath", "$"), result)
        return self.selected("OutputPath", output)

    def placed(self, result_path: str | None, result: Any) -> Any:
        """The raw input with the result at ResultPath; null drops the result."""
        document = self.execution.document
        return document if result_path is None else paths.insert(paths.parse(result_path), document, result)

    def refuse_too_large(self, value: Any, what: str) -> None:
        """Raise StateFailure (States.DataLimitExceeded) for data beyond the quota."""
        if too_large(value):
            what_failed = self.state.get("Resource", self.execution.state)
            raise StateFailure(
                failures.DATA_LIMIT_EXCEEDED,
                f"The state/task '{what_failed}' {what} with a size exceeding the maximum number of bytes "
                "service limit.",
            )

    def leave(self, output: Any, following: str | None) -> None:
        """End the state with its output and go on, or end the execution."""
        run = self.execution
        self.refuse_too_large(output, "returned a result")
        text = dumps(output)
        self.record(f"{self.state['Type']}StateExited", "stateExited", name=run.state, output=text)
        self.release()
        if following is None:
            self.end("SUCCEEDED", output=text)
        else:
            run.phase, run.state, run.document = "enter", following, output

    def release(self) -> None:
        """Drop everything that belongs to one attempt of one task."""
        run = self.execution
        run.function, run.payload, run.token = "", None, None
        run.deadline = run.heartbeat_seconds = run.heartbeat_due = run.retry_at = None

    def end(
        self, status: Status, *, output: str | None = None, error: str | None = None, cause: str | None = None
    ) -> None:
        """End the execution."""
        run = self.execution
        self.release()
        run.phase, run.status, run.stopped_at, run.expires_at = "ended", status, self.now, None
        run.output, run.error, run.cause = output, error, cause
        name = "".join(word.capitalize() for word in status.split("_"))
        member = f"execution{name}"
        if status == "SUCCEEDED":
            self.record(f"Execution{name}", member, output=output)
        else:
            self.record(f"Execution{name}", member, error=error, cause=cause)

    def end_in_failure(self, failure: StateFailure) -> None:
        """End the execution with an error that nothing took."""
        cause = failure.cause
        if failure.error == failures.RUNTIME:
            run = self.execution
            cause = (
                f"An error occurred while executing the state '{run.state}' "
                f"(entered at the event id #{run.entered_event}). {cause}"
            )
        self.end("FAILED", error=failure.error, cause=cause[: failures.CAUSE_LIMIT] or None)
