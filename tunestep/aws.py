"""The one place that makes boto3 clients: lazy, with bounded retries and timeouts."""

from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tunestep import __version__

Client = Any
"""A boto3 client. boto3 builds its classes at run time, so there is no static type to name."""

THROTTLES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "LimitExceededException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
    }
)


def error_code(error: ClientError) -> str:
    """The service's error code, for example ``ResourceInUse``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_code(error: ClientError) -> int:
    """The HTTP status of a refused call; 0 when there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_transient(error: ClientError) -> bool:
    """Whether trying again later may help: throttling and 5xx, nothing else."""
    return error_code(error) in THROTTLES or status_code(error) >= 500


def _access_point_by_path(params: dict[str, Any], **_: Any) -> None:
    """Ask for an access point by its name, as for a bucket.

    On AWS each has a host name of its own; an endpoint that is one address and one port has none to give.
    """
    bucket = params.get("Bucket")
    if isinstance(bucket, str) and bucket.startswith("arn:"):
        params["Bucket"] = bucket.rpartition("/")[2]


class Clients:
    """boto3 clients of one account and region, made at first use.

    Endpoints come from AWS_ENDPOINT_URL as for any SDK, or from ``endpoint_url``.
    """

    def __init__(
        self, *, region: str | None = None, profile: str | None = None, endpoint_url: str | None = None
    ) -> None:
        self._session_args = {"region_name": region, "profile_name": profile}
        self._endpoint_url = endpoint_url
        self._others: dict[str, Client] = {}

    @cached_property
    def session(self) -> Any:
        return boto3.Session(**{k: v for k, v in self._session_args.items() if v})

    @property
    def region(self) -> str:
        return str(self.session.region_name or "")

    def _make(
        self, service: str, read_timeout: float = 60, attempts: int = 4, signature: str | None = None
    ) -> Client:
        return self.session.client(
            service,
            endpoint_url=self._endpoint_url,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": attempts},
                connect_timeout=5,
                read_timeout=read_timeout,
                user_agent_extra=f"tunestep/{__version__}",
                signature_version=signature,
            ),
        )

    def other(self, service: str) -> Client:
        """A client of a service that no function of the stack calls: none of them carries its model."""
        if service not in self._others:
            self._others[service] = self._make(service, read_timeout=30)
        return self._others[service]

    @cached_property
    def s3(self) -> Client:
        # Links are signed by version 2 otherwise, which S3 refuses for objects under a KMS key.
        client = self._make("s3", signature="s3v4")
        if ".amazonaws.com" not in client.meta.endpoint_url:
            client.meta.events.register("before-endpoint-resolution.s3", _access_point_by_path)
        return client

    @cached_property
    def sagemaker(self) -> Client:
        return self._make("sagemaker")

    @cached_property
    def iam(self) -> Client:
        return self._make("iam")

    @cached_property
    def dynamodb(self) -> Client:
        return self._make("dynamodb")

    @cached_property
    def stepfunctions(self) -> Client:
        return self._make("stepfunctions")

    @cached_property
    def sns(self) -> Client:
        return self._make("sns")

    @cached_property
    def secretsmanager(self) -> Client:
        return self._make("secretsmanager", read_timeout=5)

    @cached_property
    def lambda_(self) -> Client:
        return self._make("lambda", read_timeout=910)

    def lambda_once(self, read_timeout: float) -> Client:
        """A Lambda client for functions that are not ours: it waits so many seconds, and calls once."""
        return self._make("lambda", read_timeout=read_timeout, attempts=1)

    @cached_property
    def bedrock_runtime(self) -> Client:
        return self._make("bedrock-runtime", read_timeout=60, attempts=2)

    @cached_property
    def sts(self) -> Client:
        return self._make("sts")

    @cached_property
    def logs(self) -> Client:
        return self._make("logs")
