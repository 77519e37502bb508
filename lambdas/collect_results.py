"""CollectResults: package, metrics and record of a completed job."""

from lambdas import _runtime
from tunestep.collect import collect_results
from tunestep.context import StepEvent

handler = _runtime.handler(StepEvent, collect_results)
