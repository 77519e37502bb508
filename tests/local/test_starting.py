"""Everything besides the command that starts runs, on the laptop cloud, from the upload to the run's end."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.local.laptop import LLAMA, QWEN, Laptop, jsonl, sft_rows, until
from tunestep import names
from tunestep.rejections import rejected_key


def document(laptop: Laptop, use_case: str, rows: int = 16, **fields: Any) -> dict[str, Any]:
    """A small request on data of its own in the stack's bucket; None takes a field away."""
    key = f"data/{use_case.replace(' ', '-')}/{uuid.uuid4()}/train.jsonl"
    put(laptop, key, jsonl(sft_rows(rows)))
    wanted = {
        "use_case": use_case,
        "technique": "SFT",
        "base_model": QWEN,
        "training_data": f"s3://{laptop.bucket}/{key}",
        "hyperparameters": {"max_epochs": 1, "global_batch_size": 8},
    } | fields
    return {name: value for name, value in wanted.items() if value is not None}


def put(laptop: Laptop, key: str, body: str | bytes) -> None:
    laptop.client("s3").put_object(
        Bucket=laptop.bucket, Key=key, Body=body.encode() if isinstance(body, str) else body
    )


def runs_of(laptop: Laptop, use_case: str) -> list[str]:
    """Ids of the runs of a use case, oldest attempt first."""
    items = laptop.client("dynamodb").scan(TableName=names.table_name("tunestep"))["Items"]
    found = [
        item for item in items if item["sk"]["S"] == "RUN" and item.get("use_case", {}).get("S") == use_case
    ]
    return sorted((item["run_id"]["S"] for item in found), key=lambda run_id: int(run_id.rsplit("-", 1)[1]))


def started(laptop: Laptop, use_case: str, count: int = 1) -> list[str]:
    found: list[str] = until(lambda: runs_of(laptop, use_case), lambda seen: len(seen) >= count)
    return found


def rejection(laptop: Laptop, subject: str) -> dict[str, Any]:
    """The file that says why something was not started, once it is there."""
    key = rejected_key(subject)
    s3 = laptop.client("s3")
    until(lambda: s3.list_objects_v2(Bucket=laptop.bucket, Prefix=key).get("KeyCount"))
    found: dict[str, Any] = json.loads(s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read())
    return found


def succeeded(laptop: Laptop, run_id: str) -> dict[str, Any]:
    """The execution at its end, which was a good one."""
    ended = laptop.ended(run_id)
    assert ended["status"] == "SUCCEEDED", (ended.get("error"), ended.get("cause"))
    return ended


def queue_is_empty(laptop: Laptop) -> None:
    """Everything that was asked for has been dealt with, and nothing lies among the dead letters."""
    sqs = laptop.client("sqs")
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def count(queue: str) -> int:
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=wanted)["Attributes"]
        return sum(int(value) for value in attributes.values())

    queues = sqs.list_queues(QueueNamePrefix="tunestep")["QueueUrls"]
    assert len(queues) == 2, queues
    for queue in queues:
        until(lambda queue=queue: count(queue), lambda waiting: waiting == 0)


def again(laptop: Laptop, event: dict[str, Any]) -> None:
    """Deliver an event to the queue once more, as EventBridge and SQS may."""
    sqs = laptop.client("sqs")
    url = sqs.get_queue_url(QueueName=names.request_queue_name("tunestep"))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    queue_is_empty(laptop)


def object_event(laptop: Laptop, key: str) -> dict[str, Any]:
    """S3's event about the newest version of an object."""
    head = laptop.client("s3").head_object(Bucket=laptop.bucket, Key=key)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": laptop.bucket},
            "object": {"key": key, "version-id": head["VersionId"], "size": head["ContentLength"]},
        },
    }


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_a_request_file_starts_one_run_that_says_where_it_came_from(laptop: Laptop, ending: str) -> None:
    use_case = f"uploaded {ending}"
    # JSON is YAML too.
    put(laptop, f"requests/team a/{use_case}.{ending}", json.dumps(document(laptop, use_case)))
    (run_id,) = started(laptop, use_case)
    succeeded(laptop, run_id)
    item = laptop.item(run_id)
    assert (item["source"], item["requester_assurance"]) == ("s3", "S3 event")
    queue_is_empty(laptop)
    assert runs_of(laptop, use_case) == [run_id]
    assert run_id.startswith(f"uploaded-{ending}-")


