"""Task states: schedule an attempt, take its answer, its token or its time-out, retry, catch.

A function given by its ARN leaves LambdaFunction* events and its bare answer; lambda:invoke leaves
Task* events and {ExecutedVersion, Payload, StatusCode} ("Invoke an AWS Lambda function with Step
Functions", docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html).
"""

import math
from typing import Any

from tunestep.local.interpreter import failures, paths, states
from tunestep.local.interpreter.documents import dumps, loads
from tunestep.local.interpreter.execution import Answered, Heartbeat, Refused, TokenFailed, TokenSucceeded
from tunestep.local.interpreter.failures import StateFailure, matches
from tunestep.local.interpreter.turn import Turn

_DEFAULT_INTERVAL, _DEFAULT_ATTEMPTS, _DEFAULT_RATE = 1, 3, 2.0


def schedule(turn: Turn) -> None:
    """Begin an attempt: render its payload, set its deadlines, ask for the invocation."""
    run, state = turn.execution, turn.state
    turn.release()
    waits = states.waits_for_token(state)
    run.token = turn.draws.token() if waits else None
    parameters = turn.effective_input()
    timeout = _seconds(turn, "TimeoutSeconds")
    heartbeat = _seconds(turn, "HeartbeatSeconds")
    if _is_direct(turn):
        run.function, run.payload = state["Resource"], parameters
        turn.record(
            "LambdaFunctionScheduled",
            "lambdaFunctionScheduled",
            resource=run.function,
            input=dumps(parameters),
            timeoutInSeconds=timeout,
        )
        turn.record("LambdaFunctionStarted")
    else:
        if not isinstance(parameters["FunctionName"], str):
            raise StateFailure(failures.RUNTIME, "FunctionName does not select a string")
        run.function, run.payload = parameters["FunctionName"], parameters.get("Payload", {})
        turn.record(
            "TaskScheduled",
            "taskScheduled",
            **_integration(turn),
            region=run.machine_arn.split(":")[3],
            parameters=dumps(parameters),
            timeoutInSeconds=timeout,
            heartbeatInSeconds=heartbeat,
        )
        turn.record("TaskStarted", "taskStarted", **_integration(turn))
    run.attempt += 1
    run.phase = "invoking"
    run.deadline = None if timeout is None else turn.now + timeout
    run.heartbeat_seconds = heartbeat
    run.heartbeat_due = None if heartbeat is None else turn.now + heartbeat


def _seconds(turn: Turn, field: str) -> int | None:
    fixed: int | None = turn.state.get(field)
    if (path := turn.state.get(f"{field}Path")) is None:
        return fixed
    value = turn.at(paths.parse(path), turn.execution.document)
    if not states.positive_integer(value):
        raise StateFailure(failures.RUNTIME, f"{field}Path '{path}' does not select a positive integer")
    return int(value)


def _is_direct(turn: Turn) -> bool:
    return states.INVOKE.fullmatch(turn.state["Resource"]) is None


def _integration(turn: Turn) -> dict[str, str]:
    waits = states.waits_for_token(turn.state)
    return {"resourceType": "lambda", "resource": "invoke.waitForTaskToken" if waits else "invoke"}


def answered(turn: Turn, event: Answered) -> bool:
    """Take a function's answer; false when it comes too late."""
    run = turn.execution
    if run.phase != "invoking" or event.attempt != run.attempt:
        return False
    if event.error:
        failed(turn, _function_error(event.payload))
        return True
    value = _parsed(event.payload)
    if _is_direct(turn):
        turn.refuse_too_large(value, "returned a result")
        turn.record("LambdaFunctionSucceeded", "lambdaFunctionSucceeded", output=dumps(value))
        turn.leave(turn.combined(value), turn.state.get("Next"))
        return True
    result = {"ExecutedVersion": "$LATEST", "Payload": value, "StatusCode": 200}
    turn.refuse_too_large(result, "returned a result")
    if run.token is None:
        _succeed(turn, result)
    else:
        turn.record("TaskSubmitted", "taskSubmitted", **_integration(turn), output=dumps(result))
        run.phase = "waiting"
    return True


