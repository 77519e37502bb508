"""The product's state machine as a dict, as agreed with whoever synthesizes it."""

from typing import Any

REGION, ACCOUNT = "us-west-2", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/machine"

LAMBDA_FAULTS = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]


def function(verb: str) -> str:
    """The ARN of a function."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tunestep-{verb}"


def _payload(**more: str) -> dict[str, Any]:
    return {
        "document.$": "$",
        "execution": {
            "arn.$": "$$.Execution.Id",
            "name.$": "$$.Execution.Name",
            "started_at.$": "$$.Execution.StartTime",
        },
        "state.$": "$$.State.Name",
        **more,
    }


def _retry(*names: str) -> list[dict[str, Any]]:
    return [
        {
            "ErrorEquals": [*names, *LAMBDA_FAULTS],
            "IntervalSeconds": 2,
            "MaxAttempts": 5,
            "BackoffRate": 2,
            "MaxDelaySeconds": 60,
            "JitterStrategy": "FULL",
        }
    ]


QUOTA_RETRY = {
    "ErrorEquals": ["QuotaReached"],
    "IntervalSeconds": 60,
    "MaxAttempts": 10,
    "BackoffRate": 2,
    "MaxDelaySeconds": 900,
    "JitterStrategy": "FULL",
}


def _catch(following: str, path: str | None = "$.error", *names: str) -> dict[str, Any]:
    return {"ErrorEquals": list(names) or ["States.ALL"], "ResultPath": path, "Next": following}


def _task(verb: str, key: str | None, following: str, catch: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Comment": f"{verb} writes {key}",
        "Resource": function(verb),
        "Parameters": _payload(),
        "ResultPath": None if key is None else f"$.{key}",
        "Retry": _retry("TransientFault"),
        "Catch": [catch or _catch("CleanUp")],
        "Next": following,
    }


def _waiting(verb: str, key: str, timeout: str, following: str, expired: str) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {
            "FunctionName": function(verb),
            "Payload": _payload(**{"task_token.$": "$$.Task.Token"}),
        },
        "ResultPath": f"$.{key}",
        "TimeoutSecondsPath": timeout,
        "Retry": _retry(),
        "Catch": [_catch(expired, "$.error", "States.Timeout"), _catch("CleanUp")],
        "Next": following,
    }


def _outcome(error: str, cause: dict[str, str]) -> dict[str, Any]:
    return {
        "Type": "Pass",
        "Parameters": {"Error": error, **cause},
        "ResultPath": "$.error",
        "Next": "CleanUp",
    }


def _equals(variable: str, value: str, following: str) -> dict[str, Any]:
    return {"Variable": variable, "StringEquals": value, "Next": following}


def _choice(default: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "Choice", "Choices": list(rules), "Default": default}


_REWARD_CAUSE = {"Cause.$": "$.reward.cause"}
_TRAINING_CAUSE = {"Cause.$": "$.training.cause"}

DEFINITION: dict[str, Any] = {
    "Comment": "One governed fine-tuning run",
    "StartAt": "Receive",
    "States": {
        "Receive": {"Type": "Pass", "Parameters": {"request.$": "$"}, "Next": "ValidatePrerequisites"},
        "ValidatePrerequisites": _task("validate", "plan", "CheckDataset"),
        "CheckDataset": _task("check_dataset", "dataset", "CertifyReward"),
        "CertifyReward": _task("certify_reward", "reward", "PrerequisitesMet?"),
        "PrerequisitesMet?": _choice(
            "PrerequisitesNotMet",
            _equals("$.reward.verdict", "MET", "ClaimRun"),
            _equals("$.reward.verdict", "BudgetExceeded", "BudgetExceeded"),
            _equals("$.reward.verdict", "RewardNotCertified", "RewardNotCertified"),
        ),
        "PrerequisitesNotMet": _outcome("PrerequisitesNotMet", _REWARD_CAUSE),
        "BudgetExceeded": _outcome("BudgetExceeded", _REWARD_CAUSE),
        "RewardNotCertified": _outcome("RewardNotCertified", _REWARD_CAUSE),
        "ClaimRun": _task("claim_run", "claim", "AlreadyDone?"),
        "AlreadyDone?": _choice(
            "DuplicateRun",
            _equals("$.claim.verdict", "CLAIMED", "ApprovalNeeded?"),
            _equals("$.claim.verdict", "REUSED", "ReuseResults"),
        ),
        "DuplicateRun": _outcome("DuplicateRun", {"Cause.$": "$.claim.cause"}),
        "ReuseResults": {
            "Type": "Pass",
            "InputPath": "$.claim.results",
            "ResultPath": "$.results",
            "Next": "Notify",
        },
        "ApprovalNeeded?": _choice(
            "RegisterEvaluator",
            {"Variable": "$.plan.approval.needed", "BooleanEquals": True, "Next": "AwaitApproval"},
            {"Variable": "$.dataset.review_needed", "BooleanEquals": True, "Next": "AwaitApproval"},
        ),
        "AwaitApproval": _waiting(
            "request_approval",
            "approval",
            "$.plan.approval.state_timeout_seconds",
            "Approved?",
            "ApprovalExpired",
        ),
        "Approved?": _choice(
            "ApprovalExpired",
            _equals("$.approval.decision", "APPROVED", "RegisterEvaluator"),
            _equals("$.approval.decision", "DECLINED", "ApprovalDeclined"),
        ),
        "ApprovalDeclined": _outcome("ApprovalDeclined", {"Cause.$": "$.approval.cause"}),
        "ApprovalExpired": _outcome("ApprovalExpired", {"Cause": "Nobody decided in time."}),
        "RegisterEvaluator": _task("register_evaluator", "evaluator", "PrepareRegistry"),
        "PrepareRegistry": _task("prepare_registry", "registry", "StartTraining"),
        "StartTraining": {
            **(start := _task("start_training", "training", "AwaitTraining")),
            "Retry": [*start["Retry"], QUOTA_RETRY],
        },
        "AwaitTraining": _waiting(
            "track_training", "training", "$.training.wait_seconds", "TrainingSucceeded?", "TrainingTimedOut"
        ),
        "TrainingTimedOut": _outcome("TrainingJobFailed", {"Cause": "The training job did not end in time."}),
        "TrainingSucceeded?": _choice(
            "TrainingJobFailed",
            _equals("$.training.status", "Completed", "CollectResults"),
            _equals("$.training.status", "Stopped", "TrainingJobStopped"),
        ),
        "TrainingJobStopped": _outcome("TrainingJobStopped", _TRAINING_CAUSE),
        "TrainingJobFailed": _outcome("TrainingJobFailed", _TRAINING_CAUSE),
        "CollectResults": _task("collect_results", "results", "Notify"),
        "Notify": _task("notify", None, "Done", _catch("Done", "$.notice_error")),
        "Done": {"Type": "Succeed"},
        "CleanUp": _task("clean_up", "error", "NotifyFailure", _catch("NotifyFailure", "$.clean_up_error")),
        "NotifyFailure": _task("notify", None, "Failed", _catch("Failed", "$.notice_error")),
        "Failed": {"Type": "Fail", "ErrorPath": "$.error.Error", "CausePath": "$.error.Cause"},
    },
}
