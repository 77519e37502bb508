"""The machine in the synthesized template, state by state."""

from typing import Any

import pytest

from infra.states import LAMBDA_FAULTS, QUOTA_REACHED, TRANSIENT_FAULT
from tunestep import errors, names

ORDINARY = {
    "ValidatePrerequisites": ("validate", "$.plan", "CheckDataset"),
    "CheckDataset": ("check-dataset", "$.dataset", "CertifyReward"),
    "CertifyReward": ("certify-reward", "$.reward", "PrerequisitesMet?"),
    "ClaimRun": ("claim-run", "$.claim", "AlreadyDone?"),
    "RegisterEvaluator": ("register-evaluator", "$.evaluator", "PrepareRegistry"),
    "PrepareRegistry": ("prepare-registry", "$.registry", "StartTraining"),
    "StartTraining": ("start-training", "$.training", "AwaitTraining"),
    "CollectResults": ("collect-results", "$.results", "Notify"),
    "CleanUp": ("clean-up", "$.error", "NotifyFailure"),
    "Notify": ("notify", None, "Done"),
    "NotifyFailure": ("notify", None, "Failed"),
}
WAITING = {
    "AwaitApproval": (
        "request-approval",
        "$.approval",
        "Approved?",
        "$.plan.approval.state_timeout_seconds",
        "ApprovalExpired",
    ),
    "AwaitTraining": (
        "track-training",
        "$.training",
        "TrainingSucceeded?",
        "$.training.wait_seconds",
        "TrainingTimedOut",
    ),
}
OUTCOMES = {
    "PrerequisitesNotMet": ("PrerequisitesNotMet", "$.reward.cause"),
    "BudgetExceeded": ("BudgetExceeded", "$.reward.cause"),
    "RewardNotCertified": ("RewardNotCertified", "$.reward.cause"),
    "DuplicateRun": ("DuplicateRun", "$.claim.cause"),
    "ApprovalDeclined": ("ApprovalDeclined", "$.approval.cause"),
    "ApprovalExpired": ("ApprovalExpired", None),
    "TrainingTimedOut": ("TrainingJobFailed", None),
    "TrainingJobStopped": ("TrainingJobStopped", "$.training.cause"),
    "TrainingJobFailed": ("TrainingJobFailed", "$.training.cause"),
}
CHOICES = {
    "PrerequisitesMet?": (
        {
            "MET": "ClaimRun",
            "BudgetExceeded": "BudgetExceeded",
            "RewardNotCertified": "RewardNotCertified",
        },
        "$.reward.verdict",
        "PrerequisitesNotMet",
    ),
    "AlreadyDone?": (
        {"CLAIMED": "ApprovalNeeded?", "REUSED": "ReuseResults"},
        "$.claim.verdict",
        "DuplicateRun",
    ),
    "Approved?": (
        {"APPROVED": "RegisterEvaluator", "DECLINED": "ApprovalDeclined"},
        "$.approval.decision",
        "ApprovalExpired",
    ),
    "TrainingSucceeded?": (
        {"Completed": "CollectResults", "Stopped": "TrainingJobStopped"},
        "$.training.status",
        "TrainingJobFailed",
    ),
}
CATCHES = {
    "Notify": ("$.notice_error", "Done"),
    "NotifyFailure": ("$.notice_error", "Failed"),
    "CleanUp": ("$.clean_up_error", "NotifyFailure"),
}
EVENT = {
    "document.$": "$",
    "execution": {
        "arn.$": "$$.Execution.Id",
        "name.$": "$$.Execution.Name",
        "started_at.$": "$$.Execution.StartTime",
    },
    "state.$": "$$.State.Name",
}


def _function(name: str) -> str:
    return f"arn:aws:lambda:us-west-2:123456789012:function:tunestep-{name}"


def test_the_machine_has_exactly_the_agreed_states(definition: dict[str, Any]) -> None:
    others = {"Receive", "ReuseResults", "Done", "Failed"}
    assert set(definition["States"]) == {*ORDINARY, *WAITING, *OUTCOMES, *CHOICES, "ApprovalNeeded?", *others}


def test_a_forged_key_of_the_input_ends_up_below_request(definition: dict[str, Any]) -> None:
    assert definition["StartAt"] == "Receive"
    receive = definition["States"]["Receive"]
    assert receive["Type"] == "Pass"
    assert receive["Parameters"] == {"request.$": "$"}
    assert "ResultPath" not in receive
    assert receive["Next"] == "ValidatePrerequisites"


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_task_gives_its_function_the_whole_document(
    name: str, definition: dict[str, Any]
) -> None:
    function, path, following = ORDINARY[name]
    state = definition["States"][name]
    assert state["Type"] == "Task"
    assert state["Resource"] == _function(function)
    assert state["Parameters"] == EVENT
    assert state["ResultPath"] == path
    assert state["Next"] == following


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_task_is_retried_for_transient_faults_only(name: str, definition: dict[str, Any]) -> None:
    retry, *others = definition["States"][name]["Retry"]
    assert bool(others) == (name == "StartTraining")
    assert retry == {
        "ErrorEquals": [TRANSIENT_FAULT, *LAMBDA_FAULTS],
        "IntervalSeconds": 2,
        "MaxAttempts": 5,
        "BackoffRate": 2,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",
    }


