"""Starts a run for the command, an event or a schedule."""

from lambdas import _runtime
from tunestep.start import StartEvent, start

handler = _runtime.direct(StartEvent, start)
