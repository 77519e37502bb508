"""Runs whose data holds a secret in every value, key, column and file name: it stays in the data.

Of what the checks write, the findings file in S3 alone quotes it. The other files that hold content are made
to: they are listed here, each with its reason.
"""

import email
import email.policy
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.certify.support import products
from tests.local.laptop import LLAMA, Laptop, jsonl, until
from tunestep import names
from tunestep.run_files import (
    DATASET_FINDINGS,
    REPORT,
    REPORT_TEXT,
    REWARD,
    REWARD_ROWS,
    SAMPLES,
)

SECRET = "ROWSECRETc0ffee"


def rows(count: int = 24) -> list[dict[str, Any]]:
    return [
        {"prompt": f"{SECRET} {n}?", "completion": f"{SECRET} {n}", f"{SECRET}-key": {SECRET: [SECRET]}}
        for n in range(count)
    ]


WRONG: list[Any] = [
    SECRET,
    f'{{"{SECRET}": "{SECRET}"',
    f'{{"{SECRET}": 1, "{SECRET}": 2}}',
    [SECRET],
    {SECRET: SECRET},
    {"prompt": {SECRET: SECRET}, "completion": [SECRET]},
    {"prompt": SECRET, f"completion{SECRET}": SECRET},
    {"messages": [{"role": SECRET, "content": SECRET}, {SECRET: SECRET}]},
    {"messages": [{"role": "user", "content": [{SECRET: SECRET}]}]},
    {"messages": {SECRET: SECRET}},
    {"prompt": SECRET, "chosen": SECRET, "rejected": SECRET, SECRET: SECRET},
    {"messages": [{"role": "assistant", "candidates": [{"preferenceLabel": SECRET}]}]},
    {"data_source": SECRET, "prompt": SECRET, "reward_model": {SECRET: SECRET}},
]
CSV = f"{SECRET},prompt,completion\n{SECRET},{SECRET},{SECRET}\n{SECRET},,\n".encode()
BROKEN = {
    f"{SECRET}-1.jsonl": jsonl(WRONG).encode(),
    f"{SECRET}-2.csv": CSV,
    f"{SECRET}-3.json": f'[{{"{SECRET}": "{SECRET}"}}, {SECRET}'.encode(),
    f"{SECRET}-4.parquet": b"PAR1" + SECRET.encode(),
    f"{SECRET}-5.jsonl": b"\xff" + SECRET.encode(),
    SECRET: SECRET.encode(),
}


CONTENT = {
    DATASET_FINDINGS: "quotes bad rows, for whoever has to correct them",
    REWARD_ROWS: "rows that the reward is tried on",
    REWARD: "rows that speak against the reward",
    SAMPLES: "questions beside the trained model's answers",
    REPORT: "the same, to be read",
    REPORT_TEXT: "the same, to be read",
}
"""Files below runs/<run id>/ in S3 that hold content of the data, and why."""
JOBS_REPORT = "/output/report.json"
"""What the trainer leaves beside the weights it made of the data; only its samples may quote."""


def upload(laptop: Laptop, folder: str, files: dict[str, bytes]) -> str:
    """Put files below a prefix of the stack's bucket."""
    for name, content in files.items():
        laptop.client("s3").put_object(Bucket=laptop.bucket, Key=f"data/{folder}/{name}", Body=content)
    return f"s3://{laptop.bucket}/data/{folder}/"


def told(laptop: Laptop, run_id: str) -> list[str]:
    """Every place outside the data that holds the secret: files, table, history, SageMaker, S3, mails."""
    places = [str(path.relative_to(laptop.home)) for path in laptop.home.rglob("*") if holds(laptop, path)]
    history = laptop.client("stepfunctions").get_execution_history(
        executionArn=laptop.execution_arn(run_id), maxResults=1000
    )
    table = laptop.client("dynamodb").scan(TableName=names.table_name("tunestep"))
    said = {
        "history": history["events"],
        "table": table["Items"],
        "execution": laptop.execution(run_id),
        "job": laptop.job(run_id),
        "status": [laptop("status", run_id, "--local").stdout, laptop.json("status", run_id, "--local")],
    }
    places += [name for name, value in said.items() if SECRET in json.dumps(value, default=str)]
    places += [f"mail {path.name}" for path in mails(laptop) if SECRET in mail(path)]
    places += [f"s3 {key}" for key, body in objects(laptop) if SECRET.encode() in body or SECRET in key]
    return [*places, *journalled(laptop)]


def may_hold(key: str) -> bool:
    """Whether an object of the bucket is the data, or a file that is made to show some of it."""
    if key.startswith("data/"):
        return True
    return key.startswith("runs/") and key.count("/") == 2 and key.rpartition("/")[2] in CONTENT


def objects(laptop: Laptop) -> list[tuple[str, bytes]]:
    """Keys and bytes of everything in the bucket that may not hold content."""
    s3, found = laptop.client("s3"), []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=laptop.bucket):
        for key in [str(entry["Key"]) for entry in page["Contents"]]:
            if not may_hold(key):
                body = s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read()
                found.append((key, without_samples(body) if key.endswith(JOBS_REPORT) else body))
    return found


