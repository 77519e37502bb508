"""The template's machine far below the limits of Step Functions, however long it waits and however many run.

Limits: 25,000 events in a history, 262,144 bytes in an input or output (Step Functions service quotas). What
the real functions put into a document is measured in tests/faults/test_documents.py.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from tests.local.asl.machine import ROLE
from tests.local.asl.runners import Action, Ours, Raises, Refuses, Silent
from tests.local.asl.scenarios import GATED, REQUEST
from tunestep.local.awsjson import AwsError

MOST_EVENTS = 25_000
MOST_BYTES = 262_144
DAY = 86_400.0
RUNS = 200
DECIDED = {"decision": "APPROVED", "actor": "ann", "cause": ""}
ENDED = {"job_name": "j", "status": "Completed", "wait_seconds": 176400, "cause": ""}
WAITING: dict[str, list[Action]] = {**GATED, "AwaitApproval": [Silent()], "AwaitTraining": [Silent()]}


class Machine:
    """Executions of one machine; the tokens of its waiting states are answered when the test says so."""

    def __init__(self, definition: Mapping[str, Any], script: Mapping[str, list[Action]]) -> None:
        self.ours = Ours(script)
        self.arn = self.ours.call(
            "CreateStateMachine", name="machine", roleArn=ROLE, definition=json.dumps(definition)
        )["stateMachineArn"]
        self._answered = 0

    def start(self, name: str, document: Any = REQUEST) -> str:
        arn: str = self.ours.call(
            "StartExecution", stateMachineArn=self.arn, name=name, input=json.dumps(document)
        )["executionArn"]
        return arn

    def settle(self) -> None:
        """Everything that can be done without time passing."""
        while self.ours.service.engine.turn():
            pass

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with everything that is due meanwhile."""
        end = self.ours.clock.now() + seconds
        while (due := self.ours.service.store.next_due()) is not None and due <= end:
            self.ours.clock.advance_to(due)
            self.settle()
        self.ours.clock.advance_to(end)

    def answer(self, output: Any) -> int:
        """Answer every token that was given away and not answered yet; how many states that ended.

        The token of an attempt that Lambda refused is nobody's any more.
        """
        tokens = [p["task_token"] for p in self.ours.payloads[self._answered :] if "task_token" in p]
        self._answered = len(self.ours.payloads)
        taken = 0
        for token in tokens:
            with suppress(AwsError):
                self.ours.call("SendTaskSuccess", taskToken=token, output=json.dumps(output))
                taken += 1
        self.settle()
        return taken


def made(definition: Mapping[str, Any], script: Mapping[str, list[Action]] = WAITING) -> Iterator[Machine]:
    machine = Machine(definition, script)
    yield machine
    machine.ours.service.close()


@pytest.fixture
def machine(synthesized: dict[str, Any]) -> Iterator[Machine]:
    yield from made(synthesized)


def largest(history: list[dict[str, Any]]) -> int:
    """Bytes of the longest input or output in a history."""
    details = [value for event in history for key, value in event.items() if key.endswith("EventDetails")]
    texts = [entry[name] for entry in details for name in ("input", "output", "parameters") if name in entry]
    return max(len(text.encode()) for text in texts)


def through(machine: Machine, run: str, decided_after: float, trained_after: float) -> list[dict[str, Any]]:
    """The history of a run whose decision and job take so many seconds."""
    arn = machine.start(run)
    machine.settle()
    for seconds, output in ((decided_after, DECIDED), (trained_after, ENDED)):
        machine.pass_time(seconds)
        assert machine.answer(output) == 1
    machine.pass_time(600)
    history = machine.ours.history(arn)
    assert history[-1]["type"] == "ExecutionSucceeded"
    return history


@pytest.mark.slow
def test_a_run_of_72_hours_has_the_history_of_one_of_an_hour(machine: Machine) -> None:
    long = through(machine, "long", 2.9 * DAY, 2 * DAY - 1)
    began, ended = long[0]["timestamp"], long[-1]["timestamp"]
    assert ended - began > 3 * DAY
    assert len(long) == len(through(machine, "short", 60, 3600))
    assert len(long) < 100 < MOST_EVENTS
    assert largest(long) < MOST_BYTES


@pytest.mark.slow
def test_two_hundred_runs_side_by_side_stay_as_small_as_one(machine: Machine) -> None:
    runs = [
        machine.start(f"run-{number}", {**REQUEST, "use_case": f"case {number}"}) for number in range(RUNS)
    ]
    machine.settle()
    machine.pass_time(DAY)
    assert machine.answer(DECIDED) == RUNS
    machine.pass_time(DAY)
    assert machine.answer(ENDED) == RUNS
    histories = [machine.ours.history(arn) for arn in runs]
    assert {history[-1]["type"] for history in histories} == {"ExecutionSucceeded"}
    assert len({len(history) for history in histories}) == 1
    assert len(histories[0]) < 100
    assert max(map(largest, histories)) < MOST_BYTES
    for number, history in enumerate(histories):
        said = json.loads(history[-1]["executionSucceededEventDetails"]["output"])
        assert said["request"]["use_case"] == f"case {number}", "no run has seen another's document"


def test_every_retry_that_there_is_stays_far_below_the_limit(synthesized: dict[str, Any]) -> None:
    """The longest history of all: whatever may fail fails as often as it is tried again, and then works."""
    script: dict[str, list[Action]] = {}
    for state, (answer, *_) in WAITING.items():
        faults: list[Action] = [Refuses("TooManyRequestsException")] * 5
        if state == "StartTraining":
            faults += [Raises("QuotaReached")] * 10
        script[state] = [*faults, answer]
    for machine in made(synthesized, script):
        history = through(machine, "unlucky", DAY, DAY)
        assert 150 < len(history) < 500
        assert largest(history) < MOST_BYTES
