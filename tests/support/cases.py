"""The captured cases: the world behind them, and each one's inputs as a request and as a plan."""

import json
import re
from pathlib import Path
from typing import Any

from tunestep import hyperparameters
from tunestep.findings import Finding
from tunestep.plan_model import (
    ApprovalPlan,
    DataPlan,
    GroupPlan,
    LicencePlan,
    MlflowPlan,
    ModelPlan,
    Plan,
    RecipePlan,
    RewardPlan,
    VpcPlan,
)
from tunestep.request import Request, parse

FOLDER = Path(__file__).parent.parent / "conformance"
ALIASES = {
    "amazon.nova-2-lite-v1": "nova-textgeneration-lite-v2",
    "amazon.nova-lite-v1": "nova-textgeneration-lite",
    "amazon.nova-micro-v1": "nova-textgeneration-micro",
}

Case = dict[str, Any]


def load_refusals() -> list[Case]:
    """Cases that the SDK refuses for a hyperparameter: ``name``, ``inputs`` and ``refused``."""
    refusals: list[Case] = json.loads((FOLDER / "hyperparameter_refusals.json").read_text(encoding="utf-8"))
    return refusals


def load_cases() -> list[Case]:
    """Every captured case: ``name``, ``inputs`` and ``create_training_job``."""
    files = ("create_training_job.json", "create_training_job_more.json")
    return [case for file in files for case in json.loads((FOLDER / file).read_text(encoding="utf-8"))]


def load_world() -> dict[str, Any]:
    """``world.json`` with what ``world_more.json`` adds to it."""
    world: dict[str, Any] = json.loads((FOLDER / "world.json").read_text(encoding="utf-8"))
    more = json.loads((FOLDER / "world_more.json").read_text(encoding="utf-8"))
    for key in ("hub", "override_specs", "model_packages"):
        world[key] |= more[key]
    return world


def expected_of(case: Case) -> dict[str, Any]:
    """The captured request without its empty hyperparameters, the one deliberate difference."""
    request = dict(case["create_training_job"])
    request["HyperParameters"] = {name: text for name, text in request["HyperParameters"].items() if text}
    return request


def normalised(request: dict[str, Any]) -> dict[str, Any]:
    """A built request with its name's suffix replaced as in the captures."""
    return request | {"TrainingJobName": re.sub(r"-[0-9a-f]{14}$", "-<TS14>", request["TrainingJobName"])}


def document_of(case: Case) -> dict[str, Any]:
    """The request document that asks for what the case's inputs ask for."""
    inputs = case["inputs"]
    document = {
        "use_case": "Customer support",
        "technique": inputs["technique"],
        "base_model": inputs.get("source_model_package_arn") or inputs["base_model"],
        "training_data": inputs["training_data"],
        "validation_data": inputs.get("validation_data"),
        "peft": inputs["peft"] or "FULL",
        "hyperparameters": inputs.get("hyperparameters"),
        "sequence_length": inputs.get("sequence_length"),
        "reward": _reward_of(inputs),
        "model_package_group": inputs["model_package_group_arn"],
        "mlflow": _mlflow_of(inputs),
        "execution_role": inputs["role"],
        "output": inputs["output"],
        "base_job_name": inputs.get("base_job_name"),
        "kms_key": inputs.get("kms_key"),
        "tags": {tag["Key"]: tag["Value"] for tag in inputs.get("tags", [])} or None,
    }
    if seconds := inputs.get("max_runtime_seconds"):
        document["limits"] = {"max_runtime": f"{seconds}s"}
    if vpc := inputs.get("vpc_config"):
        document["vpc"] = {"security_group_ids": vpc["SecurityGroupIds"], "subnets": vpc["Subnets"]}
    if inputs.get("disable_output_compression"):
        document["compress_output"] = False
    return {key: value for key, value in document.items() if value is not None}


def _mlflow_of(inputs: dict[str, Any]) -> dict[str, Any] | bool:
    if not inputs["mlflow_app_arn"]:
        return False
    names = {
        "app_arn": inputs["mlflow_app_arn"],
        "experiment": inputs["mlflow_experiment"],
        "run": inputs["mlflow_run"],
    }
    return {key: value for key, value in names.items() if value is not None}


def _reward_of(inputs: dict[str, Any]) -> dict[str, str] | None:
    judge = inputs.get("rlaif", {})
    reward = {
        "evaluator_arn": inputs.get("evaluator_arn"),
        "preset": inputs.get("preset_reward_function"),
        "judge_model": judge.get("judge_model_id", "").removeprefix("bedrock/"),
        "prompt": Path(judge.get("judge_prompt_template", "")).stem,
    }
    return {key: value for key, value in reward.items() if value} or None


def request_of(case: Case) -> Request:
    return parse(document_of(case))


