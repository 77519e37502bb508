"""Where a job's reward comes from: its evaluator in the hub, a preset, or a judge with a prompt."""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from tunestep import evaluators
from tunestep.aws import Client
from tunestep.local.judge_prompts import PRESETS, preset_name
from tunestep.local.training.data_files import locate
from tunestep.local.training.faults import TrainingFault
from tunestep.local.training.job import Job
from tunestep.local.training.reinforce import Rewarder
from tunestep.local.training.reward_contract import Contract
from tunestep.local.training.reward_judge import JudgeReward
from tunestep.local.training.reward_lambda import LambdaReward
from tunestep.local.training.reward_presets import PresetReward
from tunestep.prompts.store import MAX_BYTES

Service = Callable[[str], Client]
"""Makes the client of an AWS service."""


def rewarder(job: Job, service: Service) -> Rewarder:
    """What judges the answers of an RLVR or RLAIF job.

    Raises:
        TrainingFault: the reward cannot be found or is not of a kind that fits.
    """
    return _judge(job, service) if job.technique == "RLAIF" else _function(job, service)


def _function(job: Job, service: Service) -> Rewarder:
    if not job.evaluator_arn:
        preset = job.hyperparameters.get("preset_reward_function", "")
        if not preset:
            raise TrainingFault("RLVR needs EvaluatorArn or the hyperparameter preset_reward_function.")
        return PresetReward(preset)
    content = _evaluator(job.evaluator_arn, evaluators.FUNCTION, service("sagemaker"))
    if ":lambda:" not in content.reference:
        raise TrainingFault(f"evaluator {job.evaluator_arn} refers to no Lambda function.")
    contract: Contract = "nova" if "nova" in job.context.base_model_name.lower() else "open-weights"
    return LambdaReward(service("lambda"), content.reference, contract)


def _judge(job: Job, service: Service) -> Rewarder:
    model = job.hyperparameters.get("judge_model_id", "").removeprefix("bedrock/")
    if not model:
        raise TrainingFault("RLAIF needs the hyperparameter judge_model_id.")
    if job.evaluator_arn:
        reference = _evaluator(job.evaluator_arn, evaluators.PROMPT, service("sagemaker")).reference
        return JudgeReward(service("bedrock-runtime"), model, _template(reference, service("s3")), reference)
    path = job.hyperparameters.get("judge_prompt_template", "")
    name = preset_name(path)
    if name not in PRESETS:
        raise TrainingFault(f"judge_prompt_template {path!r} is none of {', '.join(PRESETS)}.")
    return JudgeReward(
        service("bedrock-runtime"), model, PRESETS[name], f"{name} (a stand-in for the preset)"
    )


def _evaluator(arn: str, kind: str, sagemaker: Client) -> evaluators.Content:
    try:
        answer = sagemaker.describe_hub_content(**evaluators.Place.of_arn(arn)._asdict())
    except (ValueError, BotoCoreError, ClientError):
        raise TrainingFault(f"evaluator {arn} cannot be described.") from None
    content = evaluators.read(answer["HubContentDocument"])
    if content is None or content.kind != kind:
        raise TrainingFault(f"{arn} is not an evaluator of type {kind}.")
    return content


def _template(uri: str, s3: Client) -> str:
    place = locate(uri)
    try:
        body: bytes = s3.get_object(Bucket=place.bucket, Key=place.key)["Body"].read(MAX_BYTES + 1)
    except (BotoCoreError, ClientError) as error:
        raise TrainingFault(f"the judge's prompt {uri} cannot be read ({type(error).__name__}).") from None
    if len(body) > MAX_BYTES:
        raise TrainingFault(f"the judge's prompt {uri} is larger than {MAX_BYTES // 1024} KB.")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise TrainingFault(f"the judge's prompt {uri} is not UTF-8 text.") from None
