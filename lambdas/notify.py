"""Notify and NotifyFailure: tells people how the run ended."""

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.notices import notify

handler = _runtime.handler(StepEvent, notify)
