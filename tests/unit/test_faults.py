"""What is worth another try: throttling, 5xx answers and connections that break; nothing else."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.retries.standard import ThrottledRetryableChecker

from tunestep.aws import THROTTLES
from tunestep.errors import TransientFault
from tunestep.faults import transient


def refusal(code: str, status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "CreateTrainingJob")  # type: ignore[arg-type]


@pytest.mark.parametrize("code", sorted(THROTTLES))
def test_throttling_is_tried_again(code: str) -> None:
    assert isinstance(transient(refusal(code)), TransientFault)


def test_what_botocore_itself_counts_as_throttling_is_tried_again() -> None:
    others = {"TransactionInProgressException", "BandwidthLimitExceeded", "PriorRequestNotComplete"}
    of_other_services = {*others, "EC2ThrottledException"}
    assert set(ThrottledRetryableChecker._THROTTLED_ERROR_CODES) - of_other_services <= THROTTLES


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_5xx_is_tried_again_whatever_it_is_called(status: int) -> None:
    assert isinstance(transient(refusal("Whatever", status)), TransientFault)


@pytest.mark.parametrize(
    "fault",
    [
        ReadTimeoutError(endpoint_url="https://example.com"),
        ConnectTimeoutError(endpoint_url="https://example.com"),
        EndpointConnectionError(endpoint_url="https://example.com"),
    ],
)
def test_a_connection_that_breaks_is_tried_again(fault: Exception) -> None:
    assert isinstance(transient(fault), TransientFault)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ValidationException", 400),
        ("AccessDeniedException", 400),
        ("AccessDenied", 403),
        ("ExpiredTokenException", 400),
        ("UnrecognizedClientException", 403),
        ("ResourceInUse", 400),
        ("ResourceInUseException", 400),
        ("ResourceNotFound", 400),
        ("ResourceNotFoundException", 404),
        ("ResourceLimitExceeded", 400),
        ("ConflictException", 409),
        ("ConditionalCheckFailedException", 400),
        ("TaskTimedOut", 400),
        ("InvalidToken", 400),
        ("ExecutionDoesNotExist", 400),
        ("KMSAccessDeniedException", 400),
        ("NoSuchKey", 404),
        ("", 400),
        ("", 0),
        ("SomethingNew", 499),
    ],
)
def test_everything_else_fails_at_once(code: str, status: int) -> None:
    assert transient(refusal(code, status)) is None


@pytest.mark.parametrize("fault", [NoCredentialsError(), ParamValidationError(report="r"), KeyError("x")])
def test_what_is_wrong_here_is_not_tried_again(fault: Exception) -> None:
    assert transient(fault) is None
