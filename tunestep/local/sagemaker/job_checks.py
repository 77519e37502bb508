"""What CreateTrainingJob refuses before a job exists.

Each check names where it is known from. "API" is the SageMaker API reference of ServerlessJobConfig and
CreateTrainingJob; "SDK" is the SageMaker Python SDK 3.27.0, which checks the same before it calls. What
is neither is marked as ours: it keeps a job that could only fail from being started.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from tunestep.local.awsjson import AwsError
from tunestep.local.sagemaker import recipes
from tunestep.local.sagemaker.records import Document


class BaseModel(NamedTuple):
    """The hub content a job starts from and the recipe it runs."""

    name: str
    version: str
    recipe: recipes.Recipe


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def is_serverless(request: dict[str, Any]) -> dict[str, Any]:
    """The serverless configuration; refuses classic jobs and mixtures of the two."""
    config: dict[str, Any] | None = request.get("ServerlessJobConfig")
    if config is None:
        # Ours: the laptop cloud has no instances to run containers on.
        raise invalid("The laptop cloud runs serverless jobs only: ServerlessJobConfig is required.")
    for member in ("AlgorithmSpecification", "ResourceConfig"):
        # API: neither may be given together with ServerlessJobConfig.
        if member in request:
            raise invalid(f"{member} cannot be specified together with ServerlessJobConfig.")
    if config["JobType"] != "FineTuning":
        # Ours: evaluation jobs are another feature.
        raise invalid("The laptop cloud runs serverless jobs of type FineTuning only.")
    if "CustomizationTechnique" not in config:
        # API: required for JobType FineTuning.
        raise invalid("CustomizationTechnique is required for a job of type FineTuning.")
    if not request.get("InputDataConfig"):
        # API: customization needs a train channel.
        raise invalid("InputDataConfig is required.")
    return config


def base_model(config: dict[str, Any], find: Callable[[str], Document | None]) -> BaseModel:
    """The base model in the hub and its recipe. API: the latest version is used whatever the ARN says."""
    arn = config["BaseModelArn"]
    content = find(arn)
    if content is None:
        raise invalid(f"Base model {arn} does not exist.")
    document = json.loads(content["HubContentDocument"])
    name = content["HubContentName"]
    if document.get("GatedBucket") and not config.get("AcceptEula"):
        # API: AcceptEula must be true for models that require it; SDK: finetune_utils.py:1459-1486.
        raise invalid(
            f"Model {name} requires acceptance of its end-user license agreement: AcceptEula must be true."
        )
    technique, length = config["CustomizationTechnique"], config.get("SequenceLength")
    recipe = recipes.choose(document, technique, lora="Peft" in config, sequence_length=length)
    if recipe is None:
        # SDK: finetune_utils.py:827-1030 finds no recipe.
        how = f"{technique} with {config.get('Peft', 'full fine-tuning')}" + (
            f" at {length}" if length else ""
        )
        raise invalid(f"Model {name} does not support {how}.")
    return BaseModel(name, content["HubContentVersion"], recipe)


def hyperparameters(spec: Document | None, values: dict[str, str]) -> None:
    """SDK: common.py:98-147 for names, types, enums and ranges."""
    if values.get("preset_reward_function") == "":
        # Recorded answer of the service (aws/sagemaker-python-sdk pull requests 5889 and 6181).
        raise invalid("Preset reward function is not supported")
    if spec is not None and (faults := recipes.hyperparameter_faults(spec, values)):
        raise invalid(f"Invalid hyperparameters: {'; '.join(faults)}.")


def reward(config: dict[str, Any], values: dict[str, str], find: Callable[[str], Document | None]) -> None:
    """One reward for RLVR (SDK: rlvr_trainer.py raises without one); a named evaluator exists (ours)."""
    evaluator = config.get("EvaluatorArn", "")
    if config["CustomizationTechnique"] == "RLVR" and bool(evaluator) == bool(
        values.get("preset_reward_function")
    ):
        raise invalid(
            "RLVR requires exactly one of EvaluatorArn and the hyperparameter preset_reward_function."
        )
    if ":hub-content/" in evaluator and find(evaluator) is None:
        raise AwsError("ResourceNotFound", f"Evaluator {evaluator} does not exist.")
