"""What the plan says about licences, decisions, approvers and money."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support.planning import LLAMA, QWEN, Desk, finding, prepared_account, shown
from tests.support.world_clients import put
from tunestep.checks import approvers
from tunestep.evidence import Found
from tunestep.evidence_seal import Acceptance, terms
from tunestep.plan_model import BudgetPlan, LicencePlan, ModelPlan
from tunestep.settings import Approval, Approver, Limits, Price, Settings, Slack

SLACK = Slack(team="T0X", app_id="A0X", channel="C0X", secret="s")


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with prepared_account() as made:
        yield made


def _accepted(model: ModelPlan, licence: LicencePlan) -> Found:
    return Found(
        Acceptance(
            version=1,
            terms=terms(model, licence),
            actor="ann",
            channel="page",
            assurance="link holder",
            reason="",
            decided_at="2026-11-20T12:00:00Z",
            request_hash="",
            run_id="r1",
            execution_arn="",
            approval_id="",
        )
    )


def _damaged(model: ModelPlan, licence: LicencePlan) -> Found:
    return Found(None, ("abc: the item was altered",))


def _codes(outcome: Any, severity: str = "error") -> list[str]:
    return [code for code, _ in shown(outcome, severity)]


def test_never_is_refused_for_a_gated_licence_that_nobody_accepted(desk: Desk) -> None:
    outcome = desk.plan({"base_model": LLAMA, "approval": {"require": "never"}})
    assert shown(outcome) == [("APPROVAL_REQUIRED", "$.approval.require")]


def test_never_goes_by_an_acceptance_that_covers_the_licence_and_the_plan_says_whose(desk: Desk) -> None:
    outcome = desk.plan({"base_model": LLAMA, "approval": {"require": "never"}}, accepted=_accepted)
    assert outcome.plan is not None
    assert (outcome.plan.approval.needed, outcome.plan.approval.licence) == (True, True)
    assert outcome.plan.approval.require == "never"
    assert "ann accepted" in finding(outcome, "LICENCE_ACCEPTED_BEFORE").message


def test_always_looks_for_no_acceptance_and_gives_both_reasons(desk: Desk) -> None:
    outcome = desk.plan({"base_model": LLAMA, "approval": {"require": "always"}}, accepted=_accepted)
    assert "LICENCE_ACCEPTED_BEFORE" not in _codes(outcome, "info")
    assert outcome.plan is not None
    assert "gated" in outcome.plan.approval.reason
    assert "every run" in outcome.plan.approval.reason


def test_damaged_evidence_is_a_warning_and_asks_again(desk: Desk) -> None:
    outcome = desk.plan({"base_model": LLAMA}, accepted=_damaged)
    assert _codes(outcome, "warning") == ["EVIDENCE_DAMAGED"]
    assert outcome.plan is not None


def test_an_ungated_model_with_a_known_licence_asks_nobody_on_any_stack(desk: Desk) -> None:
    outcome = desk.plan({"base_model": QWEN}, laptop=False)
    assert outcome.plan is not None
    assert not outcome.plan.approval.needed


@pytest.mark.parametrize(
    ("settings", "laptop", "errors", "warnings"),
    [
        (Settings(), True, [], []),
        (Settings(), False, ["NO_APPROVER"], []),
        (Settings(approvers=(Approver(id="a"),)), False, ["NO_REACHABLE_APPROVER"], []),
        (Settings(approvers=(Approver(id="a", slack_user="U0A"),)), False, ["NO_REACHABLE_APPROVER"], []),
        (Settings(approvers=(Approver(id="a", slack_user="U0A"),), slack=SLACK), False, [], []),
        (Settings(approvers=(Approver(id="a", email="a@b.example"),)), False, [], []),
        (
            Settings(approvers=(Approver(id="a", email="a@b.example"), Approver(id="b"))),
            False,
            [],
            ["APPROVER_UNREACHABLE"],
        ),
        (Settings(approvers=(Approver(id="a"),)), True, [], ["APPROVER_UNREACHABLE"]),
    ],
)
def test_a_run_that_needs_a_decision_needs_somebody_who_can_be_asked(
    desk: Desk, settings: Settings, laptop: bool, errors: list[str], warnings: list[str]
) -> None:
    said = approvers.findings(settings, laptop=laptop)
    assert [one.code for one in said if one.severity == "error"] == errors
    assert [one.code for one in said if one.severity == "warning"] == warnings
    outcome = desk.plan({"base_model": LLAMA}, settings=settings, laptop=laptop)
    assert _codes(outcome) == errors


MAILED = Settings(approvers=(Approver(id="a", email="a@b.example"), Approver(id="c", email="c@b.example")))


@pytest.mark.parametrize(
    ("unconfirmed", "laptop", "codes"),
    [
        ((), False, []),
        (("a",), False, ["APPROVER_UNREACHABLE"]),
        (("a", "c"), False, ["NO_REACHABLE_APPROVER"]),
        (("a", "c"), True, ["APPROVER_UNREACHABLE"]),
    ],
)
def test_an_address_that_nobody_confirmed_reaches_nobody(
    desk: Desk, unconfirmed: tuple[str, ...], laptop: bool, codes: list[str]
) -> None:
    said = approvers.findings(MAILED, laptop=laptop, unconfirmed=unconfirmed)
    assert [one.code for one in said] == codes
    assert all("the e-mail address of a" in one.message for one in said)
    outcome = desk.plan(
        {"base_model": LLAMA}, settings=MAILED, laptop=laptop, unconfirmed=lambda: unconfirmed
    )
    assert [one.code for one in outcome.findings if one.where == "$.approval"] == codes


def test_another_channel_makes_up_for_an_address_that_nobody_confirmed() -> None:
    principal = "arn:aws:iam::123456789012:user/a"
    settings = Settings(approvers=(Approver(id="a", email="a@b.example", iam_principal=principal),))
    assert approvers.findings(settings, laptop=False, unconfirmed=("a",)) == []


def test_an_acceptance_needs_no_approver(desk: Desk) -> None:
    assert desk.plan({"base_model": LLAMA}, laptop=False, accepted=_accepted).plan is not None


def _eula(desk: Desk, address: str) -> Any:
    document = desk.document(LLAMA)
    before = document.get("HostingEulaUri")
    document["HostingEulaUri"] = address
    try:
        return desk.plan({"base_model": LLAMA})
    finally:
        document["HostingEulaUri"] = before


@pytest.mark.parametrize(
    "address",
    [
        "s3://my-data-bucket/eula.txt",
        "file:///etc/passwd",
        "http://www.llama.com/license",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/eula",
        "nonsense",
    ],
)
def test_a_licence_text_from_elsewhere_is_not_read_and_has_no_hash(desk: Desk, address: str) -> None:
    put(desk.clients, "s3://my-data-bucket/eula.txt", "terms")
    outcome = _eula(desk, address)
    assert "LICENCE_TEXT_UNREADABLE" in _codes(outcome, "warning")
    assert outcome.plan is not None
    assert outcome.plan.licence.text_sha256 == ""


PRICES = (Price(model="*qwen*", usd_per_million_tokens=2.0, usd_per_hour=5.0),)


def test_the_plan_keeps_the_tighter_limits_and_the_price(desk: Desk) -> None:
    settings = Settings(
        limits=Limits(max_tokens=100, max_cost_usd=50),
        approval=Approval(review_above_usd=10),
        prices=PRICES,
    )
    outcome = desk.plan({"limits": {"max_tokens": 90, "review_above_usd": 0}}, settings=settings)
    assert outcome.plan is not None
    assert outcome.plan.budget == BudgetPlan(
        max_tokens=90,
        max_cost_usd=50,
        review_above_usd=0,
        usd_per_million_tokens=2.0,
        usd_per_hour=5.0,
    )


@pytest.mark.parametrize("name", ["max_tokens", "max_cost_usd", "review_above_usd"])
def test_a_request_may_only_tighten(desk: Desk, name: str) -> None:
    settings = Settings(
        limits=Limits(max_tokens=9, max_cost_usd=9), approval=Approval(review_above_usd=9), prices=PRICES
    )
    outcome = desk.plan({"limits": {name: 10}}, settings=settings)
    assert shown(outcome) == [("LIMIT_ABOVE_SETTINGS", f"$.limits.{name}")]
    assert desk.plan({"limits": {name: 9}}, settings=settings).plan is not None


@pytest.mark.parametrize("name", ["max_cost_usd", "review_above_usd"])
def test_dollars_without_a_price_are_an_error(desk: Desk, name: str) -> None:
    assert shown(desk.plan({"limits": {name: 10}})) == [("NO_PRICE", f"$.limits.{name}")]


def test_a_limit_of_the_settings_needs_a_price_too(desk: Desk) -> None:
    outcome = desk.plan(settings=Settings(limits=Limits(max_cost_usd=5)))
    assert shown(outcome) == [("NO_PRICE", "$.limits.max_cost_usd")]


def test_a_threshold_of_the_settings_without_a_price_asks_every_time_and_says_so(desk: Desk) -> None:
    outcome = desk.plan(settings=Settings(approval=Approval(review_above_usd=5)))
    assert outcome.plan is not None
    assert "REVIEW_WITHOUT_PRICE" in _codes(outcome, "warning")


def test_tokens_need_no_price(desk: Desk) -> None:
    outcome = desk.plan({"limits": {"max_tokens": 10}})
    assert outcome.plan is not None
    assert msgspec.to_builtins(outcome.plan)["budget"] == {"max_tokens": 10}
