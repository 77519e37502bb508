"""EventBridge: a training job changed its state."""

from lambdas import _runtime
from tunestep.tracking import TrainingEvent, training_event

handler = _runtime.handler(TrainingEvent, training_event)
