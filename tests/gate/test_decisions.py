"""Decisions by signed request, who may take them, and a thousand at once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from tests.gate.support import ANN, HOST, LAMBDA, Gate, event, gate, settings_of
from tests.support.one_at_a_time import one_call_at_a_time
from tests.support.run_world import RUN_ID
from tunestep.approvals import DecideEvent, DecisionRefused, decide, request_approval
from tunestep.gate.requests import MAX_BODY

SESSION = "arn:aws:sts::123456789012:assumed-role/Approver/ann@work"
DECISION = f"https://{HOST}/runs/{RUN_ID}/decision"


@pytest.fixture
def g() -> Iterator[Gate]:
    with gate() as made:
        yield made


def _signed(g: Gate, document: Any, user_arn: str = SESSION, url: str = DECISION) -> tuple[int, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    sent = event("POST", url, body=body, headers={"content-type": "application/json"}, user_arn=user_arn)
    answer = g.api.app.resolve(sent, LAMBDA)
    return answer["statusCode"], json.loads(answer["body"])


def test_a_signed_decision_is_that_of_the_principal_who_signed(g: Gate) -> None:
    g.ask()
    g.lets_go_on()
    status, answer = _signed(g, {"decision": "DECLINED", "reason": "not now"})
    assert (status, answer["decision"], answer["first"], answer["delivered"]) == (200, "DECLINED", True, True)
    recorded = {name: g.item[name] for name in ("actor", "approver", "channel", "assurance")}
    assert recorded == {
        "actor": SESSION,
        "approver": "ann",
        "channel": "api",
        "assurance": "IAM principal",
    }


def test_who_is_not_on_the_list_decides_nothing_however_permitted(g: Gate) -> None:
    g.ask()
    for stranger in ("arn:aws:iam::123456789012:user/eve", SESSION.replace("Approver", "Other"), ""):
        status, answer = _signed(g, {"decision": "APPROVED"}, stranger)
        assert (status, answer["error"]["name"]) == (403, "DecisionRefused")
    g.w.context = settings_of(g.w.context)
    assert _signed(g, {"decision": "APPROVED"})[0] == 403
    assert g.item["state"] == "PENDING"


def test_on_a_laptop_a_signed_decision_is_recorded_as_unverified(g: Gate) -> None:
    g.w.context = settings_of(g.w.context, laptop="open")
    g.ask()
    g.lets_go_on()
    assert _signed(g, {"decision": "APPROVED"}, "arn:aws:iam::123456789012:user/laptop")[0] == 200
    assert (g.item["channel"], g.item["assurance"], g.item["approver"]) == ("api", "unverified", "local")


NO_DECISIONS: list[Any] = [
    b"",
    b"{",
    b"\xff",
    [],
    {},
    {"decision": "MAYBE"},
    {"decision": "APPROVED", "actor": "legal"},
    {"decision": "APPROVED", "channel": "page"},
    {"decision": "APPROVED", "reason": 7},
    {"decision": "DECLINED"},
    b'{"decision": "APPROVED", "reason": "' + b"x" * MAX_BODY + b'"}',
]


def test_a_signed_request_that_is_no_decision_changes_nothing(g: Gate) -> None:
    g.ask()
    for document in NO_DECISIONS:
        status, answer = _signed(g, document)
        assert status in (400, 403, 413), document
        assert answer["error"]["message"]
    assert g.item["state"] == "PENDING"


def test_too_late_is_told_from_refused(g: Gate) -> None:
    g.ask()
    assert _signed(g, {"decision": "APPROVED"}, url=f"https://{HOST}/runs/none/decision")[0] == 403
    g.w.clock.forward(3600)
    status, answer = _signed(g, {"decision": "APPROVED"})
    assert (status, answer["error"]["name"]) == (410, "ApprovalExpired")


def test_open_questions_are_listed_without_a_trace_of_links(g: Gate) -> None:
    def look() -> list[dict[str, Any]]:
        answer = g.api.app.resolve(event("GET", f"https://{HOST}/runs/approvals", user_arn=SESSION), LAMBDA)
        assert answer["statusCode"] == 200
        found: list[dict[str, Any]] = json.loads(answer["body"])["approvals"]
        return found

    assert look() == []
    g.ask()
    (question,) = look()
    assert (question["run_id"], question["licence"]["name"]) == (RUN_ID, "Llama 3.2")
    assert not {"approvers", "approval_id"} & set(question)
    assert "sha256" not in str({name: value for name, value in question.items() if name != "licence"})
    g.w.clock.forward(3600)
    assert look() == []


def _yes(**changes: Any) -> DecideEvent:
    sent = {"run": RUN_ID, "decision": "APPROVED", "actor": "ann", "approver": "ann", "channel": "page"}
    return DecideEvent(**{**sent, "assurance": "link holder", **changes})


def test_no_channel_decides_for_somebody_who_is_not_listed_now(g: Gate) -> None:
    g.ask()
    for channel in ("page", "slack", "api"):
        for approver in ("", "eve", "local", "Ann"):
            with pytest.raises(DecisionRefused, match="not among the approvers"):
                decide(g.w.context, _yes(channel=channel, approver=approver))
    assert g.item["state"] == "PENDING"


def test_the_unsigned_command_line_decides_on_laptops_only(g: Gate) -> None:
    g.ask()
    with pytest.raises(DecisionRefused, match="tunestep approve"):
        decide(g.w.context, _yes(channel="cli", assurance="unverified"))


@pytest.mark.slow
def test_of_a_thousand_decisions_at_once_one_wins(g: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    request_approval(g.w.context, g.w.event(token="t1"))
    one_call_at_a_time(monkeypatch, g.w.dynamodb)
    sent: list[str] = []
    monkeypatch.setattr(g.w.stepfunctions, "send_task_success", lambda **said: sent.append(said["output"]))

    def one(number: int) -> dict[str, Any]:
        decision = "APPROVED" if number % 2 else "DECLINED"
        return decide(g.w.context, _yes(decision=decision, actor=f"a{number}", reason=f"r{number}"))

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(one, range(1000)))
    (winner,) = [number for number, answer in enumerate(answers) if answer["first"]]
    stands = {(answer["decision"], answer["actor"], answer["reason"]) for answer in answers}
    assert stands == {(g.item["state"], f"a{winner}", f"r{winner}")}
    assert {msgspec.json.decode(output)["actor"] for output in sent} == {f"a{winner}"}


def test_approvers_are_read_when_a_decision_is_made(g: Gate) -> None:
    g.ask()
    g.w.context = settings_of(g.w.context, ANN)
    with pytest.raises(DecisionRefused):
        decide(g.w.context, _yes(approver="bob", actor="bob"))
    g.lets_go_on()
    assert decide(g.w.context, _yes())["first"]
