"""Replay the cases through the real SageMaker SDK and compare, or record, what it sends.

    python tests/conformance/capture.py [--write] [FILE ...]

Needs an environment with ``sagemaker-train==1.27.0`` (689 MB, so not part of the product's own) and no
network: every AWS call is answered here, below boto3's clients, from ``world.json`` and
``world_more.json``. The inputs are read from the files; ``create_training_job`` of each case is compared
with the request that the trainer sends (``refused`` with the class of error that it raises), or replaced by
it with ``--write``. Exit code 1 on any difference.
"""

import argparse
import io
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION="us-west-2",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_EC2_METADATA_DISABLED="true",
)

import boto3
import botocore.client
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.shapes import VpcConfig
from sagemaker.core.telemetry import telemetry_logging
from sagemaker.core.training.configs import StoppingCondition
from sagemaker.train.common import TrainingType
from sagemaker.train.dpo_trainer import DPOTrainer
from sagemaker.train.rlaif_trainer import RLAIFTrainer
from sagemaker.train.rlvr_trainer import RLVRTrainer
from sagemaker.train.sft_trainer import SFTTrainer

HERE = Path(__file__).parent
FILES = tuple(
    HERE / name
    for name in ("create_training_job.json", "create_training_job_more.json", "hyperparameter_refusals.json")
)
TRAINERS = {"SFT": SFTTrainer, "DPO": DPOTrainer, "RLVR": RLVRTrainer, "RLAIF": RLAIFTrainer}
TRAIN_ROW = json.dumps({"prompt": "p", "completion": "c"}).encode()


def load_world() -> dict[str, Any]:
    world: dict[str, Any] = {"hub": {}, "override_specs": {}, "model_packages": {}}
    for name in ("world.json", "world_more.json"):
        part = json.loads((HERE / name).read_text(encoding="utf-8"))
        world["account"], world["region"] = part["account"], part["region"]
        for key in ("hub", "override_specs", "model_packages"):
            world[key].update(part[key])
    return world


