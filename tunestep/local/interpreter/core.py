"""The interpreter: definition, execution and event in, execution and history out; no clock, no storage."""

from tunestep.local.interpreter import failures, tasks
from tunestep.local.interpreter.definition import Machine
from tunestep.local.interpreter.execution import (
    Abort,
    Answered,
    Continue,
    Draws,
    Event,
    Execution,
    Heartbeat,
    Refused,
    Tick,
    TokenFailed,
    TokenSucceeded,
    Transition,
)
from tunestep.local.interpreter.failures import StateFailure
from tunestep.local.interpreter.turn import HistoryFullError, Turn


def step(machine: Machine, execution: Execution, event: Event, draws: Draws) -> Transition:
    """One transition. The given execution is not changed; what went wrong is in the new one.

    Whatever is due by now happens first: an answer that comes after its deadline is too late even
    when nobody has looked at the clock since.
    """
    if not execution.running:
        return Transition(execution, [], False)
    turn = Turn(machine, execution, draws)
    try:
        accepted = _apply(turn, event)
    except HistoryFullError:
        turn.end(
            "FAILED",
            error=failures.RUNTIME,
            cause="The execution reached the maximum number of history events (25000).",
        )
        accepted = True
    return Transition(turn.execution, turn.history, accepted)


def _apply(turn: Turn, event: Event) -> bool:
    try:
        return _take(turn, event)
    except StateFailure as failure:
        _fail_state(turn, failure)
        return True


def _take(turn: Turn, event: Event) -> bool:
    if isinstance(event, Abort):
        turn.end("ABORTED", error=event.error, cause=event.cause)
        return True
    due = turn.execution.due()
    if due is not None and due <= turn.now:
        _time_passed(turn, due)
        return isinstance(event, Tick)
    return _take_in_time(turn, event)


def _take_in_time(turn: Turn, event: Event) -> bool:
    match event:
        case Continue():
            return _advance(turn)
        case Answered():
            return tasks.answered(turn, event)
        case Refused():
            return tasks.refused(turn, event)
        case TokenSucceeded() | TokenFailed() | Heartbeat():
            return tasks.token_used(turn, event)
    return False


def _fail_state(turn: Turn, failure: StateFailure) -> None:
    """A failure of the state itself: Task states may retry or catch it, the others cannot."""
    if turn.state["Type"] != "Task":
        turn.end_in_failure(failure)
        return
    try:
        tasks.recover(turn, failure)
    except StateFailure as second:
        turn.end_in_failure(second)


def _time_passed(turn: Turn, due: float) -> None:
    run = turn.execution
    if run.expires_at == due:
        turn.end("TIMED_OUT", error=failures.TIMEOUT)
    elif run.deadline == due:
        tasks.timed_out(turn, failures.TIMEOUT)
    elif run.heartbeat_due == due:
        tasks.timed_out(turn, failures.HEARTBEAT_TIMEOUT)
    else:
        tasks.schedule(turn)


def _advance(turn: Turn) -> bool:
    match turn.execution.phase:
        case "start":
            turn.start()
        case "enter":
            turn.enter()
            match turn.state["Type"]:
                case "Task":
                    tasks.schedule(turn)
                case "Pass":
                    turn.run_pass()
                case "Choice":
                    turn.run_choice()
                case "Succeed":
                    turn.run_succeed()
                case "Fail":
                    turn.run_fail()
        case _:
            return False
    return True
