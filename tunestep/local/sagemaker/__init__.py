"""SageMaker on a laptop: hubs, model packages, MLflow apps and serverless training jobs."""

from tunestep.local.sagemaker.delivery import Delivery
from tunestep.local.sagemaker.service import SageMakerService

__all__ = ["Delivery", "SageMakerService"]
