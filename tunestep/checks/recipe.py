"""The recipe for technique, PEFT and sequence length, and its override spec."""

from typing import Any, NamedTuple

from tunestep import allowed, hyperparameters, recipes, s3uri
from tunestep.checks.context import Inquiry
from tunestep.errors import TransientFault
from tunestep.hub import Absence, HubModel
from tunestep.plan_model import RecipePlan, Technique
from tunestep.recipes import Choice, NoRecipe, Spec
from tunestep.s3uri import S3UriInvalid

_WHERE_SPEC = "$.base_model"


class Resolved(NamedTuple):
    """The recipe, and the hyperparameters as they are sent."""

    plan: RecipePlan
    hyperparameters: dict[str, str]
    spec: dict[str, Any]


def check(inquiry: Inquiry, content: HubModel, technique: Technique) -> Resolved | None:
    """Choose the recipe, read its spec and resolve the hyperparameters; None after an error finding."""
    request = inquiry.request
    chosen = recipes.choose(content.document, technique, request.peft, request.sequence_length)
    if isinstance(chosen, NoRecipe):
        _report_none(inquiry, content.name, technique, chosen)
        return None
    uri = recipes.spec_uri(chosen.recipe, inquiry.ctx.account)
    spec = _spec(inquiry, uri)
    if spec is None:
        return None
    options = hyperparameters.merge_subscription(spec.options, _subscription_options(inquiry, chosen))
    length = str(chosen.recipe.get("SequenceLength") or "")
    values, found = hyperparameters.resolve(
        options,
        request.hyperparameters,
        technique=technique,
        peft=request.peft,
        sequence_length=length,
        reward=request.reward,
    )
    inquiry.findings.extend(found)
    return Resolved(
        RecipePlan(
            name=str(chosen.recipe.get("Name") or ""),
            technique=technique,
            peft="LORA" if request.peft == "LORA" else "",
            sequence_length=length,
            override_spec_uri=uri,
            override_spec_sha256=spec.sha256,
            metering=str(chosen.recipe.get("ServerlessMeteringType") or ""),
        ),
        values,
        options,
    )


def _report_none(inquiry: Inquiry, name: str, technique: str, none: NoRecipe) -> None:
    offered = ", ".join(none.offers) or "nothing"
    match none.lacks:
        case "technique":
            inquiry.error(
                "TECHNIQUE_NOT_OFFERED",
                "$.technique",
                f"{name} has no serverless recipe for {technique}.",
                f"It offers {offered}.",
            )
        case "sequence_length":
            inquiry.error(
                "SEQUENCE_LENGTH_NOT_OFFERED",
                "$.sequence_length",
                f"{name} has no {technique} recipe of length {inquiry.request.sequence_length}.",
                f"It offers {offered}.",
            )
        case _:
            asked, other = ("LORA", "FULL") if inquiry.request.peft == "LORA" else ("FULL", "LORA")
            inquiry.error(
                "PEFT_NOT_OFFERED",
                "$.peft",
                f"{name} has no recipe for {technique} with peft {asked}.",
                f'It offers {offered}. Set "peft" to "{other}".',
            )


def _spec(inquiry: Inquiry, text: str) -> Spec | None:
    """The chosen recipe's spec; a recipe without one takes no hyperparameters."""
    if not text:
        return Spec({}, "")
    try:
        uri = s3uri.parse(text)
    except S3UriInvalid as fault:
        inquiry.error(
            "SPEC_UNREADABLE", _WHERE_SPEC, f"The hub names an override spec that cannot be read: {fault}."
        )
        return None
    if not inquiry.allows(allowed.hub_file(inquiry.ctx, uri, _WHERE_SPEC)):
        return None
    spec = recipes.fetch_spec(inquiry.clients.s3, uri)
    if isinstance(spec, Absence):
        reason = {"absent": "it does not exist", "denied": "access is denied"}.get(spec.problem, spec.message)
        inquiry.error(
            "SPEC_UNREADABLE",
            _WHERE_SPEC,
            f"The override spec {text} cannot be read: {reason}.",
            f"Allow s3:GetObject on {uri.bucket}/* to whoever makes the plan.",
        )
        return None
    return spec


def _subscription_options(inquiry: Inquiry, chosen: Choice) -> dict[str, Any]:
    """Options of the subscription recipe next to the chosen one; none when they cannot be read.

    Most accounts have no such subscription, so no failure here stops a plan.
    """
    if chosen.subscription is None:
        return {}
    spec = _subscription_spec(inquiry, recipes.spec_uri(chosen.subscription, inquiry.ctx.account))
    if isinstance(spec, Spec):
        return spec.options
    inquiry.info(
        "SUBSCRIPTION_OPTIONS_UNKNOWN",
        _WHERE_SPEC,
        f"The options of the subscription recipe {chosen.subscription.get('Name')} cannot be set: {spec}.",
    )
    return {}


def _subscription_spec(inquiry: Inquiry, text: str) -> Spec | str:
    """The spec, or why there is none."""
    try:
        uri = s3uri.parse(text)
        if allowed.hub_file(inquiry.ctx, uri, _WHERE_SPEC):
            return "the settings do not list its location"
        spec = recipes.fetch_spec(inquiry.clients.s3, uri)
    except (S3UriInvalid, TransientFault) as fault:
        return str(fault)
    return spec if isinstance(spec, Spec) else spec.message or spec.problem
