"""Whole runs that ask by mail and in Slack, and where the secrets of it all may be found afterwards."""

import email
import email.policy
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.gate.hostile import HOSTILE
from tests.local.laptop import BEGINNING, LLAMA, Laptop, until
from tunestep import names
from tunestep.gate import slack_blocks
from tunestep.local import fake_slack
from tunestep.local.slack_hand import Hand
from tunestep.settings import Slack

SLACK = Slack(team="T0EXAMPLE", app_id="A0EXAMPLE", channel="C0APPROVALS", secret="tunestep/slack")
SETTINGS = """
approvers:
  - {id: ann, email: ann@example.com, slack_user: U0ANN}
  - {id: bob, email: bob@example.com, slack_user: U0BOB}
slack: {team: T0EXAMPLE, app_id: A0EXAMPLE, channel: C0APPROVALS, secret: tunestep/slack}
"""
COLD_SECONDS = 1.5
_LINK = re.compile(r"http://[^\s\"<>]+/approvals/[\w-]{22}\?k=([\w-]{22})")


@dataclass
class Office:
    """A laptop with two approvers and a Slack, and all that its command has printed."""

    laptop: Laptop
    printed: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, code: int | None = 0) -> str:
        done = self.laptop(*arguments, code=code)
        self.printed += [done.stdout, done.stderr]
        return done.stdout

    @property
    def board(self) -> fake_slack.Board:
        return fake_slack.Board(self.laptop.home / "slack")

    @property
    def secret(self) -> dict[str, str]:
        found = self.laptop.client("secretsmanager").get_secret_value(SecretId=SLACK.secret)
        text: dict[str, str] = json.loads(found["SecretString"])
        return text

    def asks(self, name: str) -> str:
        """A run that waits for a decision and has told everybody."""
        # An accepted licence is not asked about again, unless every run is.
        request = self.laptop.request(name, base_model=LLAMA, approval={"require": "always"})
        run_id = str(json.loads(self("run", request, "--local", "--detach", "--json"))["run_id"])
        self.laptop.waits_in(run_id, "AwaitApproval")
        until(lambda: len(self.links(run_id)) == 2 and self.question(run_id))
        return run_id

    def links(self, run_id: str) -> dict[str, str]:
        """The link in each approver's mail about a run."""
        found = {}
        for path in sorted((self.laptop.home / "outbox").glob("*.eml")):
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            body = message.get_content()  # type: ignore[attr-defined]
            if run_id in body and (link := _LINK.search(body)):
                found[str(message["To"]).partition("@")[0]] = link[0]
        return found

    def question(self, run_id: str) -> dict[str, Any] | None:
        """The question of a run in the channel, once the run's item knows where it is."""
        where = self.laptop.item(run_id, "APPROVAL").get("slack") or {}
        ts = where.get("ts", {}).get("S")
        return next((m for m in self.board.all() if m["ts"] == ts), None)

    def thread(self, run_id: str) -> list[dict[str, Any]]:
        """What was said about a run in the channel, the message that began the thread first."""
        begun = self.laptop.item(run_id, "RUN").get("slack_thread")
        said = [m for m in self.board.all() if m["kind"] == "message" and run_id in json.dumps(m["blocks"])]
        assert [m["ts"] for m in said if "thread_ts" not in m] == [begun]
        assert {m["thread_ts"] for m in said[1:]} == {begun}
        return said

    def hand(self, user: str = "U0ANN") -> Hand:
        signing = self.secret["signing_secret"]
        return Hand(self.laptop.endpoint.url, self.board.folder, SLACK, signing, user)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    laptop = Laptop(tmp_path_factory.mktemp("office"))
    laptop.file("tunestep.yaml", SETTINGS)
    try:
        laptop("local", "start", seconds=BEGINNING)
        yield Office(laptop)
    finally:
        laptop.close()


def test_approved_in_slack_a_run_ends_well_and_the_message_says_so(office: Office) -> None:
    run_id = office.asks("approved")
    number = str((office.question(run_id) or {})["number"])
    office("local", "slack", "press", number, "approve")
    assert office.laptop.ended(run_id)["status"] == "SUCCEEDED"
    item = office.laptop.item(run_id, "APPROVAL")
    assert (item["actor"], item["channel"], item["assurance"]) == ("ann", "slack", "Slack user")
    message = until(lambda: office.board.get(int(number)), lambda seen: "edited" in seen)
    assert "Decision: Approved" in json.dumps(message["blocks"])
    assert "actions" not in {block["type"] for block in message["blocks"]}
    assert "no button 'approve'" in office.laptop("local", "slack", "press", number, "approve", code=1).stderr
    heads = [m["blocks"][0]["text"]["text"] for m in office.thread(run_id)]
    assert {f"Started: {run_id}", f"Run succeeded: {run_id}"} < set(heads), heads


