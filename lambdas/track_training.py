"""AwaitTraining: keeps the task token until the job has ended."""

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.tracking import track_training

handler = _runtime.handler(StepEvent, track_training)
