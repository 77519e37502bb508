"""The check of a run's data: every row of the planned version, within the function's time."""

import io
import tempfile
from typing import Any, BinaryIO

import msgspec

from tunestep import data_sources, data_summary, datasets, recipes, spending
from tunestep.context import Context, StepEvent, plan_of, request_of
from tunestep.data_sources import Opened
from tunestep.datasets import DatasetReport, RowSample
from tunestep.findings import Finding, error, errors_by_kind, warning
from tunestep.plan_model import Plan
from tunestep.run_files import DATASET, DATASET_FINDINGS, REWARD_ROWS
from tunestep.validation import shown

DEADLINE_SECONDS = 13 * 60.0
"""When the check stops reading; the function has two minutes more to write what it found."""


def check_dataset(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``dataset``: findings with places and rules, a short report, never content.

    The whole report goes to dataset.json, quotes of bad rows to dataset_findings.jsonl and nowhere else;
    rows to try the reward on, for a run that has one, to reward_rows.jsonl.
    Skipped, and said so, when the plan has errors. Raises PlanChanged when the data is not what was
    planned, or becomes something else while it is read; TransientFault when S3 is busy.
    """
    if not event.part("plan").get("ok"):
        return _answer([], None, "not checked because the plan has errors") | spending.NOT_REVIEWED
    plan = plan_of(context, event)
    strict = request_of(event, plan).dataset.strict
    channels = [
        data_sources.opened(context.clients.s3, event.run_id, data)
        for data in (plan.training_data, plan.validation_data)
        if data
    ]
    sample = RowSample() if plan.reward and channels[0].source else None
    with tempfile.TemporaryFile() as quotes:
        report = _checked(plan, channels, strict, quotes, sample)
        quoted = _store_quotes(context, event.run_id, quotes)
    findings = [*_unread(channels, strict), *(report.findings if report else [])]
    for finding in findings:
        if finding.code == "DATA_CHANGED":
            raise data_sources.changed(event.run_id, f"{finding.where}: {finding.message}".rstrip("."))
    short = data_summary.summary(report, _opened(channels)) if report else {}
    estimated, passed = spending.weigh(context, plan, short.get("training"))
    findings += passed
    answer = _answer(findings, report, _extent(channels, report)) | spending.document(estimated)
    if sample and answer["ok"]:
        context.files.put_lines(event.run_id, REWARD_ROWS, io.BytesIO(sample.lines()))
    if short:
        answer["report"] = short
    document = {
        **answer,
        "findings": [msgspec.to_builtins(finding) for finding in findings],
        "whole": report.to_document() if report else None,
        "findings_uri": quoted,
    }
    context.runs.update_run(event.run_id, {"estimate": estimated.stored()})
    return answer | {"findings_uri": quoted} | _store(context, event.run_id, document)


def _checked(
    plan: Plan, channels: list[Opened], strict: bool, quotes: BinaryIO, sample: RowSample | None
) -> DatasetReport | None:
    """The report on the channels that could be opened; validation data alone stands in the first place."""
    sources = [channel.source for channel in channels if channel.source]
    if not sources:
        return None
    return datasets.check(
        sources[0],
        technique=plan.technique,
        family=plan.model.family,
        model=plan.model.name,
        sequence_length_tokens=recipes.kilo_tokens(plan.sequence_length or plan.recipe.sequence_length) or 0,
        validation=sources[1] if len(sources) > 1 else None,
        deadline_seconds=DEADLINE_SECONDS,
        strict=strict,
        findings_sink=quotes.write,
        sample=sample,
    )


def _unread(channels: list[Opened], strict: bool) -> list[Finding]:
    make = error if strict else warning
    return [
        make(
            "ROWS_NOT_CHECKED",
            channel.data.uri,
            f"Its rows were not checked because {channel.unread}.",
            "Name its files by S3 URI, and allow s3:ListBucket and s3:GetObject on them.",
        )
        for channel in channels
        if channel.unread
    ]


def _extent(channels: list[Opened], report: DatasetReport | None) -> str:
    said = [
        f"{channel.data.uri}: not checked because {channel.unread}" for channel in channels if channel.unread
    ]
    if report:
        parts = [part for part in (report.training, report.validation) if part]
        whole = all(part.complete for part in parts)
        said.insert(0, "every row" if whole else f"the first {report.rows} rows")
    return "; ".join(said)


def _opened(channels: list[Opened]) -> list[tuple[str, str]]:
    """Name and S3 version of each channel that was read, in the report's order."""
    named = zip(data_summary.CHANNELS, channels, strict=False)
    return [(name, channel.version_id) for name, channel in named if channel.source]


def _store_quotes(context: Context, run_id: str, quotes: BinaryIO) -> str:
    """Put the findings file beside the run's other files; empty when there is nothing in it."""
    if not quotes.tell():
        return ""
    quotes.seek(0)
    return context.files.put_lines(run_id, DATASET_FINDINGS, quotes)


def _store(context: Context, run_id: str, document: dict[str, Any]) -> dict[str, str]:
    """Write dataset.json, and its hash into the RUN item, by which the record and the approver know it."""
    stored = context.files.put(run_id, DATASET, document)
    short = document.get("report", {})
    facts = {
        **stored._asdict(),
        "content_sha256": {
            name: short[name]["content_sha256"] for name in data_summary.CHANNELS if name in short
        },
        "said": data_summary.sentences(short) or [document["checked"]],
        "warnings": document["warnings"],
    }
    context.runs.update_run(run_id, {"dataset": facts})
    return stored._asdict()


def _answer(findings: list[Finding], report: DatasetReport | None, checked: str) -> dict[str, Any]:
    errors = errors_by_kind(findings)
    return {
        "ok": not any(errors.values()),
        "errors": errors,
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "findings": shown(findings),
        "findings_total": len(findings),
        "rows_checked": report.rows if report else 0,
        "checked": checked,
    }
