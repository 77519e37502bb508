"""ValidatePrerequisites: a plan is stored or every finding is told, and a look changes nothing."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from moto import mock_aws

from tests.support.planning import (
    ACCOUNT,
    DATA,
    QWEN,
    REQUEST,
    STACK_BUCKET,
    STACK_REWARD,
    STACK_ROLE,
    Desk,
)
from tests.support.run_world import RUN_ID, World, execution_arn
from tunestep.context import Context, Execution, StepEvent, plan_of
from tunestep.findings import error, warning
from tunestep.names import registry_hub_name
from tunestep.request import parse, request_hash
from tunestep.reward_certify import certify_reward
from tunestep.validation import SHOWN_BYTES, SHOWN_BYTES_OF_ERRORS, DryRun, dry_run, shown, validate


class Bench:
    def __init__(self) -> None:
        self.w, self.desk = World(), Desk()
        self.desk.clients.dynamodb = self.w.dynamodb  # type: ignore[attr-defined]
        env = msgspec.structs.replace(
            self.w.context.env,
            account=ACCOUNT,
            bucket=STACK_BUCKET,
            execution_role_arn=STACK_ROLE,
            laptop="open",
            rewards=("math_answer",),
        )
        self.context: Context = dataclasses.replace(
            self.w.context,
            env=env,
            clients=self.desk.clients,  # type: ignore[arg-type]
        )

    def event(self, request: Any, **document: Any) -> StepEvent:
        execution = Execution(arn=execution_arn(RUN_ID), name=RUN_ID, started_at="2026-11-22T12:00:00.000Z")
        return StepEvent(document={"request": request, **document}, execution=execution)

    def keys(self) -> list[str]:
        listed = self.w.s3.list_objects_v2(Bucket=STACK_BUCKET, Prefix="runs/")
        return [entry["Key"] for entry in listed.get("Contents", [])]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with mock_aws():
        yield Bench()


def test_a_good_request_is_summarised_and_its_plan_stored_and_recorded(bench: Bench) -> None:
    event = bench.event(REQUEST)
    summary = validate(bench.context, event)
    assert summary["ok"] is True
    assert summary["technique"] == "SFT"
    assert summary["model"]["name"] == QWEN
    timeouts = summary["approval"]
    assert timeouts["state_timeout_seconds"] == timeouts["timeout_seconds"] + 900
    run = bench.context.runs.run(RUN_ID) or {}
    assert run["plan_sha256"] == summary["sha256"]
    assert run["request_hash"] == request_hash(parse(REQUEST)) == summary["request_hash"]
    assert (run["source"], run["requester_assurance"]) == ("console", "unverified")
    assert _looked_after(bench) == [RUN_ID]
    later = bench.event(REQUEST, plan=summary)
    assert plan_of(bench.context, later).training_data.uri == DATA


def _looked_after(bench: Bench) -> list[str]:
    return [pending["run_id"] for pending in bench.context.runs.by_kind("pending_run")]


def test_what_the_start_function_wrote_is_kept(bench: Bench) -> None:
    bench.context.runs.put(
        {
            "pk": f"RUN#{RUN_ID}",
            "sk": "RUN",
            "source": "cli",
            "requester": "ann",
            "attempt": 4,
            "status": "STARTED",
        }
    )
    validate(bench.context, bench.event(REQUEST))
    run = bench.context.runs.run(RUN_ID) or {}
    assert (run["source"], run["requester"], run["attempt"]) == ("cli", "ann", 4)
    assert _looked_after(bench) == []


def test_a_start_that_was_thought_lost_counts_as_started_again(bench: Bench) -> None:
    item = {"pk": f"RUN#{RUN_ID}", "sk": "RUN", "status": "ENDED", "outcome": "NOT_STARTED", "source": "cli"}
    bench.context.runs.put(item)
    validate(bench.context, bench.event(REQUEST))
    run = bench.context.runs.run(RUN_ID) or {}
    assert run["status"] == "STARTED"
    assert _looked_after(bench) == [RUN_ID]
    assert "outcome" not in run


@pytest.mark.parametrize("request_", [None, [], "x", {}, {"use_case": 3}, {**REQUEST, "plan": {"ok": True}}])
def test_an_invalid_request_is_data_and_stores_no_plan(bench: Bench, request_: Any) -> None:
    summary = validate(bench.context, bench.event(request_))
    assert summary["ok"] is False
    assert summary["approval"]["needed"] is False
    assert summary["errors"]["prerequisite"] >= 1
    assert bench.keys() == [f"runs/{RUN_ID}/findings.json"]
    assert "plan_sha256" not in (bench.context.runs.run(RUN_ID) or {})


def test_only_the_request_of_the_document_is_read(bench: Bench) -> None:
    forged = {"plan": {"ok": True, "sha256": "0" * 64}, "approval": {"decision": "APPROVED"}}
    summary = validate(bench.context, bench.event({**REQUEST, "base_model": "no-such-model"}, **forged))
    assert summary["ok"] is False
    assert "sha256" not in summary


def test_many_findings_are_capped_in_the_document_and_whole_in_the_file(bench: Bench) -> None:
    request = {**REQUEST, **{f"unknown_{number}": 1 for number in range(40)}}
    summary = validate(bench.context, bench.event(request))
    assert summary["findings_total"] == 40
    assert len(summary["findings"]) == 20
    stored, _ = bench.context.files.get(RUN_ID, "findings.json") or (b"", "")
    assert len(msgspec.json.decode(stored)) == 40
    reward = certify_reward(bench.context, bench.event(request, plan=summary))
    assert reward["verdict"] == "PrerequisitesNotMet"
    assert len(reward["cause"]) <= 2048
    assert "40 errors" in reward["cause"]
    assert f"s3://{STACK_BUCKET}/runs/{RUN_ID}/findings.json" in reward["cause"]


def test_a_document_stays_small_whatever_the_request_holds(bench: Bench) -> None:
    request = {**REQUEST, **{f"{number}" + "x" * 5000: 1 for number in range(40)}}
    summary = validate(bench.context, bench.event(request))
    assert len(msgspec.json.encode(summary)) < 48_000
    assert certify_reward(bench.context, bench.event(request, plan=summary))["cause"]


def test_warnings_alone_take_less_room_than_errors() -> None:
    said = [warning("CODE", "$.x", "m" * 400) for _ in range(30)]
    assert len(msgspec.json.encode(shown(said))) <= SHOWN_BYTES
    told = shown([*said, error("CODE", "$.y", "m" * 400)])
    assert told[0]["where"] == "$.y"
    assert SHOWN_BYTES < len(msgspec.json.encode(told)) <= SHOWN_BYTES_OF_ERRORS
    assert len(shown([warning("CODE", "$.x", "\u20ac" * 9000)])) == 1


def test_a_dry_run_tells_everything_and_writes_nothing(bench: Bench) -> None:
    answer = dry_run(bench.context, DryRun(document={"request": REQUEST}))
    assert answer["plan"]["technique"] == "SFT"
    created = answer["create_training_job"]
    assert (
        created["TrainingJobName"]
        == dry_run(bench.context, DryRun(document={"request": REQUEST}))["create_training_job"][
            "TrainingJobName"
        ]
    )
    assert "AcceptEula" not in created["ServerlessJobConfig"]
    assert bench.keys() == []
    assert list(bench.context.runs.by_kind("run")) == []


def test_a_dry_run_of_a_bad_request_has_findings_and_no_plan(bench: Bench) -> None:
    answer = dry_run(bench.context, DryRun(document={"request": {**REQUEST, "technique": "CPT"}}))
    assert answer["findings"]
    assert answer["plan"] is None
    assert answer["create_training_job"] is None


def test_a_dry_run_does_not_look_for_what_will_be_uploaded(bench: Bench) -> None:
    uri = f"s3://{STACK_BUCKET}/data/abc/train.jsonl"
    document = {"request": {**REQUEST, "training_data": uri}}
    assert dry_run(bench.context, DryRun(document=document))["plan"] is None
    assert dry_run(bench.context, DryRun(document=document, uploads=(uri,)))["plan"] is not None


@pytest.mark.parametrize(
    ("plan", "dataset", "verdict"),
    [
        ({}, {}, "MET"),
        ({"prerequisite": 1}, {}, "PrerequisitesNotMet"),
        ({"budget": 1}, {}, "BudgetExceeded"),
        ({"reward": 2}, {}, "RewardNotCertified"),
        ({"reward": 1, "budget": 1}, {}, "PrerequisitesNotMet"),
        ({}, {"prerequisite": 3}, "PrerequisitesNotMet"),
    ],
)
def test_the_verdict_follows_from_the_kinds_of_errors(
    bench: Bench, plan: dict[str, int], dataset: dict[str, int], verdict: str
) -> None:
    event = bench.event(REQUEST, plan={"ok": False, "errors": plan}, dataset={"errors": dataset})
    answer = certify_reward(bench.context, event)
    assert (answer["verdict"], answer["ok"]) == (verdict, verdict == "MET")


def test_one_endless_finding_still_fits_the_cause(bench: Bench) -> None:
    finding = {"severity": "error", "code": "X", "where": "$", "message": "m" * 5000}
    plan = {"ok": False, "errors": {"prerequisite": 1}, "findings": [finding]}
    assert len(certify_reward(bench.context, bench.event(REQUEST, plan=plan))["cause"]) <= 2048


RLVR = {**REQUEST, "technique": "RLVR", "reward": {"function": "math_answer"}}


def test_a_dry_run_shows_the_evaluator_that_a_run_would_register_and_registers_none(bench: Bench) -> None:
    bench.desk.clients.calls.clear()
    answer = dry_run(bench.context, DryRun(document={"request": RLVR}))
    shown = answer["create_training_job"]["ServerlessJobConfig"]["EvaluatorArn"]
    hub = registry_hub_name("us-west-2", ACCOUNT)
    assert shown.endswith(f":{ACCOUNT}:hub-content/{hub}/JsonDoc/{STACK_REWARD}")
    changing = ("Create", "Import", "Put", "Invoke")
    assert not [call for call in bench.desk.clients.operations() if call.startswith(changing)]


def test_the_document_says_what_will_score_and_by_which_hashes(bench: Bench) -> None:
    reward = validate(bench.context, bench.event(RLVR))["reward"]
    assert reward["function_arn"].endswith(f":function:{STACK_REWARD}")
    assert reward["code_sha256"] == "code-1"
    assert len(reward["configuration_sha256"]) == 64
    assert validate(bench.context, bench.event(REQUEST))["reward"] is None
