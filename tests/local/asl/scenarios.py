"""Scenarios for both interpreters: every Catch, Choice branch and time-out of the product's machine.

A scenario is data: a definition, the execution's input and a script of what the functions do. To compare
another definition of the same machine, pass it to ``machine_scenarios``.
"""

from collections.abc import Mapping
from typing import Any

from tests.local.asl.build import Scenario
from tests.local.asl.machine import DEFINITION
from tests.local.asl.moto_runner import run_moto
from tests.local.asl.runners import (
    Action,
    Fails,
    Raises,
    Refuses,
    Returns,
    Script,
    Sends,
    Silent,
    run_ours,
)
from tests.local.asl.small_scenarios import small_scenarios

__all__ = ["Scenario", "machine_scenarios", "run_moto", "run_ours", "small_scenarios"]


REQUEST = {"use_case": "Support", "technique": "SFT", "base_model": "m", "training_data": "s3://b/k"}


def _plan(*, gated: bool) -> dict[str, Any]:
    return {
        "ok": True,
        "errors": {},
        "approval": {"needed": gated, "timeout_seconds": 259200, "state_timeout_seconds": 260100},
    }


def _verdict(verdict: str) -> list[Action]:
    return [Returns({"ok": verdict == "MET", "verdict": verdict, "cause": f"because of {verdict}"})]


HAPPY: dict[str, list[Action]] = {
    "ValidatePrerequisites": [Returns(_plan(gated=False))],
    "CheckDataset": [Returns({"ok": True, "rows_checked": 10, "findings": [], "review_needed": False})],
    "CertifyReward": _verdict("MET"),
    "ClaimRun": [Returns({"verdict": "CLAIMED", "run_id": "r", "cause": ""})],
    "AwaitApproval": [Sends({"decision": "APPROVED", "actor": "ann", "cause": ""})],
    "RegisterEvaluator": [Returns({"evaluator_arn": "", "kind": None})],
    "PrepareRegistry": [Returns({"model_package_group_arn": "arn:group", "created": True})],
    "StartTraining": [
        Returns({"job_name": "j", "status": "InProgress", "wait_seconds": 176400, "cause": ""})
    ],
    "AwaitTraining": [Sends({"job_name": "j", "status": "Completed", "wait_seconds": 176400, "cause": ""})],
    "CollectResults": [Returns({"model_package_arn": "arn:package/1", "summary": {"loss": 0.5}, "gaps": []})],
    "Notify": [Returns(None)],
    "CleanUp": [Returns({"Error": "Named", "Cause": "in words", "cleaned": []})],
    "NotifyFailure": [Returns(None)],
}
GATED: dict[str, list[Action]] = {**HAPPY, "ValidatePrerequisites": [Returns(_plan(gated=True))]}

ORDINARY = (
    "ValidatePrerequisites",
    "CheckDataset",
    "CertifyReward",
    "ClaimRun",
    "RegisterEvaluator",
    "PrepareRegistry",
    "StartTraining",
    "CollectResults",
)


def _job(status: str) -> list[Action]:
    return [Sends({"job_name": "j", "status": status, "cause": f"it is {status}"})]


