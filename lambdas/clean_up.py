"""CleanUp of the machine, and the clean-up after an execution that ended without it."""

from typing import Any

from lambdas import _runtime
from tunestep.clean_up import StatusEvent, clean_up_after, clean_up_step
from tunestep.context import StepEvent

_step = _runtime.handler(StepEvent, clean_up_step)
_after = _runtime.handler(StatusEvent, clean_up_after)


def handler(event: dict[str, Any], context: Any) -> Any:
    """Tell the machine's event from EventBridge's by its ``detail``."""
    return _after(event, context) if "detail" in event else _step(event, context)
