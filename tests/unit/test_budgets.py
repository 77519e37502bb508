"""Monthly budgets: reserved once, never passed, settled once with what was billed."""

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.support.one_at_a_time import one_call_at_a_time
from tests.support.planning import Desk, prepared_account
from tests.support.run_world import RUN_ID, World, described, job_request, make_plan, world
from tunestep import budgets, runs, settings, spending, training_job
from tunestep.budget_settings import Budgets
from tunestep.budgets import billed
from tunestep.errors import BudgetExceeded
from tunestep.plan_model import BudgetPlan, Plan
from tunestep.pots import micros, of_month, of_run
from tunestep.reconcile import reconcile
from tunestep.settings import SettingsInvalid

LISTED = {"allowed": {"locations": ["s3://my-data-bucket"]}}
TEAMS = {
    "tag": "team",
    "values": [
        {"value": "support", "per_run": {"max_tokens": 50}, "per_month": {"max_tokens": 300}},
        {"value": "research", "per_month": {"max_runtime": "30h"}},
    ],
    "others": {"per_run": {"max_runtime": "2h"}, "per_month": {"max_tokens": 100}},
}
JOB = "llama-sft-job"


def _budgets(**fields: Any) -> Budgets:
    return settings.check({"budgets": fields}).budgets


def _plan(tags: Mapping[str, str] | None = None, **changes: Any) -> Plan:
    priced = BudgetPlan(usd_per_million_tokens=10.0)
    return make_plan(**{"budget": priced, "max_runtime_seconds": 3600, "tags": dict(tags or {}), **changes})


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _with(w: World, **fields: Any) -> Any:
    """The world's context under these budgets."""
    env = msgspec.structs.replace(w.context.env, settings=settings.check({"budgets": fields}))
    return type(w.context)(env=env, clients=w.context.clients, now=w.clock)


def _begin(w: World, plan: Plan, run_id: str = RUN_ID, tokens: int | None = 100) -> Plan:
    usd = None if tokens is None else Decimal(str(tokens * 10 / 1_000_000))
    estimate = {"tokens": tokens, "usd": usd, "hours": 1}
    return w.begin(plan, run_id=run_id, estimate=estimate)


def _counter(context: Any, name: str, month: str = "2026-11") -> int:
    return int(budgets.state(context, month).get(name, 0))


def test_the_listed_value_has_its_own_pot_and_all_others_share_one() -> None:
    found = _budgets(per_month={"max_cost_usd": 5}, tags=[TEAMS])
    assert [pot.name for pot in of_month(found, {"team": "support"})] == ["stack", "tag:team=support"]
    for tags in ({}, {"team": "invented"}, {"team": "invented too"}, {"team": ""}, {"TEAM": "support"}):
        assert [pot.name for pot in of_month(found, tags)] == ["stack", "others:team"]
    assert [one.max_tokens for one in of_run(found, {"team": "support"})] == [50]
    assert [one.max_runtime for one in of_run(found, {"team": "x"})] == ["2h"]


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([TEAMS, TEAMS], "$.budgets.tags[1]"),
        ([{"tag": "t", "values": [{"value": "a"}, {"value": "a"}], "others": {}}], "values[1]"),
        ([{"tag": "t"}], "others"),
        ([{"tag": "t#", "others": {}}], "tag"),
    ],
)
def test_budgets_that_could_be_taken_for_one_another_are_refused(tags: list[Any], said: str) -> None:
    with pytest.raises(SettingsInvalid) as fault:
        settings.check({"budgets": {"tags": tags}})
    assert said in str(fault.value)


def test_a_repeated_start_reserves_once_even_in_the_next_month(w: World) -> None:
    context = _with(w, per_month={"max_tokens": 150})
    plan = _begin(w, _plan())
    budgets.reserve(context, plan, RUN_ID, JOB)
    w.clock.value = datetime(2026, 12, 1, tzinfo=UTC)
    budgets.reserve(context, plan, RUN_ID, JOB)
    assert _counter(context, "stack/tokens") == 100
    assert budgets.state(context, "2026-12") == {}


def test_a_new_month_has_a_new_budget(w: World) -> None:
    context = _with(w, per_month={"max_tokens": 150})
    plan = _begin(w, _plan())
    _begin(w, _plan(), "second")
    _begin(w, _plan(), "third")
    budgets.reserve(context, plan, RUN_ID, JOB)
    with pytest.raises(BudgetExceeded, match="100 tokens are used or reserved; this run needs up to 100"):
        budgets.reserve(context, plan, "second", "b")
    w.clock.value = datetime(2026, 12, 1, tzinfo=UTC)
    budgets.reserve(context, plan, "third", "c")
    assert _counter(context, "stack/tokens", "2026-12") == 100


