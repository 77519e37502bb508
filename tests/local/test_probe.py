"""The whole probe against the laptop cloud: every claim confirmed, nothing left; and one that refutes."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local.laptop import Laptop, line_with
from tunestep.operate.probe.sequence import CHECKS

pytestmark = pytest.mark.slow
MINUTES = 600.0


def left_behind(laptop: Laptop) -> list[str]:
    """What bears a probe's mark in what the probe may not leave."""
    found = [str(url) for url in laptop.client("sqs").list_queues().get("QueueUrls", [])]
    found += [rule["Name"] for rule in laptop.client("events").list_rules()["Rules"]]
    found += laptop.groups()
    listed = laptop.client("s3").list_object_versions(Bucket=laptop.bucket, Prefix="data/")
    found += [one["Key"] for one in (*listed.get("Versions", []), *listed.get("DeleteMarkers", []))]
    return [name for name in found if "probe-" in name]


def test_every_claim_is_confirmed_and_nothing_is_left(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    paid = ("--spend-cap-usd", "5", "--yes")
    done = laptop("probe", "--local", *paid, "--out", "live", "--json", seconds=MINUTES)
    answer = json.loads(done.stdout)
    assert [one["number"] for one in answer["results"]] == [check.number for check in CHECKS]
    assert {one["verdict"] for one in answer["results"]} == {"confirmed"}, answer["results"]
    assert answer["not_removed"] == []
    assert left_behind(laptop) == []
    written = sorted((laptop.work / "live").glob("*.json"))
    assert len(written) >= len(CHECKS) - 1
    for path in written:
        assert laptop.endpoint.account not in path.read_text()


def test_without_a_cap_nothing_is_trained_and_another_world_is_refuted(laptop: Laptop) -> None:
    before = laptop.jobs()
    done = laptop(
        *("probe", "--local", "--model", "no-such-model", "--yes", "--out", "other", "--json"),
        code=1,
        seconds=MINUTES,
    )
    verdicts = {one["name"]: one["verdict"] for one in json.loads(done.stdout)["results"]}
    assert {name for name, verdict in verdicts.items() if verdict == "refuted"} == {"hub", "plan"}
    assert {verdicts[check.name] for check in CHECKS if check.costs} == {"not tried"}
    assert laptop.jobs() == before
    assert left_behind(laptop) == []


def test_ctrl_c_stops_the_run_and_removes_what_was_made(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    process = laptop.popen("probe", "--local", "--spend-cap-usd", "5", "--yes", "--out", "cut")
    assert process.stderr
    line_with(process.stderr, CHECKS[10].claim)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=MINUTES)
    assert process.returncode == 130, err
    assert "Removing what the probe made" in err
    assert "not removed" not in err
    assert left_behind(laptop) == []
    running = laptop.client("stepfunctions").list_executions(
        stateMachineArn=laptop.machine_arn, statusFilter="RUNNING"
    )["executions"]
    assert running == []
    assert Path(laptop.work / "cut").is_dir()
