"""Each run's own rendering, beside its record."""

from aws_lambda_powertools import Logger

from tunestep import notebooks
from tunestep.context import Context
from tunestep.record_model import RunRecord

logger = Logger(child=True)

_FILES = {
    notebooks.NOTEBOOK_FILE: ("notebook", "application/x-ipynb+json"),
    notebooks.SCRIPT_FILE: ("script", "text/x-python; charset=utf-8"),
    notebooks.METRICS_FILE: ("metrics_script", "text/x-python; charset=utf-8"),
}


def put(context: Context, made: RunRecord) -> tuple[dict[str, str], list[str]]:
    """Store the run's notebook, script and metrics script; kind -> S3 URI, and what was not possible as gaps.

    A run that has no plan has no rendering. Whatever goes wrong here changes no run.
    """
    if made.plan is None:
        return {}, []
    stored = {}
    try:
        for name, text in notebooks.of_run(made.plan, notebooks.facts_of_record(made)).items():
            kind, content_type = _FILES[name]
            stored[kind] = context.files.put_text(made.run_id, name, text, content_type)
    except Exception as fault:
        logger.exception("rendering not written", extra={"run_id": made.run_id})
        return stored, [f"no notebook: {type(fault).__name__}: {fault}"[:400]]
    return stored, []
