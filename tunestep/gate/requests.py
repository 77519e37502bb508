"""What the approval page accepts: the checks of a POST, before anything is read or parsed."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tunestep.gate.page import Fault, Typed

MAX_BODY = 16 * 1024
"""Bytes of a decision's form: a reason of 1,000 characters, each escaped as 12 bytes, and room."""

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 10


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The request goes no further: HTTP status, and a sentence for whoever sent it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Form(NamedTuple):
    """A decision as it was sent, nothing of it checked."""

    typed: Typed
    agreed: bool

    def faults(self) -> tuple[Fault, ...]:
        """What is missing before it can be recorded; empty when nothing is."""
        found = []
        if self.typed.decision not in ("APPROVED", "DECLINED"):
            found.append(Fault("decision", "Choose whether you approve or decline."))
        if self.typed.decision == "DECLINED" and not self.typed.reason.strip():
            found.append(Fault("reason", "Say why you decline."))
        if not self.agreed:
            found.append(Fault("agree", "Tick the box once you have read the page."))
        return tuple(found)


def check_origin(headers: Mapping[str, str], host: str) -> None:
    """Raise Refused for a POST that another site's page makes.

    A page that sends no referrer has its origin replaced by ``null`` (Fetch standard, "append a request
    Origin header"), so ``null`` counts only where the browser says itself that the request is the page's own.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    own = origin is None or _host(origin) == host or (origin == "null" and site == "same-origin")
    if site not in (None, "same-origin", "none") or not own:
        raise Refused(
            403, "This form was sent from another page. Open the link from your message and decide there."
        )


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def body(event: Mapping[str, Any], most: int = MAX_BODY) -> bytes:
    """The raw body of an HTTP API event (payload 2.0), whose forms come in base64. Raises Refused."""
    text = event.get("body") or ""
    if len(text) > most * 4 // 3 + 4:
        raise Refused(413, "The form is too large.")
    if not event.get("isBase64Encoded"):
        raw = str(text).encode("utf-8", "surrogatepass")
    else:
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise Refused(400, "The form cannot be read.") from None
    if len(raw) > most:
        raise Refused(413, "The form is too large.")
    return raw


def form(headers: Mapping[str, str], raw: bytes) -> Form:
    """The fields of a form. Raises Refused for what no browser makes of the page's form."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Refused(415, "Send the form of the page.")
    try:
        fields = parse_qs(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Refused(400, "The form cannot be read.") from None
    if any(len(values) > 1 for values in fields.values()):
        raise Refused(400, "The form names a field twice.")
    single = {name: values[0] for name, values in fields.items()}
    typed = Typed(single.get("decision", ""), single.get("reason", ""))
    return Form(typed, single.get("agree") == "yes")
