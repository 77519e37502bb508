"""One planning in a test: a world, an account in moto, and a request that is fine until it is changed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto import mock_aws

from tests.support.cases import load_world
from tests.support.world_clients import WorldClients, allow_everything, create_role, put, seed
from tunestep.findings import Finding
from tunestep.names import TAG_REWARD
from tunestep.plan import PlanContext, PlanOutcome, make_plan
from tunestep.request import parse
from tunestep.settings import Allowed, Settings

ACCOUNT = "111122223333"
STACK_BUCKET = f"tunestep-{ACCOUNT}-us-west-2"
STACK_ROLE = f"arn:aws:iam::{ACCOUNT}:role/stack-role"
QWEN = "huggingface-reasoning-qwen3-8b"
LLAMA = "meta-textgeneration-llama-3-2-1b-instruct"
NOVA = "nova-textgeneration-lite-v2"
DATA = "s3://my-data-bucket/sft/train.jsonl"
EVALUATOR = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:hub-content/MYHUB/JsonDoc/my-eval/1.0.0"
PACKAGE = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:model-package/my-models/3"
STACK_REWARD = "tunestep-SageMaker-reward-math-answer"
FUNCTIONS = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function"
REWARD_ARN = f"{FUNCTIONS}:SageMaker-mine"
APP = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:mlflow-app/app-FIRST00000001"
DEFAULT_APP = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:mlflow-app/app-DEFAULT0001"

REQUEST: dict[str, Any] = {
    "use_case": "Customer Support Chatbot",
    "technique": "SFT",
    "base_model": QWEN,
    "training_data": DATA,
}


def evaluator_document(reference: str, kind: str) -> dict[str, Any]:
    """An evaluator's hub document as the SageMaker SDK writes it."""
    content = {"Reference": reference, "EvaluatorType": kind}
    return {"SubType": "AWS/Evaluator", "JsonContent": json.dumps(content)}


class Desk:
    """Makes plans in one prepared account; ``clients.calls`` holds what the last one asked."""

    def __init__(self) -> None:
        world = load_world() | {"groups": ["my-models", "river-models"]}
        world["hub"]["MYHUB/JsonDoc/my-eval"] = [
            {"version": "1.0.0", "document": evaluator_document(REWARD_ARN, "RewardFunction")}
        ]
        world["functions"] = {
            STACK_REWARD: {"CodeSha256": "code-1", "Tags": {TAG_REWARD: "math_answer"}},
            "SageMaker-mine": {"CodeSha256": "code-2"},
        }
        self.clients = WorldClients(world)
        seed(self.clients, buckets=("my-data-bucket", STACK_BUCKET))
        create_role(self.clients, "stack-role")
        put(self.clients, DATA)

    @property
    def world(self) -> dict[str, Any]:
        return self.clients.world

    def document(self, model: str) -> dict[str, Any]:
        """A model's hub document, to be changed in place."""
        document: dict[str, Any] = self.world["hub"][f"SageMakerPublicHub/Model/{model}"][-1]["document"]
        return document

    def put(self, uri: str, text: str = '{"prompt": "a"}\n') -> None:
        put(self.clients, uri, text)

    def plan(self, changes: dict[str, Any] | None = None, **context: Any) -> PlanOutcome:
        """Plan the usual request with ``changes``; ``context`` replaces fields of the PlanContext."""
        facts: dict[str, Any] = {
            "region": "us-west-2",
            "account": ACCOUNT,
            "bucket": STACK_BUCKET,
            "stack": "tunestep",
            "execution_role_arn": STACK_ROLE,
            "settings": Settings(),
            "open": True,
            "laptop": True,
            "rewards": ("exact_match", "math_answer"),
        }
        self.clients.calls.clear()
        return make_plan(parse(REQUEST | (changes or {})), PlanContext(**facts | context), self.clients)

    def reset(self) -> None:
        """Let the world answer again what a test had answered otherwise."""
        self.clients.overrides = {"SimulatePrincipalPolicy": allow_everything}


@contextmanager
def prepared_account() -> Iterator[Desk]:
    """A desk in a fresh moto account."""
    with mock_aws():
        yield Desk()


def settings(**allowed: Any) -> Settings:
    """Settings that list what is given, as ``allowed.NAME``."""
    return Settings(allowed=Allowed(**allowed))


def shown(outcome: PlanOutcome, severity: str = "error") -> list[tuple[str, str]]:
    """(code, where) of the findings of one severity."""
    return [(finding.code, finding.where) for finding in outcome.findings if finding.severity == severity]


def finding(outcome: PlanOutcome, code: str) -> Finding:
    """The only finding with this code."""
    (found,) = [finding for finding in outcome.findings if finding.code == code]
    return found
