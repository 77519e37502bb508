"""The synthesized machine passes our lints and asl-validator; each lint refuses what it is there for."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra.machine_lints import LINTS
from tests.local.asl.npm_runner import run_node

Change = Callable[[dict[str, Any]], object]

VALIDATOR = "node_modules/asl-validator/dist/bin/asl-validator.js"


@pytest.mark.parametrize("name", LINTS)
def test_the_machine_passes(name: str, definition: dict[str, Any]) -> None:
    assert LINTS[name](definition) == []


def without(state: str, key: str) -> Change:
    return lambda states: states[state].pop(key)


def having(state: str, **members: Any) -> Change:
    return lambda states: states[state].update(members)


def _token_dropped(states: dict[str, Any]) -> None:
    del states["AwaitTraining"]["Parameters"]["Payload"]["task_token.$"]


def _token_misspelt(states: dict[str, Any]) -> None:
    payload = states["AwaitApproval"]["Parameters"]["Payload"]
    payload["task_token"] = payload.pop("task_token.$")


def _token_read_elsewhere(states: dict[str, Any]) -> None:
    states["StartTraining"]["Parameters"]["token.$"] = "$$.Task.Token"


def _only_a_time_out_caught(states: dict[str, Any]) -> None:
    states["AwaitApproval"]["Catch"].pop()


def _caught_into(state: str, target: str) -> Change:
    return lambda states: states[state]["Catch"][-1].update(Next=target)


def _caught_in_place_of_the_document(states: dict[str, Any]) -> None:
    del states["StartTraining"]["Catch"][0]["ResultPath"]


def _retrying(state: str, error: str) -> Change:
    return lambda states: states[state]["Retry"][0]["ErrorEquals"].append(error)


def _retry_with(state: str, **members: Any) -> Change:
    return lambda states: states[state]["Retry"][0].update(members)


def _unbounded(states: dict[str, Any]) -> None:
    del states["StartTraining"]["Retry"][1]["MaxDelaySeconds"]


def _a_state_beside(states: dict[str, Any]) -> None:
    states["Forgotten"] = {"Type": "Succeed", "Comment": "Nothing leads here any more."}


def _cause_of_a_choice_before_its_task(states: dict[str, Any]) -> None:
    states["PrerequisitesMet?"]["Choices"][0]["Variable"] = "$.approval.decision"


def _skips_the_start(states: dict[str, Any]) -> None:
    states["PrepareRegistry"]["Next"] = "AwaitTraining"


def _results_of_a_claim_that_has_none(states: dict[str, Any]) -> None:
    states["AlreadyDone?"]["Default"] = "ReuseResults"


def _unknown_context(states: dict[str, Any]) -> None:
    states["CheckDataset"]["Parameters"]["execution"]["arn.$"] = "$$.Execution.Arn"


def _intrinsic(states: dict[str, Any]) -> None:
    states["DuplicateRun"]["Parameters"]["Cause.$"] = "States.Format('{}: {}', $.claim.cause, $.claim.run)"


BROKEN: list[tuple[str, str, Change]] = [
    ("comments", "Done has no Comment", without("Done", "Comment")),
    ("comments", "CleanUp has no Comment", having("CleanUp", Comment="  tbd ")),
    ("reachability", "Forgotten cannot be reached", _a_state_beside),
    ("reachability", "RegisterEvaluator leads to Prepare", having("RegisterEvaluator", Next="Prepare")),
    ("reachability", "CollectResults cannot be reached", without("TrainingSucceeded?", "Choices")),
    ("reachability", "Approved? has no Default", without("Approved?", "Default")),
    ("tokens", "AwaitTraining waits for a token that nobody gets", _token_dropped),
    ("tokens", "AwaitApproval waits for a token that nobody gets", _token_misspelt),
    ("tokens", "StartTraining reads a token and does not wait", _token_read_elsewhere),
    ("tokens", "AwaitApproval may wait for ever", without("AwaitApproval", "TimeoutSecondsPath")),
    ("catches", "RegisterEvaluator does not catch everything", without("RegisterEvaluator", "Catch")),
    ("catches", "AwaitApproval does not catch everything", _only_a_time_out_caught),
    ("catches", "CollectResults catches into Notify", _caught_into("CollectResults", "Notify")),
    ("catches", "Notify catches into CleanUp", _caught_into("Notify", "CleanUp")),
    ("catches", "StartTraining loses the document", _caught_in_place_of_the_document),
    ("retries", "ClaimRun retries States.ALL", _retrying("ClaimRun", "States.ALL")),
    ("retries", "AwaitTraining retries TransientFault", _retrying("AwaitTraining", "TransientFault")),
    ("retries", "AwaitApproval retries States.Timeout", _retrying("AwaitApproval", "States.Timeout")),
    ("retries", "PrepareRegistry retries QuotaReached", _retrying("PrepareRegistry", "QuotaReached")),
    ("retries", "CleanUp retries without jitter", _retry_with("CleanUp", JitterStrategy="NONE")),
    ("retries", "CleanUp retries without a bound", _retry_with("CleanUp", MaxAttempts=99)),
    ("retries", "StartTraining retries without a bound", _unbounded),
    ("retries", "CheckDataset does not retry", without("CheckDataset", "Retry")),
    ("paths", "Approved? reads $.approval.decision", having("AwaitApproval", ResultPath="$.decision")),
    ("paths", "PrerequisitesMet? reads $.approval.decision", _cause_of_a_choice_before_its_task),
    ("paths", "AwaitTraining reads $.training.wait_seconds", _skips_the_start),
    ("paths", "ReuseResults reads $.claim.results", _results_of_a_claim_that_has_none),
    ("paths", "CheckDataset reads $$.Execution.Arn", _unknown_context),
    ("paths", "DuplicateRun reads $.claim.run", _intrinsic),
    ("paths", "Failed reads $.error.Name", having("Failed", ErrorPath="$.error.Name")),
    ("paths", "Failed reads $.error.Error", having("ApprovalDeclined", Next="Failed", ResultPath="$.end")),
    ("paths", "Notify reads $.results.uri", having("Notify", InputPath="$.results.uri")),
]


@pytest.mark.parametrize(("name", "said", "change"), BROKEN, ids=[said for _, said, _ in BROKEN])
def test_a_lint_refuses_what_it_is_there_for(
    name: str, said: str, change: Change, definition: dict[str, Any]
) -> None:
    broken = copy.deepcopy(definition)
    change(broken["States"])
    found = LINTS[name](broken)
    assert any(problem.startswith(said) for problem in found), found


def test_every_lint_is_proved_by_a_broken_machine() -> None:
    assert {name for name, _, _ in BROKEN} == set(LINTS)


def _validate(definition: dict[str, Any], folder: Path) -> tuple[int, str]:
    file = folder / "machine.json"
    file.write_text(json.dumps(definition))
    done = run_node(VALIDATOR, "--json-path", str(file))
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_asl_validator_passes(definition: dict[str, Any], tmp_path: Path) -> None:
    code, told = _validate(definition, tmp_path)
    assert code == 0, told


@pytest.mark.slow
def test_asl_validator_refuses_a_broken_machine(definition: dict[str, Any], tmp_path: Path) -> None:
    broken = copy.deepcopy(definition)
    broken["States"]["Notify"]["Next"] = "Nowhere"
    code, told = _validate(broken, tmp_path)
    assert code != 0
    assert "Nowhere" in told
