"""People are told once, on the channels that the settings name, with what they need to go on."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from slack_sdk.models.blocks import Block

from tests.support.records import record
from tests.support.run_world import RUN_ID, World, execution_arn, world
from tunestep.cli import slack as cli_slack
from tunestep.errors import TransientFault
from tunestep.gate import announce, slack
from tunestep.gate.slack_secret import SlackFault
from tunestep.local import fake_slack_rules
from tunestep.run_files import LOG_TAIL, RECORD
from tunestep.run_notices import StatusEvent, console_url, notify, started
from tunestep.settings import NoticeRules, Slack

APP = Slack(team="T012345", app_id="A012345", channel="C012345", secret="slack")
BEGAN = StatusEvent(detail={"name": RUN_ID, "executionArn": execution_arn(RUN_ID), "status": "RUNNING"})
ERROR = {"Error": "TrainingJobFailed", "Cause": "It broke.", "cleaned": []}


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        deployed(made, "")
        yield made


def deployed(w: World, laptop: str) -> None:
    """Let the functions of this world be those of a stack on AWS, or of a laptop."""
    object.__setattr__(w.context, "env", msgspec.structs.replace(w.context.env, laptop=laptop))


class Channel:
    """Stands in for Slack's Web API: takes posts, or fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fault: Exception | None = None) -> None:
        self.posts: list[tuple[str, str, list[dict[str, Any]]]] = []
        self.fault = fault
        monkeypatch.setattr(slack, "post", self.post)

    def post(self, _context: Any, run_id: str, text: str, blocks: list[dict[str, Any]]) -> dict[str, str]:
        if self.fault:
            raise self.fault
        self.posts.append((run_id, text, blocks))
        return {"channel": "C", "ts": "1"}


def rules(w: World, **changes: Any) -> None:
    env = msgspec.structs.replace(
        w.context.env,
        settings=msgspec.structs.replace(w.context.env.settings, slack=APP, notices=NoticeRules(**changes)),
    )
    object.__setattr__(w.context, "env", env)


def stored(w: World, **changes: Any) -> None:
    w.files.put(RUN_ID, RECORD, record(**changes))


def test_a_success_is_told_with_numbers_console_link_and_next_command(w: World) -> None:
    w.begin()
    stored(w)
    notify(w.context, w.event())
    (notice,) = w.notices()
    assert notice["Subject"] == f"[tunestep] Succeeded: {RUN_ID}"
    for said in (
        "| total_loss | 5.5 | 1.438 | 18 |",
        "185,162 tokens",
        f"tunestep results {RUN_ID} --stack tunestep",
        f"https://us-west-2.console.aws.amazon.com/states/home?region=us-west-2#/v2/executions/details/"
        f"{execution_arn(RUN_ID)}",
    ):
        assert said in notice["Message"]


def test_a_failure_is_told_with_reason_log_hint_and_the_command_to_go_on(w: World) -> None:
    w.begin()
    job = msgspec.structs.replace(record().job, failure_reason="CUDA out of memory")  # type: ignore[type-var]
    stored(w, outcome="FAILED", error=ERROR, hint="Lower global_batch_size.", job=job)
    w.files.put_text(RUN_ID, LOG_TAIL, "step 1\nstep 2 exploded\n", "text/plain")
    notify(w.context, w.event(error=ERROR))
    (notice,) = w.notices()
    assert notice["Subject"] == f"[tunestep] TrainingJobFailed: {RUN_ID}"
    for said in ("It broke.", "CUDA out of memory", "step 2 exploded", "Lower global_batch_size."):
        assert said in notice["Message"]
    assert f"tunestep retry {RUN_ID} --stack tunestep" in notice["Message"]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PrerequisitesNotMet", "Next: mend the request, then `tunestep run REQUEST --stack tunestep`"),
        ("BudgetExceeded", "Next: mend the request, then `tunestep run REQUEST --stack tunestep`"),
        ("RewardNotCertified", "Next: mend the request, then `tunestep run REQUEST --stack tunestep`"),
        (
            "ApprovalDeclined",
            f"Next: talk to whoever declined, then `tunestep retry {RUN_ID} --stack tunestep`",
        ),
        ("PlanChanged", f"Next: `tunestep retry {RUN_ID} --stack tunestep`"),
        ("ApprovalExpired", f"Next: `tunestep retry {RUN_ID} --stack tunestep`"),
        ("ServiceFault", f"Next: `tunestep retry {RUN_ID} --stack tunestep`"),
    ],
)
def test_each_failure_is_told_with_the_command_that_helps(w: World, name: str, said: str, kept: bool) -> None:
    w.begin()
    error = {"Error": name, "Cause": "It broke.", "cleaned": []}
    if kept:
        stored(w, outcome="FAILED", error=error, model_package_arn="")
    notify(w.context, w.event(error=error))
    message = w.notices()[0]["Message"]
    assert said in message
    assert "https://us-west-2.console.aws.amazon.com/" in message


