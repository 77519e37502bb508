"""What settings demand of a request for where it comes from: they tighten it and never loosen it."""

from typing import Any

import msgspec

from tunestep.request import Request, to_document
from tunestep.settings import Limits
from tunestep.source_settings import Source

_STRICTNESS = ("never", "licence", "always")


def tightened(request: Request, source: Source, stack: Limits) -> dict[str, Any]:
    """The request's document under its source's ceilings and approval rule.

    A source's ceiling that is above the stack's own holds nobody: the stack's counts.
    """
    asked = request.limits
    limits = msgspec.structs.replace(
        asked,
        max_tokens=_least(asked.max_tokens, source.max_tokens, stack.max_tokens),
        max_cost_usd=_least(asked.max_cost_usd, source.max_cost_usd, stack.max_cost_usd),
    )
    require = max(request.approval.require, source.approval, key=_STRICTNESS.index)
    approval = msgspec.structs.replace(request.approval, require=require)
    return to_document(msgspec.structs.replace(request, limits=limits, approval=approval))


def _least(asked: Any, ceiling: Any, highest: Any) -> Any:
    """The lowest of what is set; without a ceiling of the source, what was asked is left to the planner."""
    if ceiling is None:
        return asked
    return min(value for value in (asked, ceiling, highest) if value is not None)
