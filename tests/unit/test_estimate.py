"""What a run will use: counted from its data, priced only where somebody set a price."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.run_world import make_plan
from tunestep import estimate
from tunestep.plan_model import BudgetPlan, Plan, RecipePlan
from tunestep.settings import Price


def _data(**changes: Any) -> dict[str, Any]:
    return {"rows": 100, "complete": True, "tokens": {"estimated": 50_000}} | changes


def _plan(technique: str = "SFT", metering: str = "Token-based", **changes: Any) -> Plan:
    recipe = RecipePlan(name="r", technique=technique, metering=metering)  # type: ignore[arg-type]
    return make_plan(**{"technique": technique, "recipe": recipe, **changes})


RL = {"max_epochs": "2", "rollout_n": "8", "max_response_length": "1000"}
PRICED = BudgetPlan(usd_per_million_tokens=3.0, usd_per_hour=4.0)


@pytest.mark.parametrize(
    ("technique", "hyperparameters", "tokens"),
    [
        ("SFT", {"max_epochs": "3"}, 150_000),
        ("DPO", {"max_epochs": "0.5"}, 25_000),
        # Nova 2 counts steps of a batch: 10 of 20 rows are two passes over 100.
        ("SFT", {"max_steps": "10", "global_batch_size": "20"}, 100_000),
        ("SFT", {"max_epochs": "1", "max_steps": "10", "global_batch_size": "20"}, 50_000),
        ("RLVR", RL, 2 * 8 * (50_000 + 100 * 1000)),
    ],
)
def test_tokens_are_those_of_all_passes_over_the_data(
    technique: str, hyperparameters: dict[str, str], tokens: int
) -> None:
    found = estimate.make(_plan(technique, hyperparameters=hyperparameters), _data())
    assert (found.tokens, found.unknown) == (tokens, "")
    assert f"{tokens:,}" in found.lines[0]


@pytest.mark.parametrize(
    ("technique", "hyperparameters", "data", "why"),
    [
        ("SFT", {"max_epochs": "1"}, None, "not read"),
        ("SFT", {"max_epochs": "1"}, _data(rows=0), "not read"),
        ("SFT", {"max_epochs": "1"}, _data(tokens=None), "not read"),
        ("SFT", {"max_epochs": "1"}, _data(complete=False), "to its end"),
        ("SFT", {}, _data(), "how often"),
        ("SFT", {"max_epochs": "many"}, _data(), "how often"),
        ("SFT", {"max_epochs": "nan"}, _data(), "how often"),
        ("SFT", {"max_epochs": "inf"}, _data(), "how often"),
        ("SFT", {"max_epochs": "-1"}, _data(), "how often"),
        ("SFT", {"max_steps": "10"}, _data(), "how often"),
        ("RLVR", {"max_epochs": "1"}, _data(), "how many answers"),
        ("RLAIF", {"max_epochs": "1", "rollout_n": "8"}, _data(), "how long"),
    ],
)
def test_what_cannot_be_counted_is_unknown_and_says_why(
    technique: str, hyperparameters: dict[str, str], data: Any, why: str
) -> None:
    plan = _plan(technique, hyperparameters=hyperparameters, budget=PRICED)
    found = estimate.make(plan, data)
    assert (found.tokens, found.usd) == (None, None)
    assert why in found.unknown
    assert "unknown" in found.lines[0]


def test_time_is_the_jobs_own_limit() -> None:
    assert estimate.make(_plan(max_runtime_seconds=5400), _data()).hours == 1.5
    assert estimate.make(_plan(), _data()).hours == 24


def test_without_a_price_there_is_no_amount_and_the_estimate_says_so() -> None:
    found = estimate.make(_plan(), _data())
    assert found.usd is None
    assert found.lines[2].startswith("Cost: no price set for meta-textgeneration-llama-3-2-1b-instruct")
    assert not any("USD" in line for line in found.lines)


@pytest.mark.parametrize(
    ("technique", "metering", "usd"),
    [
        ("SFT", "Token-based", 0.3),
        ("SFT", "", 0.3),
        ("RLVR", "Token-based", 2 * 8 * 150_000 * 3 / 1e6),
        ("SFT", "Hourly", 96.0),
        ("RLVR", "", 96.0),
    ],
)
def test_the_recipe_says_whether_tokens_or_time_is_paid_for(
    technique: str, metering: str, usd: float
) -> None:
    plan = _plan(technique, metering, hyperparameters=RL, budget=PRICED)
    assert estimate.make(plan, _data()).usd == pytest.approx(usd)


def test_a_price_for_the_other_meter_is_no_price() -> None:
    by_hour = _plan(budget=BudgetPlan(usd_per_hour=4.0))
    by_token = _plan("RLVR", "Hourly", budget=BudgetPlan(usd_per_million_tokens=4.0))
    assert estimate.make(by_hour, _data()).usd is None
    assert estimate.make(by_token, _data()).usd is None


@pytest.mark.parametrize(
    ("model", "technique", "found"),
    [
        ("meta-textgeneration-llama-3-2-1b", "SFT", 1),
        ("META-textgeneration-llama-3-2-1b", "DPO", 2),
        ("nova-textgeneration-micro", "SFT", None),
        ("other-llama", "SFT", None),
    ],
)
def test_the_first_price_that_fits_counts(model: str, technique: str, found: int | None) -> None:
    table = (
        Price(model="meta-*", technique="SFT", usd_per_million_tokens=1),
        Price(model="meta-*", usd_per_million_tokens=2),
        Price(model="meta-*", technique="SFT", usd_per_million_tokens=3),
    )
    entry = estimate.price(table, model, technique)
    assert (entry.usd_per_million_tokens if entry else None) == found


@pytest.mark.parametrize(
    ("usd", "threshold", "asked"),
    [(1.0, None, False), (1.0, 1.0, False), (1.01, 1.0, True), (0.0, 0.0, False), (None, 1e9, True)],
)
def test_a_person_looks_above_the_threshold_and_whenever_the_cost_is_unknown(
    usd: float | None, threshold: float | None, asked: bool
) -> None:
    found = estimate.Estimate(tokens=None, usd=usd, hours=1)
    assert bool(estimate.review_reason(found, BudgetPlan(review_above_usd=threshold))) is asked


def test_an_estimate_that_was_never_made_counts_as_above_every_threshold() -> None:
    assert estimate.review_reason(None, BudgetPlan(review_above_usd=1e12))
    assert not estimate.review_reason(None, BudgetPlan())


@pytest.mark.parametrize(
    ("limits", "codes"),
    [
        ({"max_tokens": 99_999}, ["TOKENS_ABOVE_LIMIT"]),
        ({"max_tokens": 100_000}, []),
        ({"max_cost_usd": 0.29}, ["COST_ABOVE_LIMIT"]),
        ({"max_cost_usd": 0.3}, []),
        ({"max_tokens": 1, "max_cost_usd": 0.01}, ["TOKENS_ABOVE_LIMIT", "COST_ABOVE_LIMIT"]),
    ],
)
def test_a_limit_that_is_passed_is_an_error_of_the_kind_budget(
    limits: dict[str, Any], codes: list[str]
) -> None:
    budget = BudgetPlan(usd_per_million_tokens=3, **limits)
    found = estimate.make(_plan(budget=budget), _data())
    said = estimate.findings(found, budget)
    assert [finding.code for finding in said] == codes
    assert {finding.kind for finding in said} <= {"budget"}


def test_a_limit_that_cannot_be_held_to_is_an_error_too() -> None:
    budget = BudgetPlan(max_tokens=10**12, max_cost_usd=1e9, usd_per_million_tokens=3)
    said = estimate.findings(estimate.make(_plan(budget=budget), None), budget)
    assert [finding.code for finding in said] == ["ESTIMATE_UNKNOWN", "ESTIMATE_UNKNOWN"]
    assert "not read" in said[0].message


@given(
    rows=st.integers(1, 10**7),
    tokens=st.integers(1, 10**12),
    epochs=st.integers(1, 100),
    unit=st.floats(0, 1000),
)
def test_more_data_or_more_epochs_never_cost_less(rows: int, tokens: int, epochs: int, unit: float) -> None:
    def made(more_tokens: int, more_epochs: int) -> estimate.Estimate:
        plan = _plan(
            hyperparameters={"max_epochs": str(more_epochs)}, budget=BudgetPlan(usd_per_million_tokens=unit)
        )
        return estimate.make(plan, _data(rows=rows, tokens={"estimated": more_tokens}))

    base = made(tokens, epochs)
    assert base.tokens == tokens * epochs
    for larger in (made(tokens + 1, epochs), made(tokens, epochs + 1)):
        assert (larger.tokens or 0) > base.tokens
        assert (larger.usd or 0) >= (base.usd or 0)


@given(
    usd=st.none() | st.floats(0, 1e9),
    tokens=st.none() | st.integers(0, 10**15),
    hours=st.floats(0, 10_000),
    unknown=st.text(max_size=20),
)
def test_what_is_stored_is_read_again(
    usd: float | None, tokens: int | None, hours: float, unknown: str
) -> None:
    made = estimate.Estimate(usd=usd, tokens=tokens, hours=hours, unknown=unknown, lines=("a",))
    plain = {
        name: float(value) if name in ("usd", "hours") and value is not None else value
        for name, value in made.stored().items()
    }
    assert estimate.read(plain) == made


def test_before_the_data_is_read_the_plan_says_what_is_known() -> None:
    assert "no price set for" in estimate.beforehand(_plan())
    budget = BudgetPlan(max_tokens=1000, max_cost_usd=5, review_above_usd=0, usd_per_hour=4)
    said = estimate.beforehand(_plan("RLVR", "Hourly", budget=budget))
    assert said == (
        "estimated when the data is read (4 USD per hour); at most 1,000 tokens; at most 5.00 USD; "
        "a person decides above 0.00 USD"
    )


@pytest.mark.parametrize("document", [None, {}, {"tokens": "many", "usd": 1, "hours": 1}, {"usd": 1.0}])
def test_what_is_no_estimate_is_none(document: Any) -> None:
    assert estimate.read(document) is None


def test_the_plan_that_is_stored_keeps_its_limits_and_prices() -> None:
    plan = _plan(budget=BudgetPlan(max_tokens=1, max_cost_usd=2.0, review_above_usd=0.0, usd_per_hour=3.0))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