def test_declined_in_slack_a_run_ends_with_the_reason_and_creates_nothing(office: Office) -> None:
    run_id = office.asks("declined")
    question = office.question(run_id)
    assert question is not None
    said = HOSTILE["ansi colours"]
    assert office.hand("U0BOB").press(question, "decline", said).document == {"response_action": "clear"}
    ended = office.laptop.ended(run_id)
    assert ended["error"] == "ApprovalDeclined" and "bob declined" in ended["cause"]
    assert "\x1b" not in ended["cause"]
    assert office.laptop.job(run_id) == {}
    shown = office("status", run_id, "--local") + office("local", "slack")
    assert "\x1b" not in shown and "\\u001b[31mred" in shown


def test_review_leads_to_a_page_that_decides_in_the_reviewer_s_name(office: Office) -> None:
    run_id = office.asks("reviewed")
    question = office.question(run_id)
    assert question is not None
    assert office.hand("U0BOB").press(question, "review").status == 200
    (shown,) = [m for m in office.board.all() if m.get("user") == "U0BOB" and run_id in json.dumps(m)]
    found = _LINK.search(json.dumps(shown))
    assert found is not None
    assert requests.get(found[0], timeout=10).status_code == 200
    form = {"decision": "DECLINED", "reason": "Not this one.", "agree": "yes"}
    assert requests.post(found[0], data=form, timeout=10, allow_redirects=False).status_code == 303
    assert office.laptop.ended(run_id)["error"] == "ApprovalDeclined"
    item = office.laptop.item(run_id, "APPROVAL")
    assert (item["actor"], item["assurance"]) == ("bob", "link holder")


def test_slack_and_the_page_race_and_one_of_them_wins(office: Office) -> None:
    run_id = office.asks("raced")
    question, link = office.question(run_id), office.links(run_id)["bob"]
    assert question is not None
    form = {"decision": "DECLINED", "reason": "No.", "agree": "yes"}
    assert requests.post(link, data=form, timeout=10, allow_redirects=False).status_code == 303
    assert office.hand().press(question, "approve").status == 200
    assert office.laptop.ended(run_id)["error"] == "ApprovalDeclined"
    (told,) = [
        m for m in office.board.all() if m.get("user") == "U0ANN" and "decided already" in json.dumps(m)
    ]
    assert "Declined by bob" in json.dumps(told)


def test_approvers_are_listed_with_their_channels(office: Office) -> None:
    listed = json.loads(office("approvers", "list", "--local", "--json"))
    assert [(one["id"], one["email_state"], one["slack"]) for one in listed] == [
        ("ann", "confirmed", "U0ANN"),
        ("bob", "confirmed", "U0BOB"),
    ]
    assert "ann@example.com (confirmed)" in office("approvers", "list", "--local")


def test_an_address_is_confirmed_with_the_mail_s_link(office: Office) -> None:
    place = office.laptop.endpoint
    topic = f"arn:aws:sns:{place.region}:{place.account}:{names.approver_topic_name('tunestep', 'ann')}"
    page = f"https://sns.{place.region}.amazonaws.com/confirmation.html"
    url = f"{page}?TopicArn={topic}&Token={'a1' * 60}&Endpoint=ann@example.com"
    assert "ann@example.com is confirmed" in office("approvers", "confirm", url, "--local")
    other = url.replace("approver-ann", "notices")
    assert (
        "is the topic of no approver"
        in office.laptop("approvers", "confirm", other, "--local", code=2).stderr
    )


def test_logs_tell_of_the_run_and_of_no_person_but_by_the_approver_s_id(office: Office) -> None:
    run_id = office.asks("logged")
    link, reason = office.links(run_id)["bob"], "Ask my neighbour Xanthippe."
    form = {"decision": "DECLINED", "reason": reason, "agree": "yes"}
    assert requests.post(link, data=form, timeout=10, allow_redirects=False).status_code == 303
    assert reason in office.laptop.ended(run_id)["cause"]
    office("stop", office.asks("stopped in the log"), "--local", code=None)
    logs = [p.read_text(encoding="utf-8") for p in (office.laptop.home / "functions").glob("*/log.txt")]
    assert len(logs) > 5
    requester = office.laptop.environment["USER"]
    for private in ("@example.com", "U0ANN", "U0BOB", "Xanthippe", requester):
        assert not [log for log in logs if private in log], private


