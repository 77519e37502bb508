"""The plan: a request with everything looked up and resolved, ready to become one CreateTrainingJob.

The full plan is stored as ``runs/<run id>/plan.json``; the run's document holds its URI and hash.
"""

from typing import Literal

import msgspec

Technique = Literal["SFT", "DPO", "RLVR", "RLAIF"]
Family = Literal["nova", "open-weights"]


class ModelPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base model as the hub describes it, and the package to go on from when there is one.

    ``arn`` is the hub's HubContentArn with its version. ``base_established`` is false only for a
    model package whose base model could not be found; such a package counts as gated.
    """

    name: str
    arn: str
    version: str
    family: Family
    gated: bool
    hub: str = "SageMakerPublicHub"
    document_sha256: str = ""
    eula_uri: str = ""
    source_model_package_arn: str = ""
    base_established: bool = True


class RecipePlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The recipe the service will use; ``peft`` is LORA or, for full fine-tuning, empty."""

    name: str
    technique: Technique
    peft: Literal["LORA", ""] = ""
    sequence_length: str = ""
    override_spec_uri: str = ""
    override_spec_sha256: str = ""
    metering: str = ""


class DataPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One channel's data: an S3 URI (object or prefix) or a DataSet hub-content ARN.

    ``version_id`` and ``etag`` pin a single object; a prefix is pinned by ``fingerprint``, the SHA-256
    of its sorted (key, ETag, size) listing, and so is the ``location`` of a DataSet's rows, where the
    registry names it and it can be listed. ``size`` is in bytes.
    """

    uri: str
    kind: Literal["object", "prefix", "dataset"]
    etag: str = ""
    version_id: str = ""
    fingerprint: str = ""
    location: str = ""
    size: int = 0
    objects: int = 0


class MlflowPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    app_arn: str
    experiment: str = ""
    run: str = ""


class GroupPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The model package group; PrepareRegistry creates it when ``exists`` is false."""

    name: str
    arn: str
    exists: bool


class RewardPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reward of an RLVR or RLAIF run, and what it was when the plan was made.

    ``evaluator_arn`` is set when the request names a registered evaluator; otherwise RegisterEvaluator
    registers ``reference``, which is an unqualified function ARN or the S3 URI of a prompt, and empty for
    presets. ``function_arn`` is the function that scores, whichever way the request named it; its code
    and configuration are pinned by ``code_sha256`` (CodeSha256 as Lambda gives it, base64) and
    ``configuration_sha256`` (hex, over what changes its behaviour). A prompt is pinned by version and
    SHA-256 (hex). ``contract`` is the wire contract by which the service calls a function.
    ``judge_prompt_template`` is the spec's enum value of a preset.
    """

    kind: Literal["function", "lambda_arn", "evaluator_arn", "preset", "prompt"]
    value: str
    evaluator_arn: str = ""
    judge_model: str = ""
    judge_prompt_template: str = ""
    function_arn: str = ""
    code_sha256: str = ""
    configuration_sha256: str = ""
    reference: str = ""
    prompt_uri: str = ""
    prompt_version_id: str = ""
    prompt_sha256: str = ""
    contract: Family | Literal[""] = ""


class LicencePlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is being agreed to. ``statement`` is the sentence shown to people.

    ``revision`` is that of the table of known licences; it stands for the text of link-only ones.
    """

    name: str
    id: str = "unknown"
    url: str = ""
    text_uri: str = ""
    text_sha256: str = ""
    statement: str = ""
    known: bool = True
    revision: str = ""


class ApprovalPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a person has to decide, why, and how long they have (seconds).

    ``licence`` says that a licence has to be accepted, whatever else is asked; ``require`` is the request's.
    A decision on what the run will cost is not in here: that is known when the data has been read.
    """

    needed: bool
    reason: str
    timeout_seconds: int
    licence: bool = False
    require: Literal["licence", "always", "never"] = "licence"


class BudgetPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the run may use, and the prices by which that is estimated (US dollars).

    The limits are the tighter of the settings' and the request's; None where neither has one.
    """

    max_tokens: int | None = None
    max_cost_usd: float | None = None
    review_above_usd: float | None = None
    usd_per_million_tokens: float | None = None
    usd_per_hour: float | None = None


class VpcPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    security_group_ids: tuple[str, ...]
    subnets: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything CreateTrainingJob needs and everything StartTraining compares again.

    ``hyperparameters`` are the strings that are sent, empty ones already dropped.
    ``sequence_length`` is set only when the request asked for one. ``max_runtime_seconds`` is 0 when
    the request sets no limit (the service's default is 86,400 s).
    """

    request_hash: str
    region: str
    account: str
    technique: Technique
    use_case: str
    model: ModelPlan
    recipe: RecipePlan
    hyperparameters: dict[str, str]
    training_data: DataPlan
    execution_role_arn: str
    output_uri: str
    group: GroupPlan
    licence: LicencePlan
    approval: ApprovalPlan
    base_job_name: str
    validation_data: DataPlan | None = None
    mlflow: MlflowPlan | None = None
    reward: RewardPlan | None = None
    vpc: VpcPlan | None = None
    kms_key: str = ""
    compress_output: bool = True
    sequence_length: str = ""
    max_runtime_seconds: int = 0
    budget: BudgetPlan = BudgetPlan()
    tags: dict[str, str] = {}
