"""A licence accepted once, in whole runs: reused, cited, revoked, checked; and a proof that is forged."""

import json
from collections.abc import Callable

import pytest

from tests.local.laptop import LLAMA, Laptop, until

pytestmark = pytest.mark.slow


def _gated(laptop: Laptop, name: str, require: str = "licence") -> str:
    return laptop.start(laptop.request(name, base_model=LLAMA, approval={"require": require}))


def _token_in_history(laptop: Laptop, run_id: str) -> str:
    """The task token, as anybody reads it who may read the execution's history."""
    events = laptop.client("stepfunctions").get_execution_history(
        executionArn=laptop.execution_arn(run_id), maxResults=1000
    )["events"]
    texts = [
        event["taskScheduledEventDetails"]["parameters"]
        for event in events
        if "taskScheduledEventDetails" in event
    ]
    tokens = [json.loads(text).get("Payload", {}).get("task_token") for text in texts]
    return str(next(filter(None, tokens)))


def test_one_acceptance_serves_later_runs_until_it_is_revoked(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    first = _gated(laptop, "first")
    laptop.waits_in(first, "AwaitApproval")
    (asked,) = laptop.json("approvals", "--local")
    assert asked["run_id"] == first
    assert asked["estimate"]["lines"][2].startswith("Cost: no price set")
    assert "approvers" not in asked
    laptop("approve", first, "--local", "--reason", "read it")
    assert laptop.ended(first)["status"] == "SUCCEEDED"
    (entry,) = laptop.json("licences", "--local")
    assert (entry["state"], entry["runs"]) == ("valid", [first])
    assert (entry["said"]["actor"], entry["said"]["reason"]) == ("tester", "read it")
    evidence = entry["evidence_id"]

    # Another request, on the same model and licence, asks nobody; nor does one that lets nobody be asked.
    for name, require in (("second", "licence"), ("third", "never")):
        run_id = _gated(laptop, name, require)
        ended = laptop.ended(run_id)
        assert ended["status"] == "SUCCEEDED"
        approval = json.loads(ended["output"])["approval"]
        assert (approval["decision"], approval["actor"], approval["evidence"]) == (
            "APPROVED",
            "tester",
            evidence,
        )
        assert evidence in json.dumps(laptop.run_file(run_id, "record.json")["approval"])
    (entry,) = laptop.json("licences", "--local")
    assert len(entry["runs"]) == 3
    assert laptop.json("licences", "verify", "--local") == {"checked": 1, "damaged": []}

    # Who wants a decision every time is asked; and so is everybody once the acceptance is taken back.
    always = _gated(laptop, "always", "always")
    laptop.waits_in(always, "AwaitApproval")
    laptop("decline", always, "--local", "--reason", "no need")
    assert "--reason" in laptop("licences", "revoke", evidence, "--local", code=2).stderr
    laptop("licences", "revoke", evidence[:8], "--local", "--reason", "legal says no")
    (entry,) = laptop.json("licences", "--local")
    assert (entry["state"], entry["revoked"]["reason"]) == ("revoked", "legal says no")
    again = _gated(laptop, "again")
    laptop.waits_in(again, "AwaitApproval")

    # The task token stands in the history: it ends the wait with any answer, and proves nothing.
    jobs = laptop.jobs()
    laptop.client("stepfunctions").send_task_success(
        taskToken=_token_in_history(laptop, again),
        output=json.dumps({"decision": "APPROVED", "actor": "eve", "evidence": evidence}),
    )
    ended = laptop.ended(again)
    assert (ended["status"], ended["error"]) == ("FAILED", "ApprovalExpired")
    assert {"Approved?", "CleanUp"} <= set(laptop.states(again))
    assert laptop.jobs() == jobs
    assert laptop.job(again) == {}

    laptop.client("s3").delete_object(Bucket=laptop.bucket, Key=f"evidence/{evidence}.json")
    damaged = laptop("licences", "verify", "--local", code=1)
    assert f"{evidence}: the file evidence/{evidence}.json is gone" in damaged.stdout


def test_a_question_that_is_over_ends_the_run_and_takes_no_decision(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    jobs = laptop.jobs()
    run_id = _gated(laptop, "over")
    laptop.waits_in(run_id, "AwaitApproval")
    laptop.client("dynamodb").update_item(
        TableName="tunestep-runs",
        Key={"pk": {"S": f"RUN#{run_id}"}, "sk": {"S": "APPROVAL"}},
        UpdateExpression="SET expires_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    assert laptop.json("approvals", "--local") == []
    until(lambda: laptop.function("reconcile", {})["states"], lambda states: "expired" in states)
    ended = laptop.ended(run_id)
    assert (ended["status"], ended["error"]) == ("FAILED", "ApprovalExpired")
    assert laptop.item(run_id, "APPROVAL")["state"] == "EXPIRED"
    assert "ApprovalExpired" in laptop("approve", run_id, "--local", code=1).stderr
    assert laptop.jobs() == jobs
