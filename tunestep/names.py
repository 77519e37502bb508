"""Names, prefixes and tags: the one list that infra, functions and the command share."""

import base64
import hashlib
import re

HUB = "SageMakerPublicHub"

FUNCTIONS: tuple[str, ...] = (
    "validate",
    "check_dataset",
    "certify_reward",
    "claim_run",
    "request_approval",
    "register_evaluator",
    "prepare_registry",
    "start_training",
    "track_training",
    "collect_results",
    "notify",
    "clean_up",
    "start",
    "start_signed",
    "trigger",
    "decide",
    "revoke",
    "approvals_api",
    "stop",
    "training_event",
    "reconcile",
)
"""One Lambda per verb; the module is ``lambdas/<verb>.py``."""

KIND_INDEX = "by_kind"
"""Sparse index of the runs table: hash ``kind``, range ``created_at``."""

PREFIX_DATA = "data/"
PREFIX_OUTPUT = "output/"
PREFIX_RUNS = "runs/"
PREFIX_EVIDENCE = "evidence/"
PREFIX_PRESETS = "presets/"
PREFIX_STATE = "state/"
PREFIX_MLFLOW = "mlflow/"
PREFIX_GROUPS = f"{PREFIX_STATE}groups/"
PREFIX_REQUESTS = "requests/"
PREFIX_DATASETS = "datasets/"
PREFIX_REJECTED = "rejected/"

TRIGGER_PREFIXES: tuple[str, ...] = (PREFIX_REQUESTS, PREFIX_DATASETS)
"""Parts of the bucket where a new object starts a run; nothing of a run is ever written there."""

PRIVATE_PREFIXES: tuple[str, ...] = (
    *(PREFIX_RUNS, PREFIX_EVIDENCE, PREFIX_PRESETS, PREFIX_STATE, PREFIX_MLFLOW),
)
"""Parts of the bucket that are never a source of data nor an output, whatever a request says."""

TRAINING_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
"""Where SageMaker's training jobs log; a stream's name begins with the job's (SageMaker developer guide,
"CloudWatch logs")."""

TAG_RUN = "tunestep:run"
TAG_REQUEST_HASH = "tunestep:request-hash"
TAG_REWARD = "tunestep:reward"
"""On every reward function that the stack deploys; the value is the reward's name."""

_EVERYWHERE = ("us-west-2", "us-east-1", "ap-northeast-1", "eu-west-1")
_LARGE = ("us-west-2", "ap-northeast-1")

JUDGE_REGIONS: dict[str, tuple[str, ...]] = {
    "openai.gpt-oss-120b-1:0": _EVERYWHERE,
    "openai.gpt-oss-20b-1:0": _EVERYWHERE,
    "qwen.qwen3-32b-v1:0": _EVERYWHERE,
    "qwen.qwen3-coder-30b-a3b-v1:0": _EVERYWHERE,
    "qwen.qwen3-coder-480b-a35b-v1:0": _LARGE,
    "qwen.qwen3-235b-a22b-2507-v1:0": _LARGE,
}
"""Judge models that RLAIF takes, by region (SageMaker Python SDK 3.27)."""

FORGET_AT = "forget_at"
"""The attribute by which DynamoDB deletes an item of the runs table, in seconds since 1970."""

STACK_PATTERN = re.compile(r"[a-z](-?[a-z0-9]){0,23}")
"""Stack names: short enough that every derived name stays inside the service limits."""


NAME_PATTERN = r"\A[a-z0-9-]{1,40}\Z"
"""Names of presets and schedules: one part of a path, whatever it is put into."""

DETAIL_REQUESTED = "Tunestep Run Requested"
DETAIL_SCHEDULED = "Tunestep Run Scheduled"
"""Detail types of the events that ask for a run: those of the stack's bus, and those of its schedules."""


def bus_name(stack: str) -> str:
    """The stack's own event bus."""
    return f"{stack}-requests"


def request_queue_name(stack: str) -> str:
    """The queue between everything that asks for a run and the function that starts it."""
    return f"{stack}-requests"


def function_name(stack: str, verb: str) -> str:
    """Lambda function name (at most 64 characters)."""
    return f"{stack}-{verb.replace('_', '-')}"


def reward_function_prefix(stack: str) -> str:
    """What the names of the stack's reward functions begin with; the service demands "SageMaker" in them."""
    return f"{stack}-SageMaker-reward-"


REWARD_CONTRACTS: tuple[str, ...] = ("open-weights", "nova")
"""The wire contracts of rewards. Nothing in an event tells them apart, so each has a function of its own."""


def reward_function_name(stack: str, reward: str, contract: str = "open-weights") -> str:
    """Name of a deployed reward's function for models of one family (64 characters at most)."""
    suffix = "-nova" if contract == "nova" else ""
    return f"{reward_function_prefix(stack)}{reward.replace('_', '-')}{suffix}"


def registry_hub_name(region: str, account: str) -> str:
    """The account's registry hub: base32hex of the SHA-256 of its display name, 52 characters.

    The SageMaker SDK finds it by the same rule (sagemaker-train 1.27.0, ai_registry/air_hub.py).
    """
    digest = hashlib.sha256(registry_hub_title(region, account).encode()).digest()
    return base64.b32hexencode(digest).decode().rstrip("=")


def registry_hub_title(region: str, account: str) -> str:
    return f"AiRegistry-{region}-{account}"


def machine_name(stack: str) -> str:
    return f"{stack}-fine-tuning"


def table_name(stack: str) -> str:
    return f"{stack}-runs"


def evidence_table_name(stack: str) -> str:
    """The table of licence acceptances, apart from the runs because nothing in it may change."""
    return f"{stack}-evidence"


def mlflow_app_name(stack: str) -> str:
    return f"{stack}-metrics"


def topic_name(stack: str) -> str:
    return f"{stack}-notices"


def approver_topic_name(stack: str, approver_id: str) -> str:
    """The topic that mails one approver; characters that a topic's name cannot have become hyphens."""
    return f"{stack}-approver-{re.sub('[^a-z0-9-]', '-', approver_id)}"


def api_name(stack: str) -> str:
    """The HTTP API of the approval gate."""
    return f"{stack}-approvals"


def bucket_name(stack: str, account: str, region: str) -> str:
    """The stack's one bucket (at most 63 characters)."""
    return f"{stack}-{account}-{region}"


def execution_role_name(stack: str, region: str) -> str:
    """The role that training jobs run under when a request names none."""
    return f"{stack}-sagemaker-execution-{region}"


def machine_arn(stack: str, account: str, region: str, partition: str = "aws") -> str:
    return f"arn:{partition}:states:{region}:{account}:stateMachine:{machine_name(stack)}"


def execution_arn(stack: str, account: str, region: str, run_id: str, partition: str = "aws") -> str:
    return f"arn:{partition}:states:{region}:{account}:execution:{machine_name(stack)}:{run_id}"


def run_key(run_id: str, name: str) -> str:
    """S3 key of a file of one run; the run id is the execution name."""
    return f"{PREFIX_RUNS}{run_folder(run_id)}/{name}"


def run_folder(run_id: str) -> str:
    """The run id as one part of a path. An execution may be called ``..``, which would lead elsewhere."""
    return run_id if run_id.strip(".") else run_id.replace(".", "%2E")
