"""Stops a run so that it cleans up after itself."""

from lambdas import _runtime
from tunestep.stop import StopEvent, stop

handler = _runtime.direct(StopEvent, stop)
