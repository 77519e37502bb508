"""Starting a run by a signed request: IAM has checked who calls, so the record knows who asks."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from tunestep.context import Context
from tunestep.errors import ServiceFault, TransientFault, TunestepError
from tunestep.faults import AWS_FAULTS, describe
from tunestep.gate import requests, signed
from tunestep.start import InvalidRequest, Origin, StartEvent, start

MAX_BODY = 256 * 1024
"""Bytes: more than an execution takes as its input (Step Functions quotas) is no request."""

logger = Logger(child=True)


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a caller may say; who that is, says the request context alone."""

    request: Any = None
    retry_of: str = ""
    force: bool = False


class StartApi:
    """The one route, over a function that gives the context of this process."""

    def __init__(self, process: Callable[[], Context]) -> None:
        self._process = process
        self.app = APIGatewayHttpResolver()
        self.app.post("/runs")(self._start)

    def _start(self) -> Response[str]:
        return signed.response(start_signed(self._process(), self.app.current_event.raw_event))


def start_signed(context: Context, event: Mapping[str, Any]) -> signed.Answer:
    """Start a run in the name of the principal who signed. ``event`` is the HTTP API's (payload 2.0).

    The body is {"request": document} or {"retry_of": run id}, with "force" where it is wanted; the answer
    {"run_id", "execution_arn"}. On a laptop nobody checks signatures, and the record says so.
    """
    principal = signed.principal(event)
    if not principal:
        return signed.error(403, "StartRefused", "The request is not signed, so nobody asks for this run.")
    try:
        asked = msgspec.json.decode(requests.body(event, MAX_BODY), type=_Asked)
    except requests.Refused as refusal:
        return signed.error(refusal.status, "StartRefused", refusal.message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        return signed.error(400, "StartRefused", f"The body asks for no run: {fault}")
    wanted = StartEvent(
        request=asked.request, retry_of=asked.retry_of, force=asked.force, source="cli", requester=principal
    )
    known = "unverified" if context.env.laptop else signed.IAM_PRINCIPAL
    try:
        return signed.Answer(200, start(context, wanted, Origin(known=known)))
    except TunestepError as fault:
        return _not_started(fault)
    except AWS_FAULTS as fault:
        logger.warning("a signed start met a fault", extra={"fault": describe(fault)})
        return signed.error(503, "ServiceFault", f"The run was not started. {describe(fault)}")


def _not_started(fault: TunestepError) -> signed.Answer:
    passing = isinstance(fault, TransientFault | ServiceFault)
    name = "ServiceFault" if passing else fault.name
    answer = signed.error(503 if passing else 422, name, str(fault))
    if isinstance(fault, InvalidRequest):
        answer.document["error"]["findings"] = msgspec.to_builtins(fault.findings)
    return answer
