"""StartTraining: the plan is proved again, and exactly one job comes of it."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ReadTimeoutError

from tests.support.run_world import (
    GROUP_ARN,
    MODEL,
    MODEL_ARN,
    RUN_ID,
    World,
    described,
    job_request,
    make_plan,
    world,
)
from tunestep import runs, tracking
from tunestep.approvals import DecideEvent, decide, request_approval
from tunestep.errors import (
    ApprovalDeclined,
    ApprovalExpired,
    PlanChanged,
    QuotaReached,
    ServiceFault,
    StoppedByUser,
    TransientFault,
)
from tunestep.names import TAG_REQUEST_HASH
from tunestep.plan_model import ApprovalPlan, BudgetPlan, DataPlan, Plan
from tunestep.run_files import DATASET
from tunestep.same_job import differences
from tunestep.training_start import start_training

FREE = ApprovalPlan(needed=False, reason="", timeout_seconds=3600)


class Containing:
    """Equals every payload that holds a text."""

    def __init__(self, text: str) -> None:
        self.text = text.encode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, bytes) and self.text in other

    __hash__ = None  # type: ignore[assignment]


def _ungated(**changes: Any) -> Plan:
    plan = make_plan()
    model = msgspec.structs.replace(plan.model, gated=False)
    return make_plan(**{"model": model, "approval": FREE, **changes})


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


def _hub(w: World, version: str = "1.2.0", document: str = '{"GatedBucket": false}') -> None:
    arn = MODEL_ARN.replace("1.2.0", version)
    w.sagemaker_stub.add_response(
        "describe_hub_content",
        {
            "HubContentName": MODEL,
            "HubContentArn": arn,
            "HubContentVersion": version,
            "HubContentType": "Model",
            "DocumentSchemaVersion": "2.0.0",
            "HubName": "SageMakerPublicHub",
            "HubArn": "arn:aws:sagemaker:us-west-2:aws:hub/SageMakerPublicHub",
            "HubContentDocument": document,
            "HubContentStatus": "Available",
            "CreationTime": w.clock(),
        },
    )


def _created(w: World, request: dict[str, Any]) -> None:
    arn = described(request)["TrainingJobArn"]
    w.sagemaker_stub.add_response("create_training_job", {"TrainingJobArn": arn}, request)
    w.sagemaker_stub.add_response("describe_training_job", described(request))


def _tags(w: World, value: str) -> None:
    w.sagemaker_stub.add_response("list_tags", {"Tags": [{"Key": TAG_REQUEST_HASH, "Value": value}]})


def _decide(w: World, decision: str = "APPROVED") -> None:
    request_approval(w.context, w.event(token="t"))
    w.sfn_stub.add_response("send_task_success", {})
    decide(w.context, DecideEvent(run=RUN_ID, decision=decision, actor="ann", reason="r"))  # type: ignore[arg-type]


def test_an_ungated_run_starts_one_job_without_accepting_anything(w: World) -> None:
    plan = w.begin(_ungated())
    request = job_request(plan, accept=False)
    assert "AcceptEula" not in request["ServerlessJobConfig"]
    _hub(w)
    _created(w, request)
    value = start_training(w.context, w.event())
    assert value["status"] == "InProgress"
    assert value["adopted"] is False
    assert value["wait_seconds"] == 86400 + 86400 + 3600
    name = request["TrainingJobName"]
    assert (w.runs.job(name) or {})["run_id"] == RUN_ID
    assert (w.runs.run(RUN_ID) or {})["job_name"] == name
    assert "token" not in (w.runs.pending(RUN_ID, runs.PENDING_TRAINING) or {"token": 1})
    stored, _ = w.files.get(RUN_ID, "create_training_job.json") or (b"", "")
    assert msgspec.json.decode(stored) == request
    w.done()


def test_a_gated_run_accepts_only_after_a_stored_decision(w: World) -> None:
    plan = w.begin()
    _decide(w)
    request = job_request(plan)
    assert request["ServerlessJobConfig"]["AcceptEula"] is True
    _hub(w)
    _created(w, request)
    assert start_training(w.context, w.event())["status"] == "InProgress"


def test_a_forged_approval_in_the_document_proves_nothing(w: World) -> None:
    w.begin()
    _hub(w)
    with pytest.raises(ServiceFault, match="nobody was asked"):
        start_training(w.context, w.event(approval={"decision": "APPROVED", "actor": "mallory"}))
    w.done()


def test_declined_and_undecided_runs_start_nothing(w: World) -> None:
    w.begin()
    request_approval(w.context, w.event(token="t"))
    _hub(w)
    with pytest.raises(ApprovalExpired):
        start_training(w.context, w.event())
    _decide(w, "DECLINED")
    _hub(w)
    with pytest.raises(ApprovalDeclined):
        start_training(w.context, w.event())
    w.done()


def _approved_with_report(w: World) -> dict[str, str]:
    w.begin()
    report = w.files.put(RUN_ID, DATASET, {"rows": 5})._asdict()
    w.runs.update_run(RUN_ID, {"dataset": {**report, "said": ["5 rows"], "warnings": 0}})
    _decide(w)
    _hub(w)
    return report


def test_an_approved_run_with_the_report_that_was_shown_goes_on(w: World) -> None:
    report = _approved_with_report(w)
    _created(w, job_request(make_plan(), accept=True))
    assert start_training(w.context, w.event(dataset=report))["job_name"]
    w.done()


@pytest.mark.parametrize("change", ["another file", "no file", "another in the document"])
def test_a_data_report_other_than_the_one_shown_for_the_decision_ends_the_run(w: World, change: str) -> None:
    report = _approved_with_report(w)
    if change == "another file":
        w.files.put(RUN_ID, DATASET, {"rows": 6})
    elif change == "no file":
        w.s3.delete_object(Bucket=w.context.env.bucket, Key=f"runs/{RUN_ID}/{DATASET}")
    else:
        report = {**report, "sha256": "0" * 64}
    with pytest.raises(PlanChanged, match="data report"):
        start_training(w.context, w.event(dataset=report))
    w.done()


def test_a_gated_plan_that_asks_nobody_is_refused(w: World) -> None:
    w.begin(make_plan(approval=FREE))
    _hub(w)
    with pytest.raises(PlanChanged, match="asks nobody"):
        start_training(w.context, w.event())


@pytest.mark.parametrize(("established", "accepted"), [(True, True), (False, False)])
def test_going_on_from_a_package_accepts_only_for_an_established_ungated_base(
    w: World, established: bool, accepted: bool
) -> None:
    package = GROUP_ARN.replace("model-package-group", "model-package") + "/1"
    model = msgspec.structs.replace(
        _ungated().model, source_model_package_arn=package, base_established=established
    )
    plan = w.begin(_ungated(model=model))
    if accepted:
        _hub(w)
        request = job_request(plan, accept=True)
        _created(w, request)
        assert request["ServerlessJobConfig"]["AcceptEula"] is True
        start_training(w.context, w.event())
    else:
        with pytest.raises(PlanChanged):
            start_training(w.context, w.event())
    w.done()


def test_a_new_hub_version_ends_the_run_and_says_which(w: World) -> None:
    w.begin(_ungated())
    _hub(w, "1.3.0")
    with pytest.raises(PlanChanged, match=r"now version 1\.3\.0, planned 1\.2\.0"):
        start_training(w.context, w.event())
    w.done()


def test_all_differences_are_named_at_once(w: World) -> None:
    w.s3.put_object(Bucket="data", Key="train.jsonl", Body=b"{}")
    data = DataPlan(uri="s3://data/train.jsonl", kind="object", etag="0" * 32)
    gone = DataPlan(uri="s3://data/val.jsonl", kind="object", etag="0" * 32)
    w.begin(_ungated(training_data=data, validation_data=gone))
    _hub(w, "1.3.0")
    with pytest.raises(PlanChanged) as fault:
        start_training(w.context, w.event())
    for said in ("version 1.3.0", "train.jsonl has other content", "val.jsonl can no longer be read"):
        assert said in str(fault.value)


def test_a_changed_hub_document_and_spec_are_seen(w: World) -> None:
    base = _ungated()
    w.s3.put_object(Bucket="data", Key="spec.json", Body=b'{"a": 1}')
    recipe = msgspec.structs.replace(
        base.recipe, override_spec_uri="s3://data/spec.json", override_spec_sha256="0" * 64
    )
    model = msgspec.structs.replace(base.model, document_sha256="0" * 64)
    w.begin(_ungated(recipe=recipe, model=model))
    _hub(w)
    with pytest.raises(PlanChanged) as fault:
        start_training(w.context, w.event())
    assert "hub document" in str(fault.value)
    assert "override spec" in str(fault.value)


def test_a_group_other_than_the_planned_one_is_refused(w: World) -> None:
    w.begin(_ungated())
    with pytest.raises(PlanChanged, match="planned was"):
        start_training(w.context, w.event(registry={"model_package_group_arn": "arn:other"}))


def test_a_describe_that_fails_after_create_does_not_fail_the_step(w: World) -> None:
    plan = w.begin(_ungated())
    request = job_request(plan, accept=False)
    _hub(w)
    w.sagemaker_stub.add_response(
        "create_training_job", {"TrainingJobArn": described(request)["TrainingJobArn"]}
    )
    w.sagemaker_stub.add_client_error("describe_training_job", "InternalFailure", http_status_code=500)
    assert start_training(w.context, w.event())["status"] == "InProgress"


def test_a_repeated_call_adopts_its_own_job(w: World) -> None:
    plan = w.begin(_ungated())
    request = job_request(plan, accept=False)
    for _ in range(2):
        _hub(w)
        w.sagemaker_stub.add_client_error("create_training_job", "ResourceInUse")
        w.sagemaker_stub.add_response("describe_training_job", described(request))
        _tags(w, plan.request_hash)
        assert start_training(w.context, w.event())["adopted"] is True


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("RoleArn", "arn:aws:iam::123456789012:role/Other"),
        ("OutputDataConfig", {"S3OutputPath": "s3://elsewhere/"}),
        ("HyperParameters", {"max_epochs": "3"}),
    ],
)
def test_somebody_elses_job_of_the_same_name_is_not_touched(w: World, member: str, value: Any) -> None:
    plan = w.begin(_ungated())
    request = job_request(plan, accept=False)
    _hub(w)
    w.sagemaker_stub.add_client_error("create_training_job", "ResourceInUse")
    w.sagemaker_stub.add_response("describe_training_job", {**described(request), member: value})
    _tags(w, plan.request_hash)
    with pytest.raises(ServiceFault, match=member):
        start_training(w.context, w.event())


def test_a_job_without_the_request_hash_tag_is_not_adopted(w: World) -> None:
    plan = w.begin(_ungated())
    _hub(w)
    w.sagemaker_stub.add_client_error("create_training_job", "ResourceInUse")
    w.sagemaker_stub.add_response("describe_training_job", described(job_request(plan, accept=False)))
    _tags(w, "0" * 64)
    with pytest.raises(ServiceFault, match=TAG_REQUEST_HASH):
        start_training(w.context, w.event())


@pytest.mark.parametrize(
    ("code", "message", "error", "said"),
    [
        ("ResourceLimitExceeded", "limit 1", QuotaReached, "Service Quotas"),
        ("ThrottlingException", "slow", TransientFault, "slow"),
        ("ResourceNotFound", "group", PlanChanged, "is gone"),
        ("ValidationException", "bad role", ServiceFault, "bad role"),
        ("AccessDeniedException", "no PassRole", ServiceFault, "no PassRole"),
    ],
)
def test_a_refusal_is_named_for_what_can_be_done(
    w: World, code: str, message: str, error: type[Exception], said: str
) -> None:
    w.begin(_ungated())
    _hub(w)
    w.sagemaker_stub.add_client_error("create_training_job", code, message)
    with pytest.raises(error, match=said) as raised:
        start_training(w.context, w.event())
    assert type(raised.value) is error, "Retry goes by the exact name"
    # Throttling aside, no job can come of it, and others need not wait for one.
    assert tracking.may_still_appear(w.context, RUN_ID) is (error is TransientFault)


def test_an_answer_that_was_lost_may_still_be_a_job(w: World) -> None:
    w.begin(_ungated())
    _hub(w)

    def cut_off(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://sagemaker")

    w.sagemaker.create_training_job = cut_off
    with pytest.raises(ReadTimeoutError):
        start_training(w.context, w.event())
    assert tracking.may_still_appear(w.context, RUN_ID)


def test_a_run_that_has_ended_before_the_job_starts_none(w: World) -> None:
    w.begin(_ungated(), status="ENDED", outcome="FAILED")
    _hub(w)
    with pytest.raises(ServiceFault, match="No job is left"):
        start_training(w.context, w.event())
    assert not tracking.may_still_appear(w.context, RUN_ID)
    w.done()


def test_a_run_that_waits_for_quota_has_people_told_each_time_and_fails_no_worse_when_that_fails(
    w: World,
) -> None:
    w.begin(_ungated())
    told = {"FunctionName": "tunestep-notify", "InvocationType": "Event", "Payload": Containing("limit 1")}
    for answers in (True, False):
        _hub(w)
        w.sagemaker_stub.add_client_error("create_training_job", "ResourceLimitExceeded", "limit 1")
        if answers:
            w.lambda_stub.add_response("invoke", {"StatusCode": 202}, told)
        else:
            w.lambda_stub.add_client_error("invoke", "TooManyRequestsException")
        with pytest.raises(QuotaReached):
            start_training(w.context, w.event())
    w.done()


def test_a_stop_before_the_job_starts_none(w: World) -> None:
    w.begin(_ungated(), status="STOPPING", stopped_by="bob")
    _hub(w)
    with pytest.raises(StoppedByUser):
        start_training(w.context, w.event())
    w.done()


def test_a_stop_while_the_job_is_created_stops_it(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = w.begin(_ungated())
    request = job_request(plan, accept=False)
    _hub(w)
    _created(w, request)
    w.sagemaker_stub.add_response("describe_training_job", described(request))
    w.sagemaker_stub.add_response("stop_training_job", {}, {"TrainingJobName": request["TrainingJobName"]})
    create = w.sagemaker.create_training_job

    def stopped_meanwhile(**members: Any) -> Any:
        w.runs.update_run(RUN_ID, {"status": "STOPPING", "stopped_by": "bob"})
        return create(**members)

    monkeypatch.setattr(w.sagemaker, "create_training_job", stopped_meanwhile)
    with pytest.raises(StoppedByUser):
        start_training(w.context, w.event())
    w.done()


RETRY = "support-1234abcd-2"


def _retry_plan(plan: Plan) -> Plan:
    return msgspec.structs.replace(plan, output_uri=plan.output_uri.replace(RUN_ID, RETRY))


@pytest.mark.parametrize("usd", [None, 3.0], ids=["same prices", "a price was set meanwhile"])
def test_a_retry_adopts_the_completed_job_of_the_attempt_before(w: World, usd: float | None) -> None:
    plan = w.begin(_ungated())
    request = job_request(plan, accept=False)
    w.runs.update_run(RUN_ID, {"job_name": request["TrainingJobName"]})
    retried = msgspec.structs.replace(_retry_plan(plan), budget=BudgetPlan(usd_per_million_tokens=usd))
    w.begin(retried, run_id=RETRY, retry_of=RUN_ID)
    _hub(w)
    w.sagemaker_stub.add_response("describe_training_job", described(request, "Completed"))
    _tags(w, plan.request_hash)
    value = start_training(w.context, w.event(run_id=RETRY))
    assert (value["job_name"], value["status"], value["adopted"]) == (
        request["TrainingJobName"],
        "Completed",
        True,
    )
    assert (w.runs.run(RETRY) or {})["job_name"] == request["TrainingJobName"]
    w.done()


@pytest.mark.parametrize("status", ["Failed", "Stopped", "InProgress"])
def test_a_retry_after_a_job_that_did_not_complete_starts_a_new_one(w: World, status: str) -> None:
    plan = w.begin(_ungated())
    before = job_request(plan, accept=False)
    w.runs.update_run(RUN_ID, {"job_name": before["TrainingJobName"]})
    retried = w.begin(_retry_plan(plan), run_id=RETRY, retry_of=RUN_ID)
    request = job_request(retried, RETRY, accept=False)
    assert request["TrainingJobName"] != before["TrainingJobName"]
    _hub(w)
    w.sagemaker_stub.add_response("describe_training_job", described(before, status))
    _created(w, request)
    assert start_training(w.context, w.event(run_id=RETRY))["adopted"] is False
    w.done()


def test_a_retry_on_other_data_does_not_adopt(w: World) -> None:
    plan = w.begin(_ungated())
    before = job_request(plan, accept=False)
    w.runs.update_run(RUN_ID, {"job_name": before["TrainingJobName"]})
    other = msgspec.structs.replace(plan, training_data=DataPlan(uri="s3://data/b.jsonl", kind="object"))
    w.begin(other, run_id=RETRY, retry_of=RUN_ID)
    _hub(w)
    w.sagemaker_stub.add_response("describe_training_job", described(before, "Completed"))
    _created(w, job_request(other, RETRY, accept=False))
    assert start_training(w.context, w.event(run_id=RETRY))["adopted"] is False


def test_what_the_service_adds_is_no_difference() -> None:
    request = job_request(make_plan())
    answer = described(request)
    answer["OutputDataConfig"] = {**request["OutputDataConfig"], "CompressionType": "GZIP"}
    answer["HyperParameters"] = {**request["HyperParameters"], "sagemaker_internal": "1"}
    assert differences(request, answer) == []
