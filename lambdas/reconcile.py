"""Every five minutes: looks after what is pending."""

from typing import Any

from lambdas import _runtime
from tunestep.context import Context
from tunestep.reconcile import reconcile


def _reconcile(context: Context, _event: dict[str, Any]) -> dict[str, Any]:
    return reconcile(context)


handler = _runtime.handler(dict[str, Any], _reconcile)
