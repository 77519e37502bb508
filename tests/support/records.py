"""Run records to draw reports from, ordinary ones and hostile ones."""

import json
from typing import Any

import msgspec

from tests.support.run_world import ACCOUNT, REGION, REQUEST, RUN_ID, execution_arn, make_plan
from tunestep.metrics import Point
from tunestep.plan_model import RewardPlan
from tunestep.record_model import (
    Ancestor,
    Cost,
    DataUsed,
    JobFacts,
    LicenceUsed,
    Lineage,
    MetricsFound,
    Moment,
    Origin,
    Phase,
    RewardUsed,
    RunRecord,
    Used,
)

PACKAGE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/support-v1/3"

HOSTILE = (
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "<svg/onload=window.hacked=1>",
    "</svg><script>window.hacked=1</script>",
    "</title><script>window.hacked=1</script>",
    "<!--<script>window.hacked=1//",
    "]]><script>window.hacked=1</script>",
    '"><script>window.hacked=1</script>',
    "' onmouseover='window.hacked=1",
    "javascript:window.hacked=1",
    "&lt;script&gt;window.hacked=1&lt;/script&gt;",
    "{{7*7}}{% raw %}${7*7}",
    "<iframe src=https://evil.example></iframe>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example'</style>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "a\u2028b\u2029c\u202ed\u0000e\x1b[31mf",
    "[click](javascript:alert(1)) ![x](https://evil.example/p.png) | a | b |",
    '=HYPERLINK("https://evil.example")',
    "日本語 العربية 𝔘𝔫𝔦",
)
"""Texts that do harm where they are not escaped; one that runs sets ``window.hacked``."""


def series(**values: list[float]) -> dict[str, list[Point]]:
    return {
        name.replace("__", "/"): [
            Point(step, value, 1_700_000_000_000 + step) for step, value in enumerate(v, 1)
        ]
        for name, v in values.items()
    }


def record(**changes: Any) -> RunRecord:
    """An SFT run that succeeded, with something in every part."""
    made = RunRecord(
        run_id=RUN_ID,
        execution_arn=execution_arn(RUN_ID),
        stack="tunestep",
        region=REGION,
        account=ACCOUNT,
        outcome="SUCCEEDED",
        origin=Origin(requester="ann", created_at="2026-11-22T11:58:00Z"),
        request=REQUEST,
        request_hash="ab" * 32,
        plan_sha256="cd" * 32,
        plan=make_plan(),
        data={
            "training": DataUsed(
                uri="s3://data/train.jsonl", version_id="v1", content_sha256="ef" * 32, rows=48
            )
        },
        dataset={
            "findings": [{"severity": "warning", "code": "DUPLICATES", "where": "row 3", "message": "Two."}]
        },
        licence=LicenceUsed(
            name="Llama 3.2", url="https://example.com/licence", gated=True, evidence={"id": "e1"}
        ),
        approval={
            "state": "APPROVED",
            "actor": "ann",
            "assurance": "link holder",
            "decided_at": "2026-11-22T11:59:00Z",
        },
        job=JobFacts(
            name="llama-sft-1",
            arn="arn:aws:sagemaker:job",
            status="Completed",
            training_seconds=391,
            phases=[Phase(status="Training", seconds=391.0)],
        ),
        model_package_arn=PACKAGE,
        metrics=MetricsFound(
            overview={"total_loss": {"first": 5.5, "last": 1.4375, "points": 18}},
            epochs=[{"epoch": 1, "total_loss": 3.75}, {"epoch": 2, "total_loss": 1.5}],
        ),
        cost=Cost(
            estimated=Used(tokens=190_000, usd=0.19), billed=Used(tokens=185_162, usd=0.185), share=0.9745
        ),
        lineage=Lineage(
            base_model="llama", base_model_arn="arn:aws:base", parents=[Ancestor(package_arn="arn:p/2")]
        ),
        timeline=[
            Moment(at="2026-11-22T11:58:00Z", what="started"),
            Moment(at="2026-11-22T12:00:00Z", what="ended"),
        ],
        files={"record": "s3://b/runs/r/record.json"},
        written_at="2026-11-22T12:00:00Z",
    )
    return msgspec.structs.replace(made, **changes)


def hostile(text: str) -> tuple[RunRecord, dict[str, list[Point]], dict[str, Any]]:
    """A reinforcement run in which everything that comes from outside is this text."""
    plan = msgspec.structs.replace(
        make_plan(technique="RLVR", reward=RewardPlan(kind="function", value=text)), use_case=text
    )
    made = record(
        outcome="FAILED",
        error={"Error": text, "Cause": text, "cleaned": [{"step": text, "ok": False, "detail": text}]},
        hint=text,
        origin=Origin(requester=text),
        request={"use_case": text, text: text},
        plan=plan,
        data={"training": DataUsed(uri=text, version_id=text, content_sha256=text)},
        dataset={"findings": [dict.fromkeys(("severity", "code", "where", "message"), text)]},
        licence=LicenceUsed(name=text, url=f"javascript:{text}", evidence={text: text}),
        approval=dict.fromkeys(("state", "actor", "assurance", "reason", "decided_at"), text),
        reward=RewardUsed(
            kind=text,
            value=text,
            certification={"probes": [{"name": text, "outcome": text, "detail": text, "limit": text}]},
        ),
        job=JobFacts(name=text, arn=text, status=text, failure_reason=text),
        model_package_arn=text,
        metrics=MetricsFound(
            overview={text: {"first": 1.0, "last": 2.0, "points": 2}},
            epochs=[{"epoch": 1, text: 1.5}],
            notes=[text],
        ),
        lineage=Lineage(
            base_model=text, base_model_arn=text, parents=[Ancestor(package_arn=text, run_id=text)]
        ),
        timeline=[Moment(at=text, what=text)],
        files={text: text},
        gaps=[text],
    )
    sample = {"rank": text, "prompt": text, "answer": text, "score": 0.5, "metrics": {text: 1.0}}
    return made, {text: [Point(1, 1.0, 0), Point(2, 2.0, 0)]}, {"samples": [sample], "warnings": [text]}


def as_json(made: RunRecord) -> Any:
    return json.loads(msgspec.json.encode(made))
