"""Training jobs of the local SageMaker, through boto3 and real processes."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.sagemaker_cloud import (
    ACCOUNT,
    DIES,
    FAILS,
    IGNORES_SIGTERM,
    LLAMA,
    QWEN,
    REGION,
    STOPS,
    Cloud,
    Launcher,
    running,
    until,
)
from tunestep.local.sagemaker import Delivery
from tunestep.local.world import World

GROUP = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package-group/support-v1"

CONFORMANCE = Path(__file__).parents[1] / "conformance"
NO_MODEL = f"arn:aws:sagemaker:{REGION}:aws:hub-content/SageMakerPublicHub/Model/x"


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    made = Launcher()
    yield made
    made.end()


@pytest.fixture
def cloud(tmp_path: Path, launcher: Launcher) -> Iterator[Cloud]:
    with running(tmp_path, launcher) as made:
        yield made


def refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def statuses(job: dict[str, Any]) -> list[str]:
    return [entry["Status"] for entry in job["SecondaryStatusTransitions"]]


def test_a_job_runs_through_its_statuses_and_leaves_a_package(cloud: Cloud) -> None:
    cloud.sagemaker.create_model_package_group(ModelPackageGroupName="support-v1")
    app = cloud.sagemaker.list_mlflow_apps(AccountDefaultStatus="ENABLED")["Summaries"][0]["Arn"]
    request = cloud.request(
        HyperParameters={"max_epochs": "1"},
        ModelPackageConfig={"ModelPackageGroupArn": GROUP},
        MlflowConfig={"MlflowResourceArn": app, "MlflowExperimentName": "support"},
        Tags=[{"Key": "team", "Value": "support"}],
    )
    made = cloud.sagemaker.create_training_job(**request)
    assert made["TrainingJobArn"] == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/job"
    cloud.until(lambda job: job["SecondaryStatus"] == "Training")
    cloud.go()
    job = cloud.ended()

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    assert statuses(job) == ["Starting", "Pending", "Downloading", "Training", "Uploading", "Completed"]
    entries = job["SecondaryStatusTransitions"]
    assert all(a["EndTime"] == b["StartTime"] for a, b in pairwise(entries))
    for member in ("HyperParameters", "ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig", "RoleArn"):
        assert job[member] == request[member]
    assert "AlgorithmSpecification" not in job
    assert "ResourceConfig" not in job
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert job["MlflowDetails"] == {"MlflowExperimentId": "7", "MlflowRunId": "r7"}
    assert job["ProgressInfo"]["CurrentStep"] == 2
    assert job["BillableTokenCount"] == 1234
    assert "BillableTimeInSeconds" not in job
    assert job["OutputModelPackageArn"] == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/support-v1/1"
    package = cloud.sagemaker.describe_model_package(ModelPackageName=job["OutputModelPackageArn"])
    assert package["ModelPackageRegistrationType"] == "Logged"
    container = package["InferenceSpecification"]["Containers"][0]
    assert container["BaseModel"] == {
        "HubContentName": QWEN,
        "HubContentVersion": "1.3.0",
        "RecipeName": "verl-sft-qwen-3-0-6b-seq4k-lora",
    }
    assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == "s3://bucket/out/job/output/model/"
    assert cloud.sagemaker.list_tags(ResourceArn=made["TrainingJobArn"])["Tags"] == request["Tags"]


def test_the_worker_is_told_everything_and_others_may_not_read_it(cloud: Cloud, tmp_path: Path) -> None:
    app = cloud.sagemaker.list_mlflow_apps()["Summaries"][0]["Arn"]
    cloud.sagemaker.create_training_job(
        **cloud.request("told", MlflowConfig={"MlflowResourceArn": app, "MlflowRunName": "r"})
    )
    cloud.sagemaker.create_training_job(**cloud.request("silent"))
    folder = tmp_path / "jobs" / "told"
    context = json.loads((folder / "context.json").read_text())
    assert context == {
        "endpoint_url": cloud.url,
        "mlflow_url": cloud.url,
        "region": REGION,
        "account": ACCOUNT,
        "stop_grace_seconds": 30.0,
        "source_model_s3_uri": None,
        "mlflow_experiment_name": "told",
        "mlflow_run_name": "r",
        "base_model_name": QWEN,
    }
    assert json.loads((tmp_path / "jobs/silent/context.json").read_text())["mlflow_url"] is None
    assert json.loads((folder / "request.json").read_text())["TrainingJobName"] == "told"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.glob("*.json") if file.name != "status.json"} == {
        0o600
    }
    assert (tmp_path / "sagemaker.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_failed_job_has_a_reason_and_a_package_that_says_so(cloud: Cloud, launcher: Launcher) -> None:
    launcher.script = FAILS
    cloud.sagemaker.create_model_package_group(ModelPackageGroupName="support-v1")
    cloud.sagemaker.create_training_job(**cloud.request(ModelPackageConfig={"ModelPackageGroupArn": GROUP}))
    job = cloud.ended()
    assert (job["TrainingJobStatus"], job["FailureReason"]) == (
        "Failed",
        "ClientError: train.jsonl line 3 is not JSON",
    )
    package = cloud.sagemaker.describe_model_package(ModelPackageName=job["OutputModelPackageArn"])
    assert package["ModelPackageStatus"] == "Failed"
    source = {"ModelPackageGroupArn": GROUP, "SourceModelPackageArn": job["OutputModelPackageArn"]}
    code, message = refusal(
        cloud.sagemaker.create_training_job, **cloud.request("next", ModelPackageConfig=source)
    )
    assert (code, "holds no model" in message) == ("ValidationException", True)


def test_a_worker_that_dies_without_a_word_is_a_failed_job(cloud: Cloud, launcher: Launcher) -> None:
    launcher.script = DIES
    cloud.sagemaker.create_training_job(**cloud.request())
    job = cloud.ended()
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: the training process ended without a result")
    assert statuses(job)[-2:] == ["Training", "Failed"]


def test_a_worker_that_does_not_start_is_a_failed_job(tmp_path: Path) -> None:
    def refuse(folder: Path) -> int:
        raise OSError("no such program")

    with running(tmp_path, refuse) as cloud:
        cloud.sagemaker.create_training_job(**cloud.request())
        job = cloud.ended()
    assert job["FailureReason"] == (
        "InternalServerError: the training process did not start (OSError: no such program)"
    )


def test_stop_lets_the_worker_save_and_a_second_stop_is_refused(cloud: Cloud, launcher: Launcher) -> None:
    launcher.script = STOPS
    cloud.sagemaker.create_training_job(**cloud.request())
    cloud.until(lambda job: job["SecondaryStatus"] == "Training")
    cloud.sagemaker.stop_training_job(TrainingJobName="job")
    job = cloud.ended()
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert statuses(job)[-3:] == ["Training", "Stopping", "Stopped"]
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/job/output/model"
    assert refusal(cloud.sagemaker.stop_training_job, TrainingJobName="job") == (
        "ValidationException",
        "The request was rejected because the training job is in status Stopped.",
    )


def test_a_worker_that_does_not_stop_is_killed_after_the_grace(tmp_path: Path, launcher: Launcher) -> None:
    launcher.script = IGNORES_SIGTERM
    with running(tmp_path, launcher, stop_grace_seconds=0.3) as cloud:
        cloud.sagemaker.create_training_job(**cloud.request())
        cloud.until(lambda job: job["SecondaryStatus"] == "Training")
        cloud.sagemaker.stop_training_job(TrainingJobName="job")
        assert cloud.describe()["TrainingJobStatus"] == "Stopping"
        assert cloud.ended()["TrainingJobStatus"] == "Stopped"
    assert launcher.processes[0].wait(5) in (-signal.SIGKILL, 0)


def test_a_job_that_outlives_its_maximum_is_stopped_as_such(tmp_path: Path, launcher: Launcher) -> None:
    launcher.script = STOPS
    with running(tmp_path, launcher) as cloud:
        request = cloud.request(StoppingCondition={"MaxRuntimeInSeconds": 1})
        cloud.sagemaker.create_training_job(**request)
        job = cloud.ended()
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_name_is_taken_once_for_all_and_unknown_jobs_are_not_found(cloud: Cloud) -> None:
    cloud.sagemaker.create_training_job(**cloud.request())
    code, message = refusal(cloud.sagemaker.create_training_job, **cloud.request())
    assert code == "ResourceInUse"
    assert message.endswith(f"(arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/job)")
    for call in (cloud.sagemaker.describe_training_job, cloud.sagemaker.stop_training_job):
        assert refusal(call, TrainingJobName="nobody") == (
            "ValidationException",
            "Requested resource not found.",
        )


@pytest.mark.parametrize(
    ("model", "changes", "said"),
    [
        (LLAMA, {}, "requires acceptance of its end-user license agreement"),
        (QWEN, {"config": {"BaseModelArn": NO_MODEL}}, "does not exist"),
        (QWEN, {"config": {"CustomizationTechnique": "RLVR", "Peft": None}}, "does not support RLVR"),
        (QWEN, {"config": {"SequenceLength": "8K"}}, "does not support SFT with LORA at 8K"),
        (QWEN, {"config": {"CustomizationTechnique": None}}, "CustomizationTechnique is required"),
        (QWEN, {"config": {"JobType": "Evaluation"}}, "FineTuning only"),
        (QWEN, {"config": {"CustomizationTechnique": "PPO"}}, "enum value set"),
        (QWEN, {"config": {"CustomizationTechnique": "RLVR"}}, "exactly one of EvaluatorArn and"),
        (QWEN, {"HyperParameters": {"preset_reward_function": ""}}, "Preset reward function"),
        (QWEN, {"HyperParameters": {"max_epoch": "1"}}, "max_epoch is not a hyperparameter"),
        (QWEN, {"HyperParameters": {"max_epochs": "1000"}}, "max_epochs=1000 is not between 1 and 30"),
        (QWEN, {"HyperParameters": {"max_epochs": "one"}}, "max_epochs=one is not of type integer"),
        (QWEN, {"HyperParameters": {"lora_rank": "9"}}, "lora_rank=9 is not one of"),
        (QWEN, {"HyperParameters": {"merge_weights": "maybe"}}, "is not of type boolean"),
        (QWEN, {"ModelPackageConfig": {"ModelPackageGroupArn": GROUP}}, f"{GROUP} does not exist."),
        (QWEN, {"TrainingJobName": "../up"}, "regular expression pattern"),
        (QWEN, {"TrainingJobName": "ends-"}, "regular expression pattern"),
        (QWEN, {"TrainingJobName": "line\n"}, "regular expression pattern"),
        (QWEN, {"ResourceConfig": {"VolumeSizeInGB": 1}}, "ResourceConfig cannot be specified together"),
    ],
)  # fmt: skip
def test_what_the_service_refuses_is_refused_and_leaves_nothing(
    cloud: Cloud, tmp_path: Path, model: str, changes: dict[str, Any], said: str
) -> None:
    code, message = refusal(cloud.sagemaker.create_training_job, **cloud.request("job", model, **changes))
    assert code == "ValidationException"
    assert said in message
    assert list((tmp_path / "jobs").iterdir()) == []
    assert cloud.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.parametrize(
    ("member", "said"),
    [("ServerlessJobConfig", "serverless jobs only"), ("InputDataConfig", "InputDataConfig is required")],
)
def test_a_job_without_its_configuration_or_data_is_refused(cloud: Cloud, member: str, said: str) -> None:
    request = cloud.request()
    del request[member]
    assert said in refusal(cloud.sagemaker.create_training_job, **request)[1]


def test_an_evaluator_has_to_exist(cloud: Cloud) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hub-content/mine/JsonDoc/reward/1.0.0"
    request = cloud.request(config={"CustomizationTechnique": "RLVR", "EvaluatorArn": arn})
    assert refusal(cloud.sagemaker.create_training_job, **request)[0] == "ResourceNotFound"


def test_the_gated_model_trains_once_its_licence_is_accepted(cloud: Cloud) -> None:
    cloud.sagemaker.create_training_job(**cloud.request("job", LLAMA, config={"AcceptEula": True}))
    cloud.go()
    assert cloud.ended()["TrainingJobStatus"] == "Completed"


def test_a_continued_job_is_told_where_the_first_left_its_weights(cloud: Cloud, tmp_path: Path) -> None:
    cloud.sagemaker.create_model_package_group(ModelPackageGroupName="support-v1")
    group = {"ModelPackageGroupArn": GROUP}
    cloud.sagemaker.create_training_job(**cloud.request("first", ModelPackageConfig=group))
    cloud.go("first")
    package = cloud.ended("first")["OutputModelPackageArn"]
    config = group | {"SourceModelPackageArn": package}
    cloud.sagemaker.create_training_job(**cloud.request("second", ModelPackageConfig=config))
    context = json.loads((tmp_path / "jobs/second/context.json").read_text())
    assert context["source_model_s3_uri"] == "s3://bucket/out/job/output/model/"
    cloud.go("second")
    assert cloud.ended("second")["OutputModelPackageArn"].endswith("/support-v1/2")


def test_a_running_job_is_found_again_after_a_restart(tmp_path: Path, launcher: Launcher) -> None:
    with running(tmp_path, launcher) as cloud:
        cloud.sagemaker.create_training_job(**cloud.request())
        cloud.until(lambda job: job["SecondaryStatus"] == "Training")
    with running(tmp_path, launcher) as cloud:
        assert cloud.describe()["SecondaryStatus"] == "Training"
        cloud.go()
        assert cloud.ended()["TrainingJobStatus"] == "Completed"
    assert len(launcher.processes) == 1


@pytest.mark.parametrize("again", [True, False])
def test_a_job_whose_worker_ended_while_nobody_watched(
    tmp_path: Path, launcher: Launcher, again: bool
) -> None:
    with running(tmp_path, launcher) as cloud:
        cloud.sagemaker.create_training_job(**cloud.request())
        cloud.until(lambda job: job["SecondaryStatus"] == "Training")
    if again:
        (tmp_path / "jobs/job/go").touch()
    else:
        launcher.processes[0].kill()
    launcher.processes[0].wait()
    with running(tmp_path, launcher) as cloud:
        assert cloud.ended()["TrainingJobStatus"] == ("Completed" if again else "Failed")


@pytest.mark.parametrize("meanwhile", ["trains", "completes", "dies"])
def test_a_worker_whose_number_was_not_written_down_is_found_or_its_report_is(
    tmp_path: Path, launcher: Launcher, meanwhile: str
) -> None:
    with running(tmp_path, launcher) as cloud:
        cloud.sagemaker.create_training_job(**cloud.request())
        cloud.until(lambda job: job["SecondaryStatus"] == "Training")
        cloud.service.supervisor.close()
        job = cloud.service.records.get("job", "job")
        assert job is not None
        kept = {name: value for name, value in job.items() if not name.startswith("pid")}
        cloud.service.records.put("job", "job", kept)
    if meanwhile != "trains":
        worker = launcher.processes.pop()
        if meanwhile == "completes":
            (tmp_path / "jobs/job/go").touch()
        else:
            worker.kill()
        worker.wait()
    with running(tmp_path, launcher) as cloud:
        if meanwhile == "trains":
            assert cloud.describe()["TrainingJobStatus"] == "InProgress"
            cloud.go()
        job = cloud.ended()
    assert job["TrainingJobStatus"] == ("Failed" if meanwhile == "dies" else "Completed")
    assert job.get("FailureReason", "").startswith("InternalServerError" if meanwhile == "dies" else "")
    assert len(launcher.processes) == (1 if meanwhile == "trains" else 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("stopped", [True, False])
def test_a_job_whose_worker_was_never_started_is_started_after_a_restart(
    tmp_path: Path, launcher: Launcher, stopped: bool
) -> None:
    killed = threading.Event()

    def dies(folder: Path) -> int:
        killed.set()
        raise SystemExit  # ends the supervisor's thread here, as a kill would

    with running(tmp_path, dies) as cloud:
        cloud.sagemaker.create_training_job(**cloud.request())
        assert killed.wait(10)
        if stopped:
            cloud.sagemaker.stop_training_job(TrainingJobName="job")
    with running(tmp_path, launcher) as cloud:
        if not stopped:
            cloud.until(lambda job: job["SecondaryStatus"] == "Training")
            cloud.go()
        job = cloud.ended()
    assert job["TrainingJobStatus"] == ("Stopped" if stopped else "Completed")
    assert statuses(job).count("Pending") == 1
    assert len(launcher.processes) == (0 if stopped else 1)


def test_another_process_with_the_workers_number_is_not_taken_for_it(
    tmp_path: Path, launcher: Launcher
) -> None:
    with running(tmp_path, launcher) as cloud:
        cloud.sagemaker.create_training_job(**cloud.request())
        cloud.until(lambda job: job["SecondaryStatus"] == "Training")
        job = cloud.service.records.get("job", "job")
    assert job is not None
    launcher.end()
    with running(tmp_path, launcher, poll_seconds=0.01) as cloud:
        cloud.ended()
        cloud.service.records.put(
            "job", "impostor", job | {"name": "impostor", "pid": os.getpid(), "pid_identity": "1"}
        )
    (tmp_path / "jobs/impostor").mkdir()
    with running(tmp_path, launcher) as cloud:
        assert cloud.ended("impostor")["TrainingJobStatus"] == "Failed"


def test_a_folder_without_a_job_is_replaced_and_a_link_is_not_followed(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "jobs/job").mkdir()
    (tmp_path / "jobs/job/status.json").write_text('{"status": "Completed"}')
    cloud.sagemaker.create_training_job(**cloud.request())
    assert (
        not (tmp_path / "jobs/job/status.json").exists()
        or cloud.describe()["TrainingJobStatus"] == "InProgress"
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "jobs/linked").symlink_to(outside)
    assert refusal(cloud.sagemaker.create_training_job, **cloud.request("linked"))[0] == "ValidationException"
    assert list(outside.iterdir()) == []


def test_events_mirror_the_job_in_milliseconds_without_package_and_mlflow(cloud: Cloud) -> None:
    cloud.sagemaker.create_model_package_group(ModelPackageGroupName="support-v1")
    cloud.sagemaker.create_training_job(
        **cloud.request(
            ModelPackageConfig={"ModelPackageGroupArn": GROUP}, Tags=[{"Key": "tunestep:run", "Value": "r"}]
        )
    )
    cloud.until(lambda job: job["SecondaryStatus"] == "Training")
    cloud.go()
    job = cloud.ended()
    last = until(lambda: cloud.events[-1], lambda e: e["detail"]["TrainingJobStatus"] == "Completed")
    assert (last["source"], last["detail-type"]) == ("aws.sagemaker", "SageMaker Training Job State Change")
    assert last["resources"] == [job["TrainingJobArn"]]
    assert last["detail"]["CreationTime"] == round(job["CreationTime"].timestamp() * 1000)
    assert [e["Status"] for e in last["detail"]["SecondaryStatusTransitions"]] == statuses(job)
    assert not {"OutputModelPackageArn", "MlflowDetails"} & set(last["detail"])
    assert last["detail"]["Tags"] == {"tunestep:run": "r"}
    seen = [event["detail"]["SecondaryStatus"] for event in cloud.events]
    assert seen == statuses(job)
    assert json.loads(json.dumps(last)) == last


@pytest.mark.parametrize(("delivery", "copies"), [(Delivery(mode="twice"), 2), (Delivery(mode="never"), 0)])
def test_events_come_twice_or_never_when_told_so(cloud: Cloud, delivery: Delivery, copies: int) -> None:
    cloud.service.delivery = delivery
    cloud.sagemaker.create_training_job(**cloud.request())
    cloud.go()
    cloud.ended()
    cloud.service.delivery = Delivery()
    cloud.sagemaker.create_training_job(**cloud.request("marker"))
    until(lambda: [e["detail"]["TrainingJobName"] for e in cloud.events], lambda names: "marker" in names)
    final = [
        e["detail"]
        for e in cloud.events
        if e["detail"]["TrainingJobName"] == "job" and e["detail"]["TrainingJobStatus"] == "Completed"
    ]
    assert len(final) == copies


def test_a_late_event_comes_after_its_delay_and_others_overtake_it(cloud: Cloud) -> None:
    cloud.service.delivery = Delivery(late_seconds=0.5)
    cloud.sagemaker.create_training_job(**cloud.request("late"))
    cloud.service.delivery = Delivery()
    cloud.sagemaker.create_training_job(**cloud.request("early"))
    first = until(
        lambda: [
            event["detail"]["TrainingJobName"]
            for event in list(cloud.events)
            if event["detail"]["SecondaryStatus"] == "Starting"
        ],
        lambda seen: len(seen) == 2,
    )
    assert first == ["early", "late"]


def test_an_emitter_that_fails_neither_stops_the_job_nor_later_events(
    tmp_path: Path, launcher: Launcher
) -> None:
    with running(tmp_path, launcher) as cloud:
        taken = cloud.events.append
        failures: list[int] = []

        def emit(event: dict[str, Any]) -> None:
            if not failures:
                failures.append(1)
                raise ConnectionError("the rule's target is gone")
            taken(event)

        cloud.service._courier._emit = emit
        cloud.sagemaker.create_training_job(**cloud.request())
        cloud.go()
        assert cloud.ended()["TrainingJobStatus"] == "Completed"
        until(lambda: len(cloud.events), lambda count: count > 0)


def test_rl_jobs_are_billed_by_time(cloud: Cloud) -> None:
    config = {"CustomizationTechnique": "RLVR"}
    request = cloud.request(config=config, HyperParameters={"preset_reward_function": "gsm8k"})
    cloud.sagemaker.create_training_job(**request)
    cloud.go()
    job = cloud.ended()
    assert job["BillableTimeInSeconds"] >= 1
    assert "BillableTokenCount" not in job


def test_jobs_are_listed_by_status_and_name_in_pages(cloud: Cloud, launcher: Launcher) -> None:
    for name in ("alpha-1", "alpha-2", "beta-1"):
        cloud.sagemaker.create_training_job(**cloud.request(name))
        cloud.go(name)
        cloud.ended(name)
    launcher.script = FAILS
    cloud.sagemaker.create_training_job(**cloud.request("beta-2"))
    cloud.ended("beta-2")
    pages = cloud.sagemaker.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 3})
    names = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
    assert names == ["alpha-1", "alpha-2", "beta-1", "beta-2"]
    listed = cloud.sagemaker.list_training_jobs(StatusEquals="Failed", NameContains="beta")
    assert [job["TrainingJobName"] for job in listed["TrainingJobSummaries"]] == ["beta-2"]
    newest = cloud.sagemaker.list_training_jobs(SortOrder="Descending", MaxResults=1)
    assert newest["TrainingJobSummaries"][0]["TrainingJobName"] == "beta-2"
    assert refusal(cloud.sagemaker.list_training_jobs, NextToken="zzz")[0] == "ValidationException"


def test_an_unsupported_operation_says_so(cloud: Cloud) -> None:
    assert refusal(cloud.sagemaker.list_endpoints)[0] == "NotImplemented"


def test_every_request_of_the_real_sdk_is_accepted(tmp_path: Path, launcher: Launcher) -> None:
    launcher.script = STOPS
    cases = json.loads((CONFORMANCE / "create_training_job.json").read_text())
    world = World.load(CONFORMANCE / "world.json")
    with running(tmp_path, launcher, world=world) as cloud:
        cloud.sagemaker.create_hub(HubName="MYHUB", HubDescription="d")
        cloud.sagemaker.import_hub_content(
            HubName="MYHUB",
            HubContentType="JsonDoc",
            HubContentName="my-eval",
            HubContentVersion="1.0.0",
            DocumentSchemaVersion="2.0.0",
            HubContentDocument="{}",
        )
        for number, case in enumerate(cases):
            request = dict(case["create_training_job"], TrainingJobName=f"case-{number}")
            # The one deliberate difference from the SDK: empty strings are not sent.
            sent = request["HyperParameters"]
            request["HyperParameters"] = {key: value for key, value in sent.items() if value != ""}
            cloud.sagemaker.create_training_job(**request)
            cloud.sagemaker.stop_training_job(TrainingJobName=f"case-{number}")
    assert len(cases) >= 12
