"""The use case: a sentence, or a use_case_spec.md in S3; it also names the model package group."""

import hashlib
import re
import unicodedata

from tunestep import allowed, s3uri
from tunestep.checks.context import Inquiry
from tunestep.hub import Absence
from tunestep.recipes import read_small
from tunestep.s3uri import S3UriInvalid

MAX_SPEC_BYTES = 64 * 1024
_WHERE = "$.use_case"
_LONGEST_SLUG = 60


def check(inquiry: Inquiry) -> str | None:
    """The use case in one line: the sentence, or the first line of the file; None after an error."""
    text = inquiry.request.use_case.strip()
    return _read(inquiry, text) if text.startswith("s3://") else text


def group_name(use_case: str) -> str:
    """A model package group name made from the use case: lowercase, hyphens, ``-v1``, at most 63.

    A use case without Latin letters or digits gets a name made from its hash.
    """
    plain = unicodedata.normalize("NFKD", use_case).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-")
    return f"{slug or 'use-case-' + hashlib.sha256(use_case.encode()).hexdigest()[:12]}-v1"


def _read(inquiry: Inquiry, text: str) -> str | None:
    try:
        uri = s3uri.parse(text)
    except S3UriInvalid as fault:
        inquiry.error("USE_CASE_URI_INVALID", _WHERE, f"{fault}.", "Write s3://bucket/use_case_spec.md.")
        return None
    if not inquiry.allows(allowed.location(inquiry.ctx, uri, _WHERE)):
        return None
    body = read_small(inquiry.clients.s3, uri, MAX_SPEC_BYTES)
    if isinstance(body, Absence):
        _unreadable(inquiry, text, body)
        return None
    try:
        lines = [line.strip(" #\t\r") for line in body.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        lines = []
    title = next(filter(None, lines), None)
    if title is None:
        inquiry.error(
            "USE_CASE_UNREADABLE", _WHERE, f"{text} holds no text.", "Write the use case into it as UTF-8."
        )
    return title


def _unreadable(inquiry: Inquiry, text: str, body: Absence) -> None:
    match body.problem:
        case "absent":
            inquiry.error(
                "USE_CASE_NOT_FOUND", _WHERE, f"There is no object {text}.", "Upload it or correct the URI."
            )
        case "denied":
            inquiry.error(
                "USE_CASE_ACCESS_DENIED",
                _WHERE,
                f"{text} may not be read. {body.message}".strip(),
                "Allow s3:GetObject on it to whoever makes the plan.",
            )
        case _:
            inquiry.error(
                "USE_CASE_UNREADABLE",
                _WHERE,
                f"The use case cannot be read: {body.message}.",
                f"Keep the file below {MAX_SPEC_BYTES // 1024} KB.",
            )
