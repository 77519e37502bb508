"""A judge's prompt in S3: may be read, is small, renders, and is pinned as it is now."""

import hashlib

import msgspec

from tunestep import allowed, s3uri
from tunestep.checks import buckets
from tunestep.checks.context import Inquiry
from tunestep.hub import Absence
from tunestep.plan_model import RewardPlan
from tunestep.prompts import inspection, store
from tunestep.prompts.store import Stored
from tunestep.s3uri import S3UriInvalid


def pinned(inquiry: Inquiry, reward: RewardPlan, text: str, where: str) -> RewardPlan | None:
    """The reward with the template at this URI, held to the settings and only then read.

    None after an error finding.
    """
    found = _read(inquiry, text, where)
    if found is None or not _is_sound(inquiry, found.body, text, where):
        return None
    inquiry.warning(
        "PROMPT_NOT_PINNED",
        where,
        f"The service reads {text} when the job needs it, and takes no version of it.",
        "The run ends as PlanChanged when it differs at the start; leave it alone while a job trains.",
    )
    return msgspec.structs.replace(
        reward,
        reference=text,
        prompt_uri=text,
        prompt_version_id=found.version_id,
        prompt_sha256=hashlib.sha256(found.body).hexdigest(),
    )


def _read(inquiry: Inquiry, text: str, where: str) -> Stored | None:
    try:
        uri = s3uri.parse(text)
    except S3UriInvalid as fault:
        inquiry.error("PROMPT_URI_INVALID", where, f"A prompt is an object in S3: {fault}.")
        return None
    if not inquiry.allows(allowed.location(inquiry.ctx, uri, where)):
        return None
    if buckets.locate(inquiry, uri.bucket, where, must_read=True):
        return None
    found = store.read(inquiry.clients.s3, uri)
    if isinstance(found, Absence):
        _unreadable(inquiry, text, found, where)
        return None
    return found


def _is_sound(inquiry: Inquiry, body: bytes, text: str, where: str) -> bool:
    try:
        template = body.decode()
    except UnicodeDecodeError as fault:
        inquiry.error(
            "PROMPT_INVALID", where, f"{text} is not UTF-8 text (byte {fault.start}).", "Save it as UTF-8."
        )
        return False
    faults = inspection.inspect(template, where)
    inquiry.findings.extend(faults)
    return not any(fault.severity == "error" for fault in faults)


def _unreadable(inquiry: Inquiry, text: str, absence: Absence, where: str) -> None:
    match absence.problem:
        case "absent":
            inquiry.error(
                "PROMPT_NOT_FOUND", where, f"There is no object {text}.", "Upload it or correct the URI."
            )
        case "denied":
            inquiry.error(
                "PROMPT_ACCESS_DENIED",
                where,
                f"{text} may not be read. {absence.message}".strip(),
                "Allow s3:GetObject on it to whoever makes the plan and to the execution role.",
            )
        case _:
            inquiry.error(
                "PROMPT_UNREADABLE",
                where,
                f"{text} cannot be used: {absence.message}.",
                "Shorten or mend it.",
            )
