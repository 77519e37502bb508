"""A process that is killed between any two transitions loses nothing."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.local.asl.build import CAUGHT, machine, task, waiting
from tests.local.asl.machine import ACCOUNT, REGION
from tests.local.asl.runners import Fails, Ours, Raises, Returns, Sends, Silent, run_ours
from tests.local.asl.scenarios import Scenario, machine_scenarios
from tunestep.local.awsjson import AwsError

CHOSEN = {
    "approved",
    "approval times out",
    "approval request throttled",
    "retries run out",
    "training times out",
    "clean-up and failure notice break",
    "CheckDataset is retried",
}


def restarted(ours: Ours, path: Path) -> None:
    """Drop the engine and its connection as a kill does, and begin anew from the file."""
    ours.service.store.close()
    ours.open(path)


@pytest.mark.parametrize(
    "scenario", [s for s in machine_scenarios() if s.name in CHOSEN], ids=lambda scenario: scenario.name
)
def test_an_engine_dropped_after_every_transaction_reaches_the_same_end(
    scenario: Scenario, tmp_path: Path
) -> None:
    path = tmp_path / "sfn.sqlite"
    ours = Ours(scenario.script, path)
    arn = ours.begin(scenario.definition, scenario.document)
    restarted(ours, path)
    while ours.service.engine.turn() or ours.service.engine.jump():
        restarted(ours, path)
    without = run_ours(scenario.definition, scenario.script, scenario.document)
    assert ours.outcome(arn) == without
    ours.service.close()


class Killed(BaseException):
    """The process died inside a function."""


def test_a_task_in_flight_is_invoked_again_with_the_same_token(tmp_path: Path) -> None:
    path = tmp_path / "sfn.sqlite"
    ours = Ours({"tunestep-work": [Returns(None)]}, path)
    arn = ours.begin(machine(T=waiting(TimeoutSeconds=600)), {})
    died = ours.invoke

    def die(function: str, payload: bytes) -> Any:
        died(function, payload)
        raise Killed

    ours.service.engine._invoke = die
    with pytest.raises(Killed):
        ours.service.engine.run()
    restarted(ours, path)
    while ours.service.engine.turn():
        pass
    first, second = ours.payloads
    assert first == second
    ours.call("SendTaskSuccess", taskToken=first["task_token"], output="1")
    ours.service.engine.run()
    assert ours.outcome(arn).document == 1


def test_a_token_waits_on_with_its_first_deadline(tmp_path: Path) -> None:
    path = tmp_path / "sfn.sqlite"
    ours = Ours({"tunestep-work": [Silent()]}, path)
    arn = ours.begin(machine(T=waiting(TimeoutSeconds=600)), {})
    while ours.service.engine.turn():
        pass
    begun = ours.clock.now()
    ours.clock.advance(599)
    restarted(ours, path)
    assert not ours.service.engine.turn()
    assert ours.call("DescribeExecution", executionArn=arn)["status"] == "RUNNING"
    ours.service.engine.run()
    described = ours.call("DescribeExecution", executionArn=arn)
    assert (described["status"], described["stopDate"]) == ("FAILED", begun + 600)


def test_a_retry_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "sfn.sqlite"
    ours = Ours({"tunestep-work": [Raises("A"), Returns(1)]}, path)
    retry = [{"ErrorEquals": ["A"], "IntervalSeconds": 100}]
    arn = ours.begin(machine(T=task(Retry=retry)), {})
    while ours.service.engine.turn():
        pass
    begun = ours.clock.now()
    ours.clock.advance(99)
    restarted(ours, path)
    assert not ours.service.engine.turn()
    ours.service.engine.run()
    assert ours.call("DescribeExecution", executionArn=arn)["stopDate"] == begun + 100


def test_a_deadline_that_passed_while_nothing_ran_counts(tmp_path: Path) -> None:
    path = tmp_path / "sfn.sqlite"
    ours = Ours({"tunestep-work": [Silent()]}, path)
    arn = ours.begin(machine(T=waiting(TimeoutSeconds=60)), {})
    while ours.service.engine.turn():
        pass
    ours.clock.advance(3600)
    restarted(ours, path)
    token = ours.payloads[0]["task_token"]
    with pytest.raises(AwsError, match="TaskTimedOut"):
        ours.call("SendTaskSuccess", taskToken=token, output="1")
    ours.service.engine.run()
    assert ours.outcome(arn).error == "States.Timeout"


def test_a_status_event_that_was_not_sent_is_sent_after_the_restart(tmp_path: Path) -> None:
    path = tmp_path / "sfn.sqlite"
    ours = Ours({}, path)
    ours.begin(machine(S={"Type": "Succeed"}), {})
    restarted(ours, path)
    ours.service.engine.run()
    assert [event["detail"]["status"] for event in ours.events] == ["RUNNING", "SUCCEEDED"]


def test_a_running_execution_keeps_the_definition_it_began_with(tmp_path: Path) -> None:
    path = tmp_path / "sfn.sqlite"
    ours = Ours({"tunestep-work": [Returns(None)]}, path)
    before = machine(T={**waiting(), "ResultPath": "$.old"})
    arn = ours.begin(before, {})
    while ours.service.engine.turn():
        pass
    after = machine(T={**waiting(), "ResultPath": "$.new"})
    machine_arn = ours.call("DescribeExecution", executionArn=arn)["stateMachineArn"]
    ours.call("UpdateStateMachine", stateMachineArn=machine_arn, definition=json.dumps(after))
    restarted(ours, path)
    ours.call("SendTaskSuccess", taskToken=ours.payloads[0]["task_token"], output="1")
    ours.service.engine.run()
    assert ours.outcome(arn).document == {"old": 1}
    shown = ours.call("DescribeStateMachineForExecution", executionArn=arn)["definition"]
    assert json.loads(shown) == before
    assert json.loads(ours.call("DescribeStateMachine", stateMachineArn=machine_arn)["definition"]) == after


def test_three_days_pass_at_once_in_virtual_time() -> None:
    ours = Ours({"tunestep-work": [Silent()]})
    definition = machine(
        T=waiting(TimeoutSeconds=72 * 3600, Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "C"}]),
        C=CAUGHT,
    )
    arn = ours.begin(definition, {})
    begun = ours.clock.now()
    ours.service.engine.run()
    assert ours.clock.now() == begun + 72 * 3600
    assert ours.outcome(arn).path == ("T", "C")


def test_the_same_seed_gives_the_same_retry_times() -> None:
    retry = [{"ErrorEquals": ["A"], "IntervalSeconds": 10, "MaxAttempts": 4, "JitterStrategy": "FULL"}]

    def times() -> list[float]:
        ours = Ours({"tunestep-work": [Raises("A")]})
        arn = ours.begin(machine(T=task(Retry=retry)), {})
        ours.service.engine.run()
        return [e["timestamp"] for e in ours.history(arn) if e["type"] == "LambdaFunctionScheduled"]

    first = times()
    assert first == times()
    gaps = [later - earlier for earlier, later in itertools.pairwise(first)]
    assert all(0 <= gap <= 10 * 2**count for count, gap in enumerate(gaps))
    assert len(set(gaps)) == 4


def test_an_answered_token_moves_on_before_its_function_returns() -> None:
    outcome = run_ours(machine(T=waiting()), {"tunestep-work": [Sends([1])]})
    assert outcome.document == [1]
    assert run_ours(machine(T=waiting()), {"tunestep-work": [Fails("Mine", "why")]}).cause == "why"


CHILD = """
import sys, threading
from pathlib import Path
from tests.local.asl.build import machine, task
from tests.local.asl.machine import ACCOUNT, REGION, ROLE
from tunestep.local.interpreter.documents import dumps
from tunestep.local.stepfunctions import Invocation, StepFunctionsService

def invoke(function, payload):
    print("in the function", flush=True)
    threading.Event().wait()

service = StepFunctionsService(Path(sys.argv[1]), invoke=invoke, emit=print, region=REGION, account=ACCOUNT)
text = dumps(machine(P={"Type": "Pass", "Next": "T"}, T=task(ResultPath="$.r")))
created = service.dispatch("CreateStateMachine", {"name": "machine", "roleArn": ROLE, "definition": text})
service.start()
arn = created["stateMachineArn"]
service.dispatch("StartExecution", {"stateMachineArn": arn, "name": "run-1", "input": '{"a":1}'})
threading.Event().wait()
"""


def test_a_killed_process_leaves_a_file_that_another_goes_on_with(tmp_path: Path) -> None:
    path = tmp_path / "sfn.sqlite"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("in the function"):
            break
    child.kill()
    child.wait()
    child.stdout.close()
    ours = Ours({"tunestep-work": [Returns("done")]}, path)
    ours.service.engine.run()
    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:machine:run-1"
    assert ours.outcome(arn).document == {"a": 1, "r": "done"}
    assert [event["id"] for event in ours.history(arn)] == list(range(1, len(ours.history(arn)) + 1))
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    ours.service.close()
