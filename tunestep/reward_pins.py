"""The reward as it was when the plan was made: the same code, prompt and evaluator, or said to be another."""

import hashlib

from tunestep import evaluators, lambda_functions, s3uri
from tunestep.aws import Clients
from tunestep.checks.calls import ask
from tunestep.evaluators import Place
from tunestep.hub import Absence
from tunestep.plan_model import RewardPlan
from tunestep.prompts import store


def changes(clients: Clients, reward: RewardPlan | None, evaluator_arn: str = "") -> list[str]:
    """How the reward differs from what the plan pinned, in words; empty when it does not.

    ``evaluator_arn`` is the evaluator that the job will name; it has to refer to what was certified.
    Raises TransientFault and ServiceFault as tunestep.checks.calls does.
    """
    if reward is None:
        return []
    found = [
        _function(clients, reward) if reward.function_arn else "",
        _prompt(clients, reward) if reward.prompt_sha256 else "",
        _evaluator(clients, reward, evaluator_arn) if evaluator_arn and reward.reference else "",
    ]
    return [difference for difference in found if difference]


def _function(clients: Clients, reward: RewardPlan) -> str:
    arn = reward.function_arn
    found = lambda_functions.describe(clients.lambda_, arn)
    if isinstance(found, Absence):
        return f"the reward function {arn} can no longer be looked at ({found.problem})"
    if found.code_sha256 != reward.code_sha256:
        return (
            f"the reward function {arn} has other code (CodeSha256 {found.code_sha256}, "
            f"planned {reward.code_sha256}) and has to be certified again"
        )
    if found.configuration_sha256 != reward.configuration_sha256:
        return f"the configuration of the reward function {arn} has changed; it has to be certified again"
    return ""


def _prompt(clients: Clients, reward: RewardPlan) -> str:
    uri = reward.prompt_uri
    found = store.read(clients.s3, s3uri.parse(uri))
    if isinstance(found, Absence):
        return f"the prompt {uri} can no longer be read ({found.problem})"
    sha256 = hashlib.sha256(found.body).hexdigest()
    if sha256 != reward.prompt_sha256:
        return f"the prompt {uri} has other text (SHA-256 {sha256}, planned {reward.prompt_sha256})"
    if reward.prompt_version_id and found.version_id != reward.prompt_version_id:
        planned = reward.prompt_version_id
        return f"the prompt {uri} has another version ({found.version_id or 'none'}, planned {planned})"
    return ""


def _evaluator(clients: Clients, reward: RewardPlan, arn: str) -> str:
    answer = ask(clients.sagemaker.describe_hub_content, **Place.of_arn(arn)._asdict())
    if answer.problem:
        return f"the evaluator {arn} can no longer be read ({answer.problem})"
    status = answer.data.get("HubContentStatus")
    if status != evaluators.AVAILABLE:
        return f"the evaluator {arn} is {status}"
    content = evaluators.read(str(answer.data.get("HubContentDocument") or ""))
    reference = content.reference if content else "nothing"
    # An evaluator that was registered elsewhere may name a version; what was planned is the function.
    function = lambda_functions.parse(reference)
    if (function.unqualified if function else reference) != reward.reference:
        return f"the evaluator {arn} refers to {reference}, planned was {reward.reference}"
    return ""
