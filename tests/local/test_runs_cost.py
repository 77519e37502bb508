"""What a run costs, in whole runs: a person looks at it above the threshold, and its limit ends it."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.local.laptop import Laptop, running, sft_rows

pytestmark = pytest.mark.slow

SETTINGS = """
prices: [{model: "huggingface-reasoning-qwen3-*", usd_per_million_tokens: 1000}]
approval: {review_above_usd: 0.5}
limits: {max_cost_usd: 3}
"""


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with running(tmp_path_factory.mktemp("cost"), settings=SETTINGS) as made:
        yield made


def _start(laptop: Laptop, name: str, epochs: int, **fields: Any) -> str:
    hyperparameters = {"max_epochs": epochs, "global_batch_size": 8}
    return laptop.start(laptop.request(name, hyperparameters=hyperparameters, **fields))


def _usd(laptop: Laptop, run_id: str) -> float:
    output = laptop.execution(run_id).get("output")
    if output:
        return float(json.loads(output)["dataset"]["estimate"]["usd"])
    (asked,) = [one for one in laptop.json("approvals", "--local") if one["run_id"] == run_id]
    return float(asked["estimate"]["usd"])


def test_below_the_threshold_nobody_is_asked(laptop: Laptop) -> None:
    run_id = _start(laptop, "cheap", 1)
    assert laptop.ended(run_id)["status"] == "SUCCEEDED"
    assert "AwaitApproval" not in laptop.states(run_id)
    assert 0 < _usd(laptop, run_id) <= 0.5


def test_above_it_a_person_decides_on_the_page_that_shows_the_amount(laptop: Laptop) -> None:
    run_id = _start(laptop, "dear", 3)
    laptop.waits_in(run_id, "AwaitApproval")
    usd = _usd(laptop, run_id)
    assert 0.5 < usd <= 3

    # With nobody in the settings the page is that of whoever is at this keyboard.
    shown = laptop("approvals", "--local", "--links").stdout
    assert f"{run_id}, as local:" in shown
    (link,) = re.findall(r"http://127\.0\.0\.1:\d+/approvals/\S+", shown)
    with urllib.request.urlopen(link) as answer:  # noqa: S310 - the laptop's own
        page = answer.read().decode()
    assert f"The estimate of {usd:.2f} USD is above 0.50 USD." in page
    assert re.search(rf"<dt>Cost</dt><dd>\s*about {usd:.2f} USD", page)
    (again,) = laptop.json("approvals", "--local", "--links")
    assert again["links"]["local"] not in ("", link)
    parts = urlsplit(link)
    form = urllib.request.Request(  # noqa: S310 - the laptop's own
        link,
        urlencode({"decision": "APPROVED", "agree": "yes", "reason": ""}).encode(),
        {"Origin": f"{parts.scheme}://{parts.netloc}"},
    )
    with urllib.request.urlopen(form) as answer:  # noqa: S310 - the laptop's own
        assert "This run was approved" in answer.read().decode()

    ended = laptop.ended(run_id)
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    approval = json.loads(ended["output"])["approval"]
    assert (approval["actor"], approval["channel"]) == ("local", "page")
    assert "evidence" not in approval, "a cost that was looked at is no licence that was accepted"
    assert laptop.json("licences", "--local") == []


def test_a_cost_that_was_declined_is_not_spent_and_the_next_run_asks_again(laptop: Laptop) -> None:
    run_id = _start(laptop, "dear too", 3)
    laptop.waits_in(run_id, "AwaitApproval")
    jobs = laptop.jobs()
    laptop("decline", run_id, "--local", "--reason", "too dear")
    ended = laptop.ended(run_id)
    assert (ended["status"], ended["error"]) == ("FAILED", "ApprovalDeclined")
    assert "too dear" in ended["cause"]
    assert laptop.jobs() == jobs


def test_a_request_may_be_asked_about_sooner_and_never_later(laptop: Laptop) -> None:
    sooner = _start(laptop, "sooner", 1, limits={"review_above_usd": 0})
    laptop.waits_in(sooner, "AwaitApproval")
    laptop("decline", sooner, "--local", "--reason", "seen")
    refused = laptop.ended(_start(laptop, "later", 3, limits={"review_above_usd": 100}))
    assert (refused["status"], refused["error"]) == ("FAILED", "PrerequisitesNotMet")


def test_above_the_limit_the_run_ends_before_anybody_is_asked(laptop: Laptop) -> None:
    run_id = _start(laptop, "too much", 3, rows=sft_rows(400))
    ended = laptop.ended(run_id)
    assert (ended["status"], ended["error"]) == ("FAILED", "BudgetExceeded")
    assert "AwaitApproval" not in laptop.states(run_id)