def test_a_pot_that_is_short_leaves_the_others_untouched(w: World) -> None:
    context = _with(w, per_month={"max_tokens": 1000}, tags=[TEAMS])
    plan = _begin(w, _plan({"team": "unheard of"}))
    budgets.reserve(context, plan, RUN_ID, JOB)
    _begin(w, plan, "second")
    with pytest.raises(BudgetExceeded, match="another team or none"):
        budgets.reserve(context, plan, "second", "b")
    assert _counter(context, "stack/tokens") == 100
    assert _counter(context, "others:team/tokens") == 100


@pytest.mark.parametrize(
    ("limit", "refused"),
    [
        ({"max_tokens": 99}, True),
        ({"max_tokens": 100}, False),
        ({"max_runtime": "59m"}, True),
        ({"max_runtime": "1h"}, False),
        ({"max_cost_usd": 0.00099}, True),
        ({"max_cost_usd": 0.001}, False),
    ],
)
def test_each_measure_is_held_to_the_last_unit(w: World, limit: dict[str, Any], refused: bool) -> None:
    context = _with(w, per_month=limit)
    plan = _begin(w, _plan())
    if refused:
        with pytest.raises(BudgetExceeded):
            budgets.reserve(context, plan, RUN_ID, JOB)
    else:
        budgets.reserve(context, plan, RUN_ID, JOB)
    assert bool(budgets.state(context, "2026-11")) is not refused


@pytest.mark.parametrize("limit", [{"max_tokens": 100}, {"max_cost_usd": 1}])
def test_what_cannot_be_estimated_does_not_pass_a_limit(w: World, limit: dict[str, Any]) -> None:
    context = _with(w, per_month=limit)
    plan = _begin(w, _plan(), tokens=None)
    with pytest.raises(BudgetExceeded, match="BUDGET_UNKNOWN"):
        budgets.reserve(context, plan, RUN_ID, JOB)


