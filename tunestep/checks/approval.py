"""The licence, and whether a person has to decide before the run goes on."""

import hashlib

from tunestep import allowed, durations, licence_text, licences
from tunestep.checks import approvers
from tunestep.checks.context import Inquiry
from tunestep.evidence_seal import Acceptance
from tunestep.hub import Absence
from tunestep.plan_model import ApprovalPlan, LicencePlan, ModelPlan

_WHERE = "$.base_model"


def licence(inquiry: Inquiry, model: ModelPlan) -> LicencePlan:
    """The licence as people are shown it, with the hash of its text where the hub keeps one."""
    known = licences.find(model.name)
    text_sha256 = _text_sha256(inquiry, model.eula_uri)
    if known is not None:
        return LicencePlan(
            name=known.name,
            id=known.id,
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
    """Whether somebody has to decide, and whether an earlier acceptance will answer for it.

    ``never`` waives no licence that has to be accepted: it only says that nobody may be asked for it.
    """
    asked = inquiry.request.approval
    timeout = asked.timeout or inquiry.ctx.settings.approval_timeout
    reason = _licence_reason(model, terms)
    licence_asked = bool(reason)
    accepted = _accepted(inquiry, model, terms) if licence_asked and asked.require != "always" else None
    if licence_asked and accepted is None and asked.require == "never":
        inquiry.error(
            "APPROVAL_REQUIRED",
            "$.approval.require",
            f"{reason} No earlier acceptance covers it, and a request cannot waive it.",
            "Leave approval.require out, so that a person is asked once.",
        )
    if asked.require == "always":
        reason = " ".join(filter(None, (reason, "The request asks for a decision on every run.")))
    if reason and accepted is None:
        ctx = inquiry.ctx
        inquiry.findings.extend(
            approvers.findings(ctx.settings, laptop=ctx.laptop, unconfirmed=ctx.unconfirmed())
        )
    return ApprovalPlan(
        needed=bool(reason),
        reason=reason,
        timeout_seconds=durations.seconds(timeout),
        licence=licence_asked,
        require=asked.require,
    )


def _accepted(inquiry: Inquiry, model: ModelPlan, terms: LicencePlan) -> Acceptance | None:
    """The acceptance that the run will go on by, if it still counts when the run gets there."""
    found = inquiry.ctx.accepted(model, terms)
    for damaged in found.damaged:
        inquiry.warning(
            "EVIDENCE_DAMAGED",
            _WHERE,
            f"An earlier acceptance is not as it was stored, so it is not used: {damaged}.",
            "`tunestep licences verify` looks at all of them; find out who wrote there.",
        )
    if found.acceptance:
        inquiry.info(
            "LICENCE_ACCEPTED_BEFORE",
            _WHERE,
            f"{found.acceptance.actor} accepted {terms.name} for this model version on "
            f"{found.acceptance.decided_at[:10]} (evidence {found.acceptance.id}), so nobody is asked again.",
        )
    return found.acceptance


def _licence_reason(model: ModelPlan, terms: LicencePlan) -> str:
    if not model.base_established:
        return (
            f"The base model of {model.source_model_package_arn} is not established, so it counts as gated."
        )
    if model.gated:
        return f"{model.name} is gated: its licence ({terms.name}) has to be accepted."
    return "" if terms.known else f"The licence of {model.name} is not known."


def _text_sha256(inquiry: Inquiry, address: str) -> str:
    """SHA-256 (hex) of the licence text; empty, with a warning, when it cannot be read."""
    if not address:
        return ""
    own = allowed.service_bucket(inquiry.ctx.region)
    body = licence_text.read(inquiry.clients.s3, address, service_bucket=own)
    if not isinstance(body, Absence):
        return hashlib.sha256(body).hexdigest()
    inquiry.warning(
        "LICENCE_TEXT_UNREADABLE",
        _WHERE,
        f"The licence text {address} cannot be read: {body.message or body.problem}.",
        "Its hash is missing from what people accept; allow s3:GetObject on it to whoever makes the plan.",
    )
    return ""
