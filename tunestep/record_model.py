"""The run record: what one run was asked for, what decided it, what ran, what came out, and what it cost.

One JSON document per run; ``run_record.schema.json`` is generated from these types. No task token, no
secret of an approver, no row of data and no answer of a model is ever in a record.
"""

from typing import Any, Literal

import msgspec

from tunestep.plan_model import Plan

VERSION = 1

Outcome = Literal["SUCCEEDED", "FAILED"]


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who started the run and how that is known. ``retry_of`` is the run that this one repeats."""

    source: str = "console"
    requester: str = "unknown"
    requester_assurance: str = "unverified"
    attempt: int = 1
    retry_of: str = ""
    created_at: str = ""


class DataUsed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One channel's data: where it lay, the version that was planned, and the SHA-256 of what was read."""

    uri: str
    version_id: str = ""
    etag: str = ""
    fingerprint: str = ""
    content_sha256: str = ""
    rows: int | None = None
    bytes: int = 0


class LicenceUsed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was agreed to, and the proof: ``evidence`` names the stored acceptance that the job relied on."""

    name: str
    url: str = ""
    text_sha256: str = ""
    revision: str = ""
    gated: bool = False
    evidence: dict[str, str] = {}


class RewardUsed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What scored the answers, by the digests that would tell a changed one, and how it was certified.

    ``code_sha256`` is Lambda's CodeSha256 (base64), the others are hex. ``certification`` holds the file with
    the whole table, its SHA-256, and the outcome of each probe.
    """

    kind: str
    value: str
    function_arn: str = ""
    code_sha256: str = ""
    configuration_sha256: str = ""
    prompt_uri: str = ""
    prompt_sha256: str = ""
    judge_model: str = ""
    evaluator_arn: str = ""
    certification: dict[str, Any] = {}


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A secondary status of the job; ``seconds`` is None for one that had no end when it was described."""

    status: str
    seconds: float | None


class JobFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The training job as SageMaker described it when the run ended; times are ISO 8601 in UTC."""

    name: str
    arn: str
    status: str
    secondary_status: str = ""
    failure_reason: str = ""
    created_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    training_seconds: int | None = None
    output: str = ""
    model_artifacts: str = ""
    mlflow_experiment_id: str = ""
    mlflow_run_id: str = ""
    phases: list[Phase] = []


class MetricsFound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``overview`` is by metric ({first, last, points}), ``epochs`` a row each; the points are in ``uri``."""

    uri: str = ""
    sha256: str = ""
    csv_uri: str = ""
    overview: dict[str, dict[str, Any]] = {}
    epochs: list[dict[str, Any]] = []
    notes: list[str] = []


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens, seconds and US dollars; None for what is not known or not how the job is paid for."""

    tokens: int | None = None
    seconds: int | None = None
    usd: float | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The estimate made before the run beside what SageMaker billed. ``share`` is billed over estimated."""

    estimated: Used | None = None
    billed: Used | None = None
    share: float | None = None
    said: list[str] = []


class Ancestor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model package that this run's model goes back to; without ``run_id`` no run of the stack made it."""

    package_arn: str
    run_id: str = ""
    record_uri: str = ""
    technique: str = ""
    base_model: str = ""
    use_case: str = ""
    request_hash: str = ""
    data: dict[str, DataUsed] = {}
    created_at: str = ""


class Lineage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``parents`` are the packages gone on from, the nearest first."""

    base_model: str = ""
    base_model_arn: str = ""
    parents: list[Ancestor] = []


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, for the timeline."""

    at: str
    what: str
    seconds: float | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``training`` and ``results`` are those keys of the run's document; ``files`` are its files.

    ``rehearsal`` says that it ran on a laptop, where a small model stands in for ``plan.model``;
    ``duplicate_of`` is the run that it gave way to.
    """

    version: int = VERSION
    run_id: str
    execution_arn: str
    stack: str
    region: str
    account: str
    outcome: Outcome
    error: dict[str, Any] | None = None
    hint: str = ""
    origin: Origin = Origin()
    request: Any = None
    request_hash: str = ""
    plan_sha256: str = ""
    plan: Plan | None = None
    data: dict[str, DataUsed] = {}
    dataset: dict[str, Any] | None = None
    licence: LicenceUsed | None = None
    approval: dict[str, Any] | None = None
    reward: RewardUsed | None = None
    training: dict[str, Any] | None = None
    job: JobFacts | None = None
    model_package_arn: str = ""
    metrics: MetricsFound = MetricsFound()
    results: dict[str, Any] | None = None
    reused_from: str = ""
    duplicate_of: str = ""
    rehearsal: bool = False
    cost: Cost = Cost()
    lineage: Lineage = Lineage()
    timeline: list[Moment] = []
    files: dict[str, str] = {}
    gaps: list[str] = []
    written_at: str = ""
