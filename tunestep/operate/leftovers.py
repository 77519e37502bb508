"""What a deleted stack leaves behind, and the commands that remove it."""

from typing import NamedTuple

from tunestep import names


class Leftover(NamedTuple):
    """One thing that stays; ``commands`` remove it for good."""

    what: str
    why: str
    commands: tuple[str, ...]


def leftovers(stack: str, bucket: str, *, mlflow_app: bool = False) -> tuple[Leftover, ...]:
    """In the order in which they would be removed. ``mlflow_app``: whether the stack made one of its own."""
    runs, evidence = names.table_name(stack), names.evidence_table_name(stack)
    metrics = Leftover(
        f"MLflow app {names.mlflow_app_name(stack)} and its role",
        "the metrics of runs",
        (
            "aws sagemaker list-mlflow-apps",
            "aws sagemaker delete-mlflow-app --arn ARN",
            "IAM console, the role named in the app: Delete",
        ),
    )
    return (
        *([metrics] if mlflow_app else []),
        Leftover(
            f"bucket {bucket}",
            "your data, the models and the records of runs",
            (f"S3 console, {bucket}: Empty (old versions as well)", f"aws s3 rb s3://{bucket}"),
        ),
        Leftover(
            f"table {runs}", "which runs there were", (f"aws dynamodb delete-table --table-name {runs}",)
        ),
        Leftover(
            f"table {evidence}",
            "who accepted which licence",
            (
                f"aws dynamodb update-table --table-name {evidence} --no-deletion-protection-enabled",
                f"aws dynamodb delete-table --table-name {evidence}",
            ),
        ),
        Leftover(
            "model packages, their groups and the registry hub",
            "made by runs, not by the stack",
            ("SageMaker Studio, Models, or aws sagemaker delete-model-package",),
        ),
    )