def test_a_job_that_the_quota_does_not_allow_is_tried_again_for_less_than_two_hours(
    definition: dict[str, Any],
) -> None:
    retry = definition["States"]["StartTraining"]["Retry"][1]
    assert retry["ErrorEquals"] == [QUOTA_REACHED] == [errors.QuotaReached.__name__]
    assert retry["JitterStrategy"] == "FULL"
    waits, wait = [], retry["IntervalSeconds"]
    for _ in range(retry["MaxAttempts"]):
        waits.append(min(wait, retry["MaxDelaySeconds"]))
        wait *= retry["BackoffRate"]
    assert 3600 < sum(waits) < 7200


@pytest.mark.parametrize("name", ORDINARY)
def test_whatever_a_task_raises_is_caught(name: str, definition: dict[str, Any]) -> None:
    (catch,) = definition["States"][name]["Catch"]
    path, target = CATCHES.get(name, ("$.error", "CleanUp"))
    assert catch == {"ErrorEquals": ["States.ALL"], "ResultPath": path, "Next": target}


@pytest.mark.parametrize("name", WAITING)
def test_a_waiting_task_passes_its_token_and_ends_by_itself(name: str, definition: dict[str, Any]) -> None:
    function, path, following, timeout, expired = WAITING[name]
    state = definition["States"][name]
    assert state["Resource"] == "arn:aws:states:::lambda:invoke.waitForTaskToken"
    assert state["Parameters"] == {
        "FunctionName": _function(function),
        "Payload": {**EVENT, "task_token.$": "$$.Task.Token"},
    }
    assert state["ResultPath"] == path
    assert state["Next"] == following
    assert state["TimeoutSecondsPath"] == timeout
    assert state["Catch"] == [
        {"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": expired},
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "CleanUp"},
    ]


@pytest.mark.parametrize("name", WAITING)
def test_a_waiting_task_is_retried_only_where_the_function_may_not_have_run(
    name: str, definition: dict[str, Any]
) -> None:
    (retry,) = definition["States"][name]["Retry"]
    assert retry["ErrorEquals"] == list(LAMBDA_FAULTS)


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_that_is_data_gets_an_error_name_and_is_cleaned_up(
    name: str, definition: dict[str, Any]
) -> None:
    error, cause = OUTCOMES[name]
    state = definition["States"][name]
    assert state["Type"] == "Pass"
    assert state["ResultPath"] == "$.error"
    assert state["Next"] == "CleanUp"
    assert error in errors.PUBLIC_NAMES
    assert state["Parameters"]["Error"] == error
    if cause:
        assert state["Parameters"]["Cause.$"] == cause
    else:
        assert "tunestep retry" in state["Parameters"]["Cause"]


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_sends_what_it_does_not_know_to_the_safe_side(name: str, definition: dict[str, Any]) -> None:
    branches, variable, default = CHOICES[name]
    state = definition["States"][name]
    found = {}
    for rule in state["Choices"]:
        assert rule["Variable"] == variable
        found[rule.get("StringEquals", rule.get("BooleanEquals"))] = rule["Next"]
    assert found == branches
    assert state["Default"] == default


def test_a_licence_and_a_cost_both_lead_to_a_person(definition: dict[str, Any]) -> None:
    state = definition["States"]["ApprovalNeeded?"]
    assert state["Default"] == "RegisterEvaluator"
    assert {(rule["Variable"], rule["BooleanEquals"], rule["Next"]) for rule in state["Choices"]} == {
        ("$.plan.approval.needed", True, "AwaitApproval"),
        ("$.dataset.review_needed", True, "AwaitApproval"),
    }


def test_a_failed_run_ends_under_its_own_error_name(definition: dict[str, Any]) -> None:
    failed = definition["States"]["Failed"]
    assert failed["Type"] == "Fail"
    assert (failed["ErrorPath"], failed["CausePath"]) == ("$.error.Error", "$.error.Cause")


def test_the_machine_has_no_limit_that_would_cut_a_wait_short(definition: dict[str, Any]) -> None:
    assert "TimeoutSeconds" not in definition
    assert definition.get("QueryLanguage", "JSONPath") == "JSONPath"


def test_every_function_that_a_state_calls_is_one_of_the_verbs(definition: dict[str, Any]) -> None:
    known = {_function(verb.replace("_", "-")) for verb in names.FUNCTIONS}
    called = {
        state["Parameters"].get("FunctionName", state["Resource"])
        for state in definition["States"].values()
        if state["Type"] == "Task"
    }
    assert called <= known
    assert len(called) == 12


def test_reused_results_end_the_run_as_its_own_would(definition: dict[str, Any]) -> None:
    reuse = definition["States"]["ReuseResults"]
    assert (reuse["Type"], reuse["InputPath"], reuse["ResultPath"]) == (
        "Pass",
        "$.claim.results",
        "$.results",
    )
    assert reuse["Next"] == "Notify"
