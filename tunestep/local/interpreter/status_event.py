"""The EventBridge event that Step Functions publishes when an execution's status changes.

Members: "Automating Step Functions event delivery with EventBridge"
(docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html).
"""

import datetime
import uuid
from typing import Any

from tunestep.local.interpreter.execution import Execution

_DATA_LIMIT = 248 * 1024


def status_event(execution: Execution, region: str, account: str, now: float) -> dict[str, Any]:
    """A whole event; dates in the detail are epoch milliseconds, input and output are JSON text.

    Input and output are left out, and said to be, where they would make the event too large.
    """
    size = len((execution.input + (execution.output or "")).encode("utf-8", "surrogatepass"))
    included = size <= _DATA_LIMIT
    ended = execution.output is not None
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": account,
        "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [execution.arn],
        "detail": {
            "executionArn": execution.arn,
            "stateMachineArn": execution.machine_arn,
            "stateMachineVersionArn": None,
            "stateMachineAliasArn": None,
            "name": execution.name,
            "status": execution.status,
            "startDate": round(execution.started_at * 1000),
            "stopDate": None if execution.stopped_at is None else round(execution.stopped_at * 1000),
            "input": execution.input if included else None,
            "inputDetails": {"included": included},
            "output": execution.output if included else None,
            "outputDetails": {"included": included} if ended else None,
            "error": execution.error,
            "cause": execution.cause,
            "redriveCount": 0,
            "redriveDate": None,
            "redriveStatus": "NOT_REDRIVABLE",
            "redriveStatusReason": None,
        },
    }
