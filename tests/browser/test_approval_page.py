"""The approval page in a real browser, from the mail in the outbox to the end of the run."""

import email
import email.policy
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.laptop import LLAMA, Laptop, until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LINK = re.compile(r"http://127\.0\.0\.1:\d+/approvals/[\w-]{22}\?k=[\w-]{22}")


def _link(laptop: Laptop, run_id: str, who: str = "ann") -> str:
    """The link in the mail that this approver got about this run."""

    def look() -> str:
        for file in sorted((laptop.home / "outbox").glob("*.eml")):
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            text = mail.get_content()
            if mail["To"] == f"{who}@example.com" and run_id in text and (found := LINK.search(text)):
                return found[0]
        return ""

    return str(until(look))


def _asked(laptop: Laptop, name: str) -> str:
    """A run that waits for a decision, whatever was accepted before."""
    run_id = laptop.start(laptop.request(name, base_model=LLAMA, approval={"require": "always"}))
    laptop.waits_in(run_id, "AwaitApproval")
    return run_id


def _approve(page: Any) -> None:
    page.get_by_role("radio", name="Approve").check()
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Record my decision").click()


def _heading(page: Any) -> str:
    return str(page.get_by_role("heading", level=1).inner_text())


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_from_the_mail_to_a_finished_run_without_scripts(
    laptop: Laptop, browser: Callable[..., Any], picture: Callable[[Any, str], None], colours: str
) -> None:
    run_id = _asked(laptop, f"accept {colours}")
    link = _link(laptop, run_id)
    page = browser(java_script_enabled=False, color_scheme=colours)
    answer = page.goto(link)
    assert answer.status == 200
    assert _heading(page) == "A fine-tuning run needs your decision"
    assert page.get_by_text("Llama 3.2 Community License Agreement").first.is_visible()
    picture(page, f"question-{colours}")
    _approve(page)
    assert page.url == link
    assert _heading(page) == "This run was approved"
    picture(page, f"approved-{colours}")
    assert laptop.ended(run_id)["status"] == "SUCCEEDED"
    item = laptop.item(run_id, "APPROVAL")
    assert (item["actor"], item["channel"], item["assurance"]) == ("ann", "page", "link holder")


def test_declining_on_a_phone_ends_the_run_with_the_reason(
    laptop: Laptop, browser: Callable[..., Any], picture: Callable[[Any, str], None]
) -> None:
    run_id = _asked(laptop, "decline")
    page = browser(**PHONE)
    page.goto(_link(laptop, run_id, "bob"))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    page.get_by_role("radio", name="Decline").check()
    page.get_by_role("checkbox").check()
    page.get_by_role("button").click()
    assert "Say why you decline." in page.get_by_role("alert").inner_text()
    assert page.get_by_role("radio", name="Decline").is_checked()
    picture(page, "phone-reason-missing")
    page.get_by_role("link", name="Say why you decline.").click()
    page.get_by_role("textbox").fill("Legal has not <b>read</b> it")
    page.get_by_role("checkbox").check()
    page.get_by_role("button").click()
    assert _heading(page) == "This run was declined"
    assert "Legal has not <b>read</b> it" in page.content().replace("&lt;", "<").replace("&gt;", ">")
    picture(page, "phone-declined")
    ended = laptop.ended(run_id)
    assert ended["error"] == "ApprovalDeclined"
    assert "Legal has not" in ended["cause"]
    assert run_id not in " ".join(laptop.jobs())


def test_the_keyboard_alone_is_enough(laptop: Laptop, browser: Callable[..., Any]) -> None:
    run_id = _asked(laptop, "keys")
    page = browser()
    page.goto(_link(laptop, run_id))
    focused = "document.activeElement.id || document.activeElement.tagName"
    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(page.evaluate(focused))
        match order[-1]:
            case "decision" | "agree":
                page.keyboard.press("Space")
            case "BUTTON":
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
                page.keyboard.press("Enter")
                break
    assert order == ["A", "decision", "reason", "agree", "BUTTON"]
    page.get_by_role("heading", name="This run was approved").wait_for()
    assert laptop.ended(run_id)["status"] == "SUCCEEDED"


def test_back_reload_and_a_second_click_show_what_was_decided(
    laptop: Laptop, browser: Callable[..., Any]
) -> None:
    run_id = _asked(laptop, "again")
    link = _link(laptop, run_id)
    page, waiting = browser(), browser()
    page.goto("about:blank")
    page.goto(link)
    waiting.goto(link)
    _approve(page)
    decided = laptop.item(run_id, "APPROVAL")["decided_at"]
    page.go_back()
    page.go_forward()
    assert _heading(page) == "This run was approved"
    page.reload()
    assert _heading(page) == "This run was approved"
    _approve(waiting)
    assert _heading(waiting) == "This run was approved"
    assert laptop.item(run_id, "APPROVAL")["decided_at"] == decided
    laptop.ended(run_id)


def test_of_two_who_race_one_wins_and_the_other_is_told(
    laptop: Laptop, browser: Callable[..., Any], picture: Callable[[Any, str], None]
) -> None:
    run_id = _asked(laptop, "race")
    ann, bob = browser(), browser()
    ann.goto(_link(laptop, run_id, "ann"))
    bob.goto(_link(laptop, run_id, "bob"))
    bob.get_by_role("radio", name="Decline").check()
    bob.get_by_role("textbox").fill("no")
    bob.get_by_role("checkbox").check()
    _approve(ann)
    bob.get_by_role("button").click()
    assert _heading(ann) == "This run was approved"
    assert "Your decision was not counted" in bob.get_by_role("alert").inner_text()
    assert _heading(bob) == "This run was approved"
    picture(bob, "second")
    assert laptop.item(run_id, "APPROVAL")["actor"] == "ann"
    assert laptop.ended(run_id)["status"] == "SUCCEEDED"


def test_after_the_time_is_over_nothing_can_be_decided(
    laptop: Laptop, browser: Callable[..., Any], picture: Callable[[Any, str], None]
) -> None:
    run_id = _asked(laptop, "late")
    page = browser()
    page.goto(_link(laptop, run_id))
    laptop.client("dynamodb").update_item(
        TableName="tunestep-runs",
        Key={"pk": {"S": f"RUN#{run_id}"}, "sk": {"S": "APPROVAL"}},
        UpdateExpression="SET expires_at = :past",
        ExpressionAttributeValues={":past": {"N": "1000000000"}},
    )
    _approve(page)
    assert _heading(page) == "The time to decide is over"
    picture(page, "expired")
    assert laptop.item(run_id, "APPROVAL")["state"] != "APPROVED"
    laptop("stop", run_id, "--local")


def test_a_question_whose_run_was_stopped_was_withdrawn(
    laptop: Laptop, browser: Callable[..., Any], picture: Callable[[Any, str], None]
) -> None:
    run_id = _asked(laptop, "stopped")
    link = _link(laptop, run_id)
    laptop("stop", run_id, "--local")
    laptop.ended(run_id)
    page = browser()
    page.goto(link)
    assert _heading(page) == "This question was withdrawn"
    picture(page, "withdrawn")
