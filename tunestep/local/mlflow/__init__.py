"""A small MLflow tracking store: the REST calls that training jobs write with and collectors read with."""

from tunestep.local.mlflow.service import MlflowService

__all__ = ["MlflowService"]