def test_redelivery_starts_nothing_and_uploading_the_same_again_is_a_duplicate(laptop: Laptop) -> None:
    use_case, key = "uploaded twice", "requests/twice.json"
    text = json.dumps(document(laptop, use_case))
    put(laptop, key, text)
    (first,) = started(laptop, use_case)
    again(laptop, object_event(laptop, key))
    succeeded(laptop, first)
    again(laptop, object_event(laptop, key))
    assert runs_of(laptop, use_case) == [first]
    jobs = laptop.jobs()
    put(laptop, key, text)
    _, second = started(laptop, use_case, 2)
    ended = laptop.ended(second)
    assert ended["error"] == "DuplicateRun"
    assert first in ended["cause"]
    assert laptop.jobs() == jobs
    assert laptop.item(first)["outcome"] == "SUCCEEDED"


@pytest.mark.slow
def test_data_for_a_preset_starts_its_request_on_that_data(laptop: Laptop) -> None:
    use_case = "preset plain"
    # Files beside the request: that of the training data is left out, the other one uploaded.
    laptop.file("held-out.jsonl", jsonl(sft_rows(4)))
    beside = {"training_data": "nowhere.jsonl", "validation_data": "held-out.jsonl"}
    request = laptop.file("preset.json", json.dumps(document(laptop, use_case, **beside)))
    added = laptop.json("preset", "add", "plain", request, "--local")
    assert "plain" in laptop("preset", "list", "--local").stdout
    assert "--replace" in laptop("preset", "add", "plain", request, "--local", code=2).stderr
    put(laptop, "datasets/plain/2026/train.jsonl", jsonl(sft_rows(20)))
    (run_id,) = started(laptop, use_case)
    succeeded(laptop, run_id)
    asked = json.loads(laptop.execution(run_id)["input"])
    assert asked["training_data"] == f"{added['datasets']}2026/train.jsonl"
    assert asked.pop("validation_data").startswith(f"s3://{laptop.bucket}/data/")
    assert {**document(laptop, use_case), "training_data": ""} == {**asked, "training_data": ""}
    # The same bytes under another name are the same content.
    put(laptop, "datasets/plain/copy.jsonl", jsonl(sft_rows(20)))
    (copy,) = set(started(laptop, use_case, 2)) - {run_id}
    assert laptop.ended(copy)["error"] == "DuplicateRun"
    laptop("preset", "remove", "plain", "--local")
    put(laptop, "datasets/plain/late.jsonl", jsonl(sft_rows(21)))
    assert rejection(laptop, "datasets/plain/late.jsonl")["findings"][0]["code"] == "PRESET_NOT_FOUND"


@pytest.mark.slow
def test_a_preset_can_go_on_from_the_newest_approved_package_of_its_group(laptop: Laptop) -> None:
    use_case, group = "preset goes on", "preset-goes-on"
    base = document(laptop, use_case, training_data=None, model_package_group=group)
    laptop("preset", "add", "goes-on", laptop.file("on.json", json.dumps(base)), "--continue", "--local")
    put(laptop, "datasets/goes-on/1.jsonl", jsonl(sft_rows(16)))
    (first,) = started(laptop, use_case)
    succeeded(laptop, first)
    assert json.loads(laptop.execution(first)["input"])["base_model"] == QWEN
    package = laptop.item(first)["model_package_arn"]
    laptop.client("sagemaker").update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    put(laptop, "datasets/goes-on/2.jsonl", jsonl(sft_rows(24)))
    (second,) = set(started(laptop, use_case, 2)) - {first}
    assert json.loads(laptop.execution(second)["input"])["base_model"] == package
    succeeded(laptop, second)