def journalled(laptop: Laptop) -> list[str]:
    """Calls in the laptop's journal that hold the secret, but for uploads of what ``objects`` looks into."""
    database = sqlite3.connect(f"file:{laptop.home / 'journal.sqlite'}?mode=ro", uri=True)
    calls = database.execute("SELECT environ, body, body_sha256 FROM calls").fetchall()
    database.close()
    assert len(calls) > 50
    places = []
    for environ, inline, digest in calls:
        body = (laptop.home / "objects" / digest).read_bytes() if digest else inline or b""
        path = str(json.loads(environ)["PATH_INFO"])
        bucket, _, key = path.lstrip("/").partition("/")
        upload_of_content = bucket == laptop.bucket and (may_hold(key) or key.endswith(JOBS_REPORT))
        if SECRET.encode() in environ.encode() + body and not upload_of_content:
            places.append(f"journal {path}")
    return places


def mails(laptop: Laptop) -> list[Path]:
    return sorted((laptop.home / "outbox").glob("*.eml"))


def mail(path: Path) -> str:
    """A mail as it is read: subject and text, whatever the encoding."""
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    parts = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
    return "\n".join([str(message["Subject"]), *map(str, parts)])


def holds(laptop: Laptop, path: Path) -> bool:
    """Whether a file holds the secret. What S3 keeps its objects in is looked into call by call."""
    place = path.relative_to(laptop.home)
    if not path.is_file() or place.parts[0] in {"objects", "assembly"}:
        return False
    if place.name.startswith("journal.sqlite"):
        return False
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    if place.parts[0] == "jobs" and place.name in {"status.json", "report.json"}:
        content = without_samples(content)
    return SECRET.encode() in content or SECRET in str(place)


def quoting(laptop: Laptop, run_id: str) -> set[str]:
    """Names of the run's files that hold the secret."""
    s3, prefix = laptop.client("s3"), f"runs/{run_id}/"
    listed = s3.list_objects_v2(Bucket=laptop.bucket, Prefix=prefix)["Contents"]
    bodies = {
        entry["Key"]: s3.get_object(Bucket=laptop.bucket, Key=entry["Key"])["Body"].read() for entry in listed
    }
    return {key.removeprefix(prefix) for key, body in bodies.items() if SECRET.encode() in body}


def without_samples(content: bytes) -> bytes:
    """A job's report without the questions that it shows beside the trained model's answers."""
    document = json.loads(content)
    document.pop("samples", None)
    (document.get("report") or {}).pop("samples", None)
    return json.dumps(document).encode()


def listen(laptop: Laptop) -> str:
    """A queue that gets every notice from now on, as a mail address does."""
    sqs, sns = laptop.client("sqs"), laptop.client("sns")
    queue = str(sqs.create_queue(QueueName="notices-about-data")["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = next(
        found["TopicArn"]
        for found in sns.list_topics()["Topics"]
        if found["TopicArn"].endswith(f":{names.topic_name('tunestep')}")
    )
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="somebody@example.com")
    return queue


def notices(laptop: Laptop, queue: str) -> str:
    """What the queue got since the last look."""
    found = laptop.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return "\n".join(message["Body"] for message in found.get("Messages", []))


def test_a_run_that_succeeds_shows_nothing_of_its_data_to_the_approver_or_anybody(laptop: Laptop) -> None:
    data = upload(laptop, "right", {f"{SECRET}-{n}.jsonl": jsonl(rows()).encode() for n in range(2)})
    validation = upload(laptop, "held-back", {f"{SECRET}.jsonl": jsonl(rows(4)).encode()})
    request = laptop.request("secret", base_model=LLAMA, training_data=data, validation_data=validation)
    queue = listen(laptop)
    run_id = laptop.start(request)
    laptop.waits_in(run_id, "AwaitApproval")
    asked = until(lambda: notices(laptop, queue), lambda said: "Decision needed" in said)
    assert "Training data: 48 rows (prompt_completion)" in asked
    assert SECRET not in asked
    laptop("approve", run_id, "--local")
    assert laptop.ended(run_id)["status"] == "SUCCEEDED"
    results = laptop("results", run_id, "--local").stdout
    assert "Training data: 48 rows (prompt_completion)" in results
    assert "VALIDATION_OVERLAP" in results
    assert "52 rows, " in laptop("status", run_id, "--local").stdout
    assert laptop.item(run_id, "APPROVAL")["dataset"]
    record = laptop.run_file(run_id, "record.json")
    assert record["dataset"]["report"]["overlap"]["rows"] == 4
    assert SECRET not in results
    assert any("Training data: 48 rows" in mail(path) for path in mails(laptop))
    assert quoting(laptop, run_id) <= {SAMPLES, REPORT, REPORT_TEXT}
    assert told(laptop, run_id) == []


