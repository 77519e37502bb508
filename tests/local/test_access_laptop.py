"""IAM is enforced on a laptop as it is started: by the policies of the template, for every service."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local.laptop import Laptop
from tunestep import names
from tunestep.local.access import keys

pytestmark = pytest.mark.slow


def as_function(laptop: Laptop, verb: str, service: str) -> Any:
    """A client with the credentials of one function."""
    function = names.function_name("tunestep", verb)
    role = laptop.client("lambda").get_function_configuration(FunctionName=function)["Role"]
    return boto3.client(
        service,
        endpoint_url=laptop.endpoint.url,
        region_name=laptop.endpoint.region,
        aws_access_key_id=keys.of_role(role),
        aws_secret_access_key="s",
    )


def test_a_function_may_do_its_own_work_and_nothing_else(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    laptop.denials_expected = True
    bucket, table = laptop.bucket, names.table_name("tunestep")
    key = {"pk": {"S": "RUN#none"}, "sk": {"S": "RUN"}}
    as_function(laptop, "start", "dynamodb").get_item(TableName=table, Key=key)
    as_function(laptop, "validate", "s3").put_object(Bucket=bucket, Key="runs/x/plan.json", Body=b"{}")

    start, validate = as_function(laptop, "start", "s3"), as_function(laptop, "validate", "s3")
    with pytest.raises(ClientError, match=r"not authorized to perform: s3:PutObject on resource: .*/runs/x"):
        start.put_object(Bucket=bucket, Key="runs/x/plan.json", Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        validate.put_object(Bucket=bucket, Key="data/x.jsonl", Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        as_function(laptop, "validate", "dynamodb").scan(TableName=table)
    with pytest.raises(ClientError, match="sagemaker:CreateTrainingJob"):
        as_function(laptop, "validate", "sagemaker").create_training_job(
            TrainingJobName="j",
            RoleArn=f"arn:aws:iam::{laptop.endpoint.account}:role/any",
            OutputDataConfig={"S3OutputPath": f"s3://{bucket}/output/"},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
    assert {use.action for use in laptop.denied()} == {
        *("s3:PutObject", "dynamodb:Scan", "sagemaker:CreateTrainingJob")
    }


def test_evidence_is_added_to_and_never_overwritten(own_laptop: Callable[[], Laptop]) -> None:
    laptop = own_laptop()
    laptop.denials_expected = True
    decide, bucket = as_function(laptop, "decide", "s3"), laptop.bucket
    decide.put_object(Bucket=bucket, Key="evidence/x.json", Body=b"{}", IfNoneMatch="*")
    with pytest.raises(ClientError, match="AccessDenied"):
        decide.put_object(Bucket=bucket, Key="evidence/x.json", Body=b"[]")
    with pytest.raises(ClientError, match="AccessDenied"):
        decide.delete_object(Bucket=bucket, Key="evidence/x.json")
