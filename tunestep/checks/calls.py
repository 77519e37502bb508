"""AWS calls whose refusals are answers: absent, denied or refused, told apart.

What may pass by itself (throttling, 5xx, no connection) is raised as TransientFault, what concerns
the caller's own credentials as ServiceFault; neither says anything about the request.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from tunestep.aws import error_code, is_transient, status_code
from tunestep.errors import ServiceFault, TransientFault

Problem = Literal["", "absent", "denied", "refused"]

_ABSENT = frozenset(
    {
        "404",
        "NotFound",
        "NoSuchKey",
        "NoSuchBucket",
        "NoSuchEntity",
        "ResourceNotFound",
        "ResourceNotFoundException",
    }
)
_DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException", "Forbidden", "UnauthorizedOperation"})
_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_ABSENT_PHRASES = ("does not exist", "could not find", "not found")
"""SageMaker reports an absent model package or group as a ValidationException with such a text."""


class Answer(NamedTuple):
    """What a call brought: ``data`` when ``problem`` is empty, else why there is none.

    ``headers`` are those of the HTTP answer, also of a refusal.
    """

    data: dict[str, Any]
    problem: Problem = ""
    message: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to


def ask(call: Callable[..., Any], **parameters: Any) -> Answer:
    """Make one call. Raises TransientFault or ServiceFault as the module says."""
    try:
        data = call(**parameters)
    except ClientError as fault:
        return _refusal(fault)
    except ParamValidationError as fault:
        return Answer({}, "refused", str(fault))
    except (ConnectionError, HTTPClientError, ResponseParserError) as fault:
        raise TransientFault(f"AWS does not answer: {fault}") from fault
    except BotoCoreError as fault:
        raise ServiceFault(
            f"AWS cannot be called: {fault}. Check the credentials and the profile."
        ) from fault
    return Answer(data, headers=_headers(data))


def _refusal(fault: ClientError) -> Answer:
    code, message = error_code(fault), str(fault.response.get("Error", {}).get("Message", ""))
    headers = _headers(fault.response)
    if code in _CREDENTIALS:
        raise ServiceFault(f"AWS refuses the credentials ({code}). Sign in again or choose another profile.")
    if is_transient(fault):
        raise TransientFault(f"{fault.operation_name}: {code} {message}") from fault
    if code in _DENIED or status_code(fault) == 403:
        return Answer({}, "denied", message, headers)
    if code in _ABSENT or status_code(fault) == 404:
        return Answer({}, "absent", message, headers)
    if code == "ValidationException" and any(phrase in message.lower() for phrase in _ABSENT_PHRASES):
        return Answer({}, "absent", message, headers)
    return Answer({}, "refused", f"{code}: {message}", headers)


def _headers(data: Any) -> dict[str, str]:
    metadata = data.get("ResponseMetadata", {}) if isinstance(data, dict) else {}
    return {str(name).lower(): str(value) for name, value in metadata.get("HTTPHeaders", {}).items()}
