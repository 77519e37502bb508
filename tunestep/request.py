"""The request: what a caller asks for, typed once.

The same type serves the console, a file and the command; ``request.schema.json`` is generated from it.
Reading reports every fault at once, with its JSON path (see ``request_faults`` and ``request_rules``).
"""

import hashlib
import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tunestep import durations
from tunestep.findings import Finding
from tunestep.request_faults import shape_faults
from tunestep.request_rules import rule_faults

_REGION_ACCOUNT = "[a-z0-9-]+:[0-9]{12}"
_NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
_S3 = r"s3://[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]"


def _text(pattern: str, expected: str, **more: Any) -> Meta:
    """Constraints of a text field; ``expected`` completes the sentence "must be ..."."""
    return Meta(pattern=pattern, description=expected, max_length=more.pop("max_length", 2048), **more)


Duration = Annotated[str, _text(durations.PATTERN, "a duration like 90s, 45m, 6h or 3d")]
DataLocation = Annotated[
    str,
    _text(
        rf"^({_S3}/.+|arn:aws[a-z-]*:sagemaker:{_REGION_ACCOUNT}:hub-content/[^/]+/DataSet/[^/]+/[0-9.]+"
        r"|(?!s3://|arn:|[a-zA-Z][a-zA-Z0-9+.-]*://).+)$",
        "an S3 URI (s3://bucket/key), a local file, or the ARN of a DataSet with its version",
        max_length=1024,
    ),
]
OutputLocation = Annotated[
    str, _text(rf"^{_S3}(/.*)?$", "an S3 URI like s3://bucket/prefix/", max_length=1024)
]
Scalar = str | int | float | bool


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every object of a request."""


class Certify(_Part, frozen=True, kw_only=True):
    """How good a reward has to be before money is spent on it.

    ``min_gold`` is the lowest mean score of gold answers and ``max_wrong`` the highest of wrong ones,
    both between 0 and 1; ``sample`` rows are probed, and ``judge_rows`` of them by the judge model.
    """

    min_gold: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_wrong: Annotated[float, Meta(ge=0, le=1)] | None = None
    sample: Annotated[int, Meta(ge=1, le=1000)] | None = None
    judge_rows: Annotated[int, Meta(ge=0, le=100)] | None = None


class Reward(_Part, frozen=True, kw_only=True):
    """Where the reward comes from: exactly one of the first five fields.

    ``function``, ``lambda_arn``, ``evaluator_arn`` or ``preset`` for RLVR; ``prompt`` (a preset name or
    a template in S3) or ``evaluator_arn`` (a registered prompt), with ``judge_model``, for RLAIF.
    """

    function: (
        Annotated[str, _text(r"^[a-z][a-z0-9_]{0,62}$", "the name of a reward function of the stack")] | None
    ) = None
    lambda_arn: (
        Annotated[
            str,
            _text(
                rf"^arn:aws[a-z-]*:lambda:{_REGION_ACCOUNT}:function:[a-zA-Z0-9_-]{{1,64}}(:[$a-zA-Z0-9_-]+)?$",
                "the ARN of a Lambda function",
            ),
        ]
        | None
    ) = None
    evaluator_arn: (
        Annotated[
            str,
            _text(
                rf"^arn:aws[a-z-]*:sagemaker:{_REGION_ACCOUNT}:hub-content/[^/]+/JsonDoc/[^/]+/[0-9.]+$",
                "the ARN of a registered evaluator with its version",
            ),
        ]
        | None
    ) = None
    preset: (
        Annotated[
            str, _text(r"^[a-z][a-z0-9_]{0,62}$", "a preset reward such as gsm8k, prime_code or prime_math")
        ]
        | None
    ) = None
    prompt: (
        Annotated[
            str,
            _text(
                rf"^([a-zA-Z][a-zA-Z0-9._-]{{0,62}}|{_S3}/.+\.jinja)$",
                "a preset prompt such as summarize, or the S3 URI of a .jinja template",
                max_length=1024,
            ),
        ]
        | None
    ) = None
    judge_model: (
        Annotated[
            str,
            _text(
                r"^[a-z0-9][a-z0-9.:-]{0,127}$",
                "a Bedrock model id such as openai.gpt-oss-120b-1:0, without bedrock/",
            ),
        ]
        | None
    ) = None
    certify: Certify | None = None


class Mlflow(_Part, frozen=True, kw_only=True):
    """The MLflow app (name or ARN; the account's default when absent), experiment and run names."""

    app_arn: (
        Annotated[
            str,
            _text(
                rf"^(arn:aws[a-z-]*:sagemaker:{_REGION_ACCOUNT}:mlflow-[a-z-]+/[a-zA-Z0-9-]+|{_NAME})$",
                "the name or ARN of an MLflow app",
            ),
        ]
        | None
    ) = None
    experiment: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    run: Annotated[str, Meta(min_length=1, max_length=256)] | None = None


class Limits(_Part, frozen=True, kw_only=True):
    """What the run may use. Costs are in US dollars."""

    max_runtime: Duration | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_cost_usd: Annotated[float, Meta(gt=0)] | None = None
    review_above_usd: Annotated[float, Meta(ge=0)] | None = None


class Approval(_Part, frozen=True, kw_only=True):
    """When a person decides, and for how long the run waits for it (absent: the stack's setting)."""

    require: Literal["licence", "always", "never"] = "licence"
    timeout: Duration | None = None


class Vpc(_Part, frozen=True, kw_only=True):
    """The network of the training job."""

    security_group_ids: Annotated[
        tuple[Annotated[str, _text(r"^sg-[0-9a-zA-Z]+$", "a security group id", max_length=32)], ...],
        Meta(min_length=1, max_length=5),
    ]
    subnets: Annotated[
        tuple[Annotated[str, _text(r"^subnet-[0-9a-zA-Z]+$", "a subnet id", max_length=32)], ...],
        Meta(min_length=1, max_length=16),
    ]


class Dataset(_Part, frozen=True, kw_only=True):
    """``strict``: rows that could not be checked end the run."""

    strict: bool = False


class Request(_Part, frozen=True, kw_only=True):
    """One fine-tuning request. Four fields are required; RLVR and RLAIF also need ``reward``."""

    use_case: Annotated[
        str,
        Meta(min_length=1, max_length=2000, description="a sentence, or the S3 URI of a use_case_spec.md"),
    ]
    technique: Literal["SFT", "DPO", "RLVR", "RLAIF", "RFT", "CPT"]
    base_model: Annotated[
        str,
        _text(
            r"^[a-zA-Z0-9][a-zA-Z0-9.:/_-]{0,299}$",
            "a model name of the hub, an alias such as amazon.nova-2-lite-v1, or a model package ARN",
        ),
    ]
    training_data: DataLocation
    validation_data: DataLocation | None = None
    peft: Literal["LORA", "FULL"] = "LORA"
    hyperparameters: dict[str, Scalar | list[Scalar] | None] = {}
    sequence_length: (
        Annotated[str, _text(r"^[1-9][0-9]{0,3}K$", "a sequence length such as 4K or 32K")] | None
    ) = None
    reward: Reward | None = None
    model_package_group: (
        Annotated[
            str,
            _text(
                rf"^(arn:aws[a-z-]*:sagemaker:{_REGION_ACCOUNT}:model-package-group/{_NAME}|{_NAME})$",
                "the name or ARN of a model package group (letters and digits, hyphens between them)",
            ),
        ]
        | None
    ) = None
    mlflow: bool | Mlflow | None = None
    limits: Limits = Limits()
    approval: Approval = Approval()
    tags: dict[str, str] = {}
    execution_role: (
        Annotated[
            str,
            _text(
                r"^(arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-~]{1,510}/)?[a-zA-Z0-9+=,.@_-]{1,64}|[a-zA-Z0-9+=,.@_-]{1,64})$",
                "the name or ARN of an IAM role",
            ),
        ]
        | None
    ) = None
    output: OutputLocation | None = None
    base_job_name: (
        Annotated[
            str,
            _text(
                r"^[a-zA-Z0-9]([-_]*[a-zA-Z0-9]){0,62}$",
                "letters and digits with hyphens or underscores between them, at most 63",
            ),
        ]
        | None
    ) = None
    kms_key: (
        Annotated[str, _text(r"^[a-zA-Z0-9][a-zA-Z0-9:/_-]*$", "the id, alias or ARN of a KMS key")] | None
    ) = None
    vpc: Vpc | None = None
    compress_output: bool = True
    dataset: Dataset = Dataset()
    reuse: bool = False


class RequestInvalid(ValueError):  # noqa: N818 - reads like the other refusals
    """The request cannot be used; ``findings`` holds every fault, each with its JSON path."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(finding.line() for finding in findings))
        self.findings = findings


def parse(document: object) -> Request:
    """Turn a parsed document into a request. Raises RequestInvalid with all faults at once."""
    findings = shape_faults(document, Request)
    if isinstance(document, dict):
        findings += rule_faults(document, {finding.where for finding in findings})
    if findings:
        raise RequestInvalid(sorted(findings, key=lambda finding: finding.where))
    return msgspec.convert(document, Request)


def to_document(request: Request) -> dict[str, Any]:
    """The normalised document: defaults dropped, everything else as given; parse() restores it."""
    return _without_defaults(request)


def _without_defaults(part: msgspec.Struct) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for field in msgspec.structs.fields(part):
        value = getattr(part, field.name)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if value == default:
            continue
        if isinstance(value, msgspec.Struct):
            document[field.encode_name] = _without_defaults(value)
        else:
            document[field.encode_name] = list(value) if isinstance(value, tuple) else value
    return document


def request_hash(request: Request) -> str:
    """SHA-256 (hex) of the canonical JSON of the normalised document: sorted keys, no spaces, UTF-8."""
    text = json.dumps(
        to_document(request), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()