def recipes_of(world: dict[str, Any], model: str, technique: str) -> list[dict[str, Any]]:
    document = world["hub"][f"SageMakerPublicHub/Model/{model}"][-1]["document"]
    return [
        recipe
        for recipe in document["RecipeCollection"]
        if recipe["CustomizationTechnique"] == technique and recipe.get("SmtjRecipeTemplateS3Uri")
    ]


def recipe_of(case: Case, world: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recipe that the SDK chooses, and the subscription recipe whose spec it reads besides (or {})."""
    request = request_of(case)
    fitting = [
        recipe
        for recipe in recipes_of(world, model_of(case), request.technique)
        if bool(recipe.get("Peft")) == (request.peft == "LORA")
        and request.sequence_length in (None, recipe.get("SequenceLength"))
    ]
    subscription = next((item for item in fitting if item.get("IsSubscriptionModel")), {})
    return sorted(fitting, key=lambda item: bool(item.get("IsSubscriptionModel")))[0], subscription


def model_of(case: Case) -> str:
    name: str = case["inputs"]["base_model"]
    return ALIASES.get(name, name)


def hyperparameters_of(case: Case, world: dict[str, Any]) -> tuple[dict[str, str], list[Finding]]:
    """The product's HyperParameters for a case, and its findings on them."""
    request = request_of(case)
    recipe, subscription = recipe_of(case, world)
    specs = world["override_specs"]
    return hyperparameters.resolve(
        hyperparameters.merge_subscription(
            specs.get(recipe.get("SmtjOverrideParamsS3Uri"), {}),
            specs.get(subscription.get("SmtjOverrideParamsS3Uri"), {}),
        ),
        request.hyperparameters,
        technique=request.technique,
        peft=request.peft,
        sequence_length=recipe.get("SequenceLength", ""),
        reward=request.reward,
    )


def plan_of(case: Case, world: dict[str, Any]) -> Plan:
    """The plan of a case, made straight from its inputs and the world, without the planner."""
    inputs, request, name = case["inputs"], request_of(case), model_of(case)
    hub_model = world["hub"][f"SageMakerPublicHub/Model/{name}"][-1]
    recipe, _ = recipe_of(case, world)
    values, findings = hyperparameters_of(case, world)
    if findings:
        raise AssertionError([finding.line() for finding in findings])
    region, account = world["region"], world["account"]
    hub_arn = f"arn:aws:sagemaker:{region}:aws:hub-content/SageMakerPublicHub/Model/{name}"
    return Plan(
        request_hash="0" * 64,
        region=region,
        account=account,
        technique=inputs["technique"],
        use_case=request.use_case,
        model=ModelPlan(
            name=name,
            arn=f"{hub_arn}/{hub_model['version']}",
            version=hub_model["version"],
            family="nova" if "nova" in name else "open-weights",
            gated=hub_model["document"].get("GatedBucket", False),
            source_model_package_arn=inputs.get("source_model_package_arn", ""),
        ),
        recipe=RecipePlan(
            name=recipe["Name"], technique=inputs["technique"], peft="LORA" if inputs["peft"] else ""
        ),
        hyperparameters=values,
        training_data=_data(inputs["training_data"]),
        validation_data=_data(inputs["validation_data"]) if inputs.get("validation_data") else None,
        execution_role_arn=inputs["role"],
        output_uri=inputs["output"],
        group=GroupPlan(name="my-models", arn=inputs["model_package_group_arn"], exists=True),
        licence=LicencePlan(name="test"),
        approval=ApprovalPlan(needed=False, reason="", timeout_seconds=60),
        base_job_name=request.base_job_name or f"{name}-{request.technique.lower()}",
        mlflow=_mlflow_plan(request),
        reward=_reward_plan(request),
        vpc=VpcPlan(security_group_ids=request.vpc.security_group_ids, subnets=request.vpc.subnets)
        if request.vpc
        else None,
        kms_key=request.kms_key or "",
        compress_output=request.compress_output,
        sequence_length=request.sequence_length or "",
        max_runtime_seconds=inputs.get("max_runtime_seconds", 0),
        tags=request.tags,
    )


def _data(uri: str) -> DataPlan:
    return DataPlan(uri=uri, kind="object" if uri.startswith("s3://") else "dataset")


def _mlflow_plan(request: Request) -> MlflowPlan | None:
    tracking = request.mlflow
    if not tracking or isinstance(tracking, bool):
        return None
    return MlflowPlan(
        app_arn=tracking.app_arn or "", experiment=tracking.experiment or "", run=tracking.run or ""
    )


def _reward_plan(request: Request) -> RewardPlan | None:
    if request.reward is None:
        return None
    return RewardPlan(
        kind="evaluator_arn" if request.reward.evaluator_arn else "preset",
        value="",
        evaluator_arn=request.reward.evaluator_arn or "",
    )
