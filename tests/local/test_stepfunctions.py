"""The Step Functions API as real boto3 calls see it, and its status events."""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from werkzeug.serving import make_server

from tests.local.asl.build import machine, task, waiting
from tests.local.asl.machine import ACCOUNT, DEFINITION, REGION, ROLE
from tests.local.asl.runners import Ours, Returns, Script
from tunestep.local.awsjson import AwsError
from tunestep.local.stepfunctions import Invocation, StepFunctionsService

SUCCEED = machine(S={"Type": "Succeed"})
WAIT = machine(T=waiting())
SCRIPT: Script = {"tunestep-work": [Returns(None)]}


@pytest.fixture
def ours() -> Iterator[Ours]:
    ours = Ours(SCRIPT)
    yield ours
    ours.service.close()


def create(ours: Ours, definition: dict[str, Any] = SUCCEED, name: str = "machine", **more: Any) -> str:
    arn: str = ours.call(
        "CreateStateMachine", name=name, roleArn=ROLE, definition=json.dumps(definition), **more
    )["stateMachineArn"]
    return arn


def start(ours: Ours, arn: str, name: str = "run-1", document: str = "{}") -> str:
    began: str = ours.call("StartExecution", stateMachineArn=arn, name=name, input=document)["executionArn"]
    return began


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(AwsError) as caught:
        call()
    return caught.value.code


def settle(ours: Ours) -> None:
    while ours.service.engine.turn():
        pass


def test_a_machine_can_be_created_described_listed_and_deleted(ours: Ours) -> None:
    logging = {"level": "ALL", "includeExecutionData": False, "destinations": []}
    arn = create(ours, loggingConfiguration=logging, tags=[{"key": "a", "value": "b"}])
    assert arn == f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:machine"
    described = ours.call("DescribeStateMachine", stateMachineArn=arn)
    assert described["loggingConfiguration"] == logging
    assert (described["status"], described["type"], described["roleArn"]) == ("ACTIVE", "STANDARD", ROLE)
    assert [m["name"] for m in ours.call("ListStateMachines")["stateMachines"]] == ["machine"]
    ours.call("TagResource", resourceArn=arn, tags=[{"key": "a", "value": "c"}])
    assert ours.call("ListTagsForResource", resourceArn=arn)["tags"] == [{"key": "a", "value": "c"}]
    ours.call("DeleteStateMachine", stateMachineArn=arn)
    assert (
        refused(lambda: ours.call("DescribeStateMachine", stateMachineArn=arn)) == "StateMachineDoesNotExist"
    )
    assert refused(lambda: start(ours, arn)) == "StateMachineDoesNotExist"


def test_creating_the_same_machine_again_is_no_fault_and_another_is(ours: Ours) -> None:
    arn = create(ours)
    assert create(ours) == arn
    assert refused(lambda: create(ours, WAIT)) == "StateMachineAlreadyExists"


def test_a_definition_that_cannot_run_is_refused_by_the_states_name(ours: Ours) -> None:
    with pytest.raises(AwsError, match="/States/Pause") as caught:
        create(ours, machine(Pause={"Type": "Wait", "Seconds": 1, "End": True}))
    assert caught.value.code == "InvalidDefinition"
    arn = create(ours)
    assert (
        refused(lambda: ours.call("UpdateStateMachine", stateMachineArn=arn, definition="{}"))
        == "InvalidDefinition"
    )
    assert refused(lambda: ours.call("UpdateStateMachine", stateMachineArn=arn)) == "MissingRequiredParameter"


def test_validation_lists_what_is_wrong(ours: Ours) -> None:
    good = ours.call("ValidateStateMachineDefinition", definition=json.dumps(DEFINITION))
    assert good == {"result": "OK", "diagnostics": []}
    bad = ours.call(
        "ValidateStateMachineDefinition", definition='{"StartAt":"A","States":{"A":{"Type":"Map"}}}'
    )
    assert bad["result"] == "FAIL"
    assert bad["diagnostics"][0]["location"] == "/States/A"


