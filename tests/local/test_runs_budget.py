"""A budget of the month in whole runs, and under two hundred starts at once."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from unittest.mock import patch

import pytest

from tests.local.laptop import Laptop, running
from tests.support.run_world import execution_arn, make_plan
from tunestep import budgets, names
from tunestep.aws import Clients
from tunestep.context import Context
from tunestep.environment import Environment
from tunestep.errors import BudgetExceeded
from tunestep.plan_model import Plan
from tunestep.runs import Item, console_run
from tunestep.settings import load

pytestmark = pytest.mark.slow

MOST, STARTS, EACH = 100_000, 200, 1_000
SETTINGS = f"""
budgets:
  per_month: {{max_tokens: {MOST}}}
"""


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with running(tmp_path_factory.mktemp("budget"), settings=SETTINGS) as made:
        yield made


@pytest.fixture(scope="module")
def context(laptop: Laptop) -> Iterator[Context]:
    endpoint = laptop.endpoint
    settings = load(laptop.work / "tunestep.yaml")
    assert settings is not None
    env = Environment(
        stack="tunestep",
        table=names.table_name("tunestep"),
        bucket=laptop.bucket,
        machine_arn=laptop.machine_arn,
        execution_role_arn="",
        topic_arn="",
        region=endpoint.region,
        account=endpoint.account,
        settings=settings,
    )
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    with patch.dict(os.environ, keys):
        yield Context(env=env, clients=Clients(region=endpoint.region, endpoint_url=endpoint.url))


def _month(context: Context) -> Item:
    return budgets.state(context, budgets.month_of(context))


def test_a_run_counts_for_what_it_was_billed(laptop: Laptop, context: Context) -> None:
    run_id = laptop.start(laptop.request("one"))
    ended = laptop.ended(run_id)
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    job = laptop.job(run_id)
    assert _month(context)["stack/tokens"] == job["BillableTokenCount"] > 0
    assert [name for name in _month(context) if name.startswith("run:")] == []


def test_two_hundred_starts_at_once_never_pass_the_budget(context: Context) -> None:
    plan: Plan = make_plan(max_runtime_seconds=3600)
    used = _month(context)["stack/tokens"]

    def begin(number: int) -> None:
        estimate = {"tokens": EACH, "usd": None, "hours": Decimal(1)}
        run_id = f"parallel-{number}"
        context.runs.put(
            console_run(run_id, execution_arn(run_id), context.timestamp()) | {"estimate": estimate}
        )

    def start(number: int) -> str:
        try:
            budgets.reserve(context, plan, f"parallel-{number}", f"job-{number}")
        except BudgetExceeded:
            return "refused"
        return "reserved"

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(begin, range(STARTS)))
        outcomes = Counter(threads.map(start, range(STARTS)))
    fit = (MOST - used) // EACH
    assert 0 < fit < STARTS
    assert outcomes == {"reserved": fit, "refused": STARTS - fit}
    assert _month(context)["stack/tokens"] == used + fit * EACH <= MOST


def test_a_run_that_finds_too_little_ends_before_anything_is_created(laptop: Laptop) -> None:
    jobs = laptop.jobs()
    run_id = laptop.start(laptop.request("two", hyperparameters={"max_epochs": 3, "global_batch_size": 8}))
    ended = laptop.ended(run_id)
    assert (ended["status"], ended["error"]) == ("FAILED", "BudgetExceeded")
    assert "The budget of the stack for" in ended["cause"]
    assert laptop.jobs() == jobs
