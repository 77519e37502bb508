"""The run record: one JSON file that says who asked for what, who decided, what ran and how it ended."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from tunestep import job_facts, lineage
from tunestep.context import Context
from tunestep.evidence_seal import file_key
from tunestep.plan_model import DataPlan, Plan, RewardPlan
from tunestep.record_model import (
    Ancestor,
    DataUsed,
    LicenceUsed,
    Lineage,
    MetricsFound,
    Moment,
    Origin,
    Outcome,
    RewardUsed,
    RunRecord,
)
from tunestep.run_files import CREATE_TRAINING_JOB, DATASET, PLAN, RECORD, REWARD, Stored
from tunestep.runs import Item
from tunestep.text import encodable

_DECISION = (
    "state",
    "actor",
    "channel",
    "assurance",
    "reason",
    "decided_at",
    "decided_in_run",
    "request_hash",
    "model_arn",
    "model_version",
    "source_model_package_arn",
    "licence",
    "dataset",
    "execution_arn",
    "evidence",
    "estimate",
)
_ORIGIN = Origin.__struct_fields__


def decision(item: Item | None) -> dict[str, Any] | None:
    """The part of an APPROVAL item that a record keeps; None when nobody was asked."""
    return {key: item[key] for key in _DECISION if item.get(key)} if item else None


def store(context: Context, made: RunRecord) -> Stored:
    return context.files.put(made.run_id, RECORD, made)


def build(
    context: Context,
    run_id: str,
    *,
    outcome: Outcome,
    request: Any,
    sections: Mapping[str, Any],
    job: job_facts.Job | None = None,
) -> RunRecord:
    """A run's record from the table, its stored files and what the caller knows.

    ``sections`` are fields of the record that only the caller knows: ``training``, ``results``, ``error``,
    ``metrics``, ``gaps`` and so on. ``job`` is DescribeTrainingJob's answer, if there was a job.
    """
    run = context.runs.run(run_id) or {}
    asked = context.runs.approval(run_id)
    plan = _plan(context, run_id, run)
    dataset = _dataset(context, run_id, run)
    short = (dataset or {}).get("report") or {}
    facts = job_facts.facts(job) if job else None
    known: dict[str, Any] = {
        "origin": msgspec.convert({key: run[key] for key in _ORIGIN if key in run}, Origin),
        "request_hash": run.get("request_hash", ""),
        "duplicate_of": run.get("duplicate_of", ""),
        "rehearsal": bool(context.env.laptop),
        "plan_sha256": run.get("plan_sha256", ""),
        "plan": plan,
        "dataset": dataset,
        "approval": decision(asked),
        "job": facts,
        "files": _files(context, run_id, plan, dataset),
    }
    if plan:
        known |= {
            "data": _data(plan, short, run),
            "licence": _licence(context, plan, run, asked),
            "reward": _reward(context, run_id, plan.reward, job),
            "cost": job_facts.cost(plan, short, job),
            "lineage": _lineage(context, plan),
        }
    metrics = sections.get("metrics") or MetricsFound()
    written_at = context.timestamp()
    return RunRecord(
        run_id=run_id,
        execution_arn=run.get("execution_arn") or context.execution_arn(run_id),
        stack=context.env.stack,
        region=context.env.region,
        account=context.env.account,
        outcome=outcome,
        request=encodable(request),
        timeline=_timeline(run, asked, job, str(run.get("ended_at") or written_at)),
        written_at=written_at,
        **{**known, **sections, "metrics": metrics},
    )


def ancestor(record: RunRecord, uri: str) -> Ancestor:
    """The package that a run made, as later runs' records will name it."""
    return Ancestor(
        package_arn=record.model_package_arn,
        run_id=record.run_id,
        record_uri=uri,
        technique=record.plan.technique if record.plan else "",
        base_model=record.plan.model.name if record.plan else "",
        use_case=record.plan.use_case if record.plan else "",
        request_hash=record.request_hash,
        data=record.data,
        created_at=record.written_at,
    )


def _plan(context: Context, run_id: str, run: Mapping[str, Any]) -> Plan | None:
    """The stored plan, if it is the one that the table recorded."""
    found = context.files.get(run_id, PLAN) if run.get("plan_sha256") else None
    if found is None or found[1] != run["plan_sha256"]:
        return None
    return msgspec.json.decode(found[0], type=Plan)


