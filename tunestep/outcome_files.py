"""What stays of a run when it ends: metrics, record, report. Of these only the record has to succeed."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aws_lambda_powertools import Logger

from tunestep import lineage, metric_series, record
from tunestep.context import Context
from tunestep.metrics import Point
from tunestep.record_model import MetricsFound, RunRecord
from tunestep.run_files import LOG_TAIL, METRICS, METRICS_CSV, RECORD, REPORT, REPORT_TEXT, SAMPLES, Stored

logger = Logger(child=True)

_SHOWN_METRICS = (12, 6, 3, 1, 0)
"""How many metrics' numbers record and document carry: the most that fit. All are in metrics.json."""

RECORD_BYTES = 24 * 1024
DOCUMENT_BYTES = 8 * 1024
"""Room for them in the record, and in the document, which has 64 KB for everything. Names may have 250
characters."""


def summarize(
    series: Mapping[str, Sequence[Point]], job: Mapping[str, Any], room: int = RECORD_BYTES
) -> MetricsFound:
    """First and last values and the rows of epochs of the most telling metrics, as many as have room.

    ``job`` is DescribeTrainingJob's answer, which knows how many steps an epoch has; ``room`` is in bytes.
    """
    progress = job.get("ProgressInfo", {})
    steps, epochs = int(progress.get("TotalStepCountPerEpoch") or 0), int(progress.get("MaxEpoch") or 0)
    fitting = (
        found
        for count in _SHOWN_METRICS
        if len(msgspec.json.encode(found := _shown(dict(list(series.items())[:count]), steps, epochs)))
        <= room
    )
    return next(fitting, MetricsFound())


def _shown(series: Mapping[str, Sequence[Point]], steps_per_epoch: int, epochs: int) -> MetricsFound:
    rows = metric_series.per_epoch(series, steps_per_epoch, epochs)
    return MetricsFound(
        overview=metric_series.overview(series),
        epochs=rows,
        notes=[*metric_series.not_finite(series), *metric_series.turns_up(rows)],
    )


def put_metrics(
    context: Context, run_id: str, technique: str, series: Mapping[str, Sequence[Point]], found: MetricsFound
) -> MetricsFound:
    """Write metrics.json and metrics.csv; ``found`` with where they are."""
    from tunestep.reports import spreadsheet  # noqa: PLC0415 - clean-up rarely needs it

    stored = context.files.put(
        run_id,
        METRICS,
        {
            "technique": technique,
            "columns": ["step", "value", "timestamp_ms"],
            "metrics": {
                name: [[point.step, metric_series.number(point.value), point.timestamp] for point in points]
                for name, points in series.items()
            },
            "epochs": found.epochs,
        },
    )
    csv_uri = context.files.put_text(run_id, METRICS_CSV, spreadsheet.table(series), "text/csv")
    return msgspec.structs.replace(found, uri=stored.uri, sha256=stored.sha256, csv_uri=csv_uri)


def put_record(context: Context, made: RunRecord) -> tuple[RunRecord, Stored]:
    """Write the record and the run's rendering, with all the files that will lie beside it.

    A package's run is written down as well.
    """
    from tunestep.notebooks import keeping  # noqa: PLC0415 - clean-up rarely needs it

    rendered, missed = keeping.put(context, made)
    beside = {
        "record": context.files.uri(made.run_id, RECORD),
        "report": context.files.uri(made.run_id, REPORT),
        "report_text": context.files.uri(made.run_id, REPORT_TEXT),
    }
    found = {name: uri for name, uri in (("metrics", made.metrics.uri), ("csv", made.metrics.csv_uri)) if uri}
    complete = msgspec.structs.replace(
        made, files={**made.files, **found, **rendered, **beside}, gaps=[*made.gaps, *missed]
    )
    stored = record.store(context, complete)
    if made.model_package_arn and not made.reused_from:
        source = made.plan.model.source_model_package_arn if made.plan else ""
        lineage.remember(context.runs, record.ancestor(complete, stored.uri), source)
    return complete, stored


def put_report(
    context: Context,
    made: RunRecord,
    series: Mapping[str, Sequence[Point]] | None = None,
    samples: Mapping[str, Any] | None = None,
    log_tail: Sequence[str] = (),
) -> str:
    """Write report.html and report.md. Returns why that was not possible, or nothing.

    Whatever goes wrong here changes no run: the record has the same facts.
    """
    try:
        from tunestep.reports import markdown, page  # noqa: PLC0415 - a drawing library; see above

        if samples:
            context.files.put(made.run_id, SAMPLES, samples)
        if log_tail:
            context.files.put_text(made.run_id, LOG_TAIL, "\n".join(log_tail) + "\n", "text/plain")
        html = page.page(made, series=series, samples=samples, log_tail=log_tail)
        context.files.put_text(made.run_id, REPORT, html, "text/html; charset=utf-8")
        context.files.put_text(
            made.run_id,
            REPORT_TEXT,
            markdown.summary(made, log_tail=log_tail),
            "text/markdown; charset=utf-8",
        )
    except Exception as fault:
        logger.exception("report not written", extra={"run_id": made.run_id})
        return f"no report: {type(fault).__name__}: {fault}"[:400]
    return ""
