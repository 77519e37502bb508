"""AWS Step Functions on the laptop: the API over the interpreter, answered by botocore's service model.

Behaviour: the API reference (docs.aws.amazon.com/step-functions/latest/apireference/). A machine's
logging, tracing and encryption settings are kept and shown; nothing is logged, traced or encrypted.
"""

# ruff: noqa: N802 - operations have the service's names

import uuid
from pathlib import Path
from typing import Any

from tunestep.local.awsjson import AwsError
from tunestep.local.interpreter.clock import Clock, RealClock
from tunestep.local.interpreter.documents import SIZE_LIMIT, loads
from tunestep.local.interpreter.engine import Emit, Engine, Invocation, Invoke
from tunestep.local.interpreter.execution import (
    Abort,
    Execution,
    Heartbeat,
    TokenFailed,
    TokenSucceeded,
)
from tunestep.local.interpreter.machine_operations import (
    PAGE,
    Answer,
    MachineOperations,
    next_token,
    offset,
    valid_name,
)
from tunestep.local.interpreter.status_event import status_event
from tunestep.local.interpreter.store import Store

__all__ = ["Invocation", "StepFunctionsService"]


class StepFunctionsService(MachineOperations):
    """The service. ``invoke`` runs a Lambda function, ``emit`` takes EventBridge events.

    ``invoke`` runs on a thread of its own and may call back into this service; it may raise AwsError
    for a function that could not be invoked. ``emit`` runs on the engine's thread and should return
    soon. With a VirtualClock, ``engine.run()`` does the work.
    """

    service_name = "stepfunctions"

    def __init__(
        self,
        db_path: Path,
        *,
        invoke: Invoke,
        emit: Emit,
        region: str,
        account: str,
        clock: Clock | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self._region, self._account = region, account
        self.clock: Clock = clock or RealClock()
        self.store = Store(db_path)
        self.engine = Engine(
            self.store, invoke=invoke, emit=emit, describe=self._event, clock=self.clock, seed=seed
        )

    def start(self) -> None:
        """Take up the executions that were running, and begin to work."""
        self.engine.start()

    def close(self) -> None:
        """Stop working and close the file; what is running is taken up by the next start()."""
        self.engine.close()
        self.store.close()

    def _event(self, execution: Execution) -> dict[str, Any]:
        return status_event(execution, self._region, self._account, self.clock.now())

    def machine_arn(self, name: str) -> str:
        """The ARN of a state machine."""
        return f"arn:aws:states:{self._region}:{self._account}:stateMachine:{name}"

    def StartExecution(self, params: Answer) -> Answer:
        """Start; the same name with the same input answers for the execution that is running."""
        machine = self.find_machine(params["stateMachineArn"])
        name = valid_name(params.get("name") or str(uuid.uuid4()))
        text = _input(params.get("input", "{}"))
        arn = f"arn:aws:states:{self._region}:{self._account}:execution:{machine[1]}:{name}"
        execution = Execution(
            arn=arn,
            name=name,
            machine_arn=machine[0],
            machine_name=machine[1],
            role_arn=machine[4],
            input=text,
            started_at=self.clock.now(),
        )
        if not self.engine.begin(execution, machine[5]):
            existing = self._execution(arn)
            if not existing.running or existing.input != text:
                raise AwsError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
            execution = existing
        return {"executionArn": arn, "startDate": execution.started_at}

    def _execution(self, arn: str) -> Execution:
        if ":execution:" not in arn:
            raise AwsError("InvalidArn", f"Invalid Arn: 'Resource type not valid in this context: {arn}'")
        loaded = self.store.load(arn)
        if loaded is None:
            raise AwsError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return loaded[0]

    def DescribeExecution(self, params: Answer) -> Answer:
        """Status, input, and output or error."""
        run = self._execution(params["executionArn"])
        described: Answer = {
            **_summary(run),
            "redriveCount": 0,
            "redriveStatus": "NOT_REDRIVABLE",
            "redriveStatusReason": "the laptop cloud does not redrive executions",
            "error": run.error,
            "cause": run.cause,
        }
        if params.get("includedData") == "METADATA_ONLY":
            return described
        described |= {"input": run.input, "inputDetails": {"included": True}}
        if run.output is not None:
            described |= {"output": run.output, "outputDetails": {"included": True}}
        return described

    def DescribeStateMachineForExecution(self, params: Answer) -> Answer:
        """The definition that an execution runs, whatever its machine has become since."""
        run = self._execution(params["executionArn"])
        loaded = self.store.row(
            "SELECT r.id, r.definition, r.role_arn, r.updated FROM executions e "
            "JOIN revisions r ON r.id = e.revision WHERE e.arn=?",
            run.arn,
        )
        if loaded is None:
            raise AwsError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{run.arn}'")
        return {
            "stateMachineArn": run.machine_arn,
            "name": run.machine_name,
            "definition": loaded[1],
            "roleArn": loaded[2],
            "updateDate": loaded[3],
            "revisionId": loaded[0],
        }

    def ListExecutions(self, params: Answer) -> Answer:
        """Executions of a machine, newest first."""
        if "stateMachineArn" not in params:
            raise AwsError("ValidationException", "the laptop cloud lists executions by stateMachineArn only")
        machine = self.find_machine(params["stateMachineArn"])
        first, size = offset(params), params.get("maxResults") or PAGE
        runs = self.store.executions(machine[0], params.get("statusFilter"), first, size + 1)
        return {
            "executions": [_summary(run) for run in runs[:size]],
            "nextToken": next_token(first + size, first + len(runs)),
        }

    def GetExecutionHistory(self, params: Answer) -> Answer:
        """Events, oldest first or newest first, a page at a time."""
        run = self._execution(params["executionArn"])
        first, size = offset(params), params.get("maxResults") or PAGE
        newest_first = params.get("reverseOrder", False)
        events = self.store.history(run.arn, first, size, newest_first=newest_first)
        if not params.get("includeExecutionData", True):
            events = [_without_data(event) for event in events]
        return {"events": events, "nextToken": next_token(first + size, run.events)}

    def StopExecution(self, params: Answer) -> Answer:
        """Abort; its token dies with it. Stopping what has ended answers when it ended."""
        run = self._execution(params["executionArn"])
        transition = self.engine.apply(run.arn, Abort(params.get("error"), params.get("cause")))
        return {"stopDate": (transition.execution if transition else run).stopped_at}

    def SendTaskSuccess(self, params: Answer) -> Answer:
        """End a waiting task with its output."""
        try:
            output = loads(params["output"])
        except ValueError as fault:
            raise AwsError("InvalidOutput", f"Invalid Output: '{fault}'") from None
        return self._token(TokenSucceeded(params["taskToken"], output))

    def SendTaskFailure(self, params: Answer) -> Answer:
        """End a waiting task with an error."""
        return self._token(TokenFailed(params["taskToken"], params.get("error", ""), params.get("cause", "")))

    def SendTaskHeartbeat(self, params: Answer) -> Answer:
        """Say that a waiting task is alive."""
        return self._token(Heartbeat(params["taskToken"]))

    def _token(self, event: TokenSucceeded | TokenFailed | Heartbeat) -> Answer:
        arn = self.store.token_owner(event.token)
        if arn is None:
            raise AwsError("InvalidToken", "Invalid Token: 'Invalid token'")
        transition = self.engine.apply(arn, event)
        if transition is None or not transition.accepted:
            raise AwsError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        return {}


def _input(text: str) -> str:
    try:
        loads(text)
    except ValueError as fault:
        raise AwsError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{fault}'") from None
    if len(text.encode("utf-8", "surrogatepass")) > SIZE_LIMIT:
        raise AwsError("InvalidExecutionInput", f"the execution's input has more than {SIZE_LIMIT} bytes")
    return text


def _summary(run: Execution) -> Answer:
    return {
        "executionArn": run.arn,
        "stateMachineArn": run.machine_arn,
        "name": run.name,
        "status": run.status,
        "startDate": run.started_at,
        "stopDate": run.stopped_at,
    }


def _without_data(event: Answer) -> Answer:
    """The event without what went in and out of its state."""
    hidden = {"input", "output", "inputDetails", "outputDetails", "parameters"}
    return {
        key: {name: text for name, text in value.items() if name not in hidden}
        if isinstance(value, dict)
        else value
        for key, value in event.items()
    }
