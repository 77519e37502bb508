"""Who is sent a link, how often, and what is left behind when something breaks in between."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.gate.support import ANN, BOB, Gate, gate, settings_of
from tests.support.one_at_a_time import one_call_at_a_time
from tests.support.run_world import RUN_ID
from tunestep import reconcile as reconciler
from tunestep.approvals import request_approval
from tunestep.environment import Environment
from tunestep.gate import asking, links, people
from tunestep.settings import Approver, Settings


@pytest.fixture
def g() -> Iterator[Gate]:
    with gate() as made:
        yield made


def _pending_again(g: Gate) -> None:
    """The reconciler looks at the run, which still waits."""
    g.w.sfn_stub.add_response(
        "describe_execution",
        {
            "executionArn": g.item["execution_arn"],
            "stateMachineArn": g.w.context.env.machine_arn,
            "name": RUN_ID,
            "status": "RUNNING",
            "startDate": g.w.clock(),
        },
    )
    assert reconciler.reconcile(g.w.context)["failed"] == []


def test_each_approver_gets_a_link_of_their_own_and_the_table_only_its_hash(g: Gate) -> None:
    sent = g.ask()
    assert set(sent) == {"ann", "bob"}
    assert sent["ann"] != sent["bob"]
    secrets = [link.rpartition("=")[2] for link in sent.values()]
    kept = str(g.w.dynamodb.scan(TableName="tunestep-runs")["Items"])
    assert not any(secret in kept for secret in secrets)
    for who, secret in zip(sent, secrets, strict=True):
        entry = g.item["approvers"][who]
        assert entry["secret_sha256"] == links.digest(secret)
        assert (entry["channels"], entry["delivered"], bool(entry["sent_at"])) == (["email"], True, True)


def test_a_link_has_128_random_bits_in_each_part_and_nothing_to_escape() -> None:
    made = [links.new_token() for _ in range(200)]
    assert len(set(made)) == 200
    assert {len(token) for token in made} == {22}
    assert set("".join(made)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_asking_again_sends_nothing_twice_and_keeps_every_link(g: Gate) -> None:
    sent = g.ask("t0")
    before = g.item
    g.w.clock.forward(600)
    g.ask("t1")
    _pending_again(g)
    assert g.item == before
    assert [len(g.mails(who)) for who in ("ann", "bob")] == [1, 1]
    assert g.get(sent["ann"])["statusCode"] == 200


def test_a_crash_between_storing_and_sending_is_repaired_for_the_one_it_hit(
    g: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_: Any, __: Any, approver: Approver, *___: Any) -> list[str]:
        raise KeyboardInterrupt if approver.id == "bob" else RuntimeError

    with monkeypatch.context() as broken, pytest.raises(RuntimeError):
        broken.setattr(asking.channels, "send", crash)
        request_approval(g.w.context, g.w.event(token="t0"))
    assert g.item["approvers"]["ann"]["delivered"] is False
    assert g.mails("ann") == []

    g.ask("t1")
    assert [len(g.mails(who)) for who in ("ann", "bob")] == [0, 1], "ann's mail may still be on its way"
    g.w.clock.forward(asking.CLAIM_SECONDS)
    _pending_again(g)
    assert [len(g.mails(who)) for who in ("ann", "bob")] == [1, 1]
    assert g.get(g.links("ann")[0])["statusCode"] == 200


def test_a_mail_sent_just_before_the_crash_still_opens_the_page(
    g: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(links, "change_entry", lambda *_: None)
        g.ask("t0")
    assert "sent_at" not in g.item["approvers"]["ann"]
    g.w.clock.forward(asking.CLAIM_SECONDS)
    g.ask("t1")
    first, second = g.links("ann")
    assert first != second
    assert [g.get(link)["statusCode"] for link in (first, second)] == [200, 200]


def test_a_channel_that_fails_is_tried_again_later_and_never_ends_the_wait(g: Gate) -> None:
    g.w.sns.delete_topic(TopicArn=g.topics["ann"])
    assert set(request_approval(g.w.context, g.w.event(token="t0"))) == {"state"}
    assert g.item["approvers"]["ann"]["delivered"] is False
    assert len(g.mails("bob")) == 1
    g.w.sns.create_topic(Name=g.topics["ann"].rpartition(":")[2])
    g.w.sns.subscribe(TopicArn=g.topics["ann"], Protocol="email", Endpoint=ANN.email)
    g.w.clock.forward(asking.CLAIM_SECONDS)
    _pending_again(g)
    assert len(g.mails("ann")) == 1


def test_an_address_that_is_confirmed_later_is_written_to_then(g: Gate) -> None:
    """And until then no secret is made for it, which would push out the links that are in use."""
    (there,) = g.w.sns.list_subscriptions_by_topic(TopicArn=g.topics["ann"])["Subscriptions"]
    g.w.sns.unsubscribe(SubscriptionArn=there["SubscriptionArn"])
    g.ask()
    in_use = str(links.mint(g.w.context, RUN_ID, "ann"))
    for _ in range(links.KEPT + 1):
        g.w.clock.forward(asking.CLAIM_SECONDS)
        asking.ask(g.w.context, RUN_ID)
    assert g.mails("ann") == []
    assert g.get(in_use)["statusCode"] == 200
    g.w.sns.subscribe(TopicArn=g.topics["ann"], Protocol="email", Endpoint=ANN.email)
    g.w.clock.forward(asking.CLAIM_SECONDS)
    assert asking.ask(g.w.context, RUN_ID) == {"ann": ["email"]}
    assert [g.get(link)["statusCode"] for link in (in_use, *g.links("ann"))] == [200, 200]
    assert len(g.mails("bob")) == 1


def test_of_two_who_ask_at_once_one_sends(g: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as quiet:
        quiet.setattr(asking, "ask", lambda *_: {})
        g.ask()
    item = g.item
    claims = [asking._claim(g.w.context, RUN_ID, item, ANN, links.new_token()) for _ in range(2)]
    assert claims == [True, False]


def test_a_decided_or_expired_question_is_sent_to_nobody(g: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as quiet:
        quiet.setattr(asking, "ask", lambda *_: {})
        g.ask()
    g.w.clock.forward(3600)
    assert asking.ask(g.w.context, RUN_ID) == {}
    assert asking.ask(g.w.context, "no-such-run") == {}


def test_whoever_cannot_be_told_gets_no_secret_until_one_is_asked_for(g: Gate) -> None:
    g.w.context = settings_of(g.w.context, laptop="settings")
    g.ask()
    assert g.item["approvers"] == {}
    link = links.mint(g.w.context, RUN_ID, people.LOCAL.id)
    assert "of <strong>local</strong>" in g.get(str(link))["body"]


def test_every_link_of_an_approver_works_until_there_are_too_many(g: Gate) -> None:
    first = g.ask()["ann"]
    made = [str(links.mint(g.w.context, RUN_ID, "ann")) for _ in range(links.KEPT)]
    assert [g.get(link)["statusCode"] for link in (first, *made)] == [404] + [200] * links.KEPT
    assert links.mint(g.w.context, "no-such-run", "ann") is None


def test_links_made_side_by_side_are_all_kept(g: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    g.ask()
    one_call_at_a_time(monkeypatch, g.w.dynamodb)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: links.mint(g.w.context, RUN_ID, "bob"), range(4)))
    assert [g.get(str(link))["statusCode"] for link in made] == [200] * 4


ROLE = "arn:aws:iam::123456789012:role/people/Approver"
SESSION = "arn:aws:sts::123456789012:assumed-role/Approver/ann@laptop"
USER = "arn:aws:iam::123456789012:user/ann"


@pytest.mark.parametrize(
    ("listed", "caller", "same"),
    [
        (ROLE, SESSION, True),
        (ROLE, ROLE, True),
        (USER, USER, True),
        (SESSION, SESSION, True),
        (SESSION, SESSION.replace("ann@laptop", "eve"), False),
        (SESSION, ROLE, False),
        (ROLE, SESSION.replace("Approver", "approver"), False),
        (ROLE, SESSION.replace("123456789012", "210987654321"), False),
        (ROLE, SESSION.replace("arn:aws:", "arn:aws-cn:"), False),
        (ROLE, USER.replace("ann", "Approver"), False),
        (USER, USER + "2", False),
        (USER, "", False),
        ("", "", False),
        ("", "nonsense", False),
    ],
)
def test_a_role_s_session_is_the_role_and_nothing_else_is(listed: str, caller: str, same: bool) -> None:
    somebody = Approver(id="somebody", iam_principal=listed or None)
    places = (
        "stack",
        "table",
        "bucket",
        "machine_arn",
        "execution_role_arn",
        "topic_arn",
        "region",
        "account",
    )
    env = Environment(**dict.fromkeys(places, ""), settings=Settings(approvers=(BOB, somebody)))
    assert people.by_principal(env, caller) == (somebody if same else None)


def test_a_session_that_is_listed_is_not_taken_for_the_approver_who_is_its_role(g: Gate) -> None:
    role, session = Approver(id="team", iam_principal=ROLE), Approver(id="ann", iam_principal=SESSION)
    env = settings_of(g.w.context, role, session).env
    assert people.by_principal(env, SESSION) == session
    assert people.by_principal(env, SESSION.replace("ann@", "bob@")) == role


def test_a_deployed_stack_without_approvers_has_none_and_a_laptop_has_its_user(g: Gate) -> None:
    assert people.approvers(settings_of(g.w.context).env) == ()
    assert people.approvers(settings_of(g.w.context, laptop="open").env) == (people.LOCAL,)
    assert people.approvers(settings_of(g.w.context, ANN, laptop="open").env) == (ANN,)
