"""One run per content: whoever fine-tunes the same model in the same way on the same bytes comes first.

A claim is one item, ``CONTENT#<hash>`` / ``CLAIM``, taken and taken over by conditional writes only. It
belongs to a run while that run lives and after it has succeeded; a run that ends otherwise frees it, and
one that could not is overruled by the next that looks.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from botocore.exceptions import ClientError

from tunestep import outcome_files, record, runs, tracking
from tunestep.aws import error_code
from tunestep.context import Context, StepEvent, plan_of, request_of
from tunestep.errors import TransientFault
from tunestep.faults import not_found
from tunestep.plan_model import DataPlan, Plan
from tunestep.record_model import Outcome
from tunestep.request import Request, to_document
from tunestep.run_files import RECORD, canonical
from tunestep.runs import Item

CLAIM = "CLAIM"
CLAIMED = "CLAIMED"
REUSED = "REUSED"
DUPLICATE = "DuplicateRun"
SUCCEEDED: Outcome = "SUCCEEDED"

HANDLING = frozenset({"training_data", "validation_data", "dataset", "limits", "approval", "reuse"})
"""Fields that do not shape what is trained: where the data lies (its content counts), and how the run is
handled, which the source of a request may tighten."""

_TRIES = 5
"""How often a claim that changes hands under our eyes is looked at again."""

Standing = Literal["live", "succeeded", "ending", "over"]


def claim_pk(content: str) -> str:
    return f"CONTENT#{content}"


def contents_of(request: Request, plan: Plan, hashes: Mapping[str, str]) -> list[str]:
    """What a run claims: its content by the data's bytes, and the same by the place and pins of the data.

    The second is for a run that could not read the data, and so has nothing else to know it by.
    """
    by_bytes, by_pins = content_hash(request, plan, hashes), content_hash(request, plan, {})
    pinned = all(_pinned(data) for data in (plan.training_data, plan.validation_data) if data)
    return [by_bytes, by_pins] if pinned and by_pins != by_bytes else [by_bytes]


def content_hash(request: Request, plan: Plan, hashes: Mapping[str, str]) -> str:
    """SHA-256 (hex) of what would be trained: the request, model version, reward and the data's bytes.

    ``hashes`` are the channels' content hashes as the check of the data found them. A channel without one
    counts by its place and pins, so that it equals only itself.
    """
    wanted = {name: value for name, value in to_document(request).items() if name not in HANDLING}
    channels = {"training": plan.training_data, "validation": plan.validation_data}
    document = {
        "request": wanted,
        "model": [plan.model.arn, plan.model.source_model_package_arn],
        "reward": _reward(plan),
        "data": {
            name: hashes.get(name) or _pins(data) for name, data in channels.items() if data is not None
        },
    }
    return hashlib.sha256(canonical(document)).hexdigest()


def _reward(plan: Plan) -> dict[str, Any] | None:
    """The reward by what it is: the version of a prompt's object says nothing that its hash does not."""
    if plan.reward is None:
        return None
    return {
        name: value for name, value in msgspec.to_builtins(plan.reward).items() if name != "prompt_version_id"
    }


def _pins(data: DataPlan) -> list[str]:
    return [data.uri, data.etag, data.version_id, data.fingerprint]


def _pinned(data: DataPlan) -> bool:
    """Whether other bytes at the same place would have other pins."""
    return any(_pins(data)[1:])


