"""The group that a run may use, and what people are told."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.run_world import BUCKET, GROUP_ARN, RUN_ID, World, make_plan, world
from tunestep import groups
from tunestep.errors import PlanChanged, ServiceFault
from tunestep.names import TAG_RUN
from tunestep.notices import approval_needed, subject
from tunestep.plan_model import ApprovalPlan, GroupPlan, Plan, RewardPlan
from tunestep.registry import prepare_registry, register_evaluator
from tunestep.run_notices import notify
from tunestep.settings import NoticeChannel, NoticeRules

FREE = ApprovalPlan(needed=False, reason="", timeout_seconds=0)
NEW = GroupPlan(name="support-v1", arn=GROUP_ARN, exists=False)


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _found(w: World) -> None:
    w.sagemaker_stub.add_response(
        "describe_model_package_group",
        {
            "ModelPackageGroupName": "support-v1",
            "ModelPackageGroupArn": GROUP_ARN,
            "CreationTime": w.clock(),
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
        },
    )


def _absent(w: World) -> None:
    w.sagemaker_stub.add_client_error(
        "describe_model_package_group", "ValidationException", "ModelPackageGroup support-v1 does not exist."
    )


def _plan(**changes: Any) -> Plan:
    """A plan that needs nobody's decision."""
    return make_plan(approval=FREE, **changes)


@pytest.mark.parametrize("step", [register_evaluator, prepare_registry])
def test_a_claimed_approval_creates_neither_evaluator_nor_group(w: World, step: Any) -> None:
    w.begin()
    with pytest.raises(ServiceFault, match="nobody was asked"):
        step(w.context, w.event(approval={"decision": "APPROVED", "actor": "mallory"}))
    w.done()


def test_a_planned_group_that_exists_is_used(w: World) -> None:
    w.begin(_plan())
    _found(w)
    assert prepare_registry(w.context, w.event()) == {
        "model_package_group_arn": GROUP_ARN,
        "created": False,
    }


def test_a_new_group_is_made_and_remembered_as_the_stacks_own(w: World) -> None:
    w.begin(_plan(group=NEW))
    _absent(w)
    w.sagemaker_stub.add_response("create_model_package_group", {"ModelPackageGroupArn": GROUP_ARN})
    assert prepare_registry(w.context, w.event())["created"] is True
    assert groups.created_here(w.s3, BUCKET, "support-v1")


def test_a_group_made_by_a_try_that_died_is_recognised_by_its_tag(w: World) -> None:
    w.begin(_plan(group=NEW))
    _found(w)
    w.sagemaker_stub.add_response("list_tags", {"Tags": [{"Key": TAG_RUN, "Value": RUN_ID}]})
    assert prepare_registry(w.context, w.event())["created"] is False
    assert groups.created_here(w.s3, BUCKET, "support-v1")


def test_a_group_that_somebody_else_made_meanwhile_is_not_used(w: World) -> None:
    w.begin(_plan(group=NEW))
    _found(w)
    w.sagemaker_stub.add_response("list_tags", {"Tags": []})
    with pytest.raises(PlanChanged, match="somebody else"):
        prepare_registry(w.context, w.event())


def test_a_planned_group_that_is_gone_ends_the_run(w: World) -> None:
    w.begin(_plan())
    _absent(w)
    with pytest.raises(PlanChanged, match="is gone"):
        prepare_registry(w.context, w.event())


def test_two_runs_that_make_the_same_group_both_go_on(w: World) -> None:
    w.begin(_plan(group=NEW))
    _absent(w)
    w.sagemaker_stub.add_client_error("create_model_package_group", "ValidationException", "already exists")
    groups.remember(w.s3, BUCKET, "support-v1", GROUP_ARN)
    _found(w)
    assert prepare_registry(w.context, w.event())["model_package_group_arn"] == GROUP_ARN


def test_a_group_that_may_not_be_made_says_why(w: World) -> None:
    w.begin(_plan(group=NEW))
    _absent(w)
    w.sagemaker_stub.add_client_error("create_model_package_group", "AccessDeniedException", "no rights")
    _absent(w)
    with pytest.raises(ServiceFault, match="no rights"):
        prepare_registry(w.context, w.event())


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        (None, {"evaluator_arn": "", "kind": "none"}),
        (RewardPlan(kind="preset", value="gsm8k"), {"evaluator_arn": "", "kind": "preset"}),
        (
            RewardPlan(kind="evaluator_arn", value="arn:e", evaluator_arn="arn:e"),
            {"evaluator_arn": "arn:e", "kind": "evaluator_arn"},
        ),
    ],
)
def test_evaluators_pass_through(w: World, reward: RewardPlan | None, expected: dict[str, str]) -> None:
    w.begin(_plan(reward=reward))
    assert register_evaluator(w.context, w.event()) == expected


@given(st.text())
def test_any_text_becomes_a_subject_that_sns_takes(text: str) -> None:
    line = subject(text)
    assert 0 < len(line) < 100
    assert line.isascii()
    assert line.isprintable()


def test_a_failure_notice_names_error_cause_and_next_command(w: World) -> None:
    w.begin()
    left = {"step": "stop the training job", "ok": False, "detail": "denied"}
    error: dict[str, Any] = {"Error": "PlanChanged", "Cause": "Other\x1b[31m data.", "cleaned": [left]}
    notify(w.context, w.event(error=error))
    (notice,) = w.notices()
    assert notice["Subject"] == f"[tunestep] PlanChanged: {RUN_ID}"
    assert "Other\\\\u001b\\[31m data." in notice["Message"]
    assert f"tunestep retry {RUN_ID}" in notice["Message"]
    assert "Not cleaned up: stop the training job: denied" in notice["Message"]


def test_a_success_notice_names_package_and_gaps(w: World) -> None:
    w.begin()
    notify(
        w.context, w.event(results={"model_package_arn": "arn:p", "record_uri": "s3://r", "gaps": ["no x"]})
    )
    message = w.notices()[0]["Message"]
    assert "arn:p" in message
    assert "no x" in message
    assert "retry" not in message


def test_a_notice_that_fails_is_recorded_and_raised(w: World) -> None:
    w.begin()
    w.sns.delete_topic(TopicArn=w.topic)
    with pytest.raises(Exception, match="NotFound"):
        notify(w.context, w.event())
    assert "NotFound" in (w.runs.run(RUN_ID) or {})["notice_error"]


@pytest.mark.parametrize(("channels", "sent"), [(("email",), 1), (("slack",), 0), ((), 0)])
def test_the_settings_say_whether_a_mail_tells_of_an_open_decision(
    w: World, channels: tuple[NoticeChannel, ...], sent: int
) -> None:
    rules = msgspec.structs.replace(w.context.env.settings, notices=NoticeRules(approval=channels))
    object.__setattr__(w.context, "env", msgspec.structs.replace(w.context.env, settings=rules))
    question = {"licence": {}, "reason_needed": "r", "model_arn": "m", "requester": "ann", "expires": "soon"}
    approval_needed(w.context, RUN_ID, question)
    assert len(w.notices()) == sent
