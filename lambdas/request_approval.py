"""AwaitApproval: puts the question and keeps the task token."""

from lambdas import _runtime
from tunestep.approvals import request_approval
from tunestep.context import StepEvent

handler = _runtime.handler(StepEvent, request_approval)
