"""One thread per run in Slack, though several functions may want to begin it at the same moment.

Who begins it claims that in the table first; the others wait for the thread, or for the claim to go. A claim
ends by itself, so a function that died with it keeps no later message back. What cannot be told from here is
whether Slack took a message whose answer never came: the next message begins a thread of its own then.
"""

import contextlib
import time
from collections.abc import Callable
from typing import NamedTuple

from tunestep.context import Context
from tunestep.faults import AWS_FAULTS
from tunestep.gate.slack_secret import SlackFault

CLAIM_SECONDS = 60
"""How long the first message may be on its way: longer than one post can take, waiting for Slack included."""

PAUSE_SECONDS = 0.5
WAIT_SECONDS = 15
"""How long another message waits for the first. Whoever sends it has a minute, and tries again later."""

_FREE = (
    "attribute_not_exists(#slack_thread) AND "
    "(attribute_not_exists(#slack_claimed_until) OR #slack_claimed_until <= :now)"
)
_MINE = "#slack_claimed_until = :mine"


class Place(NamedTuple):
    """Where a message goes: into the thread with the timestamp ``thread``, or, where that is empty, first.

    ``claim`` is the second (epoch) until which the thread may be begun; 0 when nothing was claimed.
    """

    thread: str = ""
    claim: int = 0


def place(context: Context, run_id: str, sleep: Callable[[float], None] = time.sleep) -> Place:
    """Find the run's thread, or claim to begin it. A run without an item has no thread.

    Raises SlackFault, transient, when another's first message is still on its way after WAIT_SECONDS.
    """
    for _ in range(int(WAIT_SECONDS / PAUSE_SECONDS)):
        run = context.runs.run(run_id)
        if run is None:
            return Place()
        if run.get("slack_thread"):
            return Place(str(run["slack_thread"]))
        now = context.epoch()
        until = now + CLAIM_SECONDS
        if context.runs.update_run(
            run_id, {"slack_claimed_until": until}, condition=_FREE, values={":now": now}
        ):
            return Place(claim=until)
        sleep(PAUSE_SECONDS)
    raise SlackFault("the message that begins the run's thread is still on its way", transient=True)


def begun(context: Context, run_id: str, claimed: Place, thread: str) -> None:
    """Note the thread that a claimed first message began; one that is noted already stays."""
    if claimed.claim and thread:
        context.runs.update_run(
            run_id, {}, defaults={"slack_thread": thread}, remove=("slack_claimed_until",)
        )


def given_up(context: Context, run_id: str, claimed: Place) -> None:
    """Let others begin the thread at once, after a first message that Slack did not take. Never raises."""
    if claimed.claim:
        # What hindered the message may hinder this too; the claim ends by itself.
        with contextlib.suppress(*AWS_FAULTS):
            context.runs.update_run(
                run_id, {}, remove=("slack_claimed_until",), condition=_MINE, values={":mine": claimed.claim}
            )