def test_a_duplicate_leads_to_the_run_that_comes_first(w: World) -> None:
    w.begin()
    error = {"Error": "DuplicateRun", "Cause": "Another run does this.", "cleaned": []}
    stored(w, outcome="FAILED", error=error, duplicate_of="earlier-1")
    notify(w.context, w.event(error=error))
    assert "Next: `tunestep status earlier-1 --stack tunestep`" in w.notices()[0]["Message"]


def test_a_beginning_is_told_once_however_often_the_event_comes(w: World) -> None:
    w.begin(technique="SFT", use_case="Support", base_model="llama")
    assert started(w.context, BEGAN) == {"notified": True}
    assert started(w.context, BEGAN) == {"notified": False}
    (notice,) = w.notices()
    assert notice["Subject"] == f"[tunestep] Started: {RUN_ID}"
    assert f"tunestep watch {RUN_ID}" in notice["Message"]


def test_an_execution_that_the_console_started_has_an_item_from_its_beginning(w: World) -> None:
    started(w.context, BEGAN)
    run = w.runs.run(RUN_ID) or {}
    assert (run["source"], run["status"]) == ("console", "STARTED")
    assert [pending["run_id"] for pending in w.runs.by_kind("pending_run")] == [RUN_ID]
    w.begin(requester="ann")
    started(w.context, BEGAN)
    assert (w.runs.run(RUN_ID) or {})["requester"] == "ann"


@pytest.mark.parametrize(
    "detail", [{}, {"name": RUN_ID}, {"name": RUN_ID, "executionArn": "arn:another:machine"}, {"name": 7}]
)
def test_events_of_other_machines_tell_nobody(w: World, detail: dict[str, Any]) -> None:
    assert started(w.context, StatusEvent(detail=detail)) == {"notified": False}
    assert w.notices() == []
    assert w.runs.run(RUN_ID) is None


@pytest.mark.parametrize(
    ("changes", "mails", "posts"),
    [
        ({}, 1, 1),
        ({"success": ("slack",)}, 0, 1),
        ({"success": ("email",)}, 1, 0),
        ({"success": ()}, 0, 0),
        ({"failure": (), "start": ()}, 1, 1),
    ],
)
def test_each_event_goes_to_the_channels_of_the_settings(
    w: World, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], mails: int, posts: int
) -> None:
    channel = Channel(monkeypatch)
    w.begin()
    stored(w)
    rules(w, **changes)
    notify(w.context, w.event())
    assert (len(w.notices()), len(channel.posts)) == (mails, posts)


