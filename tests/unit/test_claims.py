"""One run per content: who comes first, who takes over, and what counts as the same."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tests.support.run_world import (
    REQUEST,
    RUN_ID,
    World,
    described,
    execution_arn,
    job_request,
    make_plan,
    world,
)
from tunestep import claims, runs, tracking
from tunestep.claims import claim_pk, claim_run, content_hash, release
from tunestep.clean_up import end_run
from tunestep.context import StepEvent
from tunestep.errors import PlanChanged, TransientFault
from tunestep.plan_model import DataPlan, Plan, RewardPlan
from tunestep.reconcile import reconcile
from tunestep.request import parse, request_hash
from tunestep.run_files import RECORD

OTHER = "support-1234abcd-2"
PACKAGE = "arn:aws:sagemaker:us-west-2:123456789012:model-package/support-v1/3"
HASHES = {"training": "a" * 64}


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _begin(w: World, run_id: str, request: dict[str, Any] | None = None, **facts: Any) -> StepEvent:
    plan = make_plan(request_hash=request_hash(parse(request or REQUEST)))
    w.begin(plan, run_id=run_id, dataset={"content_sha256": HASHES}, **facts)
    return w.event(run_id=run_id, **({"request": request} if request else {}))


def _execution(w: World, run_id: str, status: str) -> None:
    w.sfn_stub.add_response(
        "describe_execution",
        {
            "executionArn": execution_arn(run_id),
            "stateMachineArn": w.context.env.machine_arn,
            "name": run_id,
            "status": status,
            "startDate": w.clock(),
        },
        {"executionArn": execution_arn(run_id)},
    )


def _holder(w: World, content: str) -> str:
    return str((w.runs.get(claim_pk(content), claims.CLAIM) or {}).get("run_id"))


def _succeed(w: World, run_id: str, **results: Any) -> None:
    document = {"results": {"model_package_arn": PACKAGE, "summary": {"loss": 0.5}, **results}}
    stored = w.files.put(run_id, RECORD, document)
    w.runs.update_run(
        run_id,
        {
            "status": runs.ENDED,
            "outcome": "SUCCEEDED",
            "model_package_arn": PACKAGE,
            "record_sha256": stored.sha256,
        },
    )


def test_the_first_run_of_a_content_claims_it_and_a_repeated_call_keeps_it(w: World) -> None:
    event = _begin(w, RUN_ID)
    first, again = claim_run(w.context, event), claim_run(w.context, event)
    assert first == again
    assert (first["verdict"], first["run_id"]) == ("CLAIMED", RUN_ID)
    assert _holder(w, first["content_sha256"]) == RUN_ID


def test_a_duplicate_of_a_live_run_names_it_and_how_to_follow_it(w: World) -> None:
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    _execution(w, RUN_ID, "RUNNING")
    answer = claim_run(w.context, _begin(w, OTHER))
    assert (answer["verdict"], answer["run_id"]) == ("DuplicateRun", RUN_ID)
    assert f"`tunestep watch {RUN_ID}`" in answer["cause"]
    assert _holder(w, content) == RUN_ID
    assert (w.runs.run(OTHER) or {})["duplicate_of"] == RUN_ID


def test_a_duplicate_of_a_run_that_succeeded_says_what_it_made_and_both_ways_on(w: World) -> None:
    claim_run(w.context, _begin(w, RUN_ID))
    _succeed(w, RUN_ID)
    answer = claim_run(w.context, _begin(w, OTHER))
    assert (answer["verdict"], answer["run_id"]) == ("DuplicateRun", RUN_ID)
    for said in (PACKAGE, f"`tunestep results {RUN_ID}`", '"reuse": true', "--force"):
        assert said in answer["cause"]


@pytest.mark.parametrize("read", [(False, True), (True, False)])
def test_data_that_only_one_of_two_runs_could_read_is_one_content(w: World, read: tuple[bool, bool]) -> None:
    pinned = DataPlan(uri="s3://data/train.jsonl", kind="object", etag="e")
    plan = make_plan(request_hash=request_hash(parse(REQUEST)), training_data=pinned)
    for run_id, could in zip((RUN_ID, OTHER), read, strict=True):
        w.begin(plan, run_id=run_id, dataset={"content_sha256": HASHES if could else {}})
    first, second = w.event(run_id=RUN_ID), w.event(run_id=OTHER)
    assert claim_run(w.context, first)["verdict"] == "CLAIMED"
    _execution(w, RUN_ID, "RUNNING")
    answer = claim_run(w.context, second)
    assert (answer["verdict"], answer["run_id"]) == ("DuplicateRun", RUN_ID)
    assert release(w.context, RUN_ID, w.runs.run(RUN_ID) or {}) == "freed"
    assert claim_run(w.context, second)["verdict"] == "CLAIMED"
    release(w.context, OTHER, w.runs.run(OTHER) or {})
    assert not [item for item in w.runs.everything() if item["sk"] == claims.CLAIM]


@pytest.mark.parametrize("pins", [{"etag": "e"}, {"version_id": "v"}, {"fingerprint": "f"}, {}])
def test_a_place_is_claimed_beside_the_bytes_only_where_other_bytes_would_have_other_pins(
    pins: dict[str, str],
) -> None:
    data = DataPlan(uri="s3://b/train.jsonl", kind="object", **pins)
    plan, request = msgspec.structs.replace(make_plan(), training_data=data), parse(REQUEST)
    by_bytes, *by_pins = claims.contents_of(request, plan, HASHES)
    assert by_bytes == content_hash(request, plan, HASHES)
    assert by_pins == ([content_hash(request, plan, {})] if pins else [])
    assert claims.contents_of(request, plan, {}) == [content_hash(request, plan, {})]


def test_content_that_could_not_be_freed_is_come_back_to(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    request = job_request(make_plan())
    w.runs.update_run(RUN_ID, {"job_name": request["TrainingJobName"]})
    w.sagemaker.describe_training_job = lambda **_: described(request, "Failed")
    w.runs.put(runs.pending_run(RUN_ID, execution_arn(RUN_ID), w.context.timestamp()))
    busy = ClientError({"Error": {"Code": "InternalServerError", "Message": "busy"}}, "DeleteItem")
    with monkeypatch.context() as patched:
        patched.setattr(claims, "release", lambda *_: (_ for _ in ()).throw(busy))
        end_run(w.context, RUN_ID, "ServiceFault", "why", REQUEST)
    assert _holder(w, content) == RUN_ID
    _execution(w, RUN_ID, "FAILED")
    assert reconcile(w.context)["failed"] == []
    assert _holder(w, content) == "None"
    assert w.runs.pending(RUN_ID, runs.PENDING_RUN) is None


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT", None])
def test_a_claim_of_an_execution_that_is_over_or_gone_is_taken_over(w: World, status: str | None) -> None:
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    if status:
        _execution(w, RUN_ID, status)
    else:
        w.sfn_stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
    assert claim_run(w.context, _begin(w, OTHER))["verdict"] == "CLAIMED"
    assert _holder(w, content) == OTHER


def test_a_claim_of_a_run_without_an_item_is_taken_over_once_its_execution_is_gone(w: World) -> None:
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    w.runs.delete(f"RUN#{RUN_ID}", runs.RUN)
    w.sfn_stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
    assert claim_run(w.context, _begin(w, OTHER))["verdict"] == "CLAIMED"
    assert _holder(w, content) == OTHER


@pytest.mark.parametrize(("status", "verdict"), [("InProgress", "DuplicateRun"), ("Failed", "CLAIMED")])
def test_a_failed_run_keeps_its_claim_while_its_job_still_trains(w: World, status: str, verdict: str) -> None:
    event = _begin(w, RUN_ID)
    request = job_request(make_plan())
    claim_run(w.context, event)
    ended = {"status": runs.ENDED, "outcome": "FAILED", "job_name": request["TrainingJobName"]}
    w.runs.update_run(RUN_ID, ended)
    w.sagemaker_stub.add_response("describe_training_job", described(request, status))
    answer = claim_run(w.context, _begin(w, OTHER))
    assert answer["verdict"] == verdict
    assert verdict == "CLAIMED" or "still being stopped" in answer["cause"]


def test_force_takes_the_claim_of_a_live_run(w: World) -> None:
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    _execution(w, RUN_ID, "RUNNING")
    assert claim_run(w.context, _begin(w, OTHER, force=True))["verdict"] == "CLAIMED"
    assert _holder(w, content) == OTHER
    assert release(w.context, RUN_ID, w.runs.run(RUN_ID) or {}) == "not this run's"
    assert _holder(w, content) == OTHER


def test_a_run_that_ends_badly_frees_its_content_for_the_next(w: World) -> None:
    content = claim_run(w.context, _begin(w, RUN_ID, job_name=""))["content_sha256"]
    name = job_request(make_plan())["TrainingJobName"]
    w.sagemaker_stub.add_client_error("describe_training_job", "ValidationException", "not found")
    cleaned = end_run(w.context, RUN_ID, "ServiceFault", "why", REQUEST)["cleaned"]
    assert {"step": "free the content", "ok": True, "detail": "freed"} in cleaned, name
    assert _holder(w, content) == "None"
    assert claim_run(w.context, _begin(w, OTHER))["verdict"] == "CLAIMED"


@pytest.mark.parametrize("status", ["InProgress", "Stopping"])
def test_a_job_that_is_being_stopped_keeps_the_claim_until_it_has_ended(w: World, status: str) -> None:
    claim_run(w.context, _begin(w, RUN_ID))
    request = job_request(make_plan())
    w.runs.update_run(RUN_ID, {"job_name": request["TrainingJobName"]})
    seen = described(request, status)
    w.sagemaker.describe_training_job = lambda **_: seen
    w.sagemaker.stop_training_job = lambda **_: None
    end_run(w.context, RUN_ID, "StoppedByUser", "Stopped.", REQUEST)
    answer = claim_run(w.context, _begin(w, OTHER))
    assert (answer["verdict"], answer["run_id"]) == ("DuplicateRun", RUN_ID)
    assert "still being stopped" in answer["cause"]
    seen = described(request, "Stopped")
    end_run(w.context, RUN_ID, "StoppedByUser", "Stopped.", REQUEST)
    assert claim_run(w.context, w.event(run_id=OTHER))["verdict"] == "CLAIMED"


def test_the_clean_up_of_a_duplicate_leaves_the_other_run_its_claim_and_its_job(w: World) -> None:
    request = job_request(make_plan())
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    w.runs.update_run(RUN_ID, {"job_name": request["TrainingJobName"]})
    _execution(w, RUN_ID, "RUNNING")
    answer = claim_run(w.context, _begin(w, OTHER))
    # Its own job's name is looked up and not found; nothing is stopped.
    w.sagemaker_stub.add_client_error("describe_training_job", "ValidationException", "not found")
    before = w.runs.run(RUN_ID)
    end_run(w.context, OTHER, "DuplicateRun", answer["cause"], REQUEST)
    assert _holder(w, content) == RUN_ID
    assert w.runs.run(RUN_ID) == before
    w.done()


def _asks_for_a_job(w: World, **pending: Any) -> str:
    """A run that holds its content and died while StartTraining asked for its job; returns the content."""
    content = str(claim_run(w.context, _begin(w, RUN_ID))["content_sha256"])
    name = job_request(make_plan())["TrainingJobName"]
    w.runs.update_run(RUN_ID, {"job_name": name})
    item = {"pk": runs.run_pk(RUN_ID), "sk": runs.PENDING_TRAINING, "kind": runs.KIND_TRAINING}
    w.runs.put({**item, "job_name": name, "started_epoch": w.context.epoch(), **pending})

    def absent(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ValidationException", "Message": "not found"}}, "Describe")

    w.sagemaker.describe_training_job = absent
    return content


def test_a_job_that_may_still_appear_keeps_the_claim_until_it_cannot_any_more(w: World) -> None:
    content = _asks_for_a_job(w)
    end_run(w.context, RUN_ID, "ServiceFault", "why", REQUEST)
    assert _holder(w, content) == RUN_ID
    answer = claim_run(w.context, _begin(w, OTHER))
    assert (answer["verdict"], answer["run_id"]) == ("DuplicateRun", RUN_ID)
    assert "may still appear" in answer["cause"]
    assert f"`tunestep retry {OTHER}`" in answer["cause"]
    w.clock.forward(tracking.LATE_JOB_SECONDS)
    assert claim_run(w.context, _begin(w, OTHER))["verdict"] == "CLAIMED"


def test_the_reconciler_frees_the_content_once_no_job_can_appear(w: World) -> None:
    content = _asks_for_a_job(w, created_at="2026-11-22T00:00:00Z", run_id=RUN_ID)
    end_run(w.context, RUN_ID, "ServiceFault", "why", REQUEST)
    _execution(w, RUN_ID, "FAILED")
    reconcile(w.context)
    assert _holder(w, content) == RUN_ID
    w.clock.forward(tracking.LATE_JOB_SECONDS)
    _execution(w, RUN_ID, "FAILED")
    reconcile(w.context)
    assert _holder(w, content) == "None"
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None


def test_a_job_that_sagemaker_has_refused_frees_the_content_at_once(w: World) -> None:
    content = _asks_for_a_job(w, answered=True)
    end_run(w.context, RUN_ID, "ServiceFault", "why", REQUEST)
    assert _holder(w, content) == "None"
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None


def test_a_run_that_was_read_before_it_knew_its_job_s_name_keeps_its_claim_too(w: World) -> None:
    content = _asks_for_a_job(w)
    w.runs.update_run(RUN_ID, {"status": runs.STARTED}, remove=("job_name",))
    end_run(w.context, RUN_ID, "ServiceFault", "why", REQUEST)
    assert _holder(w, content) == RUN_ID
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING)


def test_the_duplicate_of_a_duplicate_names_the_run_that_comes_first(w: World) -> None:
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    for duplicate in (OTHER, "third"):
        _execution(w, RUN_ID, "RUNNING")
        answer = claim_run(w.context, _begin(w, duplicate))
        assert (answer["verdict"], answer["run_id"]) == ("DuplicateRun", RUN_ID)
        end_run(w.context, duplicate, "DuplicateRun", answer["cause"], REQUEST)
    assert _holder(w, content) == RUN_ID


def test_a_job_that_cannot_be_stopped_keeps_the_claim(w: World) -> None:
    request = job_request(make_plan())
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    w.runs.update_run(RUN_ID, {"job_name": request["TrainingJobName"]})
    w.sagemaker_stub.add_client_error("describe_training_job", "InternalFailure", http_status_code=500)
    end_run(w.context, RUN_ID, "ServiceFault", "why", REQUEST)
    assert _holder(w, content) == RUN_ID


def test_reuse_ends_with_the_earlier_results_cited(w: World) -> None:
    reusing = {**REQUEST, "reuse": True}
    claim_run(w.context, _begin(w, RUN_ID))
    _succeed(w, RUN_ID)
    _package(w)
    answer = claim_run(w.context, _begin(w, OTHER, reusing))
    assert (answer["verdict"], answer["run_id"]) == ("REUSED", RUN_ID)
    assert answer["results"]["model_package_arn"] == PACKAGE
    assert answer["results"]["reused_from"] == RUN_ID
    run = w.runs.run(OTHER) or {}
    assert (run["status"], run["outcome"], run["reused_from"]) == ("ENDED", "SUCCEEDED", RUN_ID)
    stored = w.files.get(OTHER, RECORD)
    assert stored
    record = msgspec.json.decode(stored[0])
    assert (record["outcome"], record["reused_from"]) == ("SUCCEEDED", RUN_ID)
    assert record["results"]["record_sha256"] == (w.runs.run(RUN_ID) or {})["record_sha256"]


def _package(w: World) -> None:
    w.sagemaker_stub.add_response(
        "describe_model_package",
        {
            "ModelPackageName": "support-v1",
            "ModelPackageArn": PACKAGE,
            "CreationTime": w.clock(),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
        },
        {"ModelPackageName": PACKAGE},
    )


@pytest.mark.parametrize("gone", ["package", "record", "another record", "no package known"])
def test_results_that_are_no_longer_there_are_made_again(w: World, gone: str) -> None:
    reusing = {**REQUEST, "reuse": True}
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    _succeed(w, RUN_ID, **({"model_package_arn": ""} if gone == "no package known" else {}))
    if gone == "package":
        w.sagemaker_stub.add_client_error("describe_model_package", "ValidationException", "does not exist")
    elif gone == "record":
        w.s3.delete_object(Bucket=w.context.env.bucket, Key=f"runs/{RUN_ID}/record.json")
    elif gone == "another record":
        w.files.put(RUN_ID, RECORD, {"results": {"model_package_arn": "arn:forged"}})
    assert claim_run(w.context, _begin(w, OTHER, reusing))["verdict"] == "CLAIMED"
    assert _holder(w, content) == OTHER


def test_reuse_of_a_run_that_is_still_going_is_a_duplicate(w: World) -> None:
    claim_run(w.context, _begin(w, RUN_ID))
    _execution(w, RUN_ID, "RUNNING")
    assert claim_run(w.context, _begin(w, OTHER, {**REQUEST, "reuse": True}))["verdict"] == "DuplicateRun"


def test_of_two_that_take_over_at_once_one_gets_it(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    content = claim_run(w.context, _begin(w, RUN_ID))["content_sha256"]
    w.runs.update_run(RUN_ID, {"status": runs.ENDED, "outcome": "FAILED"})
    event, put = _begin(w, OTHER), w.runs.put

    def overtaken(item: runs.Item, **options: Any) -> bool:
        monkeypatch.setattr(w.runs, "put", put)
        third = {"pk": claim_pk(content), "sk": claims.CLAIM, "run_id": "third", "execution_arn": "x"}
        put(third)
        return put(item, **options)

    monkeypatch.setattr(w.runs, "put", overtaken)
    _execution(w, "third", "RUNNING")
    answer = claim_run(w.context, event)
    assert (answer["verdict"], answer["run_id"]) == ("DuplicateRun", "third")


def test_a_claim_that_never_stands_still_is_tried_again_later(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = _begin(w, OTHER)
    monkeypatch.setattr(w.runs, "put", lambda *_, **__: False)
    with pytest.raises(TransientFault):
        claim_run(w.context, event)


def test_a_document_with_another_request_claims_nothing(w: World) -> None:
    _begin(w, RUN_ID)
    forged = w.event(request={**REQUEST, "use_case": "Something else"})
    with pytest.raises(PlanChanged):
        claim_run(w.context, forged)


def _hash(plan: Plan | None = None, hashes: dict[str, str] | None = None, **changes: Any) -> str:
    return content_hash(
        parse({**REQUEST, **changes}), plan or make_plan(), HASHES if hashes is None else hashes
    )


SAME: dict[str, dict[str, Any]] = {
    "another place of the same bytes": {"training_data": "s3://data/copy.jsonl"},
    "another limit": {"limits": {"max_runtime": "2h"}},
    "another approval rule": {"approval": {"require": "always"}},
    "reuse": {"reuse": True},
    "a strict check of the data": {"dataset": {"strict": True}},
    "a default spelt out": {"peft": "LORA"},
}
OTHERS: dict[str, dict[str, Any]] = {
    "use case": {"use_case": "Other"},
    "hyperparameters": {"hyperparameters": {"max_epochs": 3}},
    "group": {"model_package_group": "other"},
    "sequence length": {"sequence_length": "4K"},
    "full fine-tuning": {"peft": "FULL"},
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_content_asked_for_otherwise_is_the_same(name: str) -> None:
    assert _hash(**SAME[name]) == _hash()


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_shapes_the_model_makes_another_content(name: str) -> None:
    assert _hash(**OTHERS[name]) != _hash()


def test_data_model_version_and_reward_are_part_of_the_content() -> None:
    reward = RewardPlan(kind="function", value="math_answer", code_sha256="c1")
    newer = msgspec.structs.replace(make_plan().model, arn="arn:model/1.3.0")
    validated = make_plan(validation_data=DataPlan(uri="s3://data/v.jsonl", kind="object", etag="e"))
    different = [
        _hash(),
        _hash(hashes={"training": "b" * 64}),
        _hash(make_plan(model=newer)),
        _hash(make_plan(reward=reward)),
        _hash(make_plan(reward=msgspec.structs.replace(reward, code_sha256="c2"))),
        _hash(validated),
        _hash(validated, {**HASHES, "validation": "c" * 64}),
    ]
    assert len(set(different)) == len(different)


@given(st.sampled_from(["etag", "version_id", "fingerprint", "uri"]), st.text(min_size=1, max_size=20))
def test_data_whose_content_is_unknown_equals_only_itself(field: str, value: str) -> None:
    plan = make_plan()
    changed = msgspec.structs.replace(plan.training_data, **{field: value})
    same = getattr(plan.training_data, field) == value
    assert (_hash(plan, {}) == _hash(make_plan(training_data=changed), {})) is same
