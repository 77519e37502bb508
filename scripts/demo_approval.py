"""``make demo-approval``: a model whose licence has to be accepted, and the ways to do it on this machine.

Prints the approver's link and waits; it opens nothing. When the run has ended, or on Ctrl-C, everything that
it made is removed.
"""

import email
import email.policy
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLE = REPOSITORY / "examples" / "approval"
COMMAND = Path(sys.executable).parent / "tunestep"
HOME = Path(os.environ.get("TUNESTEP_HOME") or REPOSITORY / ".tunestep" / "demo-approval").absolute()
APPROVER = "ann@example.com"
_LINK = re.compile(r"^http://\S+/approvals/\S+", re.MULTILINE)
_MAIL_SECONDS = 60.0
_Found = TypeVar("_Found")


def tunestep(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the demonstration's own home; raises CalledProcessError."""
    return subprocess.run(  # noqa: S603 - our own command
        [str(COMMAND), *arguments],
        env={**os.environ, "TUNESTEP_HOME": str(HOME)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )


def start() -> str:
    """Start the run and return its id."""
    settings = str(EXAMPLE / "tunestep.yaml")
    request = str(EXAMPLE / "request.json")
    answer = tunestep("run", request, "--local", "--settings", settings, "--detach", "--json")
    return str(json.loads(answer.stdout)["run_id"])


def arrived(look: Callable[[], _Found | None], what: str, see: str) -> _Found:
    """What a look finds in time. Raises SystemExit when it finds nothing."""
    deadline = time.monotonic() + _MAIL_SECONDS
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.2)
    raise SystemExit(f"no {what} within {_MAIL_SECONDS:.0f} s; see {see}")


def mail(run_id: str) -> tuple[Path, str]:
    """The approver's mail and the link in it. Raises SystemExit when none comes."""

    def look() -> tuple[Path, str] | None:
        for path in sorted((HOME / "outbox").glob("*.eml")):
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            body = message.get_content()
            found = _LINK.search(body)
            if message["To"] == APPROVER and run_id in body and found:
                return path, found[0]
        return None

    return arrived(look, f"mail to {APPROVER}", f"tunestep status {run_id} --local")


def question() -> int:
    """The number of Slack's message with the buttons. Raises SystemExit when none comes."""

    def look() -> int | None:
        for message in json.loads(tunestep("local", "slack", "--json").stdout):
            if any(block["type"] == "actions" for block in message["blocks"]):
                return int(message["number"])
        return None

    return arrived(look, "question in Slack", "tunestep local slack")


def invite(run_id: str, path: Path, link: str, number: int) -> None:
    here = f"TUNESTEP_HOME={HOME} {COMMAND}"
    print(
        f"""
Run {run_id} waits: the licence of its model has to be accepted by a person.

Ann's link, as in the mail {path}:
  {link}

Or in Slack, from another terminal:
  {here} local slack
  {here} local slack press {number} approve
  {here} local slack press {number} decline --reason 'Not with this licence.'

Or from a command line:
  {here} approve {run_id} --local

Waiting. Ctrl-C ends the demonstration and removes {HOME}.
""",
        flush=True,
    )


def follow(run_id: str) -> int:
    """Show the run to its end; its exit code."""
    watching = subprocess.Popen(  # noqa: S603 - our own command
        [str(COMMAND), "watch", run_id, "--local"], env={**os.environ, "TUNESTEP_HOME": str(HOME)}
    )
    try:
        return watching.wait()
    except KeyboardInterrupt:
        watching.wait()
        raise


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, _as_interrupt)
    if HOME.exists():
        tunestep("local", "reset", "--yes")
    try:
        run_id = start()
        invite(run_id, *mail(run_id), question())
        code = follow(run_id)
        over = "The demonstration is over, and what it made is removed"
        print(f"{over}{', so there is no run to retry' if code else ''}. Once more: make demo-approval")
        return code
    except KeyboardInterrupt:
        return 130
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    finally:
        # A second Ctrl-C may not leave half of it behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tunestep("local", "reset", "--yes")


if __name__ == "__main__":
    sys.exit(main())
