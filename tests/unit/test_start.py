"""Starting and stopping: who asked is written first, and no lie is left behind."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.run_world import REQUEST, RUN_ID, World, described, execution_arn, job_request, world
from tunestep import runs
from tunestep.errors import PrerequisitesNotMet, ServiceFault, TransientFault
from tunestep.reconcile import reconcile
from tunestep.request import parse, request_hash
from tunestep.start import InvalidRequest, Origin, StartEvent, free_attempt, slug, start
from tunestep.stop import StopEvent, stop

HASH = request_hash(parse(REQUEST))[:8]


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _starts(w: World, run_id: str) -> None:
    w.sfn_stub.add_response(
        "start_execution",
        {"executionArn": execution_arn(run_id), "startDate": w.clock()},
        {
            "stateMachineArn": w.context.env.machine_arn,
            "name": run_id,
            "input": msgspec.json.encode(REQUEST).decode(),
        },
    )


def _start(w: World, **changes: Any) -> dict[str, Any]:
    return start(w.context, StartEvent(**{"request": REQUEST, "requester": "ann", **changes}))


def test_each_start_of_the_same_request_is_the_next_attempt(w: World) -> None:
    for attempt in (1, 2, 3):
        run_id = f"customer-support-{HASH}-{attempt}"
        _starts(w, run_id)
        assert _start(w) == {"run_id": run_id, "execution_arn": execution_arn(run_id)}
        run = w.runs.run(run_id) or {}
        assert (run["attempt"], run["requester"], run["requester_assurance"], run["source"]) == (
            attempt,
            "ann",
            "unverified",
            "cli",
        )


def test_force_is_written_down_for_the_claim(w: World) -> None:
    _starts(w, run_id := f"customer-support-{HASH}-1")
    _start(w, force=True)
    assert (w.runs.run(run_id) or {})["force"] is True


def test_no_caller_can_say_how_it_is_known(w: World) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"request": REQUEST, "force": "yes"}, StartEvent)
    claimed = msgspec.convert({"request": REQUEST, "known": "IAM principal", "event": "e"}, StartEvent)
    _starts(w, run_id := f"customer-support-{HASH}-1")
    start(w.context, claimed)
    run = w.runs.run(run_id) or {}
    assert run["requester_assurance"] == "unverified"
    assert run["event"] != "e"


def test_the_same_event_is_the_same_execution_and_another_event_is_not(w: World) -> None:
    first, second = f"customer-support-{HASH}-1", f"customer-support-{HASH}-2"
    event = StartEvent(request=REQUEST, source="s3")
    for name, run_id in (("e1", first), ("e1", first), ("e2", second), ("e1", first)):
        _starts(w, run_id)
        assert start(w.context, event, Origin(known="S3 event", event=name))["run_id"] == run_id
    assert len(list(w.runs.by_kind("run"))) == 2


def test_an_execution_that_the_same_event_started_and_that_is_over_is_left_alone(w: World) -> None:
    event, origin = StartEvent(request=REQUEST, source="s3"), Origin(event="e1")
    _starts(w, run_id := f"customer-support-{HASH}-1")
    start(w.context, event, origin)
    w.sfn_stub.add_client_error("start_execution", "ExecutionAlreadyExists")
    assert start(w.context, event, origin)["run_id"] == run_id
    assert w.runs.run(run_id)
    w.done()


def test_an_invalid_request_starts_nothing_and_names_all_faults(w: World) -> None:
    with pytest.raises(InvalidRequest) as fault:
        _start(w, request={"use_case": "x", "techniqe": "SFT", "plan": {"ok": True}})
    assert fault.value.name == "PrerequisitesNotMet"
    assert len(fault.value.findings) >= 3
    assert list(w.runs.by_kind("run")) == []


def test_a_refused_start_leaves_an_ended_item(w: World) -> None:
    w.sfn_stub.add_client_error("start_execution", "StateMachineDoesNotExist", "gone")
    with pytest.raises(ServiceFault, match="gone"):
        _start(w)
    (run,) = w.runs.by_kind("run")
    assert (run["status"], run["outcome"]) == ("ENDED", "NOT_STARTED")


class Died(BaseException):
    """The function's process ends."""


