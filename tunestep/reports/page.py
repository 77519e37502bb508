"""The report: one HTML file that needs nothing else and asks for nothing, made from a run's record.

No script runs in it: the policy in its head allows none, its pictures are static, and everything that comes
from outside is escaped where it is put in.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from tunestep import data_summary
from tunestep.metrics import Point
from tunestep.record_model import RunRecord
from tunestep.reports import wording
from tunestep.reports.charts import Chart, charts
from tunestep.text import one_line, visible

_HERE = Path(__file__).parent
_LONGEST = 20_000
_MOST_FINDINGS = 50


def page(
    record: RunRecord,
    *,
    series: Mapping[str, Sequence[Point]] | None = None,
    samples: Mapping[str, Any] | None = None,
    log_tail: Sequence[str] = (),
) -> str:
    """The report of a run.

    ``series`` are its metric histories, ``samples`` the file of that name, ``log_tail`` the last lines of a
    failed job's log.
    """
    drawn: list[Chart] = charts(record.plan.technique, series) if record.plan and series else []
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _template().render(
        r=record,
        v=_view(record, samples or {}) | {"log_tail": "\n".join(log_tail)},
        charts=[{**chart._asdict(), "svg": Markup(chart.svg)} for chart in drawn],  # noqa: S704 - drawn here
        style=Markup(style),  # noqa: S704 - a file of our own
        style_hash=f"sha256-{digest}",
        data=inline_json(record),
    )


def inline_json(value: Any) -> Markup:
    """JSON that nothing can end or start inside HTML: <, >, &, U+2028 and U+2029 are escaped in it."""
    text = msgspec.json.encode(value, order="sorted").decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=_shown, trim_blocks=True
    )
    return environment.from_string((_HERE / "page.html.j2").read_text(encoding="utf-8"))


def _shown(value: Any) -> Any:
    """Whatever is printed, with characters that would act on a reader made visible."""
    return visible(value, _LONGEST) if type(value) is str else value


def _view(record: RunRecord, samples: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows, in the words and numbers in which it shows them."""
    columns, rows = wording.epoch_table(record)
    plan, job = record.plan, record.job
    reused = [f"Nothing was trained: the results are those of run {record.reused_from}."]
    return {
        "title": one_line(plan.use_case, 200) if plan else record.run_id,
        "succeeded": record.outcome == "SUCCEEDED",
        "outcome": "Succeeded" if record.outcome == "SUCCEEDED" else "Failed",
        "headline": wording.headline(record),
        "facts": _facts(record),
        "cause": wording.cause(record),
        "failure_reason": job.failure_reason if job else "",
        "next": wording.next_step(record),
        "flag": wording.flag(record),
        "gaps": record.gaps,
        "warnings": [*(reused if record.reused_from else []), *samples.get("warnings", [])],
        "rehearsal": wording.rehearsal(record),
        "metrics": wording.metric_rows(record),
        "epochs": {"columns": columns, "rows": rows} if rows else None,
        "samples": [_sample(entry) for entry in samples.get("samples", [])],
        "reward": _reward(record),
        "probes": _probes(record),
        "data": [_channel(name, used) for name, used in record.data.items()],
        "data_said": data_summary.sentences((record.dataset or {}).get("report") or {}),
        "findings": _findings(record),
        "timeline": [
            (
                wording.moment(moment.at),
                moment.what,
                wording.duration(moment.seconds) if moment.seconds is not None else "",
            )
            for moment in record.timeline
        ],
        "cost": [
            ("estimated", *wording.used(record.cost.estimated)),
            *([("billed", *wording.used(record.cost.billed))] if job else []),
        ],
        "no_job": job is None,
        "share": wording.share(record.cost),
        "decisions": _decisions(record),
        "licence_url": _link(record.licence.url if record.licence else ""),
        "lineage": _lineage(record),
        "request": msgspec.json.format(msgspec.json.encode(record.request), indent=2).decode(),
        "pins": _pins(record),
        "files": sorted(record.files.items()),
    }


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    plan, job = record.plan, record.job
    ended = next((moment.at for moment in record.timeline if moment.what == "ended"), "")
    return [
        ("run", record.run_id),
        wording.course(record),
        ("model package", record.model_package_arn),
        ("base model", f"{plan.model.name} {plan.model.version}" if plan else ""),
        ("technique", f"{plan.technique} {plan.recipe.peft}".strip() if plan else ""),
        ("training job", f"{job.name} ({job.status})" if job else ""),
        ("training time", wording.duration(job.training_seconds) if job and job.training_seconds else ""),
        ("billed", wording.billed(record.cost)),
        ("asked by", f"{record.origin.requester} ({record.origin.requester_assurance})"),
        ("ended", f"{wording.moment(ended)} UTC" if ended else ""),
    ]