def test_slack_gets_metrics_as_text_and_nothing_that_it_would_interpret(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel(monkeypatch)
    w.begin()
    stored(w)
    rules(w, success=("slack",))
    notify(w.context, w.event())
    ((run_id, title, blocks),) = channel.posts
    assert (run_id, title) == (RUN_ID, f"Succeeded: {RUN_ID}")
    shown = msgspec.json.encode(blocks).decode()
    assert "total_loss" in shown
    assert "1.438" in shown
    assert "mrkdwn" not in shown


@pytest.mark.parametrize("name", ["begun", "waiting", "succeeded", "failed", "failed without a record"])
def test_slack_takes_every_notice_and_the_laptop_shows_all_of_it(
    w: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    channel = Channel(monkeypatch)
    w.begin()
    rules(w)
    if name in ("succeeded", "failed"):
        failed: dict[str, Any] = {"outcome": "FAILED", "error": ERROR, "hint": "Lower it."}
        stored(w, **(failed if name == "failed" else {}))
        w.files.put_text(RUN_ID, LOG_TAIL, "step 1\nstep 2 exploded\n", "text/plain")
    waiting = msgspec.structs.replace(w.event(), document={"waits": "x"}, state=announce.WAITS_FOR_QUOTA)
    match name:
        case "begun":
            started(w.context, BEGAN)
        case "waiting":
            announce.notify(w.context, waiting)
        case _:
            notify(w.context, w.event() if name == "succeeded" else w.event(error=ERROR))
    ((_, title, blocks),) = channel.posts
    fake_slack_rules.check("chat.postMessage", {"channel": "C", "text": title, "blocks": blocks})
    for block in Block.parse_all(blocks):
        block.validate_json()
    message = {"number": 1, "ts": "1800000000.000100", "kind": "message", "channel": "C", "blocks": blocks}
    shown = "\n".join(cli_slack._lines(message))
    said = set(re.findall(r'"(?:text|url)":"((?:[^"\\]|\\.)*)"', msgspec.json.encode(blocks).decode()))
    assert said
    for words in said:
        assert all(line in shown for line in msgspec.json.decode(f'"{words}"').splitlines())


def test_a_channel_that_fails_keeps_no_other_from_being_told_and_only_it_is_tried_again(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel(monkeypatch, SlackFault("ratelimited", transient=True))
    w.begin()
    stored(w)
    rules(w)
    with pytest.raises(TransientFault):
        notify(w.context, w.event())
    assert len(w.notices()) == 1
    assert "ratelimited" in (w.runs.run(RUN_ID) or {})["notice_error"]
    channel.fault = None
    notify(w.context, w.event())
    assert w.notices() == []
    assert len(channel.posts) == 1
    run = w.runs.run(RUN_ID) or {}
    assert run["notified_at"]
    assert "notice_error" not in run


def test_without_slack_in_the_settings_nothing_is_posted(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Channel(monkeypatch)
    w.begin()
    notify(w.context, w.event())
    assert (len(w.notices()), channel.posts) == (1, [])


@pytest.mark.parametrize("body", [b"{}", b"not json", b'{"run_id": 7}'])
def test_a_record_that_cannot_be_read_still_lets_people_know(w: World, body: bytes) -> None:
    w.begin()
    w.s3.put_object(Bucket=w.context.env.bucket, Key=f"runs/{RUN_ID}/record.json", Body=body)
    notify(w.context, w.event(error=ERROR))
    assert "It broke." in w.notices()[0]["Message"]


def test_a_laptop_has_no_console_and_its_commands_say_local(w: World) -> None:
    deployed(w, "open")
    assert console_url(w.context, execution_arn(RUN_ID)) == ""
    w.begin()
    stored(w, rehearsal=True)
    notify(w.context, w.event())
    message = w.notices()[0]["Message"]
    assert f"tunestep results {RUN_ID} --local" in message
    assert "https://" not in message


def test_a_run_that_waits_for_quota_says_so_once_with_what_to_do(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel(monkeypatch)
    w.begin()
    rules(w, success=())
    said = "SageMaker has no quota left for another job (limit 1). Ask for more under Service Quotas."
    event = msgspec.structs.replace(w.event(), document={"waits": said}, state=announce.WAITS_FOR_QUOTA)
    assert announce.notify(w.context, event) == {"notified": True}
    assert announce.notify(w.context, event) == {"notified": False}
    (notice,) = w.notices()
    assert notice["Subject"] == f"[tunestep] Waiting for quota: {RUN_ID}"
    for expected in ("Service Quotas", "two hours", "tunestep stop", f"tunestep watch {RUN_ID}"):
        assert expected in notice["Message"]
    ((_, title, blocks),) = channel.posts
    assert title == f"Waiting for quota: {RUN_ID}"
    assert "Service Quotas" in msgspec.json.encode(blocks).decode()
    assert "notified_at" not in (w.runs.run(RUN_ID) or {}), "the end is still to be told"


def test_who_hears_of_failures_hears_of_waiting(w: World) -> None:
    w.begin()
    rules(w, failure=())
    event = msgspec.structs.replace(w.event(), document={"waits": "x"}, state=announce.WAITS_FOR_QUOTA)
    assert announce.notify(w.context, event) == {"notified": False}
    assert w.notices() == []