def _succeed(turn: Turn, result: Any) -> None:
    turn.refuse_too_large(result, "returned a result")
    turn.record("TaskSucceeded", "taskSucceeded", **_integration(turn), output=dumps(result))
    turn.leave(turn.combined(result), turn.state.get("Next"))


def _parsed(payload: bytes) -> Any:
    try:
        return loads(payload)
    except ValueError:
        return payload.decode("utf-8", "replace")


def _function_error(payload: bytes) -> StateFailure:
    """The error as Lambda reports it: its type is the name, its whole JSON the cause."""
    value = _parsed(payload)
    name = value.get("errorType") if isinstance(value, dict) else None
    return StateFailure(
        name if isinstance(name, str) else "Lambda.Unknown", payload.decode("utf-8", "replace")
    )


def refused(turn: Turn, event: Refused) -> bool:
    """Take an invocation that never reached the function; false when it comes too late."""
    run = turn.execution
    if run.phase != "invoking" or event.attempt != run.attempt:
        return False
    failed(turn, StateFailure(event.error, event.cause))
    return True


def token_used(turn: Turn, event: TokenSucceeded | TokenFailed | Heartbeat) -> bool:
    """Take what came with a token; false when the token's time is over.

    A token is good from the moment it is handed out: a function may answer its own token before it
    returns.
    """
    run = turn.execution
    if run.token is None or event.token != run.token:
        return False
    match event:
        case TokenSucceeded():
            _succeed(turn, event.output)
        case TokenFailed():
            failed(turn, StateFailure(event.error, event.cause))
        case Heartbeat() if run.heartbeat_seconds is not None:
            run.heartbeat_due = turn.now + run.heartbeat_seconds
    return True


def timed_out(turn: Turn, error: str) -> None:
    """End an attempt whose time is over."""
    if _is_direct(turn):
        turn.record("LambdaFunctionTimedOut", "lambdaFunctionTimedOut", error=error)
    else:
        turn.record("TaskTimedOut", "taskTimedOut", **_integration(turn), error=error)
    recover(turn, StateFailure(error, ""))


def failed(turn: Turn, failure: StateFailure) -> None:
    """End an attempt that failed."""
    if _is_direct(turn):
        turn.record("LambdaFunctionFailed", "lambdaFunctionFailed", error=failure.error, cause=failure.cause)
    else:
        turn.record(
            "TaskFailed", "taskFailed", **_integration(turn), error=failure.error, cause=failure.cause
        )
    recover(turn, failure)


def recover(turn: Turn, failure: StateFailure) -> None:
    """Retry, or go where Catch says, or raise the failure that nothing takes."""
    if _retry(turn, failure.error):
        return
    for catcher in turn.state.get("Catch", ()):
        if matches(failure.error, catcher["ErrorEquals"]):
            report = {"Error": failure.error, "Cause": failure.cause}
            turn.leave(turn.placed(catcher.get("ResultPath", "$"), report), catcher["Next"])
            return
    turn.end_in_failure(failure)


def _retry(turn: Turn, error: str) -> bool:
    run = turn.execution
    for index, retrier in enumerate(turn.state.get("Retry", ())):
        if not matches(error, retrier["ErrorEquals"]):
            continue
        done = run.retries[index]
        if done >= retrier.get("MaxAttempts", _DEFAULT_ATTEMPTS):
            return False
        delay = _delay(retrier, done)
        if retrier.get("JitterStrategy") == "FULL":
            delay *= turn.draws.uniform()
        turn.release()
        run.retries = [count + (position == index) for position, count in enumerate(run.retries)]
        run.phase, run.retry_at = "backoff", turn.now + delay
        return True
    return False


def _delay(retrier: dict[str, Any], done: int) -> float:
    first, rate = retrier.get("IntervalSeconds", _DEFAULT_INTERVAL), retrier.get("BackoffRate", _DEFAULT_RATE)
    longest = float(retrier.get("MaxDelaySeconds", states.MAX_SECONDS))
    try:
        return min(float(first) * math.pow(rate, done), longest)
    except OverflowError:
        return longest
