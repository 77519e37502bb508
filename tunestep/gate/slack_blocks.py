"""Messages and dialogs for Slack, as plain data.

Limits: docs.slack.dev/reference/block-kit. Only words of ours and member ids out of the settings are in a
``mrkdwn`` text; all else is ``plain_text``, in which Slack makes neither mentions nor links.
"""

from collections.abc import Iterable
from typing import Any

from tunestep.gate.wording import Fact, Question, facts, outcome

APPROVE, DECLINE, REVIEW = "tunestep_approve", "tunestep_decline", "tunestep_review"
OPEN_LINK = "tunestep_open_link"
"""A button that is a link; Slack reports clicks on those too."""
DECLINE_DIALOG = "tunestep_decline_dialog"
REASON = "reason"
REASON_LIMIT = 1000

ASKED = "A fine-tuning run waits for a decision."
DECIDED = "A decision on a fine-tuning run was recorded."

_SECTION_LIMIT = 3000

Block = dict[str, Any]


def plain(text: str, limit: int = _SECTION_LIMIT) -> Block:
    """A text object in which nothing has a meaning; cut where Slack would refuse it."""
    return {
        "type": "plain_text",
        "text": text if len(text) <= limit else text[: limit - 1] + "…",
        "emoji": False,
    }


def _section(text: str) -> Block:
    return {"type": "section", "text": plain(text)}


def _facts(found: Iterable[Fact]) -> Block:
    return _section("\n".join(fact.line for fact in found))


def _mention(users: Iterable[str]) -> Block:
    names = " ".join(f"<@{user}>" for user in users)
    return {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": f"May decide: {names}"[:_SECTION_LIMIT]}],
    }


def _button(label: str, action: str, value: str, **more: Any) -> Block:
    return {"type": "button", "action_id": action, "text": plain(label, 75), "value": value, **more}


def question(item: Question, users: Iterable[str]) -> list[Block]:
    """The question for the channel. ``users`` are the member ids of the approvers.

    The buttons carry the approval's id, which is no secret: a click counts by who made it.
    """
    approval_id = str(item.get("approval_id", ""))
    sure = {
        "title": plain("Accept this?", 100),
        "text": plain("You accept the licence and what is shown here, in your own name.", 300),
        "confirm": plain("Accept", 30),
        "deny": plain("Not yet", 30),
    }
    return [
        {"type": "header", "text": plain("Decision needed", 150)},
        _facts(facts(item)),
        _mention(users),
        {
            "type": "actions",
            "elements": [
                _button("Approve", APPROVE, approval_id, style="primary", confirm=sure),
                _button("Decline…", DECLINE, approval_id, style="danger"),
                _button("Review", REVIEW, approval_id),
            ],
        },
    ]


def decided(item: Question) -> list[Block]:
    """The question after the decision: the same facts, how it ended, no buttons."""
    return [
        {"type": "header", "text": plain("Decided", 150)},
        _facts(facts(item)),
        _facts(outcome(item)),
    ]


def reminder(item: Question, user: str) -> list[Block]:
    """A line under the question, for one approver."""
    run, until = [fact for fact in facts(item) if fact.label in ("Run", "Open until")]
    return [_section(f"Still open: {run.line}. {until.line}."), _mention([user])]


def link(item: Question, url: str) -> list[Block]:
    """What Review shows to the one who clicked: that person's own link."""
    return [
        _section("Your own link to this decision's page. Opening it decides nothing; do not pass it on."),
        _facts(fact for fact in facts(item) if fact.label in ("Run", "Open until")),
        {
            "type": "actions",
            "elements": [_button("Open the page", OPEN_LINK, str(item.get("approval_id", "")), url=url)],
        },
    ]


def said(text: str) -> list[Block]:
    """A sentence for one person."""
    return [_section(text)]


def decline_dialog(approval_id: str, run: Fact) -> dict[str, Any]:
    """The dialog that asks for the reason. What it is about travels in ``private_metadata``."""
    return {
        "type": "modal",
        "callback_id": DECLINE_DIALOG,
        "private_metadata": approval_id,
        "title": plain("Decline", 24),
        "submit": plain("Decline", 24),
        "close": plain("Cancel", 24),
        "blocks": [
            _facts([run]),
            {
                "type": "input",
                "block_id": REASON,
                "label": plain("Why? It ends the run and is recorded.", 2000),
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "multiline": True,
                    "min_length": 1,
                    "max_length": REASON_LIMIT,
                },
            },
        ],
    }


def result_dialog(text: str) -> dict[str, Any]:
    """What the dialog becomes when there is something to say instead of closing it."""
    return {
        "type": "modal",
        "title": plain("Decision", 24),
        "close": plain("Close", 24),
        "blocks": said(text),
    }