class Aws:
    """Answers for the calls the trainers make; keeps the CreateTrainingJob request."""

    def __init__(self, world: dict[str, Any]) -> None:
        self.world = world
        self.request: dict[str, Any] = {}

    def call(self, client: Any, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        shape = client.meta.service_model.operation_model(operation).input_shape
        if shape is not None:
            report = ParamValidator().validate(params, shape)
            if report.has_errors():
                raise ValueError(report.generate_report())
        answer = getattr(self, operation, None)
        if answer is None:
            raise ClientError(
                {"Error": {"Code": "AccessDeniedException", "Message": f"no answer for {operation}"}},
                operation,
            )
        return {"ResponseMetadata": {"HTTPStatusCode": 200}, **answer(params)}

    def GetCallerIdentity(self, params: dict[str, Any]) -> dict[str, Any]:
        account = self.world["account"]
        return {"Account": account, "UserId": "U", "Arn": f"arn:aws:iam::{account}:user/me"}

    def GetRole(self, params: dict[str, Any]) -> dict[str, Any]:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        name = params["RoleName"]
        return {
            "Role": {
                "RoleName": name,
                "Arn": f"arn:aws:iam::{self.world['account']}:role/{name}",
                "AssumeRolePolicyDocument": trust,
            }
        }

    def SimulatePrincipalPolicy(self, params: dict[str, Any]) -> dict[str, Any]:
        return {
            "EvaluationResults": [
                {"EvalActionName": name, "EvalDecision": "allowed", "EvalResourceName": "*"}
                for name in params["ActionNames"]
            ],
            "IsTruncated": False,
        }

    def HeadBucket(self, params: dict[str, Any]) -> dict[str, Any]:
        return {}

    def ListObjectsV2(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"Contents": [{"Key": params.get("Prefix", ""), "Size": 1}], "KeyCount": 1}

    def HeadObject(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"ContentLength": len(TRAIN_ROW)}

    def GetObject(self, params: dict[str, Any]) -> dict[str, Any]:
        uri = f"s3://{params['Bucket']}/{params['Key']}"
        for name, spec in self.world["override_specs"].items():
            if name.replace("{customer_id}", self.world["account"]) == uri:
                return {"Body": _body(json.dumps(spec).encode())}
        if uri.startswith("s3://jumpstart-cache-prod-"):
            return {"Body": _body(b"run: {}\n")}
        return {"Body": _body(TRAIN_ROW)}

    def DescribeHubContent(self, params: dict[str, Any]) -> dict[str, Any]:
        hub, kind, name = (params[f"Hub{part}"] for part in ("Name", "ContentType", "ContentName"))
        arn = f"arn:aws:sagemaker:{self.world['region']}:aws:hub-content/{hub}/{kind}/{name}"
        common = {
            "HubName": hub,
            "HubArn": f"arn:aws:sagemaker:{self.world['region']}:aws:hub/{hub}",
            "HubContentName": name,
            "HubContentType": kind,
            "DocumentSchemaVersion": "2.0.0",
            "HubContentStatus": "Available",
            "CreationTime": 1764000000.0,
        }
        if kind != "Model":
            return {
                **common,
                "HubContentArn": f"{arn}/1.0.0",
                "HubContentVersion": "1.0.0",
                "HubContentDocument": "{}",
            }
        versions = self.world["hub"].get(f"{hub}/{kind}/{name}")
        if not versions:
            raise ClientError({"Error": {"Code": "ResourceNotFound", "Message": name}}, "DescribeHubContent")
        latest = versions[-1]
        return {
            **common,
            "HubContentArn": f"{arn}/{latest['version']}",
            "HubContentVersion": latest["version"],
            "HubContentDocument": json.dumps(latest["document"]),
            "HubContentSearchKeywords": latest.get("keywords", []),
        }

    def DescribeModelPackage(self, params: dict[str, Any]) -> dict[str, Any]:
        return self.world["model_packages"][params["ModelPackageName"]]

    def DescribeModelPackageGroup(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["ModelPackageGroupName"].split("/")[-1]
        arn = f"arn:aws:sagemaker:{self.world['region']}:{self.world['account']}:model-package-group/{name}"
        return {"ModelPackageGroupName": name, "ModelPackageGroupArn": arn}

    def CreateTrainingJob(self, params: dict[str, Any]) -> dict[str, Any]:
        self.request = params
        name = params["TrainingJobName"]
        region, account = self.world["region"], self.world["account"]
        return {"TrainingJobArn": f"arn:aws:sagemaker:{region}:{account}:training-job/{name}"}

    def DescribeTrainingJob(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"TrainingJobName": params["TrainingJobName"], "TrainingJobStatus": "InProgress"}


def _body(data: bytes) -> Any:
    return botocore.response.StreamingBody(io.BytesIO(data), len(data))


def arguments(inputs: dict[str, Any], session: Session) -> dict[str, Any]:
    """The trainer's keyword arguments for one case's inputs."""
    args: dict[str, Any] = {
        "model": inputs.get("source_model_package_arn") or inputs["base_model"],
        "training_type": TrainingType.LORA if inputs["peft"] else TrainingType.FULL,
        "model_package_group": inputs["model_package_group_arn"],
        "mlflow_resource_arn": inputs["mlflow_app_arn"],
        "mlflow_experiment_name": inputs["mlflow_experiment"],
        "mlflow_run_name": inputs["mlflow_run"],
        "training_dataset": inputs["training_data"],
        "validation_dataset": inputs.get("validation_data"),
        "s3_output_path": inputs["output"],
        "role": inputs["role"],
        "accept_eula": inputs.get("accept_eula", False),
        "sagemaker_session": session,
        "is_multimodal": False,
        "kms_key_id": inputs.get("kms_key"),
        "sequence_length": inputs.get("sequence_length"),
        "base_job_name": inputs.get("base_job_name"),
        "hyperparameters": dict(inputs.get("hyperparameters", {})),
        "disable_output_compression": inputs.get("disable_output_compression", False),
    }
    if seconds := inputs.get("max_runtime_seconds"):
        args["stopping_condition"] = StoppingCondition(max_runtime_in_seconds=seconds)
    if vpc := inputs.get("vpc_config"):
        args["networking"] = VpcConfig(security_group_ids=vpc["SecurityGroupIds"], subnets=vpc["Subnets"])
    if tags := inputs.get("tags"):
        args["tags"] = [{"key": tag["Key"], "value": tag["Value"]} for tag in tags]
    return args | reward_arguments(inputs)


def reward_arguments(inputs: dict[str, Any]) -> dict[str, Any]:
    if inputs["technique"] == "RLVR":
        preset = inputs.get("preset_reward_function")
        values = dict(inputs.get("hyperparameters", {}))
        return {
            "custom_reward_function": inputs.get("evaluator_arn"),
            "skip_reward_validation": True,
            "hyperparameters": values | ({"preset_reward_function": preset} if preset else {}),
        }
    if inputs["technique"] == "RLAIF":
        judge = inputs["rlaif"]
        template = judge.get("judge_prompt_template")
        return {
            "reward_model_id": judge["judge_model_id"].removeprefix("bedrock/"),
            "reward_prompt": f"Builtin.{Path(template).stem}" if template else inputs["evaluator_arn"],
        }
    return {}


def capture(aws: Aws, inputs: dict[str, Any]) -> dict[str, Any]:
    aws.request = {}
    session = Session(boto_session=boto3.Session(region_name=aws.world["region"]))
    TRAINERS[inputs["technique"]](**arguments(inputs, session)).train(wait=False)
    request = json.loads(json.dumps(aws.request))
    request["TrainingJobName"] = re.sub(r"-\d{14}$", "-<TS14>", request["TrainingJobName"])
    return request


def outcome(aws: Aws, case: dict[str, Any]) -> tuple[str, Any]:
    """The key of the case that holds what the SDK does, and what it does."""
    if "refused" not in case:
        return "create_training_job", capture(aws, case["inputs"])
    try:
        return "refused", capture(aws, case["inputs"])
    except (AttributeError, ValueError) as fault:
        return "refused", type(fault).__name__


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, default=list(FILES))
    parser.add_argument("--write", action="store_true", help="record instead of comparing")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    telemetry_logging._requests_helper = lambda *_args, **_kwargs: None
    aws = Aws(load_world())
    botocore.client.BaseClient._make_api_call = (
        lambda client, operation, params: aws.call(client, operation, params)  # noqa: PLW0108 - binds the client
    )
    different = 0
    for file in options.files:
        cases = json.loads(file.read_text(encoding="utf-8"))
        for case in cases:
            key, found = outcome(aws, case)
            if options.write:
                case[key] = found
            elif found != case[key]:
                different += 1
                print(f"{file.name}: {case['name']} differs: {json.dumps(found)}")
        if options.write:
            file.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{file.name}: {len(cases)} cases")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