def send(laptop: Laptop, detail: Any, **entry: Any) -> str:
    """Put one event on the stack's bus; returns its id."""
    answer = laptop.client("events").put_events(
        Entries=[
            {
                "EventBusName": names.bus_name("tunestep"),
                "Source": "team.data",
                "DetailType": names.DETAIL_REQUESTED,
                "Detail": json.dumps(detail),
                **entry,
            }
        ]
    )
    return str(answer["Entries"][0]["EventId"])


@pytest.mark.slow
def test_an_event_on_the_stack_s_bus_starts_a_request_or_a_preset(laptop: Laptop) -> None:
    send(laptop, {"request": document(laptop, "by event")})
    (run_id,) = started(laptop, "by event")
    succeeded(laptop, run_id)
    item = laptop.item(run_id)
    assert (item["source"], item["requester"]) == ("event", "team.data in account 123456789012")
    preset = document(laptop, "by event preset")
    data = preset.pop("training_data")
    laptop("preset", "add", "evented", laptop.file("evented.json", json.dumps(preset)), "--local")
    send(laptop, {"preset": "evented", "training_data": data})
    (run_id,) = started(laptop, "by event preset")
    succeeded(laptop, run_id)


@pytest.mark.parametrize(
    "detail", [{}, {"preset": 7}, {"request": {}, "preset": "x"}, {"request": {"use_case": "x"}}]
)
def test_a_malformed_event_ends_in_one_file(laptop: Laptop, detail: Any) -> None:
    event_id = send(laptop, detail)
    assert rejection(laptop, f"events/{event_id}")["findings"]


def test_events_of_another_type_bus_or_service_start_nothing(laptop: Laptop) -> None:
    before = len(
        laptop.client("s3").list_objects_v2(Bucket=laptop.bucket, Prefix="rejected/").get("Contents", [])
    )
    detail = {"request": document(laptop, "not started")}
    send(laptop, detail, DetailType=names.DETAIL_SCHEDULED)
    send(laptop, detail, DetailType="Something")
    send(laptop, detail, EventBusName="default")
    with pytest.raises(Exception, match="NotAuthorizedForSource"):
        send(laptop, detail, Source="aws.s3")
    queue_is_empty(laptop)
    after = len(
        laptop.client("s3").list_objects_v2(Bucket=laptop.bucket, Prefix="rejected/").get("Contents", [])
    )
    assert (runs_of(laptop, "not started"), after) == ([], before)


def invocations(laptop: Laptop) -> int:
    """How often the trigger function was called."""
    log = laptop.home / "functions" / names.function_name("tunestep", "trigger") / "log.txt"
    return log.read_text().count('"Successes":') if log.is_file() else 0


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("requests/broken.json", b'{"use_case": '),
        ("requests/not-a-request.yaml", b"- 1\n- 2\n"),
        ("requests/missing.json", b'{"use_case": "x"}'),
        ("requests/binary.json", bytes(range(256))),
        ("requests/readme.txt", b"not a request"),
        ("requests/huge.json", b" " * (300 * 1024)),
        ("requests/forbidden tags.json", json.dumps({"tags": {"tunestep:run": "x"}}).encode()),
        ("requests/üñï 日本.json", b"{}"),
        ("requests//empty.json", b"{}"),
        ("requests/" + "x" * 1005 + ".json", b"{}"),
        ("datasets/Not-A-Preset/train.jsonl", b"{}\n"),
        ("datasets/absent/train.jsonl", b"{}\n"),
        ("datasets/loose.jsonl", b"{}\n"),
    ],
)
def test_a_malformed_upload_gives_one_invocation_and_one_file(laptop: Laptop, key: str, body: bytes) -> None:
    queue_is_empty(laptop)
    before = invocations(laptop)
    put(laptop, key, body)
    said = rejection(laptop, key)
    queue_is_empty(laptop)
    assert said["rejected"] == key
    assert said["findings"]
    assert invocations(laptop) == before + 1


def test_the_status_names_what_was_rejected(laptop: Laptop) -> None:
    put(laptop, "requests/seen in status.json", "{}")
    rejection(laptop, "requests/seen in status.json")
    shown = laptop("status", "--local").stdout
    assert "each file says why" in shown
    assert f"s3://{laptop.bucket}/rejected/requests/seen%20in%20status.json.json" in shown