@pytest.mark.slow
def test_a_run_that_fails_its_check_names_every_fault_and_none_of_the_data(laptop: Laptop) -> None:
    data = upload(laptop, "wrong", BROKEN)
    validation = upload(laptop, "wrong-too", {f"{SECRET}.csv": CSV})
    queue = listen(laptop)
    run_id = laptop.start(laptop.request("wrong", training_data=data, validation_data=validation))
    ended = laptop.ended(run_id)
    assert (ended["status"], ended["error"]) == ("FAILED", "PrerequisitesNotMet")
    assert "file 1 of 6 line 1" in ended["cause"]
    quotes = laptop.client("s3").get_object(Bucket=laptop.bucket, Key=f"runs/{run_id}/{DATASET_FINDINGS}")
    assert SECRET.encode() in quotes["Body"].read()
    said = until(lambda: notices(laptop, queue))
    assert "PrerequisitesNotMet" in said
    assert SECRET not in said
    shown = laptop("run", "wrong.json", "--local", code=1)
    assert "PrerequisitesNotMet" in shown.stdout + shown.stderr
    assert SECRET not in shown.stdout + shown.stderr
    assert quoting(laptop, run_id) == {DATASET_FINDINGS}
    assert told(laptop, run_id) == []


def questions(count: int) -> list[dict[str, Any]]:
    """Right rows for RLVR whose answers can be checked; the secret stands everywhere else."""
    return [
        {
            **row,
            "prompt": [{"role": "user", "content": f"{SECRET}: {row['prompt'][0]['content']}"}],
            "data_source": SECRET,
            "ability": SECRET,
            "extra_info": {SECRET: SECRET, "answer": f"{SECRET} {row['reward_model']['ground_truth']}"},
            f"{SECRET}-key": SECRET,
        }
        for row in products(count)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reward", "error"), [("math_answer", ""), ("text_similarity", "RewardNotCertified")]
)
def test_a_reinforcement_run_shows_nothing_of_its_data_whether_its_reward_is_certified_or_not(
    laptop: Laptop, reward: str, error: str
) -> None:
    data = upload(laptop, f"asked-{reward}", {f"{SECRET}.jsonl": jsonl(questions(64)).encode()})
    queue = listen(laptop)
    run_id = laptop.start(
        laptop.request(
            f"rl-{reward}",
            technique="RLVR",
            training_data=data,
            reward={"function": reward},
            hyperparameters={"max_epochs": 1},
        )
    )
    ended = laptop.ended(run_id)
    assert ended.get("error", "") == error, ended.get("cause")
    assert REWARD_ROWS in quoting(laptop, run_id)
    assert quoting(laptop, run_id) <= set(CONTENT) - {DATASET_FINDINGS}
    said = until(lambda: notices(laptop, queue))
    assert run_id in said
    assert SECRET not in said + str(ended)
    assert told(laptop, run_id) == []


@pytest.mark.slow
def test_training_that_fails_names_no_data_either(laptop: Laptop) -> None:
    """CSV is right by the check, and the laptop's trainer does not read it."""
    right = f"prompt,completion,{SECRET}\n{SECRET},{SECRET},{SECRET}\n".encode()
    data = upload(laptop, "csv", {f"{SECRET}.csv": right})
    run_id = laptop.start(laptop.request("csv", training_data=data))
    ended = laptop.ended(run_id)
    assert (ended["status"], ended["error"]) == ("FAILED", "TrainingJobFailed")
    assert ".jsonl" in ended["cause"]
    job = laptop.run_file(run_id, "create_training_job.json")
    for number in (0, 4, 7):
        files = {f"{SECRET}-{name}.jsonl": jsonl([*rows(3), WRONG[number]]).encode() for name in "ab"}
        bad = upload(laptop, f"bad{number}", files)
        failing = json.loads(json.dumps(job).replace(data, bad)) | {"TrainingJobName": f"bad-row-{number}"}
        why = reason(laptop, failing)
        assert f"{bad} file 1 of 2 line 4" in why
        assert SECRET not in why
    assert told(laptop, run_id) == []


def reason(laptop: Laptop, job: dict[str, Any]) -> str:
    """The FailureReason of a job that has to fail."""
    sagemaker = laptop.client("sagemaker")
    sagemaker.create_training_job(**job)
    end = time.monotonic() + 40
    while (seen := sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"]))[
        "TrainingJobStatus"
    ] == "InProgress":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert seen["TrainingJobStatus"] == "Failed"
    return str(seen["FailureReason"])


def test_rows_of_parquet_are_checked_too(laptop: Laptop) -> None:
    path = laptop.work / "rows.parquet"
    duckdb.execute(f"COPY (SELECT 'a' AS prompt, '' AS completion) TO '{path}' (FORMAT parquet)")
    data = upload(laptop, "parquet", {"rows.parquet": path.read_bytes()})
    ended = laptop.ended(laptop.start(laptop.request("parquet", training_data=data)))
    assert ended["error"] == "PrerequisitesNotMet"
    assert "TEXT_EMPTY" in ended["cause"]