def test_threads_that_reserve_at_once_never_pass_the_budget(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = _with(w, per_month={"max_tokens": 730, "max_cost_usd": 100}, tags=[TEAMS])
    plan = _plan({"team": "support"})
    for number in range(30):
        _begin(w, plan, f"run-{number}")
    outcomes = list[str]()
    one_call_at_a_time(monkeypatch, w.dynamodb)

    def start(number: int) -> None:
        try:
            budgets.reserve(context, plan, f"run-{number}", f"job-{number}")
            outcomes.append("reserved")
        except BudgetExceeded:
            outcomes.append("refused")

    threads = [threading.Thread(target=start, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("reserved"), outcomes.count("refused")) == (3, 27)
    assert _counter(context, "tag:team=support/tokens") == 300
    assert len([name for name in budgets.state(context, "2026-11") if name.startswith("run:")]) == 3


def _job(w: World, plan: Plan, status: str, **facts: Any) -> None:
    answer = described(job_request(plan), status, **facts)
    w.sagemaker_stub.add_response("describe_training_job", answer)


@pytest.fixture
def reserved(w: World) -> tuple[Any, Plan]:
    context = _with(w, per_month={"max_tokens": 1000, "max_cost_usd": 5})
    plan = _begin(w, _plan())
    budgets.reserve(context, plan, RUN_ID, training_job.job_name(plan.base_job_name, "x"))
    return context, plan


def test_the_bill_takes_the_place_of_the_estimate_once(w: World, reserved: tuple[Any, Plan]) -> None:
    context, plan = reserved
    _job(w, plan, "Completed", BillableTokenCount=70, TrainingTimeInSeconds=300)
    assert budgets.settle(context, RUN_ID) == "settled"
    assert budgets.settle(context, RUN_ID) == "nothing is reserved"
    item = budgets.state(context, "2026-11")
    counted = {name: item[name] for name in item if name.startswith("stack/")}
    assert counted == {"stack/tokens": 70, "stack/seconds": 300, "stack/micro_usd": 700}


def test_two_settlements_at_once_count_once(w: World, reserved: tuple[Any, Plan]) -> None:
    context, plan = reserved
    _job(w, plan, "Completed", BillableTokenCount=70, TrainingTimeInSeconds=300)
    w.sagemaker_stub.add_response(
        "describe_training_job", described(job_request(plan), "Completed", BillableTokenCount=70)
    )
    first_read = budgets.state(context, "2026-11")
    assert budgets.settle(context, RUN_ID) == "settled"
    seen = [first_read]
    get = context.runs.get
    context.runs.get = lambda pk, sk: seen.pop() if sk == budgets.POTS and seen else get(pk, sk)
    assert budgets.settle(context, RUN_ID) == "settled by another"
    assert _counter(context, "stack/tokens") == 70


def test_a_job_that_goes_on_keeps_what_is_reserved(w: World, reserved: tuple[Any, Plan]) -> None:
    context, plan = reserved
    _job(w, plan, "Stopping")
    assert budgets.settle(context, RUN_ID) == "its job has not ended"
    assert _counter(context, "stack/tokens") == 100


def _absent(w: World) -> None:
    w.sagemaker_stub.add_client_error(
        "describe_training_job", "ValidationException", "Requested resource not found.", 400
    )


def test_without_a_job_everything_comes_back_once_none_can_appear(
    w: World, reserved: tuple[Any, Plan]
) -> None:
    context, _ = reserved
    _absent(w)
    assert budgets.settle(context, RUN_ID) == "its job may still appear"
    context.runs.update_run(RUN_ID, {"status": runs.ENDED})
    _absent(w)
    assert budgets.settle(context, RUN_ID) == "settled"
    assert _counter(context, "stack/tokens") == 0


def test_the_reconciler_settles_what_an_ended_run_still_holds(w: World, reserved: tuple[Any, Plan]) -> None:
    context, plan = reserved
    assert "settled" not in reconcile(context)["states"]
    context.runs.update_run(RUN_ID, {"status": runs.ENDED})
    w.clock.value = datetime(2026, 12, 1, 0, 3, tzinfo=UTC)
    _job(w, plan, "Completed", BillableTokenCount=40)
    assert reconcile(context)["states"]["settled"] == 1
    assert _counter(context, "stack/tokens") == 40


HELD = {"tokens": 100, "seconds": 3600, "micro_usd": 1000}
BEGAN = {"TrainingStartTime": datetime(2026, 11, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("price", "job", "spent"),
    [
        ({}, None, (0, 0, 0)),
        ({}, {}, (0, 0, 0)),
        ({}, BEGAN, (100, 3600, 1000)),
        ({}, {"BillableTokenCount": 7}, (7, 3600, 1000)),
        ({"usd_per_million_tokens": 10}, {"BillableTokenCount": 7}, (7, 3600, 70)),
        ({"usd_per_million_tokens": 10}, {"BillableTokenCount": 0, **BEGAN}, (0, 3600, 0)),
        ({"usd_per_hour": 12}, {"BillableTimeInSeconds": 300}, (100, 300, 1_000_000)),
        ({"usd_per_hour": 12}, {**BEGAN, "TrainingTimeInSeconds": 300}, (100, 300, 1000)),
    ],
)
def test_what_a_job_counts_for(
    price: dict[str, Any], job: dict[str, Any] | None, spent: tuple[int, int, int]
) -> None:
    assert tuple(billed({**HELD, **price}, job).values()) == spent


def test_dollars_are_never_counted_as_less_than_they_are() -> None:
    assert [micros(usd) for usd in (0.1, 0.0000001, 0.0000015, 3)] == [100_000, 1, 2, 3_000_000]


def test_the_estimate_is_refused_before_anybody_is_asked_and_the_page_says_how_the_pots_stand(
    w: World,
) -> None:
    context = _with(w, per_month={"max_tokens": 150})
    plan = _begin(w, _plan(hyperparameters={"max_epochs": "1"}))
    summary = {"rows": 10, "tokens": {"estimated": 100}, "complete": True}
    found, said = spending.weigh(context, plan, summary)
    assert said == []
    assert found.lines[-1] == ("Budget of the stack for 2026-11: 0 tokens of 150 tokens used or reserved")
    budgets.reserve(context, plan, RUN_ID, JOB)
    _, said = spending.weigh(context, plan, summary)
    assert [(finding.code, finding.kind) for finding in said] == [("BUDGET_SHORT", "budget")]


@pytest.fixture(scope="module")
def account() -> Iterator[Desk]:
    with prepared_account() as made:
        yield made


def _codes(account: Desk, fields: dict[str, Any], **changes: Any) -> list[str]:
    made = settings.check({"budgets": fields, "prices": changes.pop("prices", [])})
    spent = changes.pop("spent", {})
    outcome = account.plan(changes, settings=made, open=False, spent=lambda: ("2026-11", spent))
    return [
        finding.code for finding in outcome.findings if finding.kind == "budget" or "PRICE" in finding.code
    ]


def test_a_used_up_budget_is_refused_at_the_first_step(account: Desk) -> None:
    assert _codes(account, {"per_month": {"max_tokens": 10}}, spent={"stack/tokens": 9}) == []
    assert _codes(account, {"per_month": {"max_tokens": 10}}, spent={"stack/tokens": 10}) == ["BUDGET_SHORT"]
    assert _codes(account, {"per_month": {"max_runtime": "23h"}}) == ["BUDGET_SHORT"]
    assert _codes(account, {"per_month": {"max_runtime": "23h"}}, limits={"max_runtime": "22h"}) == []


def test_a_month_in_dollars_needs_a_price(account: Desk) -> None:
    assert _codes(account, {"per_month": {"max_cost_usd": 10}}) == ["NO_PRICE"]


def test_a_tag_s_limit_on_one_run_tightens_the_stack_s(account: Desk) -> None:
    made = settings.check(
        LISTED | {"limits": {"max_tokens": 70}, "max_runtime": "10h", "budgets": {"tags": [TEAMS]}}
    )
    for tags, tokens, seconds in (({"team": "support"}, 50, 36000), ({"team": "other"}, 70, 7200)):
        plan = account.plan({"tags": tags}, settings=made, open=False).plan
        assert plan is not None
        assert (plan.budget.max_tokens, plan.max_runtime_seconds) == (tokens, seconds)
