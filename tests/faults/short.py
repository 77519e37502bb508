"""The short way to moto's services: straight to what answers at an address, without looking for it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from moto.core.botocore_stubber import MockRawResponse
from moto.core.exceptions import HTTPException
from moto.core.models import botocore_stubber
from moto.core.request import normalize_request
from moto.iam.responses import IamResponse
from moto.s3.responses import S3Response
from moto.sns.responses import SNSResponse

Answers = Callable[..., Any]


def _answers(service: str, request: AWSPreparedRequest) -> Answers | None:
    """What moto's urls.py of the service names for an address; None for one that is not known here."""
    host, path = urlsplit(request.url)[1:3]
    root = path in ("", "/")
    if service == "s3" and ".s3." in host:
        return S3Response.bucket_dispatch if root else S3Response.key_dispatch
    return {"iam": IamResponse.dispatch, "sns": SNSResponse.dispatch}.get(service) if root else None


def deliver(event_name: str, request: AWSPreparedRequest) -> AWSResponse:
    """Answer one request by moto."""
    answers = _answers(event_name.split(".")[1], request)
    if answers is not None:
        asked = normalize_request(request)
        try:
            status, headers, body = answers(asked, asked.raw_url, asked.headers)
        except HTTPException:
            pass
        else:
            return AWSResponse(request.url, status, headers, MockRawResponse(body))
    answered = botocore_stubber(event_name, request)
    assert answered is not None, request.url
    return answered
