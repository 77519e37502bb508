"""A probe refutes where AWS is another than believed, and undoes what it made; its claims are the page's."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import answering
from tests.support.answering import Answers
from tests.support.world_clients import Refused
from tunestep import names
from tunestep.aws import Clients
from tunestep.cli.probe import _why_nothing_may_cost
from tunestep.operate.probe import looking, making, training
from tunestep.operate.probe.recorder import Recorder
from tunestep.operate.probe.sequence import CHECKS, Check, go_through
from tunestep.operate.probe.trial import Outcome, Trial, confirmed
from tunestep.operate.redact import Redactor
from tunestep.operate.stack import Stack
from tunestep.settings import Settings, check

ACCOUNT, REGION = "905418236701", "us-west-2"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text()
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[Answers, Clients]]:
    with answering.account(REGION) as made:
        yield made


@pytest.fixture
def trial(account: tuple[Answers, Clients]) -> Trial:
    account[0].clear()
    stack = Stack(name="tunestep", region=REGION, account=ACCOUNT, clients=account[1], settings=Settings())
    ticks = iter(range(10_000))
    return Trial(
        stack=stack, model="m", max_wait_seconds=5, sleep=lambda _: None, clock=lambda: float(next(ticks))
    )


def test_the_page_holds_each_claim_under_its_number() -> None:
    part = PAGE.split("## Not yet tried on AWS\n")[1].split("\n## ")[0]
    numbered = re.findall(r"^(\d+)\. (.+)$", part, re.MULTILINE)
    assert numbered == [(str(check.number), check.claim) for check in CHECKS]
    first_that_costs = next(check.number for check in CHECKS if check.costs)
    assert all(check.costs == (check.number >= first_that_costs) for check in CHECKS), "cheapest first"
    assert f"From {first_that_costs} on it trains" in part


def hub_content(document: Any) -> dict[str, Any]:
    return {
        **answering.MODEL,
        "HubName": "h",
        "HubArn": "arn:aws:sagemaker:us-west-2:aws:hub/h",
        "HubContentDocument": document if isinstance(document, str) else json.dumps(document),
    }


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (hub_content({"RecipeCollection": []}), "no RecipeCollection"),
        (hub_content({}), "no RecipeCollection"),
        (hub_content("not json"), "not a JSON object"),
        (Refused("ResourceNotFound"), "absent"),
        (Refused("AccessDeniedException", status=403), "denied"),
    ],
)
def test_another_hub_than_believed_is_refuted(
    answer: Any, said: str, trial: Trial, account: tuple[Answers, Clients]
) -> None:
    account[0]["DescribeHubContent"] = answer
    found = looking.hub_document(trial)
    assert (found.verdict, said in found.evidence) == ("refuted", True)
    assert looking.recipe_spec(trial).verdict == "not tried"


POLICY = {
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/*"},
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "arn:aws:iam::1:role/x",
            "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        },
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*"},
    ]
}


def simulated(decisions: dict[str, str]) -> Answers:
    def decide(params: dict[str, Any]) -> dict[str, Any]:
        (action,) = params["ActionNames"]
        if action == "iam:PassRole":
            assert params["ContextEntries"][0]["ContextKeyValues"] == ["sagemaker.amazonaws.com"]
        decision = decisions.get(action, "implicitDeny" if action == "iam:CreateUser" else "allowed")
        return {"EvaluationResults": [{"EvalActionName": action, "EvalDecision": decision}]}

    return {
        "GetFunctionConfiguration": {"Role": ROLE},
        "ListRolePolicies": {"PolicyNames": ["Verb"]},
        "GetRolePolicy": {"RoleName": "r", "PolicyName": "Verb", "PolicyDocument": json.dumps(POLICY)},
        "SimulatePrincipalPolicy": decide,
    }


@pytest.mark.parametrize(
    ("decisions", "verdict", "said"),
    [
        ({}, "confirmed", f"{3 * len(names.FUNCTIONS)} decisions for {len(names.FUNCTIONS)} roles"),
        ({"s3:GetObject": "implicitDeny"}, "refuted", "s3:GetObject on arn:aws:s3:::b/x is implicitDeny"),
        ({"iam:CreateUser": "allowed"}, "refuted", "iam:CreateUser on * is allowed"),
    ],
)
def test_policies_that_aws_reads_otherwise_are_refuted(
    *, decisions: dict[str, str], verdict: str, said: str, trial: Trial, account: tuple[Answers, Clients]
) -> None:
    account[0].update(simulated(decisions))
    found = looking.policies(trial)
    assert found.verdict == verdict
    assert said in found.evidence


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        (Refused("PreconditionFailed", status=412), "confirmed"),
        ({}, "refuted"),
        (Refused("NotImplemented", status=501), "refuted"),
    ],
)
def test_a_bucket_that_takes_a_second_write_is_refuted(
    second: Any, verdict: str, trial: Trial, account: tuple[Answers, Clients]
) -> None:
    writes = iter([{}, second, second, second, second, second])
    account[0]["PutObject"] = lambda _: next(writes)
    assert making.written_once(trial).verdict == verdict


def job(**fields: Any) -> dict[str, Any]:
    return {"TrainingJobStatus": "Completed", "TrainingJobName": "j", **fields}


@pytest.mark.parametrize(
    ("messages", "verdict"),
    [
        ([{"TrainingJobName": "j", "TrainingJobStatus": "Completed"}], "confirmed"),
        ([{"TrainingJobName": "other", "TrainingJobStatus": "Completed"}], "refuted"),
        ([{"TrainingJobName": "j", "TrainingJobStatus": "InProgress"}], "refuted"),
        ([{"Job": "j"}], "refuted"),
        ([], "refuted"),
    ],
)
def test_an_event_that_does_not_come_is_refuted(
    messages: list[dict[str, Any]], verdict: str, trial: Trial, account: tuple[Answers, Clients]
) -> None:
    trial.known.update(described=job(), job="j", queue="https://sqs/q")
    trial.stack = replace(trial.stack, laptop=True)
    account[0]["ReceiveMessage"] = {
        "Messages": [{"Body": json.dumps({"detail": detail})} for detail in messages]
    }
    assert training.event_seen(trial).verdict == verdict


@pytest.mark.parametrize(
    ("base", "verdict"),
    [({"HubContentName": "m"}, "confirmed"), ({"HubContentName": "n"}, "refuted"), ({}, "refuted")],
)
def test_a_package_of_another_model_is_refuted(
    base: dict[str, str], verdict: str, trial: Trial, account: tuple[Answers, Clients]
) -> None:
    trial.known["described"] = job(
        OutputModelPackageArn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/g/1"
    )
    account[0]["DescribeModelPackage"] = {
        "ModelPackageArn": "a",
        "ModelPackageName": "g",
        "CreationTime": 0,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "InferenceSpecification": {"Containers": [{"BaseModel": base}]},
    }
    assert training.package(trial).verdict == verdict


def recorder(trial: Trial, folder: Path) -> Recorder:
    return Recorder(trial.clients, Redactor(ACCOUNT), folder)


def test_a_check_that_meets_what_nobody_expected_is_refuted_and_the_next_one_is_tried(
    trial: Trial, tmp_path: Path
) -> None:
    def wrong(_: Trial) -> Outcome:
        raise KeyError("Status")

    checks = (
        Check(1, "one", "a", wrong),
        Check(2, "two", "b", lambda _: confirmed("c")),
        Check(3, "x", "d", wrong, True),
    )
    found = list(go_through(trial, recorder(trial, tmp_path), paid="it costs", checks=checks))
    assert [one.verdict for one in found] == ["refuted", "confirmed", "not tried"]
    assert "another shape" in found[0].evidence


def test_exchanges_are_written_redacted_with_what_they_show(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    document = {"RecipeCollection": [{"owner": f"{ACCOUNT} a@b.example.org"}]}
    clients = answering.answering({"DescribeHubContent": hub_content(document)}, monkeypatch, REGION)
    trial.stack = replace(trial.stack, clients=clients)
    kept = recorder(trial, tmp_path)
    (found,) = go_through(trial, kept, paid="", checks=CHECKS[:1])
    text = Path(found.file).read_text()
    written = json.loads(text)
    assert (written["check"], written["verdict"]) == (1, "confirmed")
    assert {exchange["operation"] for exchange in written["exchanges"]} == {"DescribeHubContent"}
    assert ACCOUNT not in text and "example.org" not in text


def test_everything_is_undone_last_first_even_where_one_cannot_be(trial: Trial) -> None:
    done: list[int] = []

    def fails() -> None:
        raise RuntimeError("busy")

    trial.undo_later("one", lambda: done.append(1))
    trial.undo_later("two", fails)
    trial.undo_later("three", lambda: done.append(3))
    assert trial.clean_up() == ["two: RuntimeError: busy"]
    assert done == [3, 1]
    assert trial.clean_up() == []


PRICED = {"prices": [{"model": "m", "usd_per_million_tokens": 1.0, "usd_per_hour": 2.0}]}


@pytest.mark.parametrize(
    ("rules", "cap", "yes", "said"),
    [
        (PRICED, None, False, "--spend-cap-usd"),
        (PRICED, None, True, "--spend-cap-usd"),
        ({}, 5.0, False, "no price"),
        ({}, 5.0, True, ""),
        (PRICED, 5.0, False, ""),
    ],
)
def test_nothing_is_trained_without_a_cap_that_can_be_kept(
    *, rules: dict[str, Any], cap: float | None, yes: bool, said: str
) -> None:
    found = _why_nothing_may_cost(check(rules), "m", cap, yes)
    assert said in found and bool(found) == bool(said)


def test_the_cap_is_shared_by_the_runs_and_stands_in_their_requests(trial: Trial) -> None:
    trial.known["cap_per_run"] = 2.5
    assert making.request(trial)["limits"]["max_cost_usd"] == 2.5
    trial.known["cap_per_run"] = None
    assert "max_cost_usd" not in making.request(trial, "RLVR")["limits"]
