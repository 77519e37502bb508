"""Runs through what goes wrong around them: events lost, late or twice, and the cloud's process killed."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.local.laptop import LLAMA, Laptop, sft_rows, until

pytestmark = pytest.mark.slow


@contextmanager
def events_lost(laptop: Laptop) -> Iterator[None]:
    """No event of a training job reaches its function meanwhile."""
    events = laptop.client("events")
    rules = [
        rule["Name"]
        for rule in events.list_rules()["Rules"]
        if "SageMaker Training Job State Change" in rule.get("EventPattern", "")
    ]
    for rule in rules:
        events.disable_rule(Name=rule)
    try:
        yield
    finally:
        for rule in rules:
            events.enable_rule(Name=rule)


def job_completes(laptop: Laptop, run_id: str) -> str:
    job = until(lambda: laptop.job(run_id), lambda seen: seen["TrainingJobStatus"] == "Completed")
    return str(job["TrainingJobName"])


def test_the_reconciler_wakes_a_run_whose_event_was_lost(laptop: Laptop) -> None:
    with events_lost(laptop):
        run_id = laptop.start(laptop.request("lost", sft_rows(60), hyperparameters={"max_epochs": 10}))
        laptop.trains(run_id)
        job_completes(laptop, run_id)
        assert laptop.execution(run_id)["status"] == "RUNNING"
        assert laptop.function("reconcile", {})["states"]["delivered"] == 1
        assert laptop.ended(run_id)["status"] == "SUCCEEDED"
        assert "delivered" not in laptop.function("reconcile", {})["states"]


def test_events_that_come_twice_late_or_for_nobody_change_nothing(laptop: Laptop) -> None:
    with events_lost(laptop):
        run_id = laptop.start(laptop.request("late", sft_rows(100), hyperparameters={"max_epochs": 10}))
        name = laptop.trains(run_id)["TrainingJobName"]
        event = {"detail": {"TrainingJobName": name, "TrainingJobStatus": "Completed"}}
        job_completes(laptop, run_id)
        assert laptop.function("training-event", event)["state"] == "delivered"
        assert laptop.function("training-event", event)["state"] in {"nobody waits", "gone"}
        assert laptop.ended(run_id)["status"] == "SUCCEEDED"
        assert laptop.function("training-event", event)["state"] == "nobody waits"
    for detail in ({"TrainingJobName": "somebody-elses-job"}, {}, {"TrainingJobName": 7}):
        assert laptop.function("training-event", {"detail": detail})["state"] == "unknown"
    assert laptop.states(run_id).count("CollectResults") == 1


def test_the_reconciler_cleans_up_after_an_abort_that_nobody_heard_of(laptop: Laptop) -> None:
    events = laptop.client("events")
    rule = next(
        rule["Name"] for rule in events.list_rules()["Rules"] if "ABORTED" in rule.get("EventPattern", "")
    )
    run_id = laptop.start(laptop.long_request("unheard"))
    name = laptop.trains(run_id)["TrainingJobName"]
    # A forged or early event: the job's own description is the truth.
    event = {"detail": {"TrainingJobName": name, "TrainingJobStatus": "Completed"}}
    assert laptop.function("training-event", event)["state"] == "waiting"
    looked = laptop.function("reconcile", {})
    assert (looked["states"]["waiting"], looked["failed"]) == (1, [])
    events.disable_rule(Name=rule)
    try:
        laptop.client("stepfunctions").stop_execution(executionArn=laptop.execution_arn(run_id))
        assert laptop.job(run_id)["TrainingJobStatus"] == "InProgress"
        assert laptop.function("reconcile", {})["states"]["cleaned up"] == 1
    finally:
        events.enable_rule(Name=rule)
    until(lambda: laptop.job(run_id)["TrainingJobStatus"], lambda status: status == "Stopped")
    until(lambda: not [key for key in laptop.pending() if run_id in key])
    assert laptop.item(run_id)["status"] == "ENDED"


@pytest.mark.slow
def test_runs_survive_the_death_of_the_clouds_process(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    asking = laptop.start(laptop.request("asking", base_model=LLAMA))
    laptop.waits_in(asking, "AwaitApproval")
    training = laptop.start(laptop.request("training", sft_rows(150), hyperparameters={"max_epochs": 15}))
    name = laptop.trains(training)["TrainingJobName"]
    worker = laptop.workers()[name]
    began = laptop.start(laptop.request("began"))
    laptop.kill()
    assert "no laptop cloud runs" in laptop("status", "--local", code=1).stderr
    laptop("local", "start")
    assert laptop.workers().get(name, worker) == worker
    assert laptop.execution(asking)["status"] == "RUNNING"
    laptop("approve", asking, "--local")
    for run_id in (asking, training, began):
        assert laptop.ended(run_id)["status"] == "SUCCEEDED", run_id
        states = laptop.states(run_id)
        assert len(states) == len(set(states)), states
        assert laptop.run_file(run_id, "record.json")["results"]["model_package_arn"]
        assert laptop.run_file(run_id, "metrics.json")["metrics"]["total_loss"]
    assert len(laptop.jobs()) == 3
    assert laptop.pending() == []


@pytest.mark.slow
def test_a_worker_that_died_with_the_cloud_fails_its_run_at_the_next_start(
    own_laptop: Callable[[], Laptop],
) -> None:
    laptop = own_laptop()
    run_id = laptop.start(laptop.long_request("both-died"))
    name = laptop.trains(run_id)["TrainingJobName"]
    worker = laptop.workers()[name]
    laptop.kill()
    os.kill(worker, signal.SIGKILL)
    laptop("local", "start")
    ended = laptop.ended(run_id)
    assert (ended["status"], ended["error"]) == ("FAILED", "TrainingJobFailed")
    assert "SUCCEEDED" in laptop("run", laptop.request("after"), "--local").stdout


@pytest.mark.slow
def test_local_stop_keeps_everything_and_reset_deletes_it(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    first = laptop("run", laptop.request("kept"), "--local").stdout
    assert "SUCCEEDED" in first
    run_id = first.split()[1]
    assert laptop.json("local", "stop") == {"stopped": True}
    assert laptop.json("local", "stop") == {"stopped": False}
    begun = time.monotonic()
    laptop("local", "start")
    print(f"\nstart with a cached assembly and one run: {time.monotonic() - begun:.1f} s (budget 5 s)")
    assert "model package" in laptop("results", run_id, "--local").stdout
    kept = laptop.run_file(run_id, "record.json")["results"]["model_package_arn"]
    request = laptop.request("more", base_model=kept, model_package_group="test-kept-v1")
    more = laptop("run", request, "--local")
    assert f"{kept.removesuffix('/1')}/2" in more.stdout
    laptop.long_request("left")
    left = laptop.start("left.json")
    laptop.trains(left)
    laptop("local", "reset", "--yes")
    assert not laptop.home.exists()
    until(lambda: not laptop.workers())


@pytest.mark.slow
def test_a_cold_start_synthesizes_and_says_how_long_it_took(tmp_path: Path) -> None:
    started = Laptop(tmp_path)
    begun = time.monotonic()
    try:
        said = started("local", "start").stderr
        spent = time.monotonic() - begun
        print(f"\nstart without an assembly: {spent:.1f} s (budget 20 s)")
        assert spent < 3 * 20
        assert re.search(r"answers at http://127\.0\.0\.1:\d+", said)
        started("local", "stop")
        begun = time.monotonic()
        started("local", "start")
        print(f"start with it cached: {time.monotonic() - begun:.1f} s (budget 5 s)")
    finally:
        started.close()