def test_an_execution_runs_and_is_described(ours: Ours) -> None:
    arn = start(ours, create(ours), document='{"a": 1}')
    assert arn == f"arn:aws:states:{REGION}:{ACCOUNT}:execution:machine:run-1"
    ours.service.engine.run()
    described = ours.call("DescribeExecution", executionArn=arn)
    assert (described["status"], described["input"], described["output"]) == (
        "SUCCEEDED",
        '{"a": 1}',
        '{"a":1}',
    )
    without = ours.call("DescribeExecution", executionArn=arn, includedData="METADATA_ONLY")
    assert not {"input", "output"} & without.keys()


def test_the_same_name_and_input_is_the_same_execution_while_it_runs(ours: Ours) -> None:
    machine_arn = create(ours, WAIT)
    arn = start(ours, machine_arn, document='{"a":1}')
    settle(ours)
    assert start(ours, machine_arn, document='{"a":1}') == arn
    assert refused(lambda: start(ours, machine_arn, document='{"a":2}')) == "ExecutionAlreadyExists"
    ours.call("StopExecution", executionArn=arn)
    assert refused(lambda: start(ours, machine_arn, document='{"a":1}')) == "ExecutionAlreadyExists"
    assert len(ours.call("ListExecutions", stateMachineArn=machine_arn)["executions"]) == 1


def test_an_execution_without_a_name_gets_one(ours: Ours) -> None:
    machine_arn = create(ours)
    arns = {ours.call("StartExecution", stateMachineArn=machine_arn)["executionArn"] for _ in range(2)}
    assert len(arns) == 2


@pytest.mark.parametrize(
    "name", ["a b", "a/b", "a:b", "a*b", "a?b", 'a"b', "a#b", "a\nb", "a{b", "a\\b", "a$b"]
)
def test_names_with_forbidden_characters_are_refused(ours: Ours, name: str) -> None:
    machine_arn = create(ours)
    assert refused(lambda: start(ours, machine_arn, name)) == "InvalidName"
    assert refused(lambda: create(ours, name=name)) == "InvalidName"


def test_names_have_at_most_80_characters(ours: Ours) -> None:
    machine_arn = create(ours)
    assert start(ours, machine_arn, "x" * 80)
    assert refused(lambda: start(ours, machine_arn, "x" * 81)) == "ValidationException"


@pytest.mark.parametrize("text", ["", "{", "NaN", '"' + "é" * 140_000 + '"'])
def test_an_input_that_is_no_json_or_too_large_is_refused(ours: Ours, text: str) -> None:
    machine_arn = create(ours)
    assert refused(lambda: start(ours, machine_arn, document=text)) == "InvalidExecutionInput"


@pytest.mark.parametrize(
    "operation",
    ["DescribeExecution", "StopExecution", "GetExecutionHistory", "DescribeStateMachineForExecution"],
)
def test_an_execution_that_is_not_there_is_refused(ours: Ours, operation: str) -> None:
    missing = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:machine:none"
    assert refused(lambda: ours.call(operation, executionArn=missing)) == "ExecutionDoesNotExist"
    assert refused(lambda: ours.call(operation, executionArn="arn:aws:s3:::b")) == "InvalidArn"


def test_executions_are_listed_newest_first_by_status_and_page(ours: Ours) -> None:
    machine_arn = create(ours, WAIT)
    for number in range(5):
        start(ours, machine_arn, f"run-{number}")
    settle(ours)
    ours.call("StopExecution", executionArn=machine_arn.replace("stateMachine", "execution") + ":run-2")
    names, token = [], None
    while True:
        page = ours.call(
            "ListExecutions",
            stateMachineArn=machine_arn,
            maxResults=2,
            **({"nextToken": token} if token else {}),
        )
        names += [run["name"] for run in page["executions"]]
        if (token := page.get("nextToken")) is None:
            break
    assert names == ["run-4", "run-3", "run-2", "run-1", "run-0"]
    aborted = ours.call("ListExecutions", stateMachineArn=machine_arn, statusFilter="ABORTED")["executions"]
    assert [run["name"] for run in aborted] == ["run-2"]
    wrong = {"stateMachineArn": machine_arn, "nextToken": "?"}
    assert refused(lambda: ours.call("ListExecutions", **wrong)) == "InvalidToken"


