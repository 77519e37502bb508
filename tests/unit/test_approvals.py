"""The gate: one question, one decision, delivered whatever happens in between."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.run_world import REQUEST, RUN_ID, World, execution_arn, make_plan, world
from tunestep import approvals, runs
from tunestep.approvals import DecideEvent, DecisionRefused, decide, request_approval, require_approval
from tunestep.errors import ApprovalDeclined, ApprovalExpired, PlanChanged, ServiceFault, StoppedByUser
from tunestep.plan_model import RewardPlan
from tunestep.request import parse, request_hash


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _ask(w: World, waiter: str = "t1", **options: Any) -> dict[str, Any]:
    return request_approval(w.context, w.event(token=waiter, **options))


def _yes(**changes: Any) -> DecideEvent:
    return DecideEvent(**{"run": RUN_ID, "decision": "APPROVED", "actor": "ann", **changes})


def _accepts(w: World, waiter: str = "t1") -> list[dict[str, Any]]:
    """Let SendTaskSuccess succeed; what was sent appears in the list."""
    seen: list[dict[str, Any]] = []

    class Recorder:
        def __eq__(self, other: object) -> bool:
            seen.append(msgspec.json.decode(str(other)))
            return True

        __hash__ = None  # type: ignore[assignment]

    w.sfn_stub.add_response("send_task_success", {}, {"taskToken": waiter, "output": Recorder()})
    return seen


def test_people_are_told_how_to_decide_and_never_see_the_token(w: World) -> None:
    w.begin()
    assert _ask(w, "secret-token") == {"state": "waiting"}
    (notice,) = w.notices()
    assert f"tunestep approve {RUN_ID}" in notice["Message"]
    assert "Llama 3.2" in notice["Message"]
    assert "secret-token" not in msgspec.json.encode(notice).decode()
    assert "secret-token" not in str(w.runs.approval(RUN_ID))


def test_a_repeated_question_keeps_its_expiry_takes_the_new_token_and_tells_nobody_again(w: World) -> None:
    w.begin()
    _ask(w, "t0")
    w.notices()
    first = w.runs.approval(RUN_ID)
    w.clock.forward(600)
    _ask(w, "t1")
    assert w.runs.approval(RUN_ID) == first
    assert (w.runs.pending(RUN_ID, runs.PENDING_APPROVAL) or {})["token"] == "t1"
    assert w.notices() == []


def test_a_notice_that_cannot_be_sent_does_not_end_the_wait(w: World) -> None:
    w.begin()
    w.sns.delete_topic(TopicArn=w.topic)
    assert _ask(w) == {"state": "waiting"}
    assert w.runs.pending(RUN_ID, runs.PENDING_APPROVAL)


def test_the_first_decision_stands_and_the_second_caller_sees_it(w: World) -> None:
    w.begin()
    _ask(w)
    sent = _accepts(w)
    first = decide(w.context, _yes())
    second = decide(w.context, _yes(decision="DECLINED", actor="bob", reason="no"))
    assert (first["first"], first["delivered"], first["decision"]) == (True, True, "APPROVED")
    assert (second["first"], second["decision"], second["actor"]) == (False, "APPROVED", "ann")
    assert sent[0]["decision"] == "APPROVED"
    assert sent[0]["assurance"] == "unverified"
    assert w.runs.pending(RUN_ID, runs.PENDING_APPROVAL) is None
    w.done()


def test_a_declined_run_gets_a_cause_with_the_reason(w: World) -> None:
    w.begin()
    _ask(w)
    sent = _accepts(w)
    decide(w.context, _yes(decision="DECLINED", reason="licence not for us"))
    assert "licence not for us" in sent[0]["cause"]
    assert f"tunestep retry {RUN_ID}" in sent[0]["cause"]


@pytest.mark.parametrize("changes", [{"decision": "DECLINED"}, {"actor": " \n"}, {"run": "unknown"}])
def test_an_incomplete_or_unasked_decision_is_refused(w: World, changes: dict[str, str]) -> None:
    w.begin()
    _ask(w)
    with pytest.raises(DecisionRefused):
        decide(w.context, _yes(**changes))
    assert (w.runs.approval(RUN_ID) or {})["state"] == "PENDING"


@pytest.mark.parametrize(("seconds", "late"), [(3599, False), (3600, True), (3601, True)])
def test_a_decision_counts_only_before_the_expiry(w: World, seconds: int, late: bool) -> None:
    w.begin()
    _ask(w)
    w.clock.forward(seconds)
    if late:
        with pytest.raises(ApprovalExpired):
            decide(w.context, _yes())
        assert (w.runs.approval(RUN_ID) or {})["state"] == "PENDING"
    else:
        _accepts(w)
        assert decide(w.context, _yes())["delivered"]


def test_a_decision_whose_token_is_gone_is_kept_marked_and_said(w: World) -> None:
    w.begin()
    _ask(w)
    w.notices()
    w.sfn_stub.add_client_error("send_task_success", "TaskTimedOut")
    assert decide(w.context, _yes())["delivered"] is False
    item = w.runs.approval(RUN_ID) or {}
    assert (item["state"], item["delivered"], item["undelivered"]) == (
        "APPROVED",
        False,
        "the run no longer waited",
    )
    assert "Decision not delivered" in w.notices()[0]["Subject"]


def test_a_delivered_decision_is_not_marked_undelivered_by_a_later_try(w: World) -> None:
    w.begin()
    _ask(w)
    _accepts(w)
    decide(w.context, _yes())
    w.runs.put({"pk": f"RUN#{RUN_ID}", "sk": runs.PENDING_APPROVAL, "token": "t1"})
    w.sfn_stub.add_client_error("send_task_success", "TaskTimedOut")
    approvals.deliver(w.context, RUN_ID, w.runs.approval(RUN_ID) or {})
    item = w.runs.approval(RUN_ID) or {}
    assert item["delivered"] is True
    assert "undelivered" not in item


def test_a_decision_made_while_the_function_was_retried_is_delivered_to_the_new_token(w: World) -> None:
    w.begin()
    _ask(w, "t0")
    w.sfn_stub.add_client_error("send_task_success", "TaskTimedOut")
    decide(w.context, _yes())
    _accepts(w, "t1")
    assert _ask(w, "t1") == {"state": "delivered"}
    assert (w.runs.approval(RUN_ID) or {})["delivered"] is True


def test_a_run_that_is_being_stopped_asks_nobody(w: World) -> None:
    w.begin(status="STOPPING", stopped_by="bob")
    with pytest.raises(StoppedByUser):
        _ask(w)
    assert w.notices() == []


RETRY = "support-1234abcd-2"


def _approved_then_retried(w: World, **changes: Any) -> dict[str, Any]:
    w.begin()
    _ask(w)
    _accepts(w)
    decide(w.context, _yes())
    w.notices()
    w.begin(make_plan(**changes), run_id=RETRY, retry_of=RUN_ID)
    return request_approval(w.context, w.event(run_id=RETRY, token="t2"))


def test_a_retry_reuses_the_decision_of_the_attempt_before(w: World) -> None:
    plan = make_plan()
    w.begin()
    _ask(w)
    _accepts(w)
    decide(w.context, _yes())
    w.notices()
    w.begin(run_id=RETRY, retry_of=RUN_ID)
    sent = _accepts(w, "t2")
    assert request_approval(w.context, w.event(run_id=RETRY, token="t2")) == {"state": "delivered"}
    assert sent[0]["actor"] == "ann"
    assert (w.runs.approval(RETRY) or {})["decided_in_run"] == RUN_ID
    assert w.notices() == []
    require_approval(w.context, w.event(run_id=RETRY), plan)


@pytest.mark.parametrize(
    "changes",
    [
        {"request_hash": "f" * 64},
        {"model": msgspec.structs.replace(make_plan().model, version="1.3.0")},
        {"licence": msgspec.structs.replace(make_plan().licence, text_sha256="0" * 64)},
    ],
)
def test_a_retry_about_something_else_asks_again(w: World, changes: dict[str, Any]) -> None:
    assert _approved_then_retried(w, **changes) == {"state": "waiting"}
    assert len(w.notices()) == 1


REWARD = RewardPlan(
    kind="function", value="math_answer", reference="arn:f", function_arn="arn:f", code_sha256="code-1"
)


def test_a_question_shows_the_reward_by_its_digest(w: World) -> None:
    w.begin(make_plan(reward=REWARD))
    _ask(w)
    (notice,) = w.notices()
    assert "Reward: function math_answer (CodeSha256 code-1)" in notice["Message"]
    assert (w.runs.approval(RUN_ID) or {})["reward"]["code_sha256"] == "code-1"


def test_a_question_shows_what_certification_found(w: World) -> None:
    w.begin(make_plan(reward=REWARD))
    probes = [{"name": "gold", "outcome": "pass"}, {"name": "judge", "outcome": "not run"}, "no probe"]
    request_approval(w.context, w.event(token="token-1", reward={"verdict": "MET", "probes": probes}))
    (notice,) = w.notices()
    assert "Certification: 1 of 2 probes passed, 1 not run" in notice["Message"]


def test_a_decision_on_one_reward_is_none_on_another(w: World) -> None:
    plan = w.begin(make_plan(reward=REWARD))
    _ask(w)
    _accepts(w)
    decide(w.context, _yes())
    require_approval(w.context, w.event(), plan)
    changed = make_plan(reward=msgspec.structs.replace(REWARD, code_sha256="code-2"))
    with pytest.raises(PlanChanged, match="reward"):
        require_approval(w.context, w.event(), changed)


def test_a_request_that_always_wants_a_decision_asks_again_on_retry(w: World) -> None:
    always = {**REQUEST, "approval": {"require": "always"}}
    plan = make_plan(request_hash=request_hash(parse(always)))
    w.begin(plan)
    _ask(w, request=always)
    _accepts(w)
    decide(w.context, _yes())
    w.begin(plan, run_id=RETRY, retry_of=RUN_ID)
    event = w.event(run_id=RETRY, token="t2", request=always)
    assert request_approval(w.context, event) == {"state": "waiting"}


def test_nothing_approved_means_nothing_accepted(w: World) -> None:
    plan = w.begin()
    with pytest.raises(ServiceFault):
        require_approval(w.context, w.event(), plan)
    _ask(w)
    with pytest.raises(ApprovalExpired):
        require_approval(w.context, w.event(), plan)
    _accepts(w)
    decide(w.context, _yes(decision="DECLINED", reason="no"))
    with pytest.raises(ApprovalDeclined):
        require_approval(w.context, w.event(), plan)


def test_a_decision_of_another_execution_or_model_does_not_count(w: World) -> None:
    plan = w.begin()
    _ask(w)
    _accepts(w)
    decide(w.context, _yes())
    require_approval(w.context, w.event(), plan)
    other = msgspec.structs.replace(plan, model=msgspec.structs.replace(plan.model, arn="arn:other"))
    with pytest.raises(PlanChanged, match="model_arn"):
        require_approval(w.context, w.event(), other)
    w.runs.update(f"RUN#{RUN_ID}", runs.APPROVAL, {"execution_arn": execution_arn("other")})
    with pytest.raises(PlanChanged, match="execution"):
        require_approval(w.context, w.event(), plan)
