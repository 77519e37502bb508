"""A first look at the data: still the planned version, and rows of the right shape at its beginning."""

from typing import Any

import msgspec

from tunestep import data_pins, s3uri
from tunestep.checks.calls import ask
from tunestep.context import Context, StepEvent, plan_of
from tunestep.findings import Finding, error, errors_by_kind, warning
from tunestep.plan_model import DataPlan, Plan
from tunestep.row_shapes import fault
from tunestep.run_files import DATASET
from tunestep.validation import shown

HEAD_BYTES = 256 * 1024
"""How much of a file is read."""

HEAD_ROWS = 20
_MOST_LISTED = 1000
_UNREADABLE = {"absent": "DATA_NOT_FOUND", "denied": "DATA_ACCESS_DENIED", "refused": "DATA_UNREADABLE"}
_OTHER_FORMATS = (".json", ".csv", ".parquet")


class _Look:
    """One channel's findings and the number of rows that were looked at."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.findings: list[Finding] = []
        self.rows = 0
        self.unchecked = ""

    def wrong(self, code: str, message: str, fix: str, line: int | None = None) -> None:
        where = self.uri if line is None else f"{self.uri} line {line}"
        self.findings.append(error(code, where, message, fix))


def _first_file(context: Context, data: DataPlan) -> s3uri.S3Uri | None:
    uri = s3uri.parse(data.uri)
    if data.kind == "object":
        return uri
    listed = data_pins.listing(context.clients.s3, uri, _MOST_LISTED) or []
    files = [key for key, _, size in listed if size]
    return s3uri.S3Uri(uri.bucket, files[0]) if files else None


def _rows(text: bytes, complete: bool) -> list[tuple[int, bytes]]:
    """Numbered lines that are not blank; a last line that was cut off is left out."""
    lines = text.split(b"\n")
    if not complete:
        lines = lines[:-1]
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()][:HEAD_ROWS]


def _decoded(look: _Look, number: int, line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        look.wrong(
            "ROW_NOT_JSON",
            f"Line {number} is not one JSON value in UTF-8.",
            "Write one JSON object per line.",
            number,
        )
        return None


def _look_at_rows(look: _Look, text: bytes, complete: bool, plan: Plan) -> None:
    rows = _rows(text, complete)
    if not rows:
        if complete:
            look.wrong("DATA_EMPTY", f"{look.uri} holds no row.", "Upload the data again.")
        else:
            look.unchecked = f"the first row is longer than {HEAD_BYTES // 1024} KB"
        return
    for number, line in rows:
        look.rows += 1
        row = _decoded(look, number, line)
        rule = fault(row, plan.technique, plan.model.family) if row is not None else ""
        if rule:
            look.wrong(
                "ROW_SHAPE",
                f"Line {number} is not a row for {plan.technique}: {rule}.",
                "Correct the row; every row needs the same shape.",
                number,
            )


def _look(context: Context, data: DataPlan, plan: Plan) -> _Look:
    look = _Look(data.uri)
    if data.kind == "dataset":
        look.unchecked = "the rows of a registered DataSet are not read"
        return look
    change = data_pins.change(context.clients.s3, data)
    if change:
        look.wrong("DATA_CHANGED", f"{change}.", "Start again, so that the new data is planned.")
        return look
    file = _first_file(context, data)
    if file is None:
        look.wrong("DATA_NOT_FOUND", f"There is nothing below {data.uri}.", "Upload the data.")
        return look
    look.uri = str(file)
    if file.key.endswith(_OTHER_FORMATS):
        look.unchecked = f"rows are read from JSON Lines only, and {file.key.rsplit('/', 1)[-1]} is none"
        look.findings.append(
            warning(
                "ROWS_NOT_CHECKED",
                look.uri,
                f"Rows not checked: {look.unchecked}.",
                "Use JSON Lines to have them checked.",
            )
        )
        return look
    _read(context, look, file, data, plan)
    return look


def _read(context: Context, look: _Look, file: s3uri.S3Uri, data: DataPlan, plan: Plan) -> None:
    version = {"VersionId": data.version_id} if data.version_id else {}

    def fetch() -> dict[str, Any]:
        answer = context.clients.s3.get_object(
            Bucket=file.bucket, Key=file.key, Range=f"bytes=0-{HEAD_BYTES - 1}", **version
        )
        whole = int(str(answer.get("ContentRange", "/0")).rsplit("/", 1)[-1])
        return {"body": answer["Body"].read(HEAD_BYTES), "whole": whole}

    answer = ask(fetch)
    if answer.message.startswith("InvalidRange"):
        look.wrong("DATA_EMPTY", f"{look.uri} is empty.", "Upload the data again.")
        return
    if answer.problem:
        look.wrong(
            _UNREADABLE[answer.problem],
            f"{look.uri} can no longer be read. {answer.message}".strip(),
            "Allow s3:GetObject on it, or upload it again.",
        )
        return
    body = answer.data["body"]
    _look_at_rows(look, body, answer.data["whole"] <= len(body), plan)


def check_dataset(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``dataset``: findings with line numbers and rules, never with content.

    Skipped, and said so, when the plan has errors. Raises TransientFault when S3 is busy.
    """
    if not event.part("plan").get("ok"):
        return _report([], 0, "not checked because the plan has errors")
    plan = plan_of(context, event)
    looks = [_look(context, data, plan) for data in (plan.training_data, plan.validation_data) if data]
    findings = [finding for look in looks for finding in look.findings]
    rows = sum(look.rows for look in looks)
    said = [f"{look.uri}: rows not checked because {look.unchecked}" for look in looks if look.unchecked]
    checked = "; ".join([f"version, and the first {rows} rows", *said] if rows else ["version", *said])
    report = _report(findings, rows, checked)
    stored = context.files.put(
        event.run_id, DATASET, {**report, "findings": [msgspec.to_builtins(f) for f in findings]}
    )
    return report | {"uri": stored.uri}


def _report(findings: list[Finding], rows: int, checked: str) -> dict[str, Any]:
    errors = errors_by_kind(findings)
    return {
        "ok": not any(errors.values()),
        "errors": errors,
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "findings": shown(findings),
        "rows_checked": rows,
        "checked": checked,
    }
