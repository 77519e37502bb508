"""The hostile words on a terminal: in the run's picture, its causes, and the laptop's Slack."""

import pytest

from tests.cli.test_hostile_text import printed, seen
from tests.gate.hostile import HOSTILE, SHOWN_AS_THEY_ARE
from tests.unit.test_evidence import agreed, approval
from tunestep.cli import approvals, licences, render, slack, status
from tunestep.evidence_audit import Entry
from tunestep.evidence_seal import Acceptance
from tunestep.gate import slack_blocks
from tunestep.text import visible

ACTED_UPON = set("\x00\x07\x08\x0b\x0c\x0d\x1b\x85\x9b\u200b\u200e\u200f\u2028\u2029\u202e\u2066\u2069\ufeff")


def shown_safely(text: str, name: str) -> None:
    assert not set(text) & ACTED_UPON
    assert all(character.isprintable() or character in "\n\t " or character.isspace() for character in text)
    if name in SHOWN_AS_THEY_ARE:
        assert HOSTILE[name] in text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_cause_an_actor_and_an_error_are_shown_and_not_acted_upon(name: str) -> None:
    words = HOSTILE[name]
    run = seen(cause=words, document={"approval": {"decision": "DECLINED", "actor": words}})
    shown_safely(printed(12_000, render.panel(run)), name)
    shown_safely("\n".join(status._lines(run, as_json=False)), name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_message_of_slack_s_is_shown_and_not_acted_upon(name: str) -> None:
    words = HOSTILE[name] or "-"
    message = {
        "number": 1,
        "ts": "1800000000.000100",
        "kind": "message",
        "channel": "C0LAPTOP",
        "blocks": [*slack_blocks.said(words), {"type": "actions", "elements": [{"text": {"text": words}}]}],
    }
    shown_safely("\n".join(visible(line) for line in slack._lines(message)), name)


@pytest.mark.parametrize("name", HOSTILE)
def test_an_open_question_and_an_acceptance_are_listed_and_not_acted_upon(name: str) -> None:
    words = HOSTILE[name]
    item = {"run_id": words, "requester": words, "requester_assurance": words, "reason_needed": words}
    said = Acceptance(
        **{**approval(agreed(name=words, model_arn=f"arn:{words}/{words}/1")), "actor": words, "version": 1}
        | {"terms": agreed(name=words, model_arn=f"arn:{words}/{words}/1"), "run_id": words}
    )
    entry = Entry(evidence_id=words, state="valid", model=words, said=said, runs=(words,))
    for row in (approvals._row({**item, "expires_at": 2_000_000_000}), licences._row(entry)):
        shown_safely(printed(12_000, *row), name)
