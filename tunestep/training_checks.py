"""The last look before money is spent: everything that the plan pinned, read again."""

import hashlib

from tunestep import allowed, approvals, data_pins, hub, licence_text, recipes, reward_pins, s3uri
from tunestep.context import Context, StepEvent
from tunestep.errors import PlanChanged
from tunestep.plan_model import Plan
from tunestep.run_files import DATASET
from tunestep.training_job import needs_accept_eula


def require_unchanged(context: Context, run_id: str, plan: Plan, evaluator_arn: str = "") -> None:
    """Return if model, recipe, licence text, data and reward are as planned; else raise PlanChanged.

    Its message names all differences. Raises TransientFault and ServiceFault as tunestep.checks.calls does.
    """
    s3 = context.clients.s3
    sources = [data for data in (plan.training_data, plan.validation_data) if data]
    differences = [
        _model(context, plan),
        _recipe(context, plan),
        _licence_text(context, plan),
        *(data_pins.change(s3, data) for data in sources),
        *reward_pins.changes(context.clients, plan.reward, evaluator_arn),
    ]
    said = [difference for difference in differences if difference]
    if said:
        raise PlanChanged(
            f"Since the request was checked: {'; '.join(said)}. Nothing was started. "
            f"Check what changed, then `tunestep retry {run_id}`."
        )


def _model(context: Context, plan: Plan) -> str:
    if not plan.model.base_established:
        return ""
    found = hub.describe_model(context.clients.sagemaker, plan.model.name)
    if isinstance(found, hub.Absence):
        return f"the hub model {plan.model.name} can no longer be read ({found.problem})"
    if (found.version, found.arn) != (plan.model.version, plan.model.arn):
        return f"the hub model {plan.model.name} is now version {found.version}, planned {plan.model.version}"
    if plan.model.document_sha256 and found.sha256 != plan.model.document_sha256:
        return f"the hub document of {plan.model.name} {found.version} has changed"
    return ""


def _recipe(context: Context, plan: Plan) -> str:
    uri = plan.recipe.override_spec_uri
    if not uri:
        return ""
    found = recipes.fetch_spec(context.clients.s3, s3uri.parse(uri))
    if isinstance(found, hub.Absence):
        return f"the override spec {uri} can no longer be read ({found.problem})"
    if found.sha256 != plan.recipe.override_spec_sha256:
        return f"the override spec {uri} has changed"
    return ""


def _licence_text(context: Context, plan: Plan) -> str:
    licence = plan.licence
    if not licence.text_uri or not licence.text_sha256:
        return ""
    own = allowed.service_bucket(plan.region)
    found = licence_text.read(context.clients.s3, licence.text_uri, service_bucket=own)
    if isinstance(found, hub.Absence):
        return f"the licence text {licence.text_uri} can no longer be read ({found.problem})"
    if hashlib.sha256(found).hexdigest() != licence.text_sha256:
        return f"the licence text {licence.text_uri} has changed"
    return ""


def proven_acceptance(context: Context, event: StepEvent, plan: Plan) -> bool:
    """Whether the job may say AcceptEula: true only after a consistent read of a matching decision.

    A package whose base is established and ungated needs no decision, unless its cost does. Raises what
    require_approval raises, and PlanChanged for a plan that accepts a licence without asking anybody, or
    when the data report is not the one that stood beside the question.
    """
    if approvals.needs_decision(context, event.run_id, plan):
        approvals.require_approval(context, event, plan, cite=True)
        _require_shown_report(context, event)
        return needs_accept_eula(plan)
    if not needs_accept_eula(plan):
        return False
    if plan.model.gated or not plan.model.base_established:
        raise PlanChanged(
            f"{plan.model.name} needs an accepted licence and the plan asks nobody. "
            f"Start again with `tunestep retry {event.run_id}`."
        )
    return True


def _require_shown_report(context: Context, event: StepEvent) -> None:
    shown = (context.runs.approval(event.run_id) or {}).get("dataset", {}).get("sha256", "")
    stored = context.files.get(event.run_id, DATASET)
    found = {stored[1] if stored else "", event.part("dataset").get("sha256", "")}
    if found != {shown}:
        raise PlanChanged(
            f"The data report of run {event.run_id} is not the one that was shown for the decision "
            f"(SHA-256 {shown or 'none'}). Nothing was started. Ask again with "
            f"`tunestep retry {event.run_id}`."
        )
