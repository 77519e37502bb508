"""Starting by signed request: who asks is whoever signed, and nobody's word."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.gate.support import ANN, HOST, LAMBDA, event, settings_of
from tests.support.run_world import RUN_ID, World, execution_arn, world
from tunestep.approvals import DecideEvent, DecisionRefused, decide, request_approval
from tunestep.gate.start_api import MAX_BODY, StartApi
from tunestep.settings import Approval

REQUEST = {
    "use_case": "Support",
    "technique": "SFT",
    "base_model": "huggingface-reasoning-qwen3-0-6b",
    "training_data": "s3://bucket/train.jsonl",
}
SESSION = "arn:aws:sts::123456789012:assumed-role/Approver/ann@work"


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        made.context = settings_of(made.context, ANN)
        yield made


def _start(w: World, document: Any, user_arn: str = SESSION) -> tuple[int, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    sent = event(
        "POST",
        f"https://{HOST}/runs",
        body=body,
        headers={"content-type": "application/json"},
        user_arn=user_arn,
    )
    answer = StartApi(lambda: w.context).app.resolve(sent, LAMBDA)
    return answer["statusCode"], json.loads(answer["body"])


def _takes_a_start(w: World) -> None:
    answer = {"executionArn": execution_arn("x"), "startDate": datetime(2026, 11, 22, tzinfo=UTC)}
    w.sfn_stub.add_response("start_execution", answer)


def _nothing_was_written(w: World) -> bool:
    return w.dynamodb.scan(TableName="tunestep-runs")["Count"] == 0


@pytest.mark.parametrize(("laptop", "known"), [("", "IAM principal"), ("open", "unverified")])
def test_the_requester_is_the_principal_who_signed(w: World, laptop: str, known: str) -> None:
    w.context = settings_of(w.context, ANN, laptop=laptop)
    _takes_a_start(w)
    status, answer = _start(w, {"request": REQUEST})
    assert status == 200, answer
    item = w.runs.run(answer["run_id"]) or {}
    assert (item["requester"], item["requester_assurance"], item["source"]) == (SESSION, known, "cli")


@pytest.mark.parametrize(
    "document",
    [
        {"request": REQUEST, "requester": "bob"},
        {"request": REQUEST, "source": "event"},
        {"request": REQUEST, "force": "yes"},
        [REQUEST],
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b" " * (MAX_BODY + 1),
    ],
    ids=["requester", "source", "force", "list", "empty", "cut", "no text", "deep", "large"],
)
def test_what_says_more_or_less_than_a_start_starts_nothing(w: World, document: Any) -> None:
    status, answer = _start(w, document)
    assert status in (400, 413)
    assert answer["error"]["name"] == "StartRefused"
    assert _nothing_was_written(w)


def test_without_a_signature_nothing_is_started(w: World) -> None:
    assert _start(w, {"request": REQUEST}, user_arn="")[0] == 403
    assert _nothing_was_written(w)


def test_every_fault_of_a_request_is_answered_at_once(w: World) -> None:
    status, answer = _start(w, {"request": {**REQUEST, "technique": "SFTT", "usecase": "x"}})
    assert (status, answer["error"]["name"]) == (422, "PrerequisitesNotMet")
    assert len(answer["error"]["findings"]) > 1
    assert _nothing_was_written(w)


def test_a_run_that_step_functions_refuses_is_said_to_be_not_started(w: World) -> None:
    w.sfn_stub.add_client_error("start_execution", "AccessDeniedException", "no", 400)
    assert _start(w, {"request": REQUEST})[0] == 503


@pytest.mark.parametrize("channel", ["page", "api"])
def test_whoever_signed_for_a_run_cannot_decide_on_it_where_that_is_forbidden(w: World, channel: Any) -> None:
    """By the role that the settings list, whatever the sessions are called."""
    settings = msgspec.structs.replace(w.context.env.settings, approval=Approval(self_approval=False))
    w.context = type(w.context)(
        env=msgspec.structs.replace(w.context.env, settings=settings), clients=w.context.clients, now=w.clock
    )
    w.begin(source="cli", requester=SESSION, requester_assurance="IAM principal")
    request_approval(w.context, w.event(token="t1"))
    other_session = SESSION.replace("ann@work", "somebody")
    said = DecideEvent(
        run=RUN_ID,
        decision="APPROVED",
        actor=other_session if channel == "api" else "ann",
        approver="ann",
        channel=channel,
        assurance="IAM principal" if channel == "api" else "link holder",
    )
    with pytest.raises(DecisionRefused, match="self_approval"):
        decide(w.context, said)