def _dataset(context: Context, run_id: str, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the check of the data said in short, if its file is the one that the table recorded."""
    facts = run.get("dataset") or {}
    found = context.files.get(run_id, DATASET) if facts else None
    if found is None or found[1] != facts["sha256"]:
        return None
    document = msgspec.json.decode(found[0])
    kept = ("ok", "checked", "report", "warnings", "findings", "findings_uri")
    return {name: document[name] for name in kept if name in document} | {
        "uri": facts["uri"],
        "sha256": facts["sha256"],
    }


def _files(
    context: Context, run_id: str, plan: Plan | None, dataset: Mapping[str, Any] | None
) -> dict[str, str]:
    there = {"plan": (PLAN, plan), "create_training_job": (CREATE_TRAINING_JOB, plan)}
    found = {name: context.files.uri(run_id, file) for name, (file, exists) in there.items() if exists}
    return found | ({"dataset": dataset["uri"]} if dataset else {})


def _data(plan: Plan, short: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, DataUsed]:
    hashes = (run.get("dataset") or {}).get("content_sha256") or {}
    channels: dict[str, DataPlan | None] = {
        "training": plan.training_data,
        "validation": plan.validation_data,
    }
    return {
        name: DataUsed(
            uri=data.uri,
            version_id=data.version_id,
            etag=data.etag,
            fingerprint=data.fingerprint,
            content_sha256=hashes.get(name) or "",
            rows=short.get(name, {}).get("rows"),
            bytes=short.get(name, {}).get("bytes") or data.size,
        )
        for name, data in channels.items()
        if data is not None
    }


def _licence(context: Context, plan: Plan, run: Mapping[str, Any], asked: Item | None) -> LicenceUsed:
    return LicenceUsed(
        name=plan.licence.name,
        url=plan.licence.url,
        text_sha256=plan.licence.text_sha256,
        revision=plan.licence.revision,
        gated=plan.model.gated,
        evidence=_evidence(context, run, asked),
    )


def _evidence(context: Context, run: Mapping[str, Any], asked: Item | None) -> dict[str, str]:
    """The stored acceptance that the decision made or relied on: its id and its file."""
    found = str((asked or {}).get("evidence") or run.get("evidence") or "")
    return {"id": found, "uri": f"s3://{context.env.bucket}/{file_key(found)}"} if found else {}


def _reward(
    context: Context, run_id: str, reward: RewardPlan | None, job: job_facts.Job | None
) -> RewardUsed | None:
    if reward is None:
        return None
    sent = (job or {}).get("ServerlessJobConfig", {}).get("EvaluatorArn", "")
    kept = set(RewardUsed.__struct_fields__) - {"evaluator_arn", "certification"}
    return RewardUsed(
        **{name: getattr(reward, name) for name in kept},
        evaluator_arn=sent or reward.evaluator_arn,
        certification=_certification(context, run_id),
    )


def _certification(context: Context, run_id: str) -> dict[str, Any]:
    """Verdict and table of probes, which hold no content of rows, and the file that has the rest."""
    found = context.files.get(run_id, REWARD)
    if found is None:
        return {}
    whole = msgspec.json.decode(found[0])
    return {
        "ok": whole.get("ok"),
        "probes": whole.get("probes", []),
        "rows": whole.get("rows"),
        "uri": context.files.uri(run_id, REWARD),
        "sha256": found[1],
    }


def _lineage(context: Context, plan: Plan) -> Lineage:
    return Lineage(
        base_model=plan.model.name,
        base_model_arn=plan.model.arn,
        parents=lineage.chain(context.runs, plan.model.source_model_package_arn),
    )


def _timeline(
    run: Mapping[str, Any], asked: Item | None, job: job_facts.Job | None, ended: str
) -> list[Moment]:
    """What happened when, in order; what has no time is left out."""
    asked = asked or {}
    moments = [Moment(at=str(run.get("created_at", "")), what="started")]
    if asked.get("created_at") or asked.get("asked_at"):
        moments.append(
            Moment(at=str(asked.get("asked_at") or asked["created_at"]), what="decision asked for")
        )
    if asked.get("decided_at"):
        said = f"{str(asked.get('state', '')).lower()} by {asked.get('actor', 'somebody')}"
        moments.append(Moment(at=str(asked["decided_at"]), what=said))
    for entry in (job or {}).get("SecondaryStatusTransitions", []):
        start, end = entry.get("StartTime"), entry.get("EndTime")
        seconds = round((end - start).total_seconds(), 1) if start and end else None
        moments.append(
            Moment(
                at=job_facts.stamp(start), what=f"training job: {entry.get('Status', '')}", seconds=seconds
            )
        )
    moments.append(Moment(at=ended, what="ended"))
    return sorted((moment for moment in moments if moment.at), key=lambda moment: _when(moment.at))


def _when(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
