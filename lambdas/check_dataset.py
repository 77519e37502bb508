"""CheckDataset: a first look at the data."""

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.dataset_check import check_dataset

handler = _runtime.handler(StepEvent, check_dataset)
