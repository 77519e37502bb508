"""The approval page: rendered on the server, without scripts, images or anything from elsewhere."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tunestep.approval_states import APPROVED, DECLINED, EXPIRED, PENDING
from tunestep.gate.links import Visit
from tunestep.gate.sections import moment, sections, when
from tunestep.runs import Item
from tunestep.text import visible

_TEMPLATES = Path(__file__).with_name("templates")
_STYLE = (_TEMPLATES / "style.css").read_text()
_LONGEST = 4000
"""Most characters of one value that the page shows."""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: dict[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "browsing-topics=(), interest-cohort=()",
}
"""On every answer that a browser may show. The style is allowed by its own hash, and nothing else is."""


class Fault(NamedTuple):
    """What is missing in a form: the id of the field, and what to do there."""

    field: str
    message: str


class Typed(NamedTuple):
    """What somebody entered, to be shown again when something is missing."""

    decision: str = ""
    reason: str = ""


class Page(NamedTuple):
    """HTTP status and the whole document."""

    status: int
    html: str


def _shown(value: Any) -> Any:
    return value if isinstance(value, Markup) else visible(value, _LONGEST)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(style=Markup(_STYLE), **values)  # noqa: S704 - ours


def is_open(item: Item, now: int) -> bool:
    """Whether a question can still be decided at ``now`` (epoch seconds)."""
    return bool(item["state"] == PENDING and now < item["expires_at"])


def of_visit(visit: Visit, now: int) -> Page:
    """The page of a link that works, as the question stands at ``now`` (epoch seconds)."""
    item = visit.item
    if item["state"] in (APPROVED, DECLINED):
        return decided(item)
    if is_open(item, now):
        return question(visit)
    return _closed(item) if item["state"] == EXPIRED and not _ran_out(item) else _expired(item)


def question(visit: Visit, faults: tuple[Fault, ...] = (), typed: Typed | None = None) -> Page:
    """The open question with its form; with faults, the form as it was sent and what is missing."""
    item = visit.item
    html = _render(
        "question.html",
        why=item.get("reason_needed") or "",
        expires=moment(item["expires_at"]),
        sections=sections(item),
        approver=visit.approver.id,
        faults=faults,
        typed=typed or Typed(),
    )
    return Page(422 if faults else 200, html)


def decided(item: Item, *, late: bool = False) -> Page:
    """What was decided. ``late`` is for somebody whose own decision came second and was another one."""
    approved = item["state"] == APPROVED
    again = f"Whoever still wants it asks again with: tunestep retry {item['run_id']}"
    lines = ["The run goes on."] if approved else ["The run ends. Nothing was created.", again]
    if item.get("undelivered"):
        lines = ["The decision is kept, but the run no longer waited for it, so nothing was created."]
    return Page(
        409 if late else 200,
        _render(
            "decided.html",
            heading="This run was approved" if approved else "This run was declined",
            lines=lines,
            late=late,
            sections=sections(item),
        ),
    )


def _ran_out(item: Item) -> bool:
    return str(item.get("closed_at", "")) >= moment(item["expires_at"]).machine


def _expired(item: Item) -> Page:
    lines = [
        f"Nobody decided before {moment(item['expires_at']).people}. Nothing was created.",
        f"Whoever wants this run asks again with: tunestep retry {item['run_id']}",
    ]
    return _over("The time to decide is over", lines, item)


def _closed(item: Item) -> Page:
    lines = [
        f"The run ended at {when(str(item.get('closed_at', 'an unknown time')))}, before anybody decided, "
        "so there is nothing left to decide here.",
        "If it was started again, a newer message has the link that counts.",
    ]
    return _over("This question was withdrawn", lines, item)


def _over(heading: str, lines: list[str], item: Item) -> Page:
    html = _render("decided.html", heading=heading, lines=lines, late=False, sections=sections(item))
    return Page(410, html)


def unknown() -> Page:
    """The one answer to every link that opens nothing, whatever is wrong with it."""
    return _said(
        404,
        "This link opens nothing",
        "It may be cut off or mistyped, or you are no longer asked to decide.",
        "Open it again from the message you were sent, or ask whoever started the run.",
    )


def refused(status: int, message: str) -> Page:
    """A request that no browser of an approver sends, or a decision that cannot be taken."""
    return _said(status, "Nothing was decided", message)


def unavailable() -> Page:
    return _said(
        503,
        "Please try again in a minute",
        "A service behind this page did not answer.",
        "Open the link again: it shows whether anything was recorded.",
    )


def _said(status: int, heading: str, *lines: str) -> Page:
    return Page(status, _render("said.html", heading=heading, lines=lines))
