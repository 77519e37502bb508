"""Quotas, time-outs, retries and what comes too late."""

import itertools
from typing import Any

import pytest

from tests.local.asl.build import CAUGHT, caught, machine, task, waiting
from tests.local.asl.machine import ROLE, function
from tests.local.asl.runners import Ours, Raises, Refuses, Returns, Silent, run_ours
from tunestep.local.interpreter import core, definition
from tunestep.local.interpreter.clock import Chance, VirtualClock
from tunestep.local.interpreter.documents import SIZE_LIMIT, dumps
from tunestep.local.interpreter.execution import (
    HISTORY_LIMIT,
    Abort,
    Answered,
    Continue,
    Execution,
    Heartbeat,
    Tick,
    TokenFailed,
    TokenSucceeded,
)

WORK = "tunestep-work"


class Bench:
    """The pure core alone: one execution, stepped by hand."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.clock = VirtualClock()
        self.machine = definition.load(dumps(document))
        self.draws = Chance(self.clock, seed=1)
        self.run = Execution(
            "arn:aws:states:us-west-2:1:execution:m:n",
            "n",
            "arn:aws:states:us-west-2:1:m",
            "m",
            ROLE,
            "{}",
            self.clock.now(),
        )
        self.types: list[str] = []

    def step(self, event: Any) -> bool:
        transition = core.step(self.machine, self.run, event, self.draws)
        self.run = transition.execution
        self.types += [entry["type"] for entry in transition.history]
        return transition.accepted

    def advance(self) -> "Bench":
        while self.run.ready:
            self.step(Continue())
        return self


def test_a_step_leaves_the_given_execution_as_it_was() -> None:
    bench = Bench(machine(T=waiting(TimeoutSeconds=60, Retry=[{"ErrorEquals": ["A"]}]))).advance()
    before, text = bench.run, dumps(vars(bench.run))
    for event in (
        TokenSucceeded(before.token or "", [1]),
        TokenFailed(before.token or "", "A", ""),
        Abort(None, None),
    ):
        core.step(bench.machine, before, event, bench.draws)
    assert dumps(vars(before)) == text


@pytest.mark.parametrize(("size", "status"), [(SIZE_LIMIT - 2, "SUCCEEDED"), (SIZE_LIMIT - 1, "FAILED")])
def test_the_largest_result_has_256_kilobytes(size: int, status: str) -> None:
    outcome = run_ours(machine(T=task()), {WORK: [Returns("x" * size)]})
    assert outcome.status == status
    assert outcome.error == (None if status == "SUCCEEDED" else "States.DataLimitExceeded")


def test_the_limit_counts_bytes_and_not_characters() -> None:
    assert run_ours(machine(T=task()), {WORK: [Returns("é" * 140_000)]}).error == "States.DataLimitExceeded"


def test_a_task_input_beyond_the_limit_ends_the_execution() -> None:
    definition_ = machine(
        T=task(Parameters={"a.$": "$", "b.$": "$"}, Catch=caught("States.ALL")), Caught=CAUGHT
    )
    outcome = run_ours(definition_, {WORK: [Returns(1)]}, {"x": "x" * 200_000})
    assert outcome.error == "States.DataLimitExceeded"


def test_a_loop_ends_at_25000_events_with_an_end_that_is_recorded() -> None:
    bench = Bench(machine(A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Next": "A"})).advance()
    assert bench.run.status == "FAILED"
    assert bench.run.events == len(bench.types) == HISTORY_LIMIT
    assert bench.types[-1] == "ExecutionFailed"
    assert "25000" in str(bench.run.cause)


def test_retries_back_off_up_to_the_longest_delay() -> None:
    retry = [
        {
            "ErrorEquals": ["A"],
            "IntervalSeconds": 2,
            "MaxAttempts": 5,
            "BackoffRate": 3,
            "MaxDelaySeconds": 20,
        }
    ]
    ours = Ours({WORK: [Raises("A")]})
    arn = ours.begin(machine(T=task(Retry=retry)), {})
    ours.service.engine.run()
    times = [e["timestamp"] for e in ours.history(arn) if e["type"] == "LambdaFunctionScheduled"]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [2, 6, 18, 20, 20]


def test_a_backoff_without_bound_does_not_overflow() -> None:
    retry = [{"ErrorEquals": ["A"], "MaxAttempts": 2000, "BackoffRate": 10, "MaxDelaySeconds": 60}]
    assert run_ours(machine(T=task(Retry=retry)), {WORK: [*[Raises("A")] * 400, Returns(1)]}).document == 1


def test_retry_count_is_in_the_context() -> None:
    ours = Ours({WORK: [Raises("A"), Raises("A"), Returns(1)]})
    ours.begin(machine(T=task(Parameters={"n.$": "$$.State.RetryCount"}, Retry=[{"ErrorEquals": ["A"]}])), {})
    ours.service.engine.run()
    assert ours.payloads == [{"n": 0}, {"n": 1}, {"n": 2}]


@pytest.mark.parametrize("field", ["TimeoutSecondsPath", "HeartbeatSecondsPath"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "60", True, None, 10**9])
def test_a_time_limit_that_is_no_positive_integer_ends_the_execution(field: str, value: Any) -> None:
    outcome = run_ours(machine(T=waiting(**{field: "$.t"})), {WORK: [Silent()]}, {"t": value})
    assert outcome.error == "States.Runtime"


def test_heartbeats_keep_a_task_alive_until_they_stop() -> None:
    bench = Bench(machine(T=waiting(TimeoutSeconds=600, HeartbeatSeconds=60))).advance()
    token = str(bench.run.token)
    for _ in range(3):
        bench.clock.advance(59)
        assert bench.step(Heartbeat(token))
    bench.clock.advance(60)
    assert not bench.step(Heartbeat(token))
    assert bench.run.error == "States.HeartbeatTimeout"
    assert "TaskTimedOut" in bench.types


def test_heartbeats_do_not_move_the_time_out() -> None:
    bench = Bench(machine(T=waiting(TimeoutSeconds=100, HeartbeatSeconds=60))).advance()
    for _ in range(2):
        bench.clock.advance(50)
        bench.step(Heartbeat(str(bench.run.token)))
    assert bench.run.error == "States.Timeout"


def test_the_machines_time_out_ends_the_execution_in_a_task_or_a_backoff() -> None:
    slow = {**machine(T=task(Retry=[{"ErrorEquals": ["A"], "IntervalSeconds": 3600}])), "TimeoutSeconds": 60}
    assert run_ours(slow, {WORK: [Raises("A")]}).status == "TIMED_OUT"
    assert run_ours({**machine(T=waiting()), "TimeoutSeconds": 60}, {WORK: [Silent()]}).status == "TIMED_OUT"


def test_an_answer_after_the_deadline_is_too_late() -> None:
    bench = Bench(machine(T=task(TimeoutSeconds=60))).advance()
    bench.clock.advance(60)
    assert not bench.step(Answered(bench.run.attempt, b"1", False))
    assert (bench.run.status, bench.run.error) == ("FAILED", "States.Timeout")
    assert bench.types[-2:] == ["LambdaFunctionTimedOut", "ExecutionFailed"]


def test_the_answer_of_an_earlier_attempt_is_dropped() -> None:
    bench = Bench(machine(T=task(TimeoutSeconds=60, Retry=[{"ErrorEquals": ["States.Timeout"]}]))).advance()
    bench.clock.advance(60)
    bench.step(Tick())
    bench.clock.advance(1)
    bench.step(Tick())
    assert bench.run.attempt == 2
    assert not bench.step(Answered(1, b'"old"', False))
    assert bench.step(Answered(2, b'"new"', False))
    assert bench.run.output == '"new"'


def test_an_abort_kills_the_token() -> None:
    bench = Bench(machine(T=waiting())).advance()
    token = str(bench.run.token)
    assert bench.step(Abort("Stopped", "by hand"))
    assert (bench.run.status, bench.run.error, bench.run.cause) == ("ABORTED", "Stopped", "by hand")
    assert not bench.step(TokenSucceeded(token, 1))


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b'{"errorType":"Mine","errorMessage":"m"}', "Mine"),
        (b'{"errorType":"Sandbox.Timedout","errorMessage":"m"}', "Sandbox.Timedout"),
        (b'{"errorMessage":"out of memory"}', "Lambda.Unknown"),
        (b"not json", "Lambda.Unknown"),
        (b"\xff", "Lambda.Unknown"),
        (b"7", "Lambda.Unknown"),
    ],
)
def test_a_function_error_is_named_by_its_type_and_keeps_its_text(payload: bytes, error: str) -> None:
    bench = Bench(machine(T=task())).advance()
    bench.step(Answered(1, payload, True))
    assert (bench.run.error, bench.run.cause) == (error, payload.decode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("TooManyRequestsException", "Lambda.TooManyRequestsException"),
        ("Lambda.ServiceException", "Lambda.ServiceException"),
        ("ResourceNotFoundException", "Lambda.ResourceNotFoundException"),
    ],
)
def test_a_refused_invocation_carries_the_services_name(code: str, error: str) -> None:
    assert run_ours(machine(T=task()), {WORK: [Refuses(code)]}).error == error


def test_an_invocation_that_breaks_is_unknown_and_not_lost() -> None:
    assert run_ours(machine(T=task()), {}).error == "Lambda.Unknown"


def test_the_context_of_a_waiting_task() -> None:
    wanted = {"FunctionName": function("work"), "Payload": {"token.$": "$$.Task.Token", "all.$": "$$"}}
    bench = Bench(machine(T=waiting(Parameters=wanted))).advance()
    seen = bench.run.payload
    assert seen["token"] == bench.run.token == seen["all"]["Task"]["Token"]
    assert seen["all"]["Execution"] == {
        "Id": bench.run.arn,
        "Input": {},
        "Name": "n",
        "RoleArn": ROLE,
        "StartTime": "2023-11-14T22:13:20.000Z",
        "RedriveCount": 0,
    }
    assert seen["all"]["StateMachine"] == {"Id": bench.run.machine_arn, "Name": "m"}
    assert seen["all"]["State"] == {"Name": "T", "EnteredTime": "2023-11-14T22:13:20.000Z", "RetryCount": 0}
