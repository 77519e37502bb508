"""Whatever comes in whatever order, an execution stays sound."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.local.asl.machine import DEFINITION, ROLE
from tunestep.local.interpreter import core, definition
from tunestep.local.interpreter.clock import Chance, VirtualClock
from tunestep.local.interpreter.documents import dumps, loads
from tunestep.local.interpreter.execution import (
    Abort,
    Answered,
    Continue,
    Event,
    Execution,
    Heartbeat,
    Refused,
    Tick,
    TokenFailed,
    TokenSucceeded,
)

MACHINE = definition.load(dumps(DEFINITION))

DOCUMENTS = st.sampled_from(
    [
        {"approval": {"needed": True, "state_timeout_seconds": 600}},
        {"approval": {"needed": False}},
        {"verdict": "MET", "cause": ""},
        {"verdict": "Other", "cause": "c"},
        {"decision": "APPROVED", "cause": ""},
        {"status": "Completed", "wait_seconds": 600, "cause": ""},
        {"Error": "E", "Cause": "c"},
        {},
        None,
        "text",
        [1],
    ]
)
NAMES = st.sampled_from(
    ["TransientFault", "Lambda.ServiceException", "Mine", "States.Runtime", "States.Timeout", ""]
)
MOVES = st.lists(
    st.one_of(
        st.just(("go",)),
        st.tuples(st.just("answer"), DOCUMENTS),
        st.tuples(st.just("raise"), NAMES),
        st.tuples(st.just("refuse"), NAMES),
        st.tuples(st.just("send"), DOCUMENTS),
        st.tuples(st.just("fail"), NAMES),
        st.tuples(st.just("beat")),
        st.tuples(st.just("stale"), DOCUMENTS),
        st.tuples(st.just("wait"), st.integers(1, 1000)),
        st.just(("abort",)),
    ),
    max_size=60,
)


def event(  # noqa: PLR0911 - a table
    move: tuple[Any, ...], run: Execution, clock: VirtualClock
) -> Event:
    token = run.token or "none"
    match move:
        case ("answer", document):
            return Answered(run.attempt, dumps(document).encode(), False)
        case ("raise", name):
            return Answered(run.attempt, dumps({"errorType": name}).encode(), True)
        case ("refuse", name):
            return Refused(run.attempt, name, "")
        case ("send", document):
            return TokenSucceeded(token, document)
        case ("fail", name):
            return TokenFailed(token, name, "")
        case ("beat",):
            return Heartbeat(token)
        case ("stale", document):
            return Answered(run.attempt - 1, dumps(document).encode(), False)
        case ("wait", seconds):
            clock.advance(seconds)
            return Tick()
        case ("abort",):
            return Abort(None, None)
    return Continue()


@settings(max_examples=150, deadline=None)
@given(MOVES)
def test_no_order_of_events_breaks_an_execution(moves: list[tuple[Any, ...]]) -> None:
    clock = VirtualClock()
    draws = Chance(clock, seed=1)
    run = Execution(
        "arn:aws:states:us-west-2:1:execution:m:n", "n", "arn:aws:states:us-west-2:1:m", "m", ROLE, "{}", 0.0
    )
    used: set[str] = set()
    for move in moves:
        while run.ready:
            run = core.step(MACHINE, run, Continue(), draws).execution
        happened = event(move, run, clock)
        before = run
        transition = core.step(MACHINE, run, happened, draws)
        run = transition.execution
        assert Execution(**loads(dumps(vars(run)))) == run
        assert [entry["id"] for entry in transition.history] == list(range(before.events + 1, run.events + 1))
        if not before.running:
            assert run == before
            assert not transition.accepted
        if transition.accepted and isinstance(happened, TokenSucceeded | TokenFailed):
            assert happened.token not in used
            used.add(happened.token)
        assert (run.stopped_at is None) == run.running == (run.phase != "ended")
        assert run.running or (run.token is None and run.due() is None and run.call() is None)
        if move[0] == "stale":
            assert not transition.accepted
