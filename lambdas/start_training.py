"""StartTraining: proves the plan and makes the job."""

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.training_start import start_training

handler = _runtime.handler(StepEvent, start_training)
