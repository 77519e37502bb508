"""The files of a run: JSON documents under ``runs/<run id>/`` of the stack's bucket."""

import hashlib
from typing import Any, BinaryIO, NamedTuple

import msgspec
from botocore.exceptions import ClientError

from tunestep.aws import Client, error_code
from tunestep.names import run_key

PLAN = "plan.json"
CREATE_TRAINING_JOB = "create_training_job.json"
FINDINGS = "findings.json"
DATASET = "dataset.json"
DATASET_FINDINGS = "dataset_findings.jsonl"
METRICS = "metrics.json"
METRICS_CSV = "metrics.csv"
SAMPLES = "samples.json"
"""Best and worst answers of a reinforcement run, and what the trainer says about them. They are content of
the user's data, so they are here and in the report, and never in the run's document or its record."""
RECORD = "record.json"
LOG_TAIL = "log_tail.txt"
"""Last lines of a failed job's log, which may quote anything."""
REPORT = "report.html"
REPORT_TEXT = "report.md"
REWARD = "reward.json"
REWARD_ROWS = "reward_rows.jsonl"
"""Rows of the training data (JSON lines, at most 1,000 and 8 MB) for CertifyReward, whatever the data's
format; written by CheckDataset when the run has a reward and the data was read without an error."""
ERROR = "error.json"

_MAX_BYTES = 64 * 1024 * 1024


class Stored(NamedTuple):
    """Where a document lies (S3 URI) and the SHA-256 of its bytes, in hex."""

    uri: str
    sha256: str


def canonical(document: Any) -> bytes:
    """The bytes that are stored and hashed: compact JSON with sorted keys."""
    return msgspec.json.encode(document, order="sorted")


class RunFiles:
    """Puts and gets JSON documents of runs, over an S3 client."""

    def __init__(self, s3: Client, bucket: str) -> None:
        self._client = s3
        self._bucket = bucket

    def uri(self, run_id: str, name: str) -> str:
        return f"s3://{self._bucket}/{run_key(run_id, name)}"

    def put(self, run_id: str, name: str, document: Any) -> Stored:
        """Store a document, replacing what was there."""
        data = canonical(document)
        self._client.put_object(
            Bucket=self._bucket, Key=run_key(run_id, name), Body=data, ContentType="application/json"
        )
        return Stored(self.uri(run_id, name), hashlib.sha256(data).hexdigest())

    def put_text(self, run_id: str, name: str, text: str, content_type: str) -> str:
        """Store a text as UTF-8, replacing what was there, and answer with its URI."""
        self._client.put_object(
            Bucket=self._bucket, Key=run_key(run_id, name), Body=text.encode(), ContentType=content_type
        )
        return self.uri(run_id, name)

    def put_lines(self, run_id: str, name: str, lines: BinaryIO) -> str:
        """Store a file of JSON lines, replacing what was there, and answer with its URI."""
        self._client.put_object(
            Bucket=self._bucket, Key=run_key(run_id, name), Body=lines, ContentType="application/x-ndjson"
        )
        return self.uri(run_id, name)

    def get(self, run_id: str, name: str) -> tuple[bytes, str] | None:
        """A document's bytes and their SHA-256; None when it does not exist."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=run_key(run_id, name))
        except ClientError as fault:
            if error_code(fault) in ("NoSuchKey", "404"):
                return None
            raise
        data = answer["Body"].read(_MAX_BYTES)
        return data, hashlib.sha256(data).hexdigest()
