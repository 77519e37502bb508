"""Whoever speaks first begins the run's one thread in Slack, and nobody is kept from speaking."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gate.slack_support import ANN, RUN_ID, Gate, gate
from tests.support.one_at_a_time import one_call_at_a_time
from tests.support.run_world import execution_arn
from tunestep.errors import TransientFault
from tunestep.gate import asking, slack, slack_blocks, slack_thread
from tunestep.gate.slack_secret import SlackFault
from tunestep.run_notices import StatusEvent, started
from tunestep.settings import NoticeRules

BEGAN = StatusEvent(detail={"name": RUN_ID, "executionArn": execution_arn(RUN_ID), "status": "RUNNING"})
SECONDS = 20
"""After which a test that waits for something that never happens fails."""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with gate(tmp_path, monkeypatch) as made:
        settings = msgspec.structs.replace(
            made.context.env.settings, notices=NoticeRules(start=("slack",)), approvers=(ANN,)
        )
        object.__setattr__(made.context, "env", msgspec.structs.replace(made.context.env, settings=settings))
        made.ask()
        one_call_at_a_time(monkeypatch, made.world.dynamodb)
        yield made


def pausing(monkeypatch: pytest.MonkeyPatch, sleep: Callable[[float], None]) -> None:
    """Let those who wait for the thread wait like this."""
    monkeypatch.setattr(slack_thread, "place", partial(slack_thread.place, sleep=sleep))


def never(_seconds: float) -> None:
    raise AssertionError("there is nothing to wait for")


def say(of: Gate, text: str = "Said.") -> dict[str, str]:
    return slack.post(of.context, RUN_ID, text, slack_blocks.said(text))


def noted(of: Gate) -> str:
    return str((of.context.runs.run(RUN_ID) or {}).get("slack_thread") or "")


def assert_one_thread(of: Gate, messages: int) -> None:
    sent = of.board.all()
    (first,) = [message for message in sent if "thread_ts" not in message]
    assert [message["thread_ts"] for message in sent if message is not first] == [first["ts"]] * (
        messages - 1
    )
    assert noted(of) == first["ts"]


def test_a_start_notice_and_a_question_at_the_same_moment_make_one_thread(
    asked: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve, began, second = asked.slack.__call__, threading.Event(), threading.Event()

    def meanwhile(environ: dict[str, Any], start_response: Any) -> Any:
        # While the start notice is under way, the question comes as far as it can.
        if not began.is_set():
            began.set()
            asking_now.append(pool.submit(asking.ask, asked.context, RUN_ID))
            asking_now[0].add_done_callback(lambda _: second.set())
            assert second.wait(SECONDS)
        return serve(environ, start_response)

    def pause(_seconds: float) -> None:
        second.set()
        assert thread_is_noted.wait(SECONDS)

    thread_is_noted, begun = threading.Event(), slack_thread.begun

    def note(*of: Any) -> None:
        begun(*of)
        thread_is_noted.set()

    asking_now: list[Any] = []
    pausing(monkeypatch, pause)
    monkeypatch.setattr(slack_thread, "begun", note)
    asked.slack = meanwhile  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as pool:
        assert started(asked.context, BEGAN) == {"notified": True}
        assert asking_now[0].result(SECONDS) == {"ann": ["slack"]}
    assert_one_thread(asked, 2)


def test_eight_first_messages_at_once_make_one_thread(asked: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    together, thread_is_noted, begun = threading.Barrier(8), threading.Event(), slack_thread.begun
    place = slack_thread.place

    def note(*of: Any) -> None:
        begun(*of)
        thread_is_noted.set()

    def pause(_seconds: float) -> None:
        assert thread_is_noted.wait(SECONDS)

    def at_once(*of: Any) -> slack_thread.Place:
        together.wait(SECONDS)
        return place(*of, sleep=pause)

    monkeypatch.setattr(slack_thread, "begun", note)
    monkeypatch.setattr(slack_thread, "place", at_once)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: say(asked, f"Message {number}"), range(8)))
    assert_one_thread(asked, 8)


def test_who_died_before_its_first_message_keeps_nobody_from_speaking(
    asked: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert slack_thread.place(asked.context, RUN_ID).claim
    pausing(monkeypatch, asked.world.clock.forward)
    since = asked.context.epoch()
    with pytest.raises(TransientFault, match="still on its way"):
        started(asked.context, BEGAN)
    assert asked.context.epoch() - since == slack_thread.WAIT_SECONDS
    assert asked.board.all() == [] and not noted(asked)
    asked.world.clock.forward(slack_thread.CLAIM_SECONDS - slack_thread.WAIT_SECONDS)
    pausing(monkeypatch, never)
    assert started(asked.context, BEGAN) == {"notified": True}
    say(asked)
    assert_one_thread(asked, 2)


def test_a_claim_that_ends_while_others_wait_is_taken_over_without_an_error(
    asked: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert slack_thread.place(asked.context, RUN_ID).claim
    asked.world.clock.forward(slack_thread.CLAIM_SECONDS - slack_thread.WAIT_SECONDS / 2)
    pausing(monkeypatch, asked.world.clock.forward)
    say(asked)
    assert_one_thread(asked, 1)


@pytest.mark.parametrize("body", [b'{"ok":false,"error":"channel_not_found"}', b"not json"])
def test_a_first_message_that_slack_does_not_take_leaves_its_place_to_the_next_at_once(
    asked: Gate, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    asked.answers = [("200 OK", [("Content-Type", "application/json")], body)]
    with pytest.raises(SlackFault):
        say(asked)
    pausing(monkeypatch, never)
    say(asked)
    assert_one_thread(asked, 1)


def test_a_message_that_slack_does_not_take_leaves_another_s_claim_alone(asked: Gate) -> None:
    late = slack_thread.place(asked.context, RUN_ID)
    asked.world.clock.forward(slack_thread.CLAIM_SECONDS)
    other = slack_thread.place(asked.context, RUN_ID)
    slack_thread.given_up(asked.context, RUN_ID, late)
    assert (asked.context.runs.run(RUN_ID) or {})["slack_claimed_until"] == other.claim


def test_a_thread_that_is_noted_stays_the_thread(asked: Gate) -> None:
    late = slack_thread.place(asked.context, RUN_ID)
    asked.world.clock.forward(slack_thread.CLAIM_SECONDS)
    first = say(asked)
    slack_thread.begun(asked.context, RUN_ID, late, "1.000001")
    assert noted(asked) == first["ts"]
    assert "slack_claimed_until" not in (asked.context.runs.run(RUN_ID) or {})


def test_a_run_without_an_item_is_told_of_without_a_thread(
    asked: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    pausing(monkeypatch, never)
    for _ in range(2):
        slack.post(asked.context, "nobody-wrote-it", "Said.", slack_blocks.said("Said."))
    assert ["thread_ts" in message for message in asked.board.all()] == [False, False]
    assert asked.context.runs.run("nobody-wrote-it") is None
