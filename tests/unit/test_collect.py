"""Results: status first; what cannot be known is a stated gap, never a failed run."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.support.run_world import (
    ACCOUNT,
    REGION,
    RUN_ID,
    World,
    described,
    job_request,
    make_plan,
    world,
)
from tunestep import job_facts, runs
from tunestep.collect import collect_results
from tunestep.errors import ServiceFault, TrainingJobFailed
from tunestep.metric_series import per_epoch, turns_up
from tunestep.metrics import MetricsUnavailable, Point
from tunestep.plan_model import Plan

PACKAGE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/support-v1/3"


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


class Reader:
    """An MLflow that holds these series."""

    def __init__(self, **series: list[float]) -> None:
        self.series = series

    def run(self, _run_id: str) -> dict[str, Any]:
        return {"data": {"metrics": [{"key": key} for key in self.series]}}

    def history(self, _run_id: str, metric: str) -> list[Point]:
        return [Point(step, value, step) for step, value in enumerate(self.series[metric], 1)]


def _completed(w: World, plan: Plan | None = None, status: str = "Completed", **more: Any) -> dict[str, Any]:
    request = job_request(w.begin(plan))
    w.runs.update_run(RUN_ID, {"job_name": request["TrainingJobName"]})
    details = {"MlflowExperimentId": "1", "MlflowRunId": "r1"}
    progress = {"TotalStepCountPerEpoch": 2, "MaxEpoch": 2, "CurrentEpoch": 2, "CurrentStep": 4}
    answer = described(
        request,
        status,
        **{
            "OutputModelPackageArn": PACKAGE,
            "MlflowDetails": details,
            "ProgressInfo": progress,
            "BillableTokenCount": 185162,
            **more,
        },
    )
    w.sagemaker_stub.add_response("describe_training_job", answer)
    return answer


def _collect(w: World, reader: Any) -> dict[str, Any]:
    return collect_results(w.context, w.event(training={"status": "Completed"}), reader=lambda *_: reader)


def test_package_metrics_and_record_come_together(w: World) -> None:
    start = w.clock()
    transitions = [
        {"Status": "Starting", "StartTime": start, "EndTime": start + timedelta(seconds=2)},
        {"Status": "Training", "StartTime": start + timedelta(seconds=2)},
    ]
    _completed(w, SecondaryStatusTransitions=transitions)
    w.runs.put({"pk": f"RUN#{RUN_ID}", "sk": runs.PENDING_TRAINING, "token": "t"})
    results = _collect(w, Reader(total_loss=[4.0, 3.0, 2.0, 1.0], val_eval_total_loss=[2.5]))
    assert results["model_package_arn"] == PACKAGE
    assert results["gaps"] == []
    summary = results["summary"]
    assert summary["billable_tokens"] == 185162
    assert summary["phases"] == [
        {"status": "Starting", "seconds": 2.0},
        {"status": "Training", "seconds": None},
    ]
    assert summary["metrics"]["total_loss"] == {"first": 4.0, "last": 1.0, "points": 4}
    assert [row["total_loss"] for row in summary["epochs"]] == [3.5, 1.5]
    data, sha256 = w.files.get(RUN_ID, "record.json") or (b"", "")
    assert sha256 == results["record_sha256"]
    record = msgspec.json.decode(data)
    assert (record["outcome"], record["results"]["model_package_arn"]) == ("SUCCEEDED", PACKAGE)
    stored = msgspec.json.decode((w.files.get(RUN_ID, "metrics.json") or (b"{}", ""))[0])
    assert stored["metrics"]["total_loss"][0] == [1, 4.0, 1]
    run = w.runs.run(RUN_ID) or {}
    assert (run["status"], run["outcome"]) == ("ENDED", "SUCCEEDED")
    assert w.runs.pending(RUN_ID, runs.PENDING_TRAINING) is None
    w.done()


@pytest.mark.parametrize("status", ["Failed", "Stopped", "InProgress"])
def test_the_package_of_a_job_that_did_not_complete_is_not_taken(w: World, status: str) -> None:
    _completed(w, status=status)
    with pytest.raises(TrainingJobFailed):
        _collect(w, Reader())


def test_a_run_without_a_job_is_a_fault(w: World) -> None:
    w.begin()
    with pytest.raises(ServiceFault):
        _collect(w, Reader())


class Refusing:
    def run(self, _run_id: str) -> dict[str, Any]:
        raise MetricsUnavailable("MLflow answers 403 to runs/get: denied")


@pytest.mark.parametrize(
    ("plan", "more", "reader", "gap"),
    [
        (None, {}, Refusing(), "403"),
        (None, {}, Reader(), "MLflow has no total_loss"),
        (None, {"MlflowDetails": {}}, Reader(), "names no MLflow run"),
        (make_plan(mlflow=None), {}, Reader(), "no MLflow app"),
    ],
)
def test_metrics_that_cannot_be_read_are_a_gap(
    w: World, plan: Plan | None, more: dict[str, Any], reader: Any, gap: str
) -> None:
    _completed(w, plan, **more)
    results = _collect(w, reader)
    assert gap in results["gaps"][0]
    assert results["model_package_arn"] == PACKAGE


def _packages(w: World, job: dict[str, Any], source: str, *, token: str = "", more: str = "") -> None:
    """The answers about a page with one package; ``token`` asks for the page, ``more`` leads to the next."""
    w.sagemaker_stub.add_response(
        "list_model_packages",
        {
            "ModelPackageSummaryList": [
                {
                    "ModelPackageArn": PACKAGE,
                    "CreationTime": w.clock(),
                    "ModelPackageStatus": "Completed",
                    "ModelPackageGroupName": "support-v1",
                }
            ],
            **({"NextToken": more} if more else {}),
        },
        {
            "ModelPackageGroupName": "support-v1",
            "CreationTimeAfter": job["CreationTime"],
            "SortBy": "CreationTime",
            "SortOrder": "Ascending",
            "MaxResults": 100,
            **({"NextToken": token} if token else {}),
        },
    )
    s3 = {"S3Uri": source, "S3DataType": "S3Prefix", "CompressionType": "None"}
    w.sagemaker_stub.add_response(
        "describe_model_package",
        {
            "ModelPackageName": "support-v1",
            "ModelPackageArn": PACKAGE,
            "CreationTime": w.clock(),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "InferenceSpecification": {"Containers": [{"ModelDataSource": {"S3DataSource": s3}}]},
        },
    )


@pytest.mark.parametrize(("inside", "found"), [(True, PACKAGE), (False, "")])
def test_a_package_that_the_job_does_not_name_counts_only_if_it_came_from_its_output(
    w: World, inside: bool, found: str
) -> None:
    job = _completed(w, OutputModelPackageArn=PACKAGE)
    job.pop("OutputModelPackageArn")
    root = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/"
    _packages(w, job, root + "output/model" if inside else "s3://elsewhere/model")
    results = _collect(w, Reader(total_loss=[1.0]))
    assert results["model_package_arn"] == found
    assert any("package unknown" in gap for gap in results["gaps"]) != inside


def _without_package(w: World) -> tuple[dict[str, Any], str]:
    job = _completed(w, OutputModelPackageArn=PACKAGE)
    job.pop("OutputModelPackageArn")
    return job, f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/"


def test_a_package_is_looked_for_on_every_page(w: World) -> None:
    job, root = _without_package(w)
    _packages(w, job, "s3://elsewhere/model", more="2")
    _packages(w, job, f"{root}output/model", token="2")
    assert _collect(w, Reader(total_loss=[1.0]))["model_package_arn"] == PACKAGE
    w.done()


def test_looking_for_a_package_ends_with_the_time_for_it_and_says_so(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = _without_package(w)
    _packages(w, job, "s3://elsewhere/model", more="2")
    monkeypatch.setattr(job_facts, "PACKAGE_SECONDS", -1.0)
    results = _collect(w, Reader(total_loss=[1.0]))
    assert results["model_package_arn"] == ""
    assert "only 0 of the packages" in results["gaps"][0]


def test_a_list_that_leads_to_the_same_page_again_ends(w: World) -> None:
    job, _ = _without_package(w)
    _packages(w, job, "s3://elsewhere/model", more="2")
    _packages(w, job, "s3://elsewhere/model", token="2", more="2")
    assert _collect(w, Reader(total_loss=[1.0]))["model_package_arn"] == ""
    w.done()


def test_long_metric_names_and_many_epochs_leave_the_document_small(w: World) -> None:
    progress = {"TotalStepCountPerEpoch": 1, "MaxEpoch": 50, "CurrentEpoch": 50, "CurrentStep": 50}
    _completed(w, ProgressInfo=progress)
    names = [f"{'long/' * 49}{index}" for index in range(40)]
    results = _collect(w, Reader(total_loss=[1.0] * 50, **{name: [1.0] * 50 for name in names}))
    assert len(msgspec.json.encode(results)) < 32 * 1024
    assert results["summary"]["metrics"]["total_loss"]["points"] == 50
    stored = msgspec.json.decode((w.files.get(RUN_ID, "metrics.json") or (b"{}", ""))[0])
    assert len(stored["metrics"]) == 40


@pytest.mark.parametrize(("origin", "expected"), [(0, [1.5, 3.5]), (1, [1.5, 3.5])])
def test_steps_counted_from_zero_or_one_fall_into_the_same_epochs(origin: int, expected: list[float]) -> None:
    points = [Point(origin + index, float(value), 0) for index, value in enumerate([1, 2, 3, 4])]
    assert [row["m"] for row in per_epoch({"m": points}, 2, 2)] == expected


def test_what_was_measured_before_training_belongs_to_no_epoch_and_moves_no_other_value() -> None:
    series = {
        "critic/rewards/mean": [Point(step, float(step), 0) for step in (1, 2, 3, 4)],
        "val/exact_match": [Point(0, 0.1, 0), Point(2, 0.5, 0), Point(4, 0.75, 0)],
    }
    assert per_epoch(series, 2, 2) == [
        {"epoch": 1, "critic/rewards/mean": 1.5, "val/exact_match": 0.5},
        {"epoch": 2, "critic/rewards/mean": 3.5, "val/exact_match": 0.75},
    ]


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([1.0, 0.5, 0.75], "lowest in epoch 2 (0.5) and higher in epoch 3 (0.75)"),
        ([1.0, 0.5, 0.505], ""),
        ([1.0, 0.5, 0.25], ""),
        ([1.0], ""),
        ([], ""),
    ],
)
def test_a_loss_on_held_out_data_that_rises_again_is_pointed_out(losses: list[float], said: str) -> None:
    rows = [{"epoch": epoch, "val_eval_total_loss": loss} for epoch, loss in enumerate(losses, 1)]
    told = turns_up(rows)
    assert (said in told[0]) if said else not told


def test_epochs_that_nobody_knows_make_no_table() -> None:
    assert per_epoch({"m": [Point(1, 1.0, 0)]}, 0, 2) == []
    assert per_epoch({}, 2, 2) == []
