"""The licence, and whether a person has to decide before the run goes on."""

import hashlib

from tunestep import allowed, durations, licences, s3uri
from tunestep.checks.context import Inquiry
from tunestep.hub import Absence
from tunestep.plan_model import ApprovalPlan, LicencePlan, ModelPlan
from tunestep.recipes import read_small
from tunestep.s3uri import S3UriInvalid

MAX_TEXT_BYTES = 1024 * 1024
_WHERE = "$.base_model"


def licence(inquiry: Inquiry, model: ModelPlan) -> LicencePlan:
    """The licence as people are shown it, with the hash of its text where the hub keeps one."""
    known = licences.find(model.name)
    text_sha256 = _text_sha256(inquiry, model.eula_uri)
    if known is not None:
        return LicencePlan(
            name=known.name,
            url=known.url,
            text_uri=model.eula_uri,
            text_sha256=text_sha256,
            statement=licences.statement(known),
            revision=licences.REVISION,
        )
    where = f"Its text is at {model.eula_uri}." if model.eula_uri else "Look it up with the model's provider."
    inquiry.warning(
        "LICENCE_UNKNOWN",
        _WHERE,
        f"The licence of {model.name} is not in the table of known licences, so a person has to look at it.",
        where,
    )
    return LicencePlan(
        name="unknown",
        text_uri=model.eula_uri,
        text_sha256=text_sha256,
        statement=f"The licence of this model is not known. {where}",
        known=False,
        revision=licences.REVISION,
    )


def check(inquiry: Inquiry, model: ModelPlan, terms: LicencePlan) -> ApprovalPlan:
    """Whether somebody has to decide. ``never`` cannot waive a licence that must be accepted."""
    asked = inquiry.request.approval
    timeout = asked.timeout or inquiry.ctx.settings.approval_timeout
    reason = _licence_reason(model, terms)
    if reason and asked.require == "never":
        inquiry.error(
            "APPROVAL_REQUIRED",
            "$.approval.require",
            f"{reason} This cannot be waived by a request.",
            "Leave approval.require out.",
        )
    if not reason and asked.require == "always":
        reason = "The request asks for a decision on every run."
    return ApprovalPlan(needed=bool(reason), reason=reason, timeout_seconds=durations.seconds(timeout))


def _licence_reason(model: ModelPlan, terms: LicencePlan) -> str:
    if not model.base_established:
        return (
            f"The base model of {model.source_model_package_arn} is not established, so it counts as gated."
        )
    if model.gated:
        return f"{model.name} is gated: its licence ({terms.name}) has to be accepted."
    return "" if terms.known else f"The licence of {model.name} is not known."


def _text_sha256(inquiry: Inquiry, text: str) -> str:
    if not text:
        return ""
    try:
        uri = s3uri.parse(text)
    except S3UriInvalid as fault:
        return _unread(inquiry, text, str(fault))
    if not inquiry.allows(allowed.hub_file(inquiry.ctx, uri, _WHERE)):
        return ""
    body = read_small(inquiry.clients.s3, uri, MAX_TEXT_BYTES)
    if isinstance(body, Absence):
        return _unread(inquiry, text, body.message or body.problem)
    return hashlib.sha256(body).hexdigest()


def _unread(inquiry: Inquiry, text: str, why: str) -> str:
    inquiry.warning(
        "LICENCE_TEXT_UNREADABLE",
        _WHERE,
        f"The licence text {text} cannot be read: {why}.",
        "Allow s3:GetObject on it to whoever makes the plan.",
    )
    return ""
