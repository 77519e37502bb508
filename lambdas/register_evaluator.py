"""RegisterEvaluator: the evaluator that the job will call, registered when it is not there yet."""

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.registry import register_evaluator

handler = _runtime.handler(StepEvent, register_evaluator)
