"""A plan as code: the notebook or the script that sends the same training job with the SageMaker SDK."""

import re
from collections.abc import Mapping
from typing import Any

from tunestep.approval_states import APPROVED
from tunestep.notebooks import documents, template
from tunestep.notebooks.filling import Filled, Form, RenderingFailed, fill
from tunestep.notebooks.template import TemplateInvalid
from tunestep.notebooks.values import METRICS_TEMPLATE, Facts, hyperparameters_of, template_of, values_of
from tunestep.plan_model import Plan
from tunestep.record_model import RunRecord

__all__ = [
    "SDK",
    "Facts",
    "RenderingFailed",
    "TemplateInvalid",
    "cells",
    "facts_of_record",
    "facts_of_run",
    "file_stem",
    "metrics_script",
    "notebook",
    "of_run",
    "script",
    "template_of",
]

SDK = "sagemaker-train==1.27.0"
"""What the renderings are tested with (make test-sdk); it brings mlflow and matplotlib."""

NOTEBOOK_FILE = "notebook.ipynb"
SCRIPT_FILE = "01_fine_tuning.py"
METRICS_FILE = "02_metrics.py"


def cells(plan: Plan, facts: Facts, form: Form) -> list[Filled]:
    """The cells of the plan's template; raises RenderingFailed when the plan lacks a value."""
    chosen = template.load(template_of(plan))
    return fill(chosen, values_of(plan, facts), hyperparameters_of(plan, facts), form=form)


def notebook(plan: Plan, facts: Facts) -> str:
    """A whole notebook, as the text of its file; raises RenderingFailed."""
    return documents.notebook(cells(plan, facts, "notebook"))


def script(plan: Plan, facts: Facts) -> str:
    """A script of the same cells without the plots; raises RenderingFailed."""
    summary = template.load(template_of(plan)).summary
    return documents.script(summary, cells(plan, facts, "script"), needs=f"pip install {SDK}")


def metrics_script(plan: Plan, facts: Facts) -> str:
    """The script that reads and draws the metrics of one training job; raises RenderingFailed."""
    chosen = template.load(METRICS_TEMPLATE)
    made = fill(chosen, values_of(plan, facts), form="script")
    return documents.script(chosen.summary, made, needs=f"pip install {SDK}")


def file_stem(plan: Plan) -> str:
    """A name for files of this plan: its model package group in small letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", plan.group.name.lower()).strip("_")[:63] or "fine_tuning"


def facts_of_run(run_id: str, document: Mapping[str, Any], *, wait: bool = True) -> Facts:
    """What the document of a run, however far it got, says for a rendering."""

    def part(name: str) -> Mapping[str, Any]:
        value = document.get(name)
        return value if isinstance(value, Mapping) else {}

    return Facts(
        hyperparameters=part("request").get("hyperparameters") or {},
        origin=f"run {run_id}",
        accepted=part("approval").get("decision") == APPROVED,
        acceptance=_acceptance(part("approval")),
        evaluator_arn=str(part("evaluator").get("evaluator_arn") or ""),
        job_name=str(part("training").get("job_name") or ""),
        wait=wait,
    )


def facts_of_record(record: RunRecord) -> Facts:
    """The same from the record of a run that ended."""
    request = record.request if isinstance(record.request, Mapping) else {}
    return Facts(
        hyperparameters=request.get("hyperparameters") or {},
        origin=f"run {record.run_id}",
        accepted=(record.approval or {}).get("state") == APPROVED,
        acceptance=_acceptance(record.approval or {}),
        evaluator_arn=record.reward.evaluator_arn if record.reward else "",
        job_name=record.job.name if record.job else "",
    )


def _acceptance(approval: Mapping[str, Any]) -> str:
    """Who accepted, when, and the evidence of it; of an approval in a document or a record."""
    said = {
        "by": approval.get("actor"),
        "at": approval.get("decided_at"),
        "evidence": approval.get("evidence"),
    }
    return ", ".join(f"{name} {value}" for name, value in said.items() if value)


def of_run(plan: Plan, facts: Facts) -> dict[str, str]:
    """The files that a run keeps beside its record: name to text; raises RenderingFailed."""
    return {
        NOTEBOOK_FILE: notebook(plan, facts),
        SCRIPT_FILE: script(plan, facts),
        METRICS_FILE: metrics_script(plan, facts),
    }