def test_secrets_are_where_they_may_be_and_nowhere_else(office: Office) -> None:
    run_id = office.asks("secrets")
    laptop = office.laptop
    question, links = office.question(run_id), office.links(run_id)
    assert question is not None
    token = laptop.item(run_id, "PENDING#approval")["token"]
    mailed = {who: link.rpartition("=")[2] for who, link in links.items()}
    assert len(set(mailed.values())) == 2
    office.hand().press(question, "review")
    requests.get(links["ann"], timeout=10)
    requests.get(links["ann"][:-4] + "xxxx", timeout=10)
    (shown,) = [m for m in office.board.all() if m.get("user") == "U0ANN" and run_id in json.dumps(m)]
    reviewed = (_LINK.search(json.dumps(shown)) or [""] * 2)[1]
    office("status", run_id, "--local")
    office("approve", run_id, "--local", code=None)
    office.hand().press(question, "approve")
    laptop.ended(run_id)
    office("status", run_id, "--local", "--json")
    office("results", run_id, "--local")

    files = {p.relative_to(laptop.home): p.read_bytes() for p in laptop.home.rglob("*") if p.is_file()}
    logs = {p for p in files if p.parts[0] == "functions" or p.suffix == ".log"}
    assert len(logs) > 5
    mails = {p: _decoded(data) for p, data in files.items() if p.suffix == ".eml"}
    texts = {**files, **mails}
    everything = {str(p): data for p, data in texts.items()}
    everything |= {f"s3 {key}": data for key, data in _objects(laptop)}
    everything["printed"] = "\n".join(office.printed).encode()
    everything["executions"] = json.dumps(laptop.execution(run_id), default=str).encode()

    def places(secret: str) -> set[str]:
        assert len(secret) >= 22
        return {
            re.sub(r"(-wal|-shm)$", "", place)
            for place, data in everything.items()
            if secret.encode() in data
        }

    # Step Functions' history, and what the laptop's DynamoDB and Secrets Manager are made of.
    assert places(token) <= {"sfn.sqlite", "journal.sqlite"}
    for secret in office.secret.values():
        assert places(secret) == {"journal.sqlite"}
    for who, secret in mailed.items():
        (own,) = [
            str(p) for p, text in mails.items() if f"To: {who}@".encode() in text and secret.encode() in text
        ]
        assert places(secret) == {own}
    assert places(reviewed) == {f"slack/{shown['number']:06d}.json"}
    table = json.dumps(laptop.client("dynamodb").scan(TableName=names.table_name("tunestep"))["Items"])
    assert not [secret for secret in (*mailed.values(), reviewed, token) if secret in table]


def _decoded(data: bytes) -> bytes:
    """A mail as it is read: the lines of the file are folded."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    return f"To: {message['To']}\n{message.get_content()}".encode()  # type: ignore[attr-defined]


def _objects(laptop: Laptop) -> Iterator[tuple[str, bytes]]:
    s3 = laptop.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=laptop.bucket):
        for there in page.get("Contents", []):
            yield there["Key"], s3.get_object(Bucket=laptop.bucket, Key=there["Key"])["Body"].read()


COLD = """
import json, os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from lambdas.approvals_api import handler
class Lambda:
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "cold"
loaded = time.process_time()
answer = handler(json.load(sys.stdin), Lambda())
seen = {"status": answer["statusCode"], "import": loaded, "seconds": time.process_time()}
print(json.dumps(seen), file=sys.stderr)
"""


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="needs an operating system that pins processes"
)
def test_a_cold_function_answers_slack_in_time_with_a_secret_to_read(office: Office) -> None:
    run_id = office.asks("cold")
    question = office.question(run_id)
    assert question is not None
    seen = [_cold(office, question) for _ in range(3)]
    assert [one["status"] for one in seen] == [200] * 3
    assert min(one["seconds"] for one in seen) < COLD_SECONDS, seen
    assert office.laptop.ended(run_id)["status"] == "SUCCEEDED"


def _cold(office: Office, question: dict[str, Any]) -> dict[str, float]:
    """Answer a click in a new interpreter on one core.

    The seconds are those of that core's own work, from the start of the interpreter to the answer, so that
    a machine with other things to do does not change them.
    """
    place = office.laptop.endpoint
    function = names.function_name("tunestep", "approvals_api")
    configured = office.laptop.client("lambda").get_function_configuration(FunctionName=function)
    body = fake_slack.form(fake_slack.click(SLACK, question, slack_blocks.APPROVE, "U0ANN"))
    event = {
        "version": "2.0",
        "routeKey": "POST /slack",
        "rawPath": "/slack",
        "rawQueryString": "",
        "headers": {
            k.lower(): v
            for k, v in fake_slack.sign(office.secret["signing_secret"], body, time.time()).items()
        },
        "requestContext": {
            "domainName": place.url.removeprefix("http://"),
            "http": {"method": "POST", "path": "/slack"},
            "stage": "$default",
        },
        "body": body.decode(),
        "isBase64Encoded": False,
    }
    environment = {
        **configured["Environment"]["Variables"],
        "PATH": os.environ["PATH"],
        "HOME": str(office.laptop.work),
        "TUNESTEP_LAPTOP": "settings",
        "AWS_ENDPOINT_URL": place.url,
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": place.region,
        "AWS_DEFAULT_REGION": place.region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(  # noqa: S603 - our own function
        [sys.executable, "-c", COLD],
        input=json.dumps(event),
        env={**environment, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, float] = json.loads(done.stderr.strip().splitlines()[-1])
    return seen


def test_the_doctor_finds_addresses_confirmed_and_slack_taking_the_token(office: Office) -> None:
    asked = ("doctor", "--local", "--check", "slack", "--check", "subscriptions", "--json")
    found = json.loads(office(*asked))
    assert [one["state"] for one in found["diagnoses"]] == ["ok"] * 4
