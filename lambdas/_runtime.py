"""What every handler shares: a typed event, a log line with the run in it, and faults told apart."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from tunestep import environment
from tunestep.aws import Clients
from tunestep.context import Context
from tunestep.errors import ServiceFault, TransientFault, TunestepError
from tunestep.faults import AWS_FAULTS, describe, transient

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

EventT = TypeVar("EventT")
Handler = Callable[[Any, Any], Any]

logger = Logger()
metrics = Metrics()


@functools.cache
def context() -> Context:
    """The context of this process, made at the first event: a warm function keeps its connections."""
    env = environment.load()
    return Context(env=env, clients=Clients(region=env.region))


def _place(event: Any) -> dict[str, str]:
    """Run and state for the log, as far as the event tells; it may be anything at all."""
    known = event if isinstance(event, dict) else {}
    execution = known.get("execution")
    named = execution.get("name") if isinstance(execution, dict) else None
    return {"run_id": str(named or known.get("run") or ""), "state": str(known.get("state", ""))}


def _call(event_type: type[EventT], function: Callable[[Context, EventT], Any], event: Any) -> Any:
    try:
        return function(context(), msgspec.convert(event, event_type))
    except msgspec.ValidationError as fault:
        raise ServiceFault(f"The event is not one that this function knows: {fault}") from fault
    except AWS_FAULTS as fault:
        raise transient(fault) or ServiceFault(describe(fault)) from fault


def handler(event_type: type[EventT], function: Callable[[Context, EventT], Any]) -> Handler:
    """A Lambda handler around one function of tunestep.

    Named errors pass as they are, AWS faults become TransientFault or ServiceFault.
    """

    @metrics.log_metrics(capture_cold_start_metric=False)
    @logger.inject_lambda_context(clear_state=True)
    def handle(event: Any, _context: Any) -> Any:
        logger.append_keys(**_place(event))
        try:
            result = _call(event_type, function, event)
        except TunestepError as fault:
            cause = {} if fault.names_a_person else {"cause": str(fault)}
            logger.warning("ended with a named error", extra={"error": fault.name, **cause})
            name = "TransientFaults" if isinstance(fault, TransientFault) else "NamedErrors"
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
            raise
        metrics.add_metric(name="Successes", unit=MetricUnit.Count, value=1)
        return result

    wrapped: Handler = handle
    return wrapped


def direct(event_type: type[EventT], function: Callable[[Context, EventT], Any]) -> Handler:
    """A handler that people and tools invoke: named errors are its answer, {"error": {name, message}}."""
    inner = handler(event_type, function)

    def handle(event: Any, lambda_context: Any) -> Any:
        try:
            return inner(event, lambda_context)
        except TunestepError as fault:
            # Nobody retries for a person, so what may pass is shown as what it is to them: a failure.
            name = "ServiceFault" if isinstance(fault, TransientFault) else fault.name
            error: dict[str, Any] = {"name": name, "message": str(fault)}
            findings = getattr(fault, "findings", None)
            if findings:
                error["findings"] = msgspec.to_builtins(findings)
            return {"error": error}

    return handle


def http(app: "APIGatewayHttpResolver") -> Handler:
    """A handler around the routes of an HTTP API. Nothing of a request is logged: its link is a secret."""

    @metrics.log_metrics(capture_cold_start_metric=False)
    @logger.inject_lambda_context(clear_state=True)
    def handle(event: Any, lambda_context: Any) -> Any:
        if not isinstance(event, dict) or event.get("version") != "2.0":
            raise ServiceFault("The event is not one that this function knows: no HTTP request, payload 2.0.")
        answer = app.resolve(event, lambda_context)
        name = "Successes" if answer["statusCode"] < 500 else "NamedErrors"
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
        return answer

    wrapped: Handler = handle
    return wrapped