def test_the_history_is_numbered_paged_reversed_and_stripped(ours: Ours) -> None:
    arn = start(ours, create(ours, machine(T=task())))
    ours.service.engine.run()
    whole = ours.history(arn)
    assert [event["type"] for event in whole] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["id"] for event in whole] == [1, 2, 3, 4, 5, 6, 7]
    newest = ours.call("GetExecutionHistory", executionArn=arn, maxResults=3, reverseOrder=True)
    assert [event["id"] for event in newest["events"]] == [7, 6, 5]
    rest = ours.call(
        "GetExecutionHistory", executionArn=arn, reverseOrder=True, nextToken=newest["nextToken"]
    )
    assert [event["id"] for event in rest["events"]] == [4, 3, 2, 1]
    assert "nextToken" not in rest
    bare = ours.call("GetExecutionHistory", executionArn=arn, includeExecutionData=False)["events"]
    assert bare[1]["stateEnteredEventDetails"] == {"name": "T"}


def test_the_history_of_a_waiting_task_has_the_optimised_integrations_events(ours: Ours) -> None:
    arn = start(ours, create(ours, machine(T=waiting(TimeoutSeconds=600, HeartbeatSeconds=60))))
    settle(ours)
    ours.call("SendTaskSuccess", taskToken=ours.payloads[0]["task_token"], output='{"a":1}')
    ours.service.engine.run()
    events = ours.history(arn)
    assert [event["type"] for event in events[2:6]] == [
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
    ]
    scheduled = events[2]["taskScheduledEventDetails"]
    assert (scheduled["resourceType"], scheduled["resource"]) == ("lambda", "invoke.waitForTaskToken")
    assert (scheduled["region"], scheduled["timeoutInSeconds"], scheduled["heartbeatInSeconds"]) == (
        REGION,
        600,
        60,
    )
    assert events[5]["taskSucceededEventDetails"]["output"] == '{"a":1}'


def test_a_token_is_good_once(ours: Ours) -> None:
    start(ours, create(ours, WAIT))
    settle(ours)
    token = ours.payloads[0]["task_token"]
    assert refused(lambda: ours.call("SendTaskSuccess", taskToken=token, output="{")) == "InvalidOutput"
    ours.call("SendTaskHeartbeat", taskToken=token)
    ours.call("SendTaskSuccess", taskToken=token, output="1")
    assert refused(lambda: ours.call("SendTaskSuccess", taskToken=token, output="1")) == "TaskTimedOut"
    assert refused(lambda: ours.call("SendTaskFailure", taskToken=token)) == "TaskTimedOut"
    assert refused(lambda: ours.call("SendTaskHeartbeat", taskToken=token)) == "TaskTimedOut"
    assert refused(lambda: ours.call("SendTaskSuccess", taskToken="made up", output="1")) == "InvalidToken"


def test_stopping_kills_the_token_and_says_why(ours: Ours) -> None:
    arn = start(ours, create(ours, WAIT))
    settle(ours)
    stopped = ours.call("StopExecution", executionArn=arn, error="Mine", cause="enough")["stopDate"]
    described = ours.call("DescribeExecution", executionArn=arn)
    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "Mine", "enough")
    token = ours.payloads[0]["task_token"]
    assert refused(lambda: ours.call("SendTaskSuccess", taskToken=token, output="1")) == "TaskTimedOut"
    assert ours.history(arn)[-1]["type"] == "ExecutionAborted"
    ours.clock.advance(10)
    assert ours.call("StopExecution", executionArn=arn)["stopDate"] == stopped


