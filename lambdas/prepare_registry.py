"""PrepareRegistry: the model package group."""

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.registry import prepare_registry

handler = _runtime.handler(StepEvent, prepare_registry)
