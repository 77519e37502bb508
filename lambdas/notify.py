"""Notify and NotifyFailure: tells people how a run ended; called by a decision, how it was decided; by
StartTraining, that a run waits for quota; by an event, that it began."""

from typing import Any

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.gate.announce import notify
from tunestep.run_notices import StatusEvent, started

_step = _runtime.handler(StepEvent, notify)
_began = _runtime.handler(StatusEvent, started)


def handler(event: dict[str, Any], context: Any) -> Any:
    """Tell the machine's event from EventBridge's by its ``detail``."""
    return _began(event, context) if "detail" in event else _step(event, context)