def test_a_key_with_a_line_break_is_rejected_under_a_plain_name(laptop: Laptop) -> None:
    # moto's S3 takes no such key, so that the event alone is made.
    key = "requests/line\nbreak.json"
    detail = {"bucket": {"name": laptop.bucket}, "object": {"key": key, "version-id": "v", "size": 2}}
    again(laptop, {"source": "aws.s3", "detail-type": "Object Created", "id": "1", "detail": detail})
    assert rejection(laptop, key)["findings"][0]["code"] == "KEY_NOT_USABLE"


@pytest.mark.parametrize(
    "key",
    [
        "runs/x/requests/a.json",
        "output/x/requests/a.json",
        "rejected/requests/a.json",
        "data/requests/a.json",
        "presets/a.json",
        "evidence/a.json",
        "Requests/a.json",
        "requests.json",
        "requests/folder/",
        "datasets/folder/",
    ],
)
def test_what_is_written_elsewhere_starts_nothing(laptop: Laptop, key: str) -> None:
    use_case = f"elsewhere {key}"
    put(laptop, key, "" if key.endswith("/") else json.dumps(document(laptop, use_case)))
    queue_is_empty(laptop)
    assert runs_of(laptop, use_case) == []


@pytest.mark.slow
def test_the_console_s_start_of_the_same_request_is_a_duplicate_and_force_is_not(laptop: Laptop) -> None:
    request = laptop.request("console twin")
    first = laptop.start(request)
    succeeded(laptop, first)
    sfn = laptop.client("stepfunctions")
    asked = json.loads(laptop.execution(first)["input"])
    arn = sfn.start_execution(
        stateMachineArn=laptop.machine_arn, name="typed-in-the-console", input=json.dumps(asked)
    )["executionArn"]
    ended = laptop.ended(arn.rsplit(":", 1)[1])
    assert (ended["error"], first in ended["cause"]) == ("DuplicateRun", True)
    shown = laptop("run", request, "--local")
    assert first in shown.stdout
    assert "model package" in shown.stdout
    said = laptop.json("run", request, "--local")
    assert (said["run_id"], said["duplicate"] != first) == (first, True)
    forced = laptop.json("run", request, "--local", "--force")
    assert forced["run_id"] != first
    succeeded(laptop, forced["run_id"])


@pytest.mark.slow
def test_a_duplicate_of_a_live_run_leaves_it_and_its_job_alone(laptop: Laptop) -> None:
    request = laptop.long_request("live twin")
    first = laptop.start(request)
    job = laptop.trains(first)
    shown = laptop("run", request, "--local")
    assert f"tunestep watch {first}" in shown.stdout
    assert laptop.job(first)["TrainingJobStatus"] == "InProgress"
    laptop("stop", first, "--local")
    assert laptop.ended(first)["error"] == "StoppedByUser"
    # A run that ended badly frees its content once its job has ended.
    until(lambda: laptop.job(first)["TrainingJobStatus"], lambda status: status == "Stopped")
    second = laptop.start(request)
    assert laptop.trains(second)["TrainingJobName"] != job["TrainingJobName"]
    laptop("stop", second, "--local")
    laptop.ended(second)


@pytest.mark.slow
def test_reuse_ends_at_once_with_the_earlier_results(laptop: Laptop) -> None:
    request = laptop.request("reused")
    first = laptop.start(request)
    succeeded(laptop, first)
    jobs = laptop.jobs()
    again = laptop.request("reused", use_case="Test reused", reuse=True)
    second = laptop.start(again)
    succeeded(laptop, second)
    assert "StartTraining" not in laptop.states(second)
    assert laptop.jobs() == jobs
    results = json.loads(succeeded(laptop, second)["output"])["results"]
    assert results["reused_from"] == first
    assert results["model_package_arn"] == laptop.item(first)["model_package_arn"]
    record = laptop.run_file(second, "record.json")
    assert (record["outcome"], record["reused_from"]) == ("SUCCEEDED", first)
    assert first in laptop("results", second, "--local").stdout


