"""The trainer's report on its way to the results: capped, typed, and never missed when it is not there."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from tests.support.run_world import REGION
from tunestep import job_report
from tunestep.aws import Clients

JOB = {"TrainingJobName": "a-job", "OutputDataConfig": {"S3OutputPath": "s3://out-bucket/output/r1/"}}
SAMPLE = {"rank": "best", "prompt": "2+2?", "answer": "4", "score": 1.0, "metrics": {"right": 1.0}}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=9), inner, max_size=9),
    max_leaves=20,
)


@pytest.mark.parametrize("body", [None, b"", b"[]", b"{", b"[" * 5000, b"\xff", b'{"a": 1}'])
def test_without_a_report_there_is_nothing_and_no_error(body: bytes | None) -> None:
    with mock_aws():
        s3 = Clients(region=REGION).s3
        s3.create_bucket(Bucket="out-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        if body is not None:
            s3.put_object(Bucket="out-bucket", Key="output/r1/a-job/output/report.json", Body=body)
        assert job_report.read(s3, JOB) == {}


def test_a_report_is_read_from_beside_the_model() -> None:
    report = {"samples": [SAMPLE], "warnings": ["Look."], "exact_match": {"before": 0.1, "after": 0.5}}
    with mock_aws():
        s3 = Clients(region=REGION).s3
        s3.create_bucket(Bucket="out-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        body = json.dumps(report | {"epochs": [], "reward": [0.1, 0.5]}).encode()
        s3.put_object(Bucket="out-bucket", Key="output/r1/a-job/output/report.json", Body=body)
        assert job_report.read(s3, JOB) == report | {"reward": [0.1, 0.5]}


def test_long_reports_are_cut() -> None:
    long = {
        "samples": [SAMPLE | {"prompt": "x" * 9999 + "end?", "answer": "y" * 9999}] * 50,
        "warnings": ["z" * 9999] * 50,
    }
    found = job_report.summary(long)
    assert len(json.dumps(found)) < 8000
    assert found["samples"][0]["prompt"].endswith("end?")


@given(st.dictionaries(st.sampled_from(["samples", "warnings", "exact_match", "reward", "length"]), ANYTHING))
def test_whatever_stands_in_a_report_what_comes_out_is_json_and_small(report: dict[str, Any]) -> None:
    found = job_report.summary(report)
    assert len(json.dumps(found, allow_nan=False)) < 60_000
