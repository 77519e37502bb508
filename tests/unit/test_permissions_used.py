"""The check that no role has a permission that nothing uses."""

from pathlib import Path

import pytest
from botocore.awsrequest import AWSRequest

from tests.faults.permissions import Permissions
from tests.support.permissions_used import EXEMPT, GATHERED_IN, Exemption, Permission, faults, used
from tunestep.local.access import usage
from tunestep.local.access.usage import Use

MAY = {Permission("start", "states:StartExecution"), Permission("start", "logs:PutLogEvents")}
LOGS = (Exemption("*", "logs:*", "Lambda itself does it"),)


def test_a_permission_that_no_test_used_is_a_fault():
    assert faults(MAY, set(), LOGS) == ["start may states:StartExecution, and no test used it"]


def test_what_was_used_or_is_exempt_is_none():
    assert faults(MAY, {Permission("start", "states:StartExecution")}, LOGS) == []


def test_an_exemption_of_something_that_is_used_is_a_fault():
    found = faults(MAY, MAY, LOGS)
    assert found == ["the exemption of * logs:* covers nothing that is unused"]


def test_what_only_a_race_leads_to_is_exempt_used_or_not_as_long_as_it_is_granted():
    chance = (Exemption("start", "states:*", "a race may lead there", by_chance=True), *LOGS)
    assert (
        faults(MAY, set(), chance)
        == faults(MAY, {Permission("start", "states:StartExecution")}, chance)
        == []
    )
    granted = {Permission("start", "logs:PutLogEvents")}
    assert faults(granted, set(), chance) == ["the exemption of start states:* covers nothing that is unused"]


def test_uses_count_for_the_verb_whose_role_it_was_and_only_when_allowed():
    uses = [
        Use("tunestep-FunctionsStartRole1CBA3FE4", "states:StartExecution", "allowed", "Verb/1"),
        Use("tunestep-FunctionsStartTrainingRole6E82ECD3", "iam:PassRole", "allowed", "Verb/14"),
        Use("tunestep-FunctionsStopRole11111111", "states:StopExecution", "implicitDeny", ""),
        Use("tunestep-sagemaker-execution-us-west-2", "s3:PutObject", "allowed", "Data/4"),
        Use("somebody", "s3:GetObject", "allowed", "p/0"),
    ]
    assert used(uses) == {
        Permission("start", "states:StartExecution"),
        Permission("start_training", "iam:PassRole"),
        Permission("training", "s3:PutObject"),
    }


def test_a_schedule_of_faults_gathers_what_its_calls_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "used.jsonl"
    monkeypatch.setenv(GATHERED_IN, str(file))
    seen = Permissions()
    for event, url, body, status in (
        ("sagemaker.StopTrainingJob", "https://s/", b"{}", 200),
        ("sagemaker.CreateTrainingJob", "https://s/", b'{"RoleArn": "r"}', 200),
        ("sfn.SendTaskFailure", "https://s/", b"{}", 400),
        ("s3.GetObject", "https://b.s3/runs/x", b"", 404),
        ("s3.GetObject", "https://b.s3/data/x?versionId=1", b"", 200),
    ):
        request = AWSRequest("POST", url, data=body).prepare()
        seen.note("clean_up", f"before-send.{event}", request, status)
    seen.keep("tunestep")
    assert {use.action for use in usage.read(file)} == {
        *("sagemaker:StopTrainingJob", "sagemaker:CreateTrainingJob", "iam:PassRole"),
        *("states:SendTaskFailure", "s3:GetObject", "s3:ListBucket", "s3:GetObjectVersion"),
    }
    assert Permission("clean_up", "iam:PassRole") in used(usage.read(file))


def test_every_exemption_gives_its_reason():
    assert all(len(exemption.reason) > 20 for exemption in EXEMPT)