@pytest.mark.slow
def test_a_restart_delivers_nothing_twice(own_laptop: Any) -> None:
    laptop = own_laptop()
    put(laptop, "requests/kept.json", json.dumps(document(laptop, "kept")))
    (run_id,) = started(laptop, "kept")
    put(laptop, "requests/bad.json", "{}")
    rejection(laptop, "requests/bad.json")
    queue_is_empty(laptop)
    succeeded(laptop, run_id)
    before = invocations(laptop)
    laptop.kill()
    laptop("local", "start")
    queue_is_empty(laptop)
    assert invocations(laptop) == before
    assert runs_of(laptop, "kept") == [run_id]


SETTINGS = """
sources:
  s3_requests: {enabled: false}
  schedules: {approval: always}
schedules:
  - name: every-minute
    at: rate(1 minute)
    preset: nightly
"""


@pytest.mark.slow
def test_settings_switch_a_source_off_and_a_schedule_runs_its_preset(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path / "scheduled")
    try:
        settings = laptop.file("settings.yaml", SETTINGS)
        laptop("local", "start", "--settings", settings)
        request = document(laptop, "nightly")
        laptop("preset", "add", "nightly", laptop.file("n.json", json.dumps(request)), "--local")
        put(laptop, "requests/off.json", json.dumps(document(laptop, "switched off")))
        found = until(lambda: runs_of(laptop, "nightly"), seconds=90)
        item = laptop.item(found[0])
        assert (item["source"], item["requester"]) == ("schedule", "schedule every-minute")
        # The source's rule has a person decide, whatever the request says.
        laptop.waits_in(found[0], "AwaitApproval")
        assert runs_of(laptop, "switched off") == []
    finally:
        laptop.close()


CEILINGS = """
limits: {max_tokens: 1000000}
sources:
  s3_requests: {max_tokens: 10}
  presets: {max_tokens: 2000000, max_cost_usd: 0.01}
  events: {approval: always}
prices:
  - {model: "*", usd_per_million_tokens: 1000, usd_per_hour: 1000}
"""


@pytest.mark.slow
def test_a_deploy_amid_runs_lets_them_go_on_and_binds_what_each_source_starts_after_it(
    tmp_path: Path,
) -> None:
    laptop = Laptop(tmp_path / "deployed")
    try:
        settings = laptop.file("settings.yaml", "log_retention_days: 30")
        laptop("local", "start", "--settings", settings)
        asking = laptop.start(laptop.request("asking", base_model=LLAMA))
        training = laptop.start(laptop.request("training", sft_rows(150), hyperparameters={"max_epochs": 15}))
        job = laptop.trains(training)["TrainingJobName"]
        laptop.waits_in(asking, "AwaitApproval")
        before = laptop.endpoint.code
        laptop("local", "stop")
        laptop.file("settings.yaml", CEILINGS)
        laptop("local", "start", "--settings", settings)
        assert laptop.endpoint.code != before
        laptop("approve", asking, "--local")
        for run_id in (asking, training):
            succeeded(laptop, run_id)
            states = laptop.states(run_id)
            assert len(states) == len(set(states)), states
        assert laptop.job(training)["TrainingJobName"] == job
        assert len(laptop.jobs()) == 2

        put(laptop, "requests/capped.json", json.dumps(document(laptop, "capped request")))
        preset = laptop.file("p.json", json.dumps(document(laptop, "capped preset", training_data=None)))
        laptop("preset", "add", "capped", preset, "--local")
        put(laptop, "datasets/capped/train.jsonl", jsonl(sft_rows(18)))
        asked = document(laptop, "decided event", approval={"require": "never"})
        send(laptop, {"request": asked})
        for use_case, said in (("capped request", "10 tokens"), ("capped preset", "0.01 USD")):
            ended = laptop.ended(started(laptop, use_case)[0])
            assert ended["error"] == "BudgetExceeded", ended
            assert said in ended["cause"]
        laptop.waits_in(started(laptop, "decided event")[0], "AwaitApproval")
        assert len(laptop.jobs()) == 2
    finally:
        laptop.close()
