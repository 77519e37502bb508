"""The handlers: every verb loads, faults are told apart, direct answers are data."""

import importlib
import io
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support.run_world import RUN_ID, World, execution_arn, world
from tunestep import errors, names
from tunestep.approvals import DecisionRefused

LAMBDA = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:us-west-2:123456789012:function:f",
    aws_request_id="r",
)


@pytest.fixture
def w(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "tunestep")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Tunestep")
    runtime = importlib.import_module("lambdas._runtime")
    with world() as made:
        monkeypatch.setattr(runtime, "context", lambda: made.context)
        yield made


@pytest.fixture
def log(w: World, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the functions log from now on; their handler has the stream of the process that loaded it."""
    written = io.StringIO()
    runtime = importlib.import_module("lambdas._runtime")
    monkeypatch.setattr(runtime.logger.registered_handler, "stream", written)
    return written


def _handler(verb: str) -> Any:
    return importlib.import_module(f"lambdas.{verb}").handler


def _step(**document: Any) -> dict[str, Any]:
    execution = {"arn": execution_arn(RUN_ID), "name": RUN_ID, "started_at": "2026-11-22T12:00:00Z"}
    return {"document": {"request": {}, **document}, "execution": execution, "state": "S"}


@pytest.mark.parametrize("verb", names.FUNCTIONS)
def test_every_verb_has_a_handler_that_refuses_an_unknown_event_by_name(w: World, verb: str) -> None:
    handler = _handler(verb)
    if verb in ("start", "decide", "revoke", "stop"):
        assert handler({"run": 7, "source": 7}, LAMBDA)["error"]["name"] == "ServiceFault"
    elif verb == "reconcile":
        assert handler({}, LAMBDA)["looked_at"] == 0
    else:
        with pytest.raises(errors.ServiceFault, match="not one that this function knows"):
            handler({"nonsense": 1}, LAMBDA)


@pytest.mark.parametrize("event", [[], None, "text", 7, {"execution": []}, {"execution": {"name": {}}}])
@pytest.mark.parametrize("verb", ["validate", "start_training", "start", "stop"])
def test_an_event_of_any_shape_is_refused_by_name(w: World, verb: str, event: Any) -> None:
    handler = _handler(verb)
    if verb in ("start", "stop"):
        assert handler(event, LAMBDA)["error"]["name"] in ("ServiceFault", "PrerequisitesNotMet")
    else:
        with pytest.raises(errors.ServiceFault, match="not one that this function knows"):
            handler(event, LAMBDA)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "X"), errors.TransientFault),
        (
            ClientError({"Error": {"Code": "E"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "X"),
            errors.TransientFault,
        ),
        (EndpointConnectionError(endpoint_url="http://x"), errors.TransientFault),
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "X"), errors.ServiceFault),
        (errors.PlanChanged("x"), errors.PlanChanged),
        (KeyError("x"), KeyError),
    ],
)
def test_faults_reach_the_machine_under_the_name_that_it_retries_or_shows(
    w: World, monkeypatch: pytest.MonkeyPatch, fault: Exception, expected: type[Exception]
) -> None:
    from lambdas import _runtime  # noqa: PLC0415
    from tunestep.context import StepEvent  # noqa: PLC0415

    def failing(*_: Any) -> None:
        raise fault

    with pytest.raises(expected):
        _runtime.handler(StepEvent, failing)(_step(), LAMBDA)


def test_a_direct_call_gets_an_invalid_request_back_as_data(w: World) -> None:
    answer = _handler("start")({"request": {"use_case": 1}, "requester": "ann"}, LAMBDA)
    assert answer["error"]["name"] == "PrerequisitesNotMet"
    assert len(answer["error"]["findings"]) >= 3
    json.dumps(answer)


def test_a_passing_fault_is_a_service_fault_to_a_person(w: World) -> None:
    w.sfn_stub.add_client_error("describe_execution", "ThrottlingException")
    assert _handler("start")({"retry_of": "r1"}, LAMBDA)["error"]["name"] == "ServiceFault"


def test_clean_up_takes_the_machines_event_and_eventbridges(w: World) -> None:
    event = {"source": "aws.states", "detail": {"name": "unknown", "status": "ABORTED"}}
    assert _handler("clean_up")(event, LAMBDA)["cleaned"] == []
    answer = _handler("clean_up")(_step(error={"Error": "PlanChanged", "Cause": "x"}), LAMBDA)
    assert answer["Error"] == "PlanChanged"


def test_a_forged_document_is_an_error_of_the_request(w: World) -> None:
    forged = {"request": {"plan": {"ok": True}, "approval": {"decision": "APPROVED"}}}
    answer = _handler("validate")(_step(**forged), LAMBDA)
    assert answer["ok"] is False
    assert {"$.plan", "$.approval.decision"} <= {finding["where"] for finding in answer["findings"]}


def test_a_line_of_the_log_says_which_run_state_and_function(w: World, log: io.StringIO) -> None:
    with pytest.raises(errors.ServiceFault):
        _handler("validate")({**_step(), "document": 7}, LAMBDA)
    line = json.loads(log.getvalue())
    assert (line["run_id"], line["state"], line["function_name"]) == (RUN_ID, "S", "f")
    assert (line["error"], line["level"]) == ("ServiceFault", "WARNING")
    assert "not one that this function knows" in line["cause"]


@pytest.mark.parametrize(
    "fault",
    [
        errors.ApprovalDeclined('mallory declined: "call me under 555 0199"'),
        errors.StoppedByUser("Stopped by mallory."),
        DecisionRefused("mallory is not among the approvers of stack tunestep."),
    ],
)
def test_who_decided_or_stopped_and_what_they_wrote_is_in_no_log(
    fault: errors.TunestepError, w: World, log: io.StringIO
) -> None:
    from lambdas import _runtime  # noqa: PLC0415
    from tunestep.context import StepEvent  # noqa: PLC0415

    def failing(*_: Any) -> None:
        raise fault

    with pytest.raises(type(fault), match="mallory"):
        _runtime.handler(StepEvent, failing)(_step(), LAMBDA)
    assert json.loads(log.getvalue())["error"] == fault.name
    assert "mallory" not in log.getvalue() and "555" not in log.getvalue()


def test_no_handler_logs_a_token(w: World, log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    w.begin()
    event = _step(plan={"ok": True, "sha256": (w.runs.run(RUN_ID) or {})["plan_sha256"]})
    _handler("request_approval")(event | {"task_token": "secret-token"}, LAMBDA)
    assert "secret-token" not in log.getvalue() + capsys.readouterr().out
