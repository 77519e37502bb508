"""AWS services over the JSON protocol, parsed, validated and answered by botocore's service models.

Only behaviour is ours: a request that the published shapes refuse is refused here too, with enums,
patterns and lengths checked as the service would (botocore's client checks types only), and an answer
with a member the published shape lacks is an error of ours, raised loudly.
"""

import datetime
import json
import re
import uuid
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, OperationNotFoundError, ServiceModel, Shape
from botocore.validate import ParamValidator

MAX_BODY = 16 * 1024 * 1024
"""Largest request body read, in bytes."""

StartResponse = Callable[..., Any]


class AwsError(Exception):
    """An error as the service reports it: code, message and HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@lru_cache(maxsize=8)
def service_model(name: str) -> ServiceModel:
    """botocore's published model of a service (``sagemaker``, ``stepfunctions``)."""
    return botocore.session.Session().get_service_model(name)


def constraint_faults(value: Any, shape: Shape, path: str = "") -> list[str]:
    """Enum, pattern, length and range faults, which botocore's own validator leaves to the service."""
    match shape.type_name:
        case "structure":
            return [
                fault
                for key, member in value.items()
                if key in shape.members
                for fault in constraint_faults(member, shape.members[key], f"{path}.{key}" if path else key)
            ]
        case "list":
            return _length_faults(value, shape, path) + [
                fault
                for index, item in enumerate(value, 1)
                for fault in constraint_faults(item, shape.member, f"{path}.{index}.member")
            ]
        case "map":
            return _length_faults(value, shape, path) + [
                fault
                for key, item in value.items()
                for fault in constraint_faults(key, shape.key, f"{path}.key")
                + constraint_faults(item, shape.value, f"{path}.{key}.member")
            ]
        case "string":
            return _string_faults(value, shape, path)
        case "integer" | "long" | "float" | "double":
            return _range_faults(value, shape, path)
    return []


def _fault(value: Any, path: str, rule: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: Member must {rule}"


def _length_faults(value: Any, shape: Shape, path: str) -> list[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and len(value) < low:
        return [_fault(value, path, f"have length greater than or equal to {low}")]
    if high is not None and len(value) > high:
        return [_fault(value, path, f"have length less than or equal to {high}")]
    return []


def _string_faults(value: str, shape: Shape, path: str) -> list[str]:
    faults = _length_faults(value, shape, path)
    enum, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
    if enum and value not in enum:
        faults.append(_fault(value, path, f"satisfy enum value set: {enum}"))
    compiled = _compile(pattern) if pattern else None
    if compiled is not None and not compiled.fullmatch(value):
        faults.append(_fault(value, path, f"satisfy regular expression pattern: {pattern}"))
    return faults


def _range_faults(value: float, shape: Shape, path: str) -> list[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and value < low:
        return [_fault(value, path, f"have value greater than or equal to {low}")]
    if high is not None and value > high:
        return [_fault(value, path, f"have value less than or equal to {high}")]
    return []


@lru_cache(maxsize=512)
def _compile(pattern: str) -> re.Pattern[str] | None:
    """The service's pattern, or None where it is written in a dialect Python does not read."""
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:
        return None


def request_faults(service: str, operation: str, params: dict[str, Any]) -> list[str]:
    """Everything the published input shape of an operation has against these parameters."""
    shape = service_model(service).operation_model(operation).input_shape
    if shape is None:
        return []
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        return [str(report.generate_report())]
    return constraint_faults(params, shape)


def answer(value: Any, shape: Shape) -> Any:
    """Serialise an answer by its output shape; raises RuntimeError for a member the shape lacks."""
    if value is None:
        return None
    match shape.type_name:
        case "structure":
            if unknown := set(value) - set(shape.members):
                raise RuntimeError(f"{shape.name} has no member {sorted(unknown)}")
            return {k: answer(v, shape.members[k]) for k, v in value.items() if v is not None}
        case "list":
            return [answer(item, shape.member) for item in value]
        case "map":
            return {key: answer(item, shape.value) for key, item in value.items()}
        case "timestamp":
            return value.timestamp() if isinstance(value, datetime.datetime) else float(value)
    return value


class JsonService:
    """Base of a service: subclasses have one method per operation, named like it.

    ``def CreateTrainingJob(self, params: dict) -> dict`` takes the validated request and returns the
    answer's members (timestamps as datetime or epoch seconds), or raises AwsError.
    """

    service_name: str

    def __init__(self) -> None:
        self.model = service_model(self.service_name)
        self.target_prefix: str = self.model.metadata["targetPrefix"] + "."
        version = self.model.metadata.get("jsonVersion", "1.1")
        self._content_type = f"application/x-amz-json-{version}"

    def dispatch(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Validate, run and shape one call. Raises AwsError as the service would."""
        model = self._operation(operation)
        handler = getattr(self, operation, None)
        if handler is None:
            raise AwsError("NotImplemented", f"{operation} is not part of the laptop cloud", 501)
        if faults := request_faults(self.service_name, operation, params):
            count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected: "
            raise AwsError("ValidationException", count + "; ".join(faults))
        result = handler(params) or {}
        shaped: dict[str, Any] = answer(result, model.output_shape) if model.output_shape else {}
        return shaped

    def _operation(self, name: str) -> OperationModel:
        try:
            return self.model.operation_model(name)
        except OperationNotFoundError:
            raise AwsError("UnknownOperationException", f"unknown operation {name}") from None

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """WSGI entry."""
        operation = environ.get("HTTP_X_AMZ_TARGET", "").removeprefix(self.target_prefix)
        try:
            status, body = 200, self.dispatch(operation, self._body(environ))
        except AwsError as fault:
            status, body = fault.status, {"__type": fault.code, "message": fault.message}
        data = json.dumps(body).encode()
        start_response(
            f"{status} {'OK' if status == 200 else 'Error'}",
            [
                ("Content-Type", self._content_type),
                ("x-amzn-RequestId", str(uuid.uuid4())),
                ("Content-Length", str(len(data))),
            ],
        )
        return [data]

    @staticmethod
    def _body(environ: dict[str, Any]) -> dict[str, Any]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > MAX_BODY:
            raise AwsError("RequestEntityTooLarge", f"the body has {length} bytes", 413)
        try:
            body = json.loads(environ["wsgi.input"].read(length) or b"{}")
        except ValueError:
            raise AwsError("SerializationException", "the body is not JSON") from None
        if not isinstance(body, dict):
            raise AwsError("SerializationException", "the body is not a JSON object")
        return body
