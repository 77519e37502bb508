"""The commands against a stack: boto3 with credentials, where nothing but AWS_ENDPOINT_URL differs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.in_process import Outcome, tunestep
from tests.local.laptop import LLAMA, Laptop

LONG = {"max_epochs": 30, "global_batch_size": 8}
Stack = Callable[..., Outcome]


@pytest.fixture
def stack(laptop: Laptop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stack:
    """Runs a command with --stack in a folder without settings and without a laptop cloud of its own."""
    environment = {
        "AWS_ENDPOINT_URL": laptop.endpoint.url,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": laptop.endpoint.region,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    monkeypatch.chdir(laptop.work)
    monkeypatch.delenv("TUNESTEP_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tunestep.cli.status.POLL_SECONDS", 0.02)
    return lambda *arguments: tunestep(capsys, *arguments, "--stack", "tunestep")


def test_a_run_goes_through_and_is_seen_by_every_command(laptop: Laptop, stack: Stack) -> None:
    request = laptop.request("on-a-stack")

    planned = stack("plan", request, "--json")
    assert planned.code == 0, planned.err
    assert planned.json["create_training_job"]["ServerlessJobConfig"]["CustomizationTechnique"] == "SFT"

    ran = stack("run", request, "--json")
    assert (ran.code, ran.err) == (0, "")
    run_id = ran.json["run_id"]
    assert ran.json["status"] == "SUCCEEDED"
    assert ran.json["results"]["model_package_arn"].startswith("arn:aws:sagemaker:")
    assert ran.json["next"] == [f"tunestep results {run_id} --stack tunestep"]
    assert ran.json["files"].startswith("s3://")

    assert laptop.item(run_id)["requester"].endswith(":user/AKIAEXAMPLE"), "who signed"
    assert run_id in [entry["run_id"] for entry in stack("status", "--json").json]
    assert stack("status", run_id, "--json").json["status"] == "SUCCEEDED"
    assert stack("results", run_id[:20], "--json").json["run_id"] == run_id
    watched = stack("watch", run_id, "--json")
    assert watched.code == 0
    assert json.loads(watched.out.splitlines()[-1])["status"] == "SUCCEEDED"

    shown = stack("results", run_id).out
    assert ran.json["results"]["model_package_arn"] in shown
    assert "total_loss" in shown
    assert f"tunestep results {run_id} --stack tunestep" in stack("status", run_id).out
    assert "--local" not in shown


def test_a_decision_is_taken_once_and_shown_to_the_second_comer(laptop: Laptop, stack: Stack) -> None:
    request = laptop.request("decide", base_model=LLAMA)
    run_id = stack("run", request, "--detach", "--json").json["run_id"]
    laptop.waits_in(run_id, "AwaitApproval")

    waiting = stack("status", run_id).out
    assert "waiting for a person" in waiting
    assert f"tunestep approve {run_id} --stack tunestep" in waiting

    declined = stack("decline", run_id, "--reason", "[red]no[/red]", "--json")
    assert declined.code == 0, declined.err
    assert declined.json["decision"] == "DECLINED"
    assert declined.json["actor"].endswith(":user/AKIAEXAMPLE")
    assert (declined.json["channel"], declined.json["assurance"]) == ("api", "unverified")
    second = stack("approve", run_id)
    assert second.code == 1
    assert "DECLINED" in second.out + second.err

    ended = stack("watch", run_id)
    assert ended.code == 1
    assert "ApprovalDeclined" in ended.out
    assert "[red]no[/red]" in ended.out
    refused = stack("results", run_id, "--json")
    assert refused.code == 1
    assert "ApprovalDeclined" in refused.json["error"]


def test_the_doctor_finds_what_a_laptop_s_port_lacks_and_exits_1(stack: Stack) -> None:
    wanted = ("bootstrap", "functions", "machine", "rules", "storage", "dead-letters", "hub")
    checks = [word for name in wanted for word in ("--check", name)]
    found = stack("doctor", *checks, "--json")
    assert found.code == 1
    assert [one["check"] for one in found.json["diagnoses"] if one["state"] == "broken"] == ["bootstrap"]
    shown = stack("doctor", "--check", "bootstrap")
    assert (shown.code, "tunestep deploy --bootstrap --region" in shown.out) == (1, True)
    assert stack("doctor", "--check", "machine").code == 0
    assert "there is no check 'nothing'" in stack("doctor", "--check", "nothing").err


@pytest.mark.slow
def test_stop_ends_the_run_and_says_how(laptop: Laptop, stack: Stack) -> None:
    run_id = stack("run", laptop.long_request("stop", hyperparameters=LONG), "--detach", "--json").json[
        "run_id"
    ]
    laptop.trains(run_id)
    stopped = stack("stop", run_id, "--json")
    assert (stopped.code, stopped.json["error"]) == (0, "StoppedByUser")
    again = stack("stop", run_id)
    assert again.code == 0
    assert "had already ended: FAILED StoppedByUser" in again.out
    assert stack("stop", run_id, "--json").json["stop"] is None


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("status no-such-run", 2, "there is no run 'no-such-run'"),
        ("approve no-such-run", 2, "there is no run 'no-such-run'"),
        ("retry no-such-run", 2, "there is no run 'no-such-run'"),
        ("stop no-such-run", 2, "there is no run 'no-such-run'"),
        ("results no-such-run", 2, "tunestep status --stack tunestep"),
    ],
)
def test_a_run_that_is_not_there_is_told_in_words_and_in_json(
    line: str, code: int, message: str, stack: Stack
) -> None:
    outcome = stack(*line.split(), "--json")
    assert outcome.code == code
    assert message in outcome.err
    assert message in outcome.json["error"]


def test_a_failed_run_prints_its_findings_and_exits_1(laptop: Laptop, stack: Stack) -> None:
    request = laptop.request("wrong", base_model="huggingface-reasoning-qwen3-0-6", use_case="a [link=x]b")
    failed = stack("run", request, "--json")
    assert failed.code == 1
    assert failed.json["error"] == "PrerequisitesNotMet"
    assert failed.json["findings"][0]["code"] == "MODEL_NOT_FOUND"
    shown = stack("run", request)
    assert shown.code == 1
    assert "PrerequisitesNotMet" in shown.out and "huggingface-reasoning-qwen3-0-6b" in shown.out


def test_a_stack_that_is_not_deployed_is_named(
    stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: Any = ("status", "--stack", "not-there", "--json")
    outcome = tunestep(capsys, *arguments)
    assert outcome.code == 1
    assert "not-there" in outcome.err
