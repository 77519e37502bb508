"""ValidatePrerequisites; and, invoked directly, a look at what a request would do."""

from typing import Any

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.validation import DryRun, dry_run, validate

_step = _runtime.handler(StepEvent, validate)
_dry = _runtime.direct(DryRun, dry_run)


def handler(event: dict[str, Any], context: Any) -> Any:
    """A direct invocation says ``dry_run``; the machine never does."""
    return _dry(event, context) if event.get("dry_run") is True else _step(event, context)
