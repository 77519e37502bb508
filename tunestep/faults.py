"""What went wrong in an AWS call, told apart: worth another try, or not."""

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from tunestep.aws import error_code, is_transient
from tunestep.errors import TransientFault, TunestepError

AWS_FAULTS: tuple[type[Exception], ...] = (ClientError, BotoCoreError)
STEP_FAULTS: tuple[type[Exception], ...] = (TunestepError, *AWS_FAULTS)
"""What one step of several may fail with while the others still run."""


def describe(fault: Exception) -> str:
    """A failed AWS call in one line: operation, error code and message."""
    if isinstance(fault, ClientError):
        message = str(fault.response.get("Error", {}).get("Message", "")) or "no message"
        return f"{fault.operation_name}: {error_code(fault)}: {message}"
    return f"{type(fault).__name__}: {fault}"


def transient(fault: Exception) -> TransientFault | None:
    """The TransientFault to raise for a failed AWS call, or None when trying again cannot help."""
    if isinstance(fault, ClientError):
        return TransientFault(describe(fault)) if is_transient(fault) else None
    if isinstance(fault, HTTPClientError | AwsConnectionError):
        return TransientFault(describe(fault))
    return None


def not_found(fault: ClientError) -> bool:
    """Whether SageMaker says that the thing asked for does not exist.

    Its Describe operations answer ValidationException with one of several sentences where others
    answer ResourceNotFound.
    """
    if error_code(fault) in ("ResourceNotFound", "ResourceNotFoundException"):
        return True
    message = str(fault.response.get("Error", {}).get("Message", "")).lower()
    return error_code(fault) == "ValidationException" and any(
        sign in message for sign in ("not found", "does not exist", "could not find", "no such")
    )
