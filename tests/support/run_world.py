"""One run's surroundings: S3, DynamoDB and SNS as moto answers; SageMaker, Lambda, Step Functions stubbed.

botocore's Stubber checks every request and answer against the published shapes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.stub import Stubber
from moto import mock_aws

from tunestep import training_job
from tunestep.context import Context, Execution, StepEvent
from tunestep.environment import Environment
from tunestep.names import TAG_REQUEST_HASH, TAG_RUN
from tunestep.plan_model import (
    ApprovalPlan,
    DataPlan,
    GroupPlan,
    LicencePlan,
    MlflowPlan,
    ModelPlan,
    Plan,
    RecipePlan,
)
from tunestep.request import parse, request_hash
from tunestep.run_files import PLAN
from tunestep.runs import RUN, STARTED, run_pk
from tunestep.settings import Settings

REGION, ACCOUNT, BUCKET = "us-west-2", "123456789012", "tunestep-123456789012-us-west-2"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:tunestep-fine-tuning"
GROUP_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package-group/support-v1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tunestep-sagemaker-execution-us-west-2"
MODEL = "meta-textgeneration-llama-3-2-1b-instruct"
MODEL_ARN = f"arn:aws:sagemaker:{REGION}:aws:hub-content/SageMakerPublicHub/Model/{MODEL}/1.2.0"
APP = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/app-ABCDEFGHIJKL"
RUN_ID = "support-1234abcd-1"
REQUEST = {
    "use_case": "Customer support",
    "technique": "SFT",
    "base_model": MODEL,
    "training_data": "s3://data/train.jsonl",
}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.value = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.value

    def forward(self, seconds: float) -> None:
        self.value += timedelta(seconds=seconds)


def execution_arn(run_id: str) -> str:
    return MACHINE.replace(":stateMachine:", ":execution:") + f":{run_id}"


def make_plan(**changes: Any) -> Plan:
    """An SFT plan on a gated model that needs a decision."""
    plan = Plan(
        request_hash=request_hash(parse(REQUEST)),
        region=REGION,
        account=ACCOUNT,
        technique="SFT",
        use_case="Customer support",
        model=ModelPlan(name=MODEL, arn=MODEL_ARN, version="1.2.0", family="open-weights", gated=True),
        recipe=RecipePlan(name="sft-lora", technique="SFT", peft="LORA"),
        hyperparameters={"max_epochs": "2"},
        training_data=DataPlan(uri="s3://data/train.jsonl", kind="object"),
        execution_role_arn=ROLE,
        output_uri=f"s3://{BUCKET}/output/{RUN_ID}/",
        group=GroupPlan(name="support-v1", arn=GROUP_ARN, exists=True),
        licence=LicencePlan(
            name="Llama 3.2",
            id="llama-3.2-community",
            url="https://example.com/licence",
            text_sha256="a" * 64,
            statement="Read it.",
            revision="2026-11",
        ),
        approval=ApprovalPlan(needed=True, reason="The model is gated.", timeout_seconds=3600, licence=True),
        base_job_name="llama-sft",
        mlflow=MlflowPlan(app_arn=APP),
    )
    return msgspec.structs.replace(plan, **changes)


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        keys = {"region_name": REGION, "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        once = Config(retries={"total_max_attempts": 1})
        self.s3 = boto3.client("s3", **keys)
        self.dynamodb = boto3.client("dynamodb", **keys)
        self.sns = boto3.client("sns", **keys)
        self.sqs = boto3.client("sqs", **keys)
        self.sagemaker = boto3.client("sagemaker", config=once, **keys)
        self.stepfunctions = boto3.client("stepfunctions", config=once, **keys)
        self.lambda_ = boto3.client("lambda", config=once, **keys)
        self.lambda_stub = Stubber(self.lambda_)
        self.lambda_stub.activate()
        self.sagemaker_stub = Stubber(self.sagemaker)
        self.sfn_stub = Stubber(self.stepfunctions)
        self.sagemaker_stub.activate()
        self.sfn_stub.activate()
        self._make()
        self.context = Context(
            env=Environment(
                stack="tunestep",
                table="tunestep-runs",
                bucket=BUCKET,
                machine_arn=MACHINE,
                execution_role_arn=ROLE,
                topic_arn=self.topic,
                region=REGION,
                account=ACCOUNT,
                settings=Settings(),
                laptop="settings",
                api_url="https://api.example",
            ),
            clients=SimpleNamespace(  # type: ignore[arg-type]
                s3=self.s3,
                dynamodb=self.dynamodb,
                sns=self.sns,
                sagemaker=self.sagemaker,
                stepfunctions=self.stepfunctions,
                lambda_=self.lambda_,
                logs=boto3.client("logs", **keys),
            ),
            now=self.clock,
        )
        self.runs, self.files = self.context.runs, self.context.files

    def _make(self) -> None:
        where = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        for bucket in (BUCKET, "data"):
            self.s3.create_bucket(Bucket=bucket, **where)
        self.dynamodb.create_table(
            TableName="tunestep-runs",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "kind", "created_at")
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by_kind",
                    "KeySchema": [
                        {"AttributeName": "kind", "KeyType": "HASH"},
                        {"AttributeName": "created_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        self.dynamodb.create_table(
            TableName="tunestep-evidence",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        )
        self.topic = self.sns.create_topic(Name="tunestep-notices")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="notices")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn["QueueArn"])

    def notices(self) -> list[dict[str, Any]]:
        """What was published since the last look."""
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [msgspec.json.decode(message["Body"]) for message in found]

    def begin(self, plan: Plan | None = None, *, run_id: str = RUN_ID, **facts: Any) -> Plan:
        """A run whose plan was validated and stored."""
        plan = plan or make_plan()
        stored = self.files.put(run_id, PLAN, plan)
        self.runs.put(
            {
                "pk": run_pk(run_id),
                "sk": RUN,
                "kind": "run",
                "run_id": run_id,
                "execution_arn": execution_arn(run_id),
                "attempt": 1,
                "created_at": self.context.timestamp(),
                "status": STARTED,
                "plan_sha256": stored.sha256,
                "request_hash": plan.request_hash,
                "requester": "ann",
                **facts,
            }
        )
        return plan

    def event(self, *, run_id: str = RUN_ID, token: str = "", **document: Any) -> StepEvent:
        """The event of a Task state of that run."""
        run = self.runs.run(run_id) or {}
        base = {
            "request": REQUEST,
            "plan": {"ok": True, "errors": {}, "sha256": run.get("plan_sha256")},
            "registry": {"model_package_group_arn": GROUP_ARN},
        }
        return StepEvent(
            document={**base, **document},
            execution=Execution(arn=execution_arn(run_id), name=run_id),
            task_token=token,
        )

    def done(self) -> None:
        """Every stubbed call was made."""
        self.sagemaker_stub.assert_no_pending_responses()
        self.lambda_stub.assert_no_pending_responses()
        self.sfn_stub.assert_no_pending_responses()


def job_request(plan: Plan, run_id: str = RUN_ID, *, accept: bool = True) -> dict[str, Any]:
    """The CreateTrainingJob request that StartTraining makes of a plan."""
    name = training_job.job_name(plan.base_job_name, execution_arn(run_id))
    request = training_job.build_request(plan, job_name=name, accept_eula=accept)
    tags = [{"Key": TAG_RUN, "Value": run_id}, {"Key": TAG_REQUEST_HASH, "Value": plan.request_hash}]
    return request | {"Tags": [*request["Tags"], *tags]}


def described(request: dict[str, Any], status: str = "InProgress", **more: Any) -> dict[str, Any]:
    """DescribeTrainingJob's answer for a job that was made with this request."""
    name = request["TrainingJobName"]
    answer = {key: value for key, value in request.items() if key != "Tags"}
    moment = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
    return {
        **answer,
        "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}",
        "TrainingJobStatus": status,
        "SecondaryStatus": "Training" if status == "InProgress" else status,
        "CreationTime": moment,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://out/model"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        **more,
    }


@contextmanager
def world() -> Iterator[World]:
    with mock_aws():
        yield World()
