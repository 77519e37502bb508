"""An approver's own link: a public id that finds the question, and a secret that says who is asked.

The table holds the SHA-256 of a secret, never the secret: who can read the table cannot decide with it. An
approver may hold several links (Slack's Review makes a new one), and each of them works.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

from tunestep import runs
from tunestep.context import Context
from tunestep.errors import ServiceFault
from tunestep.gate import people
from tunestep.runs import Item, run_pk
from tunestep.settings import Approver

LINK = "LINK"
KEPT = 8
"""How many links of one approver work side by side; the oldest is forgotten first."""

_RANDOM_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_NOBODY = "."
"""Read in place of what a wrong id names, so that every wrong link costs the same reads."""

_TRIES = 5
_NO_DIGEST = "0" * 64


def new_token() -> str:
    """128 random bits as 22 characters that need no escaping in a URL."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def digest(secret: str) -> str:
    """SHA-256 in hex of a secret, as the table holds it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def url(api_url: str, approval_id: str, secret: str) -> str:
    """The link as it is sent."""
    return f"{api_url.rstrip('/')}/approvals/{approval_id}?k={secret}"


def link_pk(approval_id: str) -> str:
    return f"APPROVAL#{approval_id}"


def publish(context: Context, run_id: str, approval_id: str) -> None:
    """Make the question findable by its public id; doing it again changes nothing."""
    context.runs.put_new({"pk": link_pk(approval_id), "sk": LINK, "run_id": run_id})


def entry(item: Item, approver_id: str) -> dict[str, Any]:
    """What the question's item keeps of one approver; empty when that person was never asked."""
    found = (item.get("approvers") or {}).get(approver_id)
    return found if isinstance(found, dict) else {}


def mint(context: Context, run_id: str, approver_id: str) -> str | None:
    """A further link for an approver, of the same standing as those before.

    Returns the URL; None when the run asks nothing.
    """
    secret = new_token()
    item = change_entry(context, run_id, approver_id, lambda known: with_secret(known, secret))
    return url(context.env.api_url, item["approval_id"], secret) if item else None


def change_entry(
    context: Context, run_id: str, approver_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Item | None:
    """Change what the question's item keeps of an approver, whoever else changes it at the same time.

    Returns the item as it was read; None when there is none.
    """
    for _ in range(_TRIES):
        item = context.runs.approval(run_id)
        if not item:
            return None
        known = entry(item, approver_id)
        if context.runs.swap_entry(
            run_pk(run_id), runs.APPROVAL, ("approvers", approver_id), known, change(known)
        ):
            return item
    raise ServiceFault(f"The question of run {run_id} changes too often to be written. Try again.")


def with_secret(known: dict[str, Any], secret: str) -> dict[str, Any]:
    """An approver's entry with a new secret first; earlier ones go on working."""
    before = [known["secret_sha256"], *known.get("earlier_sha256", [])] if known.get("secret_sha256") else []
    return {**known, "secret_sha256": digest(secret), "earlier_sha256": before[: KEPT - 1]}


class Visit(NamedTuple):
    """Somebody opened a link that works: which question, and who was asked by this link."""

    run_id: str
    item: Item
    approver: Approver


def open_link(context: Context, approval_id: str, secret: str) -> Visit | None:
    """Find the question and the approver of a link; None for a link that opens nothing.

    Two reads in every case, and the same work on each, so that a wrong secret cannot be told from an id
    that does not exist. Somebody who is no longer an approver holds a link that opens nothing.
    """
    sound = bool(_TOKEN.fullmatch(approval_id)) and bool(_TOKEN.fullmatch(secret))
    found = context.runs.get(link_pk(approval_id if sound else _NOBODY), LINK)
    run_id = str(found["run_id"]) if found else _NOBODY
    item = context.runs.approval(run_id) or {}
    matching = _whose(item, digest(secret))
    approver = people.by_id(context.env, matching)
    if not sound or not found or item.get("approval_id") != approval_id or approver is None:
        return None
    return Visit(run_id, item, approver)


def _whose(item: Item, presented: str) -> str:
    """The approver id whose secret this is, every one of them compared; empty when there is none."""
    matching = ""
    known = [
        (approver_id, str(kept))
        for approver_id in item.get("approvers") or {}
        for kept in _digests(entry(item, approver_id))
    ]
    for approver_id, kept in known or [("", _NO_DIGEST)]:
        if hmac.compare_digest(kept.encode(), presented.encode()):
            matching = approver_id
    return matching


def _digests(known: dict[str, Any]) -> list[str]:
    return [digest for digest in (known.get("secret_sha256"), *known.get("earlier_sha256", [])) if digest]