def _sample(entry: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    told = ", ".join(f"{name} {wording.number(value)}" for name, value in entry.get("metrics", {}).items())
    return (
        str(entry.get("rank", "")),
        wording.number(entry.get("score")),
        str(entry.get("prompt", "")),
        str(entry.get("answer", "")),
        told,
    )


def _reward(record: RunRecord) -> list[tuple[str, str]]:
    reward = record.reward
    if reward is None:
        return []
    verdict = reward.certification.get("ok")
    return [
        ("reward", f"{reward.kind} {reward.value}"),
        ("function", reward.function_arn),
        ("CodeSha256", reward.code_sha256),
        ("prompt", reward.prompt_uri),
        ("prompt SHA-256", reward.prompt_sha256),
        ("judge", reward.judge_model),
        ("evaluator", reward.evaluator_arn),
        ("certified", {True: "yes", False: "no"}.get(verdict, "not tried")),  # type: ignore[arg-type]
        ("whole table", reward.certification.get("uri", "")),
    ]


def _probes(record: RunRecord) -> list[tuple[str, ...]]:
    probes = record.reward.certification.get("probes", []) if record.reward else []
    return [
        (
            str(probe.get("name", "")),
            str(probe.get("outcome", "")),
            wording.number(probe.get("score")),
            str(probe.get("limit", "")),
            wording.number(probe.get("rows")),
            str(probe.get("detail", "")),
        )
        for probe in probes
    ]


def _channel(name: str, used: Any) -> tuple[str, ...]:
    version = used.version_id or used.etag or used.fingerprint
    return (
        name,
        used.uri,
        wording.number(used.rows),
        wording.number(used.bytes),
        version,
        used.content_sha256,
    )


def _findings(record: RunRecord) -> list[tuple[str, str, str, str]]:
    found = (record.dataset or {}).get("findings", [])[:_MOST_FINDINGS]
    names = ("severity", "code", "where", "message")
    return [tuple(str(entry.get(name, "")) for name in names) for entry in found]  # type: ignore[misc]


def _decisions(record: RunRecord) -> list[tuple[str, str]]:
    licence = record.licence
    return [
        ("decision", wording.decided(record)),
        ("licence", licence.name if licence else ""),
        ("gated", ("yes" if licence.gated else "no") if licence else ""),
        ("text SHA-256", licence.text_sha256 if licence else ""),
        ("evidence", _pairs(licence.evidence) if licence else ""),
        ("why asked", record.plan.approval.reason if record.plan else ""),
    ]


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _lineage(record: RunRecord) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []
    if record.model_package_arn:
        technique = record.plan.technique if record.plan else ""
        data = record.data.get("training")
        rows.append((record.model_package_arn, record.run_id, technique, data.uri if data else ""))
    for parent in record.lineage.parents:
        data = parent.data.get("training")
        made_by = parent.run_id or "not a run of this stack"
        rows.append((parent.package_arn, made_by, parent.technique, data.uri if data else ""))
    return [*rows, (record.lineage.base_model_arn, "base model", "", "")]


def _pins(record: RunRecord) -> list[tuple[str, str]]:
    plan = record.plan
    return [
        ("request SHA-256", record.request_hash),
        ("plan SHA-256", record.plan_sha256),
        ("model", plan.model.arn if plan else ""),
        ("recipe", plan.recipe.name if plan else ""),
        ("spec SHA-256", plan.recipe.override_spec_sha256 if plan else ""),
        ("execution", record.execution_arn),
    ]


def _link(url: str) -> str:
    """A link worth clicking: https and nothing else."""
    return url if url.startswith("https://") and url.isascii() and url.isprintable() else ""