@pytest.mark.parametrize("call", ["put_item", "start_execution"])
def test_a_start_that_dies_half_way_is_closed_by_the_reconciler(
    w: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def die(**_: Any) -> None:
        raise Died

    if call == "put_item":
        kept, puts = w.dynamodb.put_item, iter([False, True])
        monkeypatch.setattr(w.dynamodb, "put_item", lambda **put: die() if next(puts) else kept(**put))
    else:
        monkeypatch.setattr(w.stepfunctions, "start_execution", die)
    with pytest.raises(Died):
        _start(w)
    monkeypatch.undo()
    w.sfn_stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
    assert reconcile(w.context)["states"] == {"starting": 1}
    w.clock.forward(1801)
    w.sfn_stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
    assert reconcile(w.context)["states"] == {"cleared": 1}
    ended = [(run["status"], run["outcome"]) for run in w.runs.by_kind("run")]
    assert ended == ([("ENDED", "NOT_STARTED")] if call == "start_execution" else [])
    assert reconcile(w.context)["looked_at"] == 0
    w.done()


def test_a_name_written_twice_because_an_answer_was_lost_is_ours(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = w.runs.put_new

    def twice(item: dict[str, Any]) -> bool:
        kept(item)
        return kept(item)

    monkeypatch.setattr(w.runs, "put_new", twice)
    _starts(w, run_id := f"customer-support-{HASH}-1")
    assert _start(w)["run_id"] == run_id
    assert [run["status"] for run in w.runs.by_kind("run")] == ["STARTED"]
    assert [pending["run_id"] for pending in w.runs.by_kind("pending_run")] == [run_id]


def test_throttling_is_said_to_pass(w: World) -> None:
    w.sfn_stub.add_client_error("start_execution", "ThrottlingException", "slow")
    with pytest.raises(TransientFault):
        _start(w)


def test_a_name_that_the_console_took_is_given_back(w: World) -> None:
    taken, free = f"customer-support-{HASH}-1", f"customer-support-{HASH}-2"
    w.sfn_stub.add_client_error("start_execution", "ExecutionAlreadyExists")
    _starts(w, free)
    assert _start(w)["run_id"] == free
    assert w.runs.run(taken) is None
    w.done()


def test_the_next_of_many_attempts_is_found_in_few_looks(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, looks = set(range(1, 5001)), 0

    def run(run_id: str) -> dict[str, Any] | None:
        nonlocal looks
        looks += 1
        return {} if int(run_id.rpartition("-")[2]) in taken else None

    monkeypatch.setattr(w.runs, "run", run)
    assert free_attempt(w.context, parse(REQUEST)) == 5001
    assert looks < 30
    assert free_attempt(w.context, parse(REQUEST), 7001) == 7001
    taken = {1, 2, 4}
    assert free_attempt(w.context, parse(REQUEST)) in (3, 5)


def test_a_retry_runs_the_earlier_input_as_the_next_attempt(w: World) -> None:
    first, second = f"customer-support-{HASH}-1", f"customer-support-{HASH}-2"
    w.begin(run_id=first)
    _described(w, first, "FAILED")
    _starts(w, second)
    assert _start(w, request=None, retry_of=first)["run_id"] == second
    assert (w.runs.run(second) or {})["retry_of"] == first


def _described(w: World, run_id: str, status: str) -> None:
    w.sfn_stub.add_response(
        "describe_execution",
        {
            "executionArn": execution_arn(run_id),
            "stateMachineArn": w.context.env.machine_arn,
            "name": run_id,
            "status": status,
            "startDate": w.clock(),
            "input": msgspec.json.encode(REQUEST).decode(),
        },
    )


def test_a_retry_of_a_running_or_unknown_run_is_refused(w: World) -> None:
    _described(w, "r1", "RUNNING")
    with pytest.raises(PrerequisitesNotMet, match="still running"):
        _start(w, retry_of="r1")
    w.sfn_stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
    with pytest.raises(PrerequisitesNotMet, match="no run"):
        _start(w, retry_of="r2")


@pytest.mark.parametrize(
    ("use_case", "expected"),
    [
        ("Customer Support Chatbot", "customer-support-chatbot"),
        ("日本語だけ", "run"),
        ("a" * 80, "a" * 30),
        ("-- x --", "x"),
        ("s3://bucket/support/use_case_spec.md", "support"),
        ("s3://bucket/spec.md", "spec-md"),
        ("x" * 29 + " yz", "x" * 29),
    ],
)
def test_use_cases_become_names(use_case: str, expected: str) -> None:
    assert slug(use_case) == expected


def test_stopping_a_waiting_run_lets_it_clean_up_itself(w: World) -> None:
    request = job_request(w.begin())
    name = request["TrainingJobName"]
    w.runs.put({"pk": runs.job_pk(name), "sk": "JOB", "run_id": RUN_ID})
    w.runs.update_run(RUN_ID, {"job_name": name})
    w.runs.put({"pk": f"RUN#{RUN_ID}", "sk": runs.PENDING_TRAINING, "token": "t1", "job_name": name})
    w.sagemaker_stub.add_response("describe_training_job", described(request))
    w.sagemaker_stub.add_response("stop_training_job", {}, {"TrainingJobName": name})
    cause = f"Stopped by bob. Run it again with `tunestep retry {RUN_ID}`."
    w.sfn_stub.add_response(
        "send_task_failure", {}, {"taskToken": "t1", "error": "StoppedByUser", "cause": cause}
    )
    answer = stop(w.context, StopEvent(run=RUN_ID, actor="bob"))
    assert answer["status"] == "STOPPING"
    assert (w.runs.run(RUN_ID) or {})["stopped_by"] == "bob"
    assert w.runs.pending(RUN_ID, runs.PENDING_STOP), "the reconciler finishes what is cut off"
    w.done()


def test_stopping_a_run_that_waits_for_nothing_ends_and_cleans_it(w: World) -> None:
    w.begin()
    w.sagemaker_stub.add_client_error("describe_training_job", "ValidationException", "not found")
    w.sagemaker_stub.add_client_error("describe_training_job", "ValidationException", "not found")
    w.sfn_stub.add_response("stop_execution", {"stopDate": w.clock()})
    answer = stop(w.context, StopEvent(run=RUN_ID, actor="bob"))
    run = w.runs.run(RUN_ID) or {}
    assert (answer["status"], run["status"], run["error"]) == ("ENDED", "ENDED", "StoppedByUser")
    assert w.runs.pending(RUN_ID, runs.PENDING_STOP) is None
    w.done()


def test_stopping_a_run_that_has_ended_says_so_and_does_nothing(w: World) -> None:
    w.begin(status="ENDED")
    assert "already ended" in stop(w.context, StopEvent(run=RUN_ID))["message"]
    with pytest.raises(PrerequisitesNotMet):
        stop(w.context, StopEvent(run="unknown"))
    w.done()