def test_every_change_of_status_is_an_event_with_the_published_members(ours: Ours) -> None:
    arn = start(
        ours, create(ours, machine(F={"Type": "Fail", "Error": "E", "Cause": "c"})), document='{"a":1}'
    )
    ours.service.engine.run()
    assert [event["detail"]["status"] for event in ours.events] == ["RUNNING", "FAILED"]
    first, last = ours.events
    assert first["detail"]["stopDate"] is None
    assert (last["source"], last["detail-type"]) == ("aws.states", "Step Functions Execution Status Change")
    assert last["resources"] == [arn] == [last["detail"]["executionArn"]]
    assert (last["detail"]["input"], last["detail"]["output"]) == ('{"a":1}', None)
    assert (last["detail"]["error"], last["detail"]["cause"], last["detail"]["name"]) == ("E", "c", "run-1")
    assert isinstance(last["detail"]["stopDate"], int)
    assert last["detail"]["stopDate"] >= 1_600_000_000_000


def test_data_too_large_for_an_event_is_left_out_and_said_to_be(ours: Ours) -> None:
    start(ours, create(ours), document=json.dumps("x" * 200_000))
    ours.service.engine.run()
    running, ended = (event["detail"] for event in ours.events)
    assert running["inputDetails"] == {"included": True}
    assert (ended["input"], ended["output"]) == (None, None)
    assert ended["inputDetails"] == ended["outputDetails"] == {"included": False}


def test_an_event_that_cannot_be_sent_stops_nothing(tmp_path: Path) -> None:
    def emit(_event: dict[str, Any]) -> None:
        raise RuntimeError("nobody listens")

    ours = Ours(SCRIPT)
    ours.service.close()
    ours.service = StepFunctionsService(
        tmp_path / "s", invoke=ours.invoke, emit=emit, region=REGION, account=ACCOUNT, clock=ours.clock
    )
    arn = start(ours, create(ours))
    ours.service.engine.run()
    assert ours.outcome(arn).status == "SUCCEEDED"


def test_real_clients_and_threads_run_many_executions_at_once(tmp_path: Path) -> None:
    ended = threading.Semaphore(0)

    def emit(event: dict[str, Any]) -> None:
        if event["detail"]["status"] == "SUCCEEDED":
            ended.release()

    def invoke(_function: str, payload: bytes) -> Invocation:
        token = json.loads(payload)["task_token"]
        client.send_task_success(taskToken=token, output='{"answered": true}')
        return Invocation(b"null", False)

    service = StepFunctionsService(tmp_path / "s", invoke=invoke, emit=emit, region=REGION, account=ACCOUNT)
    server = make_server("127.0.0.1", 0, service, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = boto3.client(
        "stepfunctions",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(inject_host_prefix=False),
    )
    service.start()
    try:
        arn = client.create_state_machine(name="m", definition=json.dumps(WAIT), roleArn=ROLE)[
            "stateMachineArn"
        ]
        runs = [client.start_execution(stateMachineArn=arn)["executionArn"] for _ in range(10)]
        for _ in runs:
            assert ended.acquire(timeout=20)
        outputs = {client.describe_execution(executionArn=run)["output"] for run in runs}
        assert outputs == {'{"answered":true}'}
        with pytest.raises(ClientError) as caught:
            client.describe_execution(executionArn=runs[0] + "x")
        assert isinstance(caught.value, client.exceptions.ExecutionDoesNotExist)
    finally:
        server.shutdown()
        service.close()


def test_in_real_time_a_deadline_comes_without_anybody_asking(tmp_path: Path) -> None:
    ended: queue.Queue[dict[str, Any]] = queue.Queue()

    def emit(event: dict[str, Any]) -> None:
        if event["detail"]["status"] != "RUNNING":
            ended.put(event["detail"])

    service = StepFunctionsService(
        tmp_path / "s",
        invoke=lambda _function, _payload: Invocation(b"null", False),
        emit=emit,
        region=REGION,
        account=ACCOUNT,
    )
    service.start()
    try:
        text = json.dumps(machine(T=waiting(TimeoutSeconds=1)))
        created = service.dispatch("CreateStateMachine", {"name": "m", "definition": text, "roleArn": ROLE})
        service.dispatch("StartExecution", {"stateMachineArn": created["stateMachineArn"]})
        detail = ended.get(timeout=20)
    finally:
        service.close()
    assert (detail["status"], detail["error"]) == ("FAILED", "States.Timeout")
    assert 1000 <= detail["stopDate"] - detail["startDate"] < 15000
