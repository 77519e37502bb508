"""A licence is accepted once for many runs; what is decided anew each time is never answered that way."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.run_world import BUCKET, REQUEST, RUN_ID, World, make_plan, world
from tunestep import acceptances, approvals, requester, runs
from tunestep.acceptances import RevocationRefused, RevokeEvent
from tunestep.approvals import DecideEvent, DecisionRefused, decide, request_approval, require_approval
from tunestep.errors import ApprovalDeclined, ApprovalExpired, PlanChanged
from tunestep.evidence import NoSuchEvidence
from tunestep.plan_model import ApprovalPlan, BudgetPlan, Plan
from tunestep.request import parse, request_hash
from tunestep.settings import Approval, Approver, Settings
from tunestep.training_checks import proven_acceptance

LATER = "support-1234abcd-2"
ESTIMATE = {"tokens": 1000, "usd": None, "hours": 24, "unknown": "", "lines": ["Tokens: about 1,000"]}


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _sends(w: World, waiter: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []

    class Recorder:
        def __eq__(self, other: object) -> bool:
            seen.append(msgspec.json.decode(str(other)))
            return True

        __hash__ = None  # type: ignore[assignment]

    w.sfn_stub.add_response("send_task_success", {}, {"taskToken": waiter, "output": Recorder()})
    return seen


def _accepted(w: World, plan: Plan | None = None) -> str:
    """The id of the evidence of a decision on a first run."""
    w.begin(plan)
    request_approval(w.context, w.event(token="t1"))
    _sends(w, "t1")
    decide(w.context, DecideEvent(run=RUN_ID, decision="APPROVED", actor="ann", reason="read"))
    made: str = (w.runs.approval(RUN_ID) or {})["evidence"]
    return made


def _later(w: World, plan: Plan | None = None, request: Any = REQUEST, **facts: Any) -> dict[str, Any]:
    w.begin(plan, run_id=LATER, **facts)
    return request_approval(w.context, w.event(run_id=LATER, token="t2", request=request))


def _asking(request: dict[str, Any], **approval: Any) -> Plan:
    changes = {"needed": True, "reason": "gated", "timeout_seconds": 3600, "licence": True, **approval}
    return make_plan(request_hash=request_hash(parse(request)), approval=ApprovalPlan(**changes))


def test_accepting_a_licence_leaves_evidence_before_the_run_goes_on(w: World) -> None:
    w.begin()
    request_approval(w.context, w.event(token="t1"))
    sent = _sends(w, "t1")
    decide(w.context, DecideEvent(run=RUN_ID, decision="APPROVED", actor="ann"))
    item = w.runs.approval(RUN_ID) or {}
    assert sent[0]["evidence"] == item["evidence"]
    assert (w.runs.run(RUN_ID) or {})["evidence"] == item["evidence"]
    (stored,) = w.context.evidence.items()
    assert stored["evidence_id"] == item["evidence"]
    assert stored["pk"] == f"MODEL#{make_plan().model.arn}"


@pytest.mark.parametrize(
    ("decision", "plan"),
    [
        ("DECLINED", make_plan()),
        ("APPROVED", make_plan(approval=ApprovalPlan(needed=True, reason="always", timeout_seconds=9))),
    ],
)
def test_a_refusal_and_a_decision_on_no_licence_leave_none(w: World, decision: Any, plan: Plan) -> None:
    w.begin(plan)
    request_approval(w.context, w.event(token="t1"))
    _sends(w, "t1")
    decide(w.context, DecideEvent(run=RUN_ID, decision=decision, actor="ann", reason="so"))
    assert list(w.context.evidence.items()) == []


def test_without_evidence_on_record_a_decision_is_kept_and_delivered_later(w: World) -> None:
    w.begin()
    request_approval(w.context, w.event(token="t1"))
    broken = w.context.evidence
    put, broken._put_file = broken._put_file, _fails  # type: ignore[method-assign]
    with pytest.raises(w.s3.exceptions.ClientError):
        decide(w.context, DecideEvent(run=RUN_ID, decision="APPROVED", actor="ann"))
    assert (w.runs.approval(RUN_ID) or {})["state"] == "APPROVED"
    assert w.runs.pending(RUN_ID, runs.PENDING_APPROVAL)
    broken._put_file = put  # type: ignore[method-assign]
    sent = _sends(w, "t1")
    assert approvals.deliver(w.context, RUN_ID, w.runs.approval(RUN_ID) or {})
    assert sent[0]["evidence"]


def _fails(key: str, body: bytes) -> bool:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - only here

    raise ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "PutObject")


def test_a_later_run_with_another_request_goes_on_by_the_acceptance_and_cites_it(w: World) -> None:
    made = _accepted(w)
    w.notices()
    request = {**REQUEST, "use_case": "Something else"}
    plan = make_plan(request_hash=request_hash(parse(request)))
    sent = _sends(w, "t2")
    assert _later(w, plan, request) == {"state": "delivered"}
    assert (sent[0]["decision"], sent[0]["actor"], sent[0]["evidence"]) == ("APPROVED", "ann", made)
    item = w.runs.approval(LATER) or {}
    assert (item["decided_in_run"], item["evidence"]) == (RUN_ID, made)
    assert w.notices() == []
    require_approval(w.context, w.event(run_id=LATER), plan)
    used = [item["run_id"] for item in w.context.evidence.items() if item["sk"].startswith("USED#")]
    assert used == [LATER]


def _review(w: World) -> dict[str, Any]:
    plan = make_plan(budget=BudgetPlan(review_above_usd=1.0))
    return _later(w, plan, estimate=ESTIMATE)


def _always(w: World) -> dict[str, Any]:
    request = {**REQUEST, "approval": {"require": "always"}}
    return _later(w, _asking(request, require="always"), request)


def _no_licence(w: World) -> dict[str, Any]:
    return _later(w, make_plan(approval=ApprovalPlan(needed=True, reason="r", timeout_seconds=9)))


def _old(w: World) -> dict[str, Any]:
    w.clock.forward(366 * 86_400)
    return _later(w)


def _other_version(w: World) -> dict[str, Any]:
    return _later(w, make_plan(model=msgspec.structs.replace(make_plan().model, version="2.0.0")))


def _other_text(w: World) -> dict[str, Any]:
    return _later(w, make_plan(licence=msgspec.structs.replace(make_plan().licence, text_sha256="b" * 64)))


def _nothing_fixed(w: World) -> dict[str, Any]:
    plan = make_plan()
    return _later(w, make_plan(licence=msgspec.structs.replace(plan.licence, text_sha256="", revision="")))


def _revoked(w: World) -> dict[str, Any]:
    item = next(iter(w.context.evidence.items()))
    event = RevokeEvent(evidence=item["evidence_id"], model=item["pk"], actor="bob", reason="no")
    acceptances.revoke(w.context, event)
    return _later(w)


def _damaged(w: World) -> dict[str, Any]:
    item = next(iter(w.context.evidence.items()))
    w.s3.delete_object(Bucket=BUCKET, Key=item["file_key"])
    return _later(w)


@pytest.mark.parametrize(
    "again",
    [
        _review,
        _always,
        _no_licence,
        _old,
        _other_version,
        _other_text,
        _nothing_fixed,
        _revoked,
        _damaged,
    ],
    ids=lambda case: case.__name__.strip("_"),
)
def test_what_an_acceptance_does_not_cover_asks_a_person(w: World, again: Any) -> None:
    _accepted(w)
    w.notices()
    assert again(w) == {"state": "waiting"}
    assert (w.runs.approval(LATER) or {})["state"] == "PENDING"


def test_never_is_answered_by_an_acceptance_and_by_nobody_else(w: World) -> None:
    request = {**REQUEST, "approval": {"require": "never"}}
    plan = _asking(request, require="never")
    w.begin(plan, run_id=LATER)
    with pytest.raises(PlanChanged, match="no longer does"):
        request_approval(w.context, w.event(run_id=LATER, token="t2", request=request))
    assert w.notices() == []
    _accepted(w)
    sent = _sends(w, "t2")
    assert _later(w, plan, request) == {"state": "delivered"}
    assert sent[0]["evidence"]


def test_a_document_that_claims_approval_proves_nothing(w: World) -> None:
    plan = w.begin()
    request_approval(w.context, w.event(token="t1"))
    forged = w.event(approval={"decision": "APPROVED", "actor": "eve", "evidence": "0" * 32})
    with pytest.raises(ApprovalExpired):
        require_approval(w.context, forged, plan)


def test_an_acceptance_that_came_meanwhile_counts_where_nobody_has_decided(w: World) -> None:
    plan = make_plan()
    assert _later(w, plan) == {"state": "waiting"}
    made = _accepted(w)
    require_approval(w.context, w.event(run_id=LATER), plan)
    assert (w.runs.approval(LATER) or {})["state"] == "PENDING"
    require_approval(w.context, w.event(run_id=LATER), plan, cite=True)
    assert (w.runs.approval(LATER) or {})["evidence"] == made


def test_a_refusal_stands_against_any_acceptance(w: World) -> None:
    plan = make_plan()
    _later(w, plan)
    _sends(w, "t2")
    decide(w.context, DecideEvent(run=LATER, decision="DECLINED", actor="bob", reason="no"))
    _accepted(w)
    with pytest.raises(ApprovalDeclined):
        require_approval(w.context, w.event(run_id=LATER), plan)


@pytest.mark.parametrize("how", [_revoked, _damaged], ids=["revoked", "damaged"])
def test_an_acceptance_that_is_lost_after_the_decision_starts_nothing(w: World, how: Any) -> None:
    plan = make_plan()
    _accepted(w, plan)
    require_approval(w.context, w.event(), plan)
    how(w)
    with pytest.raises(ApprovalDeclined, match="licences verify"):
        require_approval(w.context, w.event(), plan)


def test_a_wait_that_somebody_else_ended_starts_nothing_before_the_evidence_is_on_record(w: World) -> None:
    """The decision is stored, its evidence could not be; a token taken out of the history ends the wait."""
    plan = w.begin()
    request_approval(w.context, w.event(token="t1"))
    broken = w.context.evidence
    put, broken._put_file = broken._put_file, _fails  # type: ignore[method-assign]
    with pytest.raises(w.s3.exceptions.ClientError):
        decide(w.context, DecideEvent(run=RUN_ID, decision="APPROVED", actor="ann"))
    with pytest.raises(w.s3.exceptions.ClientError):
        require_approval(w.context, w.event(), plan, cite=True)
    broken._put_file = put  # type: ignore[method-assign]
    require_approval(w.context, w.event(), plan, cite=True)
    (stored,) = w.context.evidence.items()
    assert (w.runs.approval(RUN_ID) or {})["evidence"] == stored["evidence_id"]


def test_a_decision_whose_citation_was_removed_is_still_held_to_its_evidence(w: World) -> None:
    plan = make_plan()
    _accepted(w, plan)
    _revoked(w)
    w.runs.update(runs.run_pk(RUN_ID), runs.APPROVAL, {"altered": True}, remove=("evidence",))
    with pytest.raises(ApprovalDeclined, match="revoked"):
        require_approval(w.context, w.event(), plan, cite=True)


@pytest.mark.parametrize("recorded", [None, ESTIMATE])
def test_a_cost_that_nobody_looked_at_starts_no_job(w: World, recorded: Any) -> None:
    """Whatever the machine was told: the threshold is in the plan, the estimate in the table."""
    plan = make_plan(
        approval=ApprovalPlan(needed=False, reason="", timeout_seconds=9),
        model=msgspec.structs.replace(make_plan().model, gated=False),
        budget=BudgetPlan(review_above_usd=1.0),
    )
    w.begin(plan, **({"estimate": recorded} if recorded else {}))
    with pytest.raises(Exception, match="nobody was asked"):
        proven_acceptance(w.context, w.event(dataset={"review_needed": False}), plan)


def test_a_question_shows_the_estimate_and_why_it_is_asked(w: World) -> None:
    plan = make_plan(budget=BudgetPlan(review_above_usd=1.0))
    w.begin(plan, estimate=ESTIMATE)
    request_approval(w.context, w.event(token="t1"))
    item = w.runs.approval(RUN_ID) or {}
    assert item["estimate"]["lines"] == ["Tokens: about 1,000"]
    assert item["reason_needed"] == (
        "The model is gated. Runs above 1.00 USD need a decision, and the cost of this one is not known."
    )


@pytest.mark.parametrize(("actor", "reason"), [("", "no"), ("bob", ""), ("bob", " \n")])
def test_a_revocation_says_who_and_why(w: World, actor: str, reason: str) -> None:
    made = _accepted(w)
    with pytest.raises(RevocationRefused):
        acceptances.revoke(w.context, RevokeEvent(evidence=made, model="m", actor=actor, reason=reason))


def test_what_is_not_there_cannot_be_revoked(w: World) -> None:
    with pytest.raises(NoSuchEvidence, match="tunestep licences"):
        acceptances.revoke(w.context, RevokeEvent(evidence="x", model="m", actor="bob", reason="no"))


@pytest.mark.parametrize(
    ("run", "shown"),
    [
        ({"source": "console", "requester": "ann"}, ("not known", "started in the console")),
        ({}, ("not known", "started in the console")),
        ({"source": "cli", "requester": "ann", "requester_assurance": "unverified"}, ("ann", "as claimed")),
        ({"source": "cli", "requester": "unknown"}, ("not known", "nobody said who asked")),
        ({"source": "s3", "requester": "arn", "requester_assurance": "S3 event"}, ("arn", "S3 event")),
    ],
)
def test_the_requester_is_shown_with_how_he_is_known(run: dict[str, str], shown: tuple[str, str]) -> None:
    assert requester.shown(run) == shown


ANN = Approver(
    id="ann", email="ann@example.com", iam_principal="arn:aws:iam::123456789012:role/legal/reviewers"
)


@pytest.mark.parametrize(
    ("asked", "actor", "own"),
    [
        ("ann", "ann", True),
        ("Ann ", "ann", True),
        ("ann@example.com", "ann", True),
        ("arn:aws:sts::123456789012:assumed-role/reviewers/session", "ann", True),
        ("arn:aws:sts::123456789012:assumed-role/others/session", "ann", False),
        ("arn:aws:sts::123456789012:assumed-role/others/Ann@example.com", "ann", True),
        ("arn:aws:iam::123456789012:user/people/ann", "ann", True),
        ("arn:aws:iam::123456789012:user/people/joann", "ann", False),
        ("\uff21\uff4e\uff4e", "ann", True),
        ("bob", "ann", False),
        ("not known", "ann", False),
        ("", "", False),
    ],
)
def test_a_requester_is_recognised_by_every_name_that_the_settings_give(
    asked: str, actor: str, own: bool
) -> None:
    assert requester.decides_alone({"requester": asked}, ANN, actor) is own


@pytest.mark.parametrize("allowed", [True, False])
def test_deciding_on_ones_own_run_follows_the_setting(w: World, allowed: bool) -> None:
    settings = Settings(approvers=(ANN,), approval=Approval(self_approval=allowed))
    context = type(w.context)(
        env=msgspec.structs.replace(w.context.env, settings=settings), clients=w.context.clients, now=w.clock
    )
    w.begin(source="cli", requester="ann", requester_assurance="unverified")
    request_approval(context, w.event(token="t1"))
    said = DecideEvent(
        run=RUN_ID, decision="APPROVED", actor="ann", approver="ann", channel="page", assurance="link holder"
    )
    if allowed:
        _sends(w, "t1")
        assert decide(context, said)["delivered"]
    else:
        with pytest.raises(DecisionRefused, match="self_approval"):
            decide(context, said)
        assert (w.runs.approval(RUN_ID) or {})["state"] == "PENDING"
