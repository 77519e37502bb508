"""Asking by e-mail: one topic per approver, one line per fact, no link but the approver's own."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gate.hostile import HOSTILE
from tests.gate.slack_support import ANN, APPROVAL_ID, BOB, TASK_TOKEN, Gate, gate
from tests.support.run_world import RUN_ID
from tunestep.gate import channels, mail
from tunestep.notices import subject
from tunestep.settings import Approver, Settings
from tunestep.text import defanged, quoted

LINK = "https://api.example/approvals/AAAAAAAAAAAAAAAAAAAAAA?k=BBBBBBBBBBBBBBBBBBBBBB"
CARLA = Approver(id="carla", email="carla@example.com")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with gate(tmp_path, monkeypatch) as made:
        made.ask()
        yield made


def inbox(of: Gate, approver: Approver) -> Any:
    """A look at what is published to the approver's topic: each call gives what is new."""
    name = f"inbox-{approver.id.replace('.', '-')}"
    queue = of.world.sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = of.world.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    of.world.sns.subscribe(TopicArn=of.topic(approver), Protocol="sqs", Endpoint=arn["QueueArn"])

    def look() -> list[dict[str, str]]:
        found = of.world.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]

    return look


def item(**changes: Any) -> dict[str, Any]:
    return {
        "run_id": RUN_ID,
        "approval_id": APPROVAL_ID,
        "reason_needed": "The model is gated.",
        "model_arn": "arn:aws:sagemaker:us-west-2:aws:hub-content/SageMakerPublicHub/Model/m/1.2.0",
        "licence": {"name": "Llama 3.2", "url": "https://www.llama.com/llama3_2/license/", "revision": "1"},
        "technique": "SFT",
        "requester": "ann",
        "expires_at": 1_800_000_000,
        **changes,
    }


def test_each_approver_gets_the_link_that_is_theirs_on_their_own_topic(asked: Gate) -> None:
    ann, bob = inbox(asked, ANN), inbox(asked, BOB)
    assert "email" in channels.send(asked.context, asked.item, ANN, LINK + "ann")
    assert "email" in channels.send(asked.context, asked.item, BOB, LINK + "bob")
    (to_ann,), (to_bob,) = ann(), bob()
    assert LINK + "ann" in to_ann["Message"].splitlines() and LINK + "bob" not in to_ann["Message"]
    assert LINK + "bob" in to_bob["Message"].splitlines()
    assert to_ann["Subject"] == f"[tunestep] Decision needed: {RUN_ID}"
    assert TASK_TOKEN not in to_ann["Message"]


def test_the_mail_says_what_is_decided_and_until_when() -> None:
    body = mail.text(item(), LINK, reminder=False)
    for line in (
        f'Run: "{RUN_ID}"',
        "Why: The model is gated.",
        "Licence: Llama 3.2, https://www.llama.com/llama3_2/license/",
        "Technique: SFT",
        'Asked by: "ann" (not verified)',
        "Open until: 2027-01-15 08:00 UTC",
        LINK,
        "Opening it decides nothing.",
    ):
        assert line in body.splitlines()


def test_a_reminder_without_a_link_points_to_the_first_mail(asked: Gate) -> None:
    look = inbox(asked, ANN)
    assert "email" in channels.remind(asked.context, asked.item, ANN, None)
    (sent,) = look()
    assert sent["Subject"].startswith("[tunestep] Reminder, decision needed")
    assert "?k=" not in sent["Message"] and "in the first mail" in sent["Message"]


def test_an_address_that_nobody_confirmed_is_not_reached(
    asked: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.topic(ANN)
    pending = [{"Protocol": "email", "Endpoint": ANN.email, "SubscriptionArn": "PendingConfirmation"}]
    monkeypatch.setattr(mail, "subscriptions", lambda *_: pending)
    assert channels.send(asked.context, asked.item, ANN, LINK) == ["slack"]


@pytest.mark.parametrize(
    ("there", "counts"),
    [
        ({"Protocol": "email", "Endpoint": "ANN@example.com", "SubscriptionArn": "arn:aws:sns:x"}, True),
        ({"Protocol": "email", "Endpoint": "eve@example.com", "SubscriptionArn": "arn:aws:sns:x"}, False),
        ({"Protocol": "sqs", "Endpoint": "ann@example.com", "SubscriptionArn": "arn:aws:sns:x"}, False),
        ({"Protocol": "email", "Endpoint": "ann@example.com", "SubscriptionArn": "Deleted"}, False),
    ],
)
def test_only_the_approver_s_own_confirmed_address_counts(there: dict[str, str], counts: bool) -> None:
    assert mail.confirmed(there, "ann@example.com") is counts


def test_a_topic_that_is_not_there_is_logged_and_no_more(
    asked: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    assert channels.send(asked.context, asked.item, CARLA, LINK) == []
    assert "approver not reached" in caplog.text and LINK not in caplog.text


@pytest.mark.parametrize("name", HOSTILE)
def test_words_of_others_stay_one_quoted_line_without_links(name: str) -> None:
    words = HOSTILE[name]
    plain = mail.text(item(), LINK, reminder=False)
    changed = item(
        run_id=words,
        requester=words,
        model_arn=words,
        source_model_package_arn=words,
        dataset={"said": [words]},
        reward={"kind": "function", "value": words},
        licence={"name": words, "url": words},
    )
    body = mail.text(changed, LINK, reminder=False)
    labels = [line.partition(": ")[0] for line in body.splitlines()]
    added = {"Goes on from", "Dataset", "Reward"}
    assert set(labels) - added <= {line.partition(": ")[0] for line in plain.splitlines()}
    for line in body.splitlines():
        label, _, value = line.partition(": ")
        if label in added | {"Run", "Model", "Licence"}:
            assert value[0] == value[-1] == '"' and len(value) <= 200
        if line != LINK:
            assert "://" not in line and "evil.example" not in line
            assert not re.search(r"(?i)(javascript|mailto|data|vbscript|file|tel)\s*:\S", line)
        assert line.isprintable() or name in ("only space", "emoji", "combining")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_subject_is_one_short_ascii_line(name: str) -> None:
    shown = subject(f"[tunestep] Decision needed: {HOSTILE[name]}")
    assert 0 < len(shown) < 100 and shown.isascii() and shown.isprintable()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("see https://evil.example/a?b", '"see https[:]//evil[.]example/a?b"'),
        ("www.evil.example", '"www[.]evil[.]example"'),
        ("i\u2764.ws and x-.evil.example", '"i\u2764[.]ws and x-[.]evil[.]example"'),
        ("Llama 3.2 v1.2.0", '"Llama 3.2 v1.2.0"'),
        ('a "quote"', "\"a 'quote'\""),
        ("data: 5 rows", '"data: 5 rows"'),
        ("", '""'),
    ],
)
def test_quoting(said: str, shown: str) -> None:
    assert quoted(said) == shown


def test_quoting_is_bounded_even_where_every_character_grows() -> None:
    for words in ("\u202e" * 500, "." * 500, "a.b" * 300, "://" * 200):
        assert len(quoted(words)) <= 200
        assert defanged(defanged(words)).count("://") == 0


def test_reachable_names_the_ways_that_the_settings_know() -> None:
    principal = Approver(id="dora", iam_principal="arn:aws:iam::123456789012:role/legal", slack_user="U0DORA")
    assert channels.reachable(Settings(), principal) == ["api"]
    assert channels.reachable(Settings(), CARLA) == ["email"]
    assert channels.reachable(Settings(), Approver(id="nobody")) == []
