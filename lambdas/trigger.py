"""The queue of requests: starts what uploads, events and schedules ask for."""

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from lambdas import _runtime
from tunestep.context import Context
from tunestep.trigger import Batch, receive


def _receive(context: Context, batch: Batch) -> dict[str, Any]:
    outcome = receive(context, batch)
    _runtime.metrics.add_metric("RejectedTriggers", MetricUnit.Count, len(outcome.rejected))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in outcome.again]}


handler = _runtime.handler(Batch, _receive)
