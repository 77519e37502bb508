"""Time and an open question: reminders once each, and an end that no decision can share."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.run_world import RUN_ID, World, make_plan, world
from tunestep import approval_clock, runs
from tunestep.approvals import DecideEvent, decide, request_approval
from tunestep.context import Context
from tunestep.errors import ApprovalExpired
from tunestep.gate import channels
from tunestep.plan_model import ApprovalPlan
from tunestep.settings import Approval, Settings

DAY = 86_400


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def reminded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The approvers that were reminded, in order."""
    seen: list[str] = []

    def remind(context: Context, question: Any, approver: Any, link: Any) -> list[str]:
        seen.append(approver.id)
        return ["email"]

    monkeypatch.setattr(channels, "remind", remind)
    return seen


def _context(w: World, *reminders: str) -> Context:
    settings = Settings(approval=Approval(reminders=reminders))
    return Context(
        env=msgspec.structs.replace(w.context.env, settings=settings), clients=w.context.clients, now=w.clock
    )


def _ask(w: World, days: float = 3) -> None:
    approval = ApprovalPlan(needed=True, reason="r", timeout_seconds=int(days * DAY), licence=True)
    w.begin(make_plan(approval=approval))
    request_approval(w.context, w.event(token="t1"))


def _look(w: World, context: Context) -> str:
    return approval_clock.look(context, RUN_ID, w.runs.approval(RUN_ID) or {})


def _sends(w: World) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []

    class Recorder:
        def __eq__(self, other: object) -> bool:
            seen.append(msgspec.json.decode(str(other)))
            return True

        __hash__ = None  # type: ignore[assignment]

    w.sfn_stub.add_response("send_task_success", {}, {"taskToken": "t1", "output": Recorder()})
    return seen


def test_each_reminder_is_sent_once_at_its_time(w: World, reminded: list[str]) -> None:
    context = _context(w, "1d", "1h")
    _ask(w)
    said = []
    for hours in (0, 24, 24, 0.1, 22, 0.9, 0.1, 0.1):
        w.clock.forward(hours * 3600)
        said.append(_look(w, context))
    assert said == ["waiting", "waiting", "reminded", *["waiting"] * 2, "reminded", *["waiting"] * 2]
    assert reminded == ["local", "local"]


def test_reminders_that_were_missed_are_not_made_up_for(w: World, reminded: list[str]) -> None:
    context = _context(w, "2d", "1d", "1h")
    _ask(w)
    w.clock.forward(3 * DAY - 600)
    assert [_look(w, context) for _ in range(3)] == ["reminded", "waiting", "waiting"]
    assert reminded == ["local"]


@pytest.mark.parametrize("reminders", [(), ("3d",), ("9d",)])
def test_a_reminder_as_long_as_the_question_is_open_would_only_repeat_it(
    w: World, reminded: list[str], reminders: tuple[str, ...]
) -> None:
    context = _context(w, *reminders)
    _ask(w)
    w.clock.forward(3 * DAY - 1)
    assert _look(w, context) == "waiting"
    assert reminded == []


def test_two_reconcilers_send_one_reminder(w: World, reminded: list[str]) -> None:
    context = _context(w, "1d")
    _ask(w)
    w.clock.forward(2.5 * DAY)
    seen = w.runs.approval(RUN_ID) or {}
    assert [approval_clock.look(context, RUN_ID, seen) for _ in range(2)] == ["reminded", "waiting"]
    assert reminded == ["local"]


def test_a_decided_question_reminds_nobody(w: World, reminded: list[str]) -> None:
    context = _context(w, "1d")
    _ask(w)
    seen = w.runs.approval(RUN_ID) or {}
    _sends(w)
    decide(context, DecideEvent(run=RUN_ID, decision="APPROVED", actor="ann"))
    w.clock.forward(2.5 * DAY)
    assert approval_clock.look(context, RUN_ID, seen) == "waiting"
    assert reminded == []


def test_a_question_whose_time_is_over_is_closed_and_the_run_told(w: World) -> None:
    _ask(w)
    w.clock.forward(3 * DAY)
    sent = _sends(w)
    assert _look(w, w.context) == "expired"
    item = w.runs.approval(RUN_ID) or {}
    assert (item["state"], item["delivered"]) == ("EXPIRED", True)
    assert (sent[0]["decision"], sent[0]["actor"]) == ("EXPIRED", "")
    assert "Nobody decided in time" in sent[0]["cause"]
    assert w.runs.pending(RUN_ID, runs.PENDING_APPROVAL) is None
    with pytest.raises(ApprovalExpired):
        decide(w.context, DecideEvent(run=RUN_ID, decision="APPROVED", actor="ann"))
    assert list(w.context.evidence.items()) == []


def test_a_decision_in_the_last_second_wins_over_the_expiry_and_is_delivered(w: World) -> None:
    _ask(w)
    w.clock.forward(3 * DAY - 1)
    seen = w.runs.approval(RUN_ID) or {}
    w.sfn_stub.add_client_error("send_task_success", "ThrottlingException")
    with pytest.raises(w.stepfunctions.exceptions.ClientError):
        decide(w.context, DecideEvent(run=RUN_ID, decision="APPROVED", actor="ann"))
    w.clock.forward(1)
    sent = _sends(w)
    assert approval_clock.look(w.context, RUN_ID, seen) == "delivered"
    assert sent[0]["decision"] == "APPROVED"
    assert (w.runs.approval(RUN_ID) or {})["state"] == "APPROVED"


def test_a_decision_in_the_last_second_that_comes_too_late_for_the_run_says_so(w: World) -> None:
    _ask(w)
    w.clock.forward(3 * DAY - 1)
    w.notices()
    w.sfn_stub.add_client_error("send_task_success", "TaskTimedOut")
    assert decide(w.context, DecideEvent(run=RUN_ID, decision="APPROVED", actor="ann"))["delivered"] is False
    item = w.runs.approval(RUN_ID) or {}
    assert (item["state"], item["undelivered"]) == ("APPROVED", "the run no longer waited")
    assert "not delivered" in w.notices()[0]["Subject"]
    w.clock.forward(10)
    assert approval_clock.look(w.context, RUN_ID, {**item, "state": "PENDING"}) == "gone"
    assert (w.runs.approval(RUN_ID) or {})["state"] == "APPROVED"


def test_a_clock_that_is_ahead_closes_nothing_before_its_time(w: World) -> None:
    """The question that a stale read shows as over was asked again with another end."""
    _ask(w)
    stale = {**(w.runs.approval(RUN_ID) or {}), "expires_at": 0}
    assert approval_clock.look(w.context, RUN_ID, stale) == "waiting"
    assert (w.runs.approval(RUN_ID) or {})["state"] == "PENDING"
