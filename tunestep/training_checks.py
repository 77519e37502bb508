"""The last look before money is spent: everything that the plan pinned, read again."""

import hashlib

from tunestep import approvals, data_pins, hub, recipes, reward_pins, s3uri
from tunestep.context import Context, StepEvent
from tunestep.errors import PlanChanged
from tunestep.plan_model import Plan
from tunestep.training_job import needs_accept_eula

_LICENCE_LIMIT = 2 * 1024 * 1024


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
    found = recipes.read_small(context.clients.s3, s3uri.parse(licence.text_uri), _LICENCE_LIMIT)
    if isinstance(found, hub.Absence):
        return f"the licence text {licence.text_uri} can no longer be read ({found.problem})"
    if hashlib.sha256(found).hexdigest() != licence.text_sha256:
        return f"the licence text {licence.text_uri} has changed"
    return ""


def proven_acceptance(context: Context, event: StepEvent, plan: Plan) -> bool:
    """Whether the job may say AcceptEula: true only after a consistent read of a matching decision.

    A package whose base is established and ungated needs no decision. Raises what require_approval
    raises, and PlanChanged for a plan that accepts a licence without asking anybody.
    """
    if plan.approval.needed:
        approvals.require_approval(context, event, plan)
        return needs_accept_eula(plan)
    if not needs_accept_eula(plan):
        return False
    if plan.model.gated or not plan.model.base_established:
        raise PlanChanged(
            f"{plan.model.name} needs an accepted licence and the plan asks nobody. "
            f"Start again with `tunestep retry {event.run_id}`."
        )
    return True
