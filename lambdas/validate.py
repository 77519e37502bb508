"""ValidatePrerequisites; and, invoked directly, a look at what a request would do."""

from typing import Any

from lambdas import _runtime
from tunestep.context import StepEvent
from tunestep.validation import DryRun, dry_run, validate

_step = _runtime.handler(StepEvent, validate)
_dry = _runtime.direct(DryRun, dry_run)


def handler(event: Any, context: Any) -> Any:
    """A direct invocation says ``dry_run``; the machine never does."""
    dry = isinstance(event, dict) and event.get("dry_run") is True
    return _dry(event, context) if dry else _step(event, context)