def claim_run(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``claim``: {verdict, content_sha256, run_id, cause, results?}.

    ``verdict`` is CLAIMED, DuplicateRun (``run_id`` then is the run that comes first) or REUSED (with the
    ``results`` of that run). A repeated call answers the same. Raises PlanChanged when the document does
    not hold the planned request; TransientFault when the claim changes hands faster than it can be read.
    """
    plan = plan_of(context, event)
    claiming = _Claiming(context, event, request_of(event, plan), context.runs.run(event.run_id) or {})
    hashes = (claiming.run.get("dataset") or {}).get("content_sha256") or {}
    contents = contents_of(claiming.request, plan, hashes)
    # Before the claims, so that whoever ends this run finds what to free.
    context.runs.update_run(event.run_id, {"content_sha256": contents[0], "contents": contents})
    for content in contents:
        answer = claiming.claim(content)
        if answer["verdict"] != CLAIMED:
            return answer | {"content_sha256": contents[0]}
    return _answer(CLAIMED, contents[0], event.run_id)


class _Claiming:
    """One run at its claims."""

    def __init__(self, context: Context, event: StepEvent, request: Request, run: Item) -> None:
        self._context, self._event, self.request, self.run = context, event, request, run
        self._over: set[str] = set()
        """Runs that hold nothing rightly any more."""

    def claim(self, content: str) -> dict[str, Any]:
        context, event = self._context, self._event
        for _ in range(_TRIES):
            holder = context.runs.get(claim_pk(content), CLAIM)
            if holder is None:
                if context.runs.put_new(_claim(context, event, content)):
                    return _answer(CLAIMED, content, event.run_id)
                continue
            earlier = holder["run_id"]
            if earlier == event.run_id:
                return _answer(CLAIMED, content, event.run_id)
            first = None if earlier in self._over else self._comes_first(content, earlier)
            if first:
                return first
            self._over.add(earlier)
            if _take_over(context, event, content, earlier):
                return _answer(CLAIMED, content, event.run_id)
        raise TransientFault(f"The claim on content {content[:16]} is changing hands.")

    def _comes_first(self, content: str, earlier: str) -> dict[str, Any] | None:
        """The answer where the earlier run stands; None where its claim may be taken over."""
        context, event, forced = self._context, self._event, self.run.get("force")
        found = context.runs.run(earlier) or {}
        standing = _standing(context, earlier, found)
        if standing == "succeeded" and self.request.reuse and not forced:
            results = _results(context, earlier, found)
            return _reuse(context, event, content, earlier, results) if results else None
        if standing == "over" or forced:
            return None
        context.runs.update_run(event.run_id, {"duplicate_of": earlier})
        return _answer(DUPLICATE, content, earlier, cause=_cause(standing, earlier, found, event.run_id))


def release(context: Context, run_id: str, run: Mapping[str, Any]) -> str:
    """Free the content that a run claimed; another run's claim stays. Says what was done."""
    contents = run.get("contents") or [run["content_sha256"]] if run.get("content_sha256") else []
    if not contents:
        return "nothing claimed"
    mine: dict[str, Any] = {"condition": "#run_id = :mine", "values": {":mine": run_id}}
    freed = [context.runs.delete(claim_pk(content), CLAIM, **mine) for content in contents]
    return "freed" if any(freed) else "not this run's"


def _claim(context: Context, event: StepEvent, content: str) -> Item:
    return {
        "pk": claim_pk(content),
        "sk": CLAIM,
        "run_id": event.run_id,
        "execution_arn": event.execution.arn,
        "claimed_at": context.timestamp(),
    }


def _take_over(context: Context, event: StepEvent, content: str, earlier: str) -> bool:
    return context.runs.put(
        _claim(context, event, content), condition="#run_id = :earlier", values={":earlier": earlier}
    )


def _answer(verdict: str, content: str, run_id: str, *, cause: str = "") -> dict[str, Any]:
    return {"verdict": verdict, "content_sha256": content, "run_id": run_id, "cause": cause}


def _standing(context: Context, run_id: str, run: Mapping[str, Any]) -> Standing:
    """How a run stands, from the table where it has ended, else from Step Functions.

    A run that failed while its job goes on, or may still appear, is ``ending``: until then a second one
    would train the same.
    """
    if run.get("status") == runs.ENDED:
        if run.get("outcome") == SUCCEEDED:
            return "succeeded"
        return "ending" if _trains(context, run_id, run) else "over"
    status = _execution_status(context, run.get("execution_arn") or context.execution_arn(run_id))
    if status in ("RUNNING", "PENDING_REDRIVE"):
        return "live"
    if status == SUCCEEDED:
        return "succeeded"
    return "ending" if _trains(context, run_id, run) else "over"


def _execution_status(context: Context, execution_arn: str) -> str:
    try:
        found = context.clients.stepfunctions.describe_execution(executionArn=execution_arn)
    except ClientError as fault:
        if error_code(fault) != "ExecutionDoesNotExist":
            raise
        return ""
    return str(found["status"])


def _trains(context: Context, run_id: str, run: Mapping[str, Any]) -> bool:
    job = tracking.describe_job(context, run["job_name"]) if run.get("job_name") else None
    if job is None:
        return tracking.may_still_appear(context, run_id)
    return job["TrainingJobStatus"] in tracking.IN_FLIGHT


def _cause(standing: Standing, earlier: str, run: Mapping[str, Any], run_id: str) -> str:
    if standing == "live":
        return (
            f"Run {earlier} is doing exactly this already, on the same data. Follow it with "
            f"`tunestep watch {earlier}`."
        )
    if standing == "ending":
        return (
            f"Run {earlier} of exactly this has failed, and its training job is still being stopped or may "
            f"still appear. Try again in some minutes (15 at most): `tunestep retry {run_id}`."
        )
    package = run.get("model_package_arn") or "see its results"
    return (
        f"Run {earlier} has done exactly this, on the same data ({package}). See `tunestep results "
        f'{earlier}`. Set "reuse": true in the request to end with its results, or train again with '
        "`tunestep run REQUEST --force`."
    )


def _results(context: Context, earlier: str, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """The results of a run that succeeded, from its record; None when they are no longer all there."""
    stored = context.files.get(earlier, RECORD)
    if stored is None or stored[1] != run.get("record_sha256"):
        return None
    results = msgspec.json.decode(stored[0]).get("results") or {}
    package = results.get("model_package_arn")
    if not package or not _package_exists(context, package):
        return None
    return {
        **results,
        "record_uri": context.files.uri(earlier, RECORD),
        "record_sha256": stored[1],
        "reused_from": earlier,
    }


def _package_exists(context: Context, arn: str) -> bool:
    try:
        context.clients.sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError as fault:
        if not_found(fault):
            return False
        raise
    return True


def _reuse(
    context: Context, event: StepEvent, content: str, earlier: str, results: dict[str, Any]
) -> dict[str, Any]:
    """End the calling run with the earlier results: its own record cites the run that made them."""
    made, _ = outcome_files.put_record(
        context,
        record.build(
            context,
            event.run_id,
            outcome=SUCCEEDED,
            request=event.document.get("request"),
            sections={
                "reused_from": earlier,
                "results": results,
                "model_package_arn": results["model_package_arn"],
            },
        ),
    )
    outcome_files.put_report(context, made)
    context.runs.update_run(
        event.run_id,
        {
            "status": runs.ENDED,
            "outcome": SUCCEEDED,
            "ended_at": context.timestamp(),
            "model_package_arn": results["model_package_arn"],
            "reused_from": earlier,
        },
        remove=("error", "cause"),
    )
    return _answer(REUSED, content, earlier) | {"results": results}