def machine_scenarios(definition: Mapping[str, Any] = DEFINITION) -> list[Scenario]:
    """Every Catch, Choice branch and time-out of the product's machine."""

    def case(name: str, visits: str, base: Script = HAPPY, **changes: list[Action]) -> Scenario:
        return Scenario(name, definition, {**base, **changes}, REQUEST, tuple(visits.split()))

    broken = Raises("SomethingElse")
    flaky = Raises("TransientFault")
    cases = [
        case("ungated", "RegisterEvaluator Done"),
        case("approved", "AwaitApproval RegisterEvaluator Done", GATED),
        case(
            "the cost is reviewed",
            "AwaitApproval RegisterEvaluator Done",
            CheckDataset=[Returns({"ok": True, "rows_checked": 10, "review_needed": True})],
        ),
        case(
            "declined",
            "ApprovalDeclined Failed",
            GATED,
            AwaitApproval=[Sends({"decision": "DECLINED", "cause": "no"})],
        ),
        case(
            "expired as data",
            "ApprovalExpired Failed",
            GATED,
            AwaitApproval=[Sends({"decision": "EXPIRED", "cause": ""})],
        ),
        case("approval times out", "ApprovalExpired Failed", GATED, AwaitApproval=[Silent()]),
        case(
            "approval stopped", "AwaitApproval CleanUp Failed", GATED, AwaitApproval=[Fails("StoppedByUser")]
        ),
        case("approval request breaks", "AwaitApproval CleanUp Failed", GATED, AwaitApproval=[broken]),
        case(
            "approval request throttled",
            "Approved? Done",
            GATED,
            AwaitApproval=[Refuses("TooManyRequestsException"), *GATED["AwaitApproval"]],
        ),
        case(
            "approval request refused for good",
            "CleanUp Failed",
            GATED,
            AwaitApproval=[Refuses("ResourceNotFoundException")],
        ),
        case(
            "approval request throttled for good",
            "CleanUp Failed",
            GATED,
            AwaitApproval=[Refuses("TooManyRequestsException")],
        ),
        case(
            "transient fault of a waiting state is not retried",
            "CleanUp Failed",
            GATED,
            AwaitApproval=[flaky],
        ),
        case(
            "prerequisites not met",
            "PrerequisitesNotMet CleanUp Failed",
            CertifyReward=_verdict("PrerequisitesNotMet"),
        ),
        case(
            "a duplicate",
            "DuplicateRun CleanUp Failed",
            ClaimRun=[Returns({"verdict": "DuplicateRun", "run_id": "other", "cause": "run other does it"})],
        ),
        case(
            "results are reused",
            "ReuseResults Notify Done",
            ClaimRun=[
                Returns({"verdict": "REUSED", "run_id": "other", "results": {"model_package_arn": "arn:p/1"}})
            ],
        ),
        case(
            "unknown claim",
            "DuplicateRun CleanUp Failed",
            ClaimRun=[Returns({"verdict": "Surprise", "cause": "who knows"})],
        ),
        case("unknown verdict", "PrerequisitesNotMet CleanUp Failed", CertifyReward=_verdict("Surprise")),
        case("budget exceeded", "BudgetExceeded CleanUp Failed", CertifyReward=_verdict("BudgetExceeded")),
        case(
            "reward not certified",
            "RewardNotCertified CleanUp Failed",
            CertifyReward=_verdict("RewardNotCertified"),
        ),
        case("training failed", "TrainingJobFailed CleanUp Failed", AwaitTraining=_job("Failed")),
        case("training stopped", "TrainingJobStopped CleanUp Failed", AwaitTraining=_job("Stopped")),
        case("training status unknown", "TrainingJobFailed CleanUp Failed", AwaitTraining=_job("Deleting")),
        case("training times out", "TrainingTimedOut CleanUp Failed", AwaitTraining=[Silent()]),
        case(
            "training stopped by a user",
            "AwaitTraining CleanUp Failed",
            AwaitTraining=[Fails("StoppedByUser", "")],
        ),
        case("tracking breaks", "AwaitTraining CleanUp Failed", AwaitTraining=[broken]),
        case(
            "tracking has a service fault",
            "CollectResults Done",
            AwaitTraining=[Refuses("ServiceException"), *HAPPY["AwaitTraining"]],
        ),
        case("notice breaks after success", "Notify Done", Notify=[broken]),
        case("notice is retried", "Notify Done", Notify=[flaky, Returns({"sent": 1})]),
        case("clean-up breaks", "CleanUp NotifyFailure Failed", CheckDataset=[broken], CleanUp=[broken]),
        case(
            "clean-up is retried",
            "CleanUp NotifyFailure Failed",
            CheckDataset=[broken],
            CleanUp=[flaky, *HAPPY["CleanUp"]],
        ),
        case("failure notice breaks", "NotifyFailure Failed", CheckDataset=[broken], NotifyFailure=[broken]),
        case(
            "clean-up and failure notice break",
            "NotifyFailure Failed",
            CollectResults=[broken],
            CleanUp=[broken],
            NotifyFailure=[broken],
        ),
    ]
    for state in ORDINARY:
        cases.append(case(f"{state} breaks", f"{state} CleanUp Failed", **{state: [broken]}))
        cases.append(case(f"{state} is retried", f"{state} Done", **{state: [flaky, flaky, *HAPPY[state]]}))
    full = Raises("QuotaReached")
    cases.append(
        case(
            "the quota is free again",
            "StartTraining Done",
            StartTraining=[*[full] * 10, *HAPPY["StartTraining"]],
        )
    )
    cases.append(case("the quota stays used up", "StartTraining CleanUp Failed", StartTraining=[full]))
    cases.append(case("retries run out", "CheckDataset CleanUp Failed", CheckDataset=[flaky]))
    return cases
