"""What takes most of the time of a call to AWS in one process, and decides nothing in a schedule.

Nobody checks a signature or reads a user agent here, an address depends on nothing but the service and the
bucket, and moto puts together every address of a service for every request. The whole runs of tests/local
have all of it.
"""

import functools
import logging
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import botocore.regions
import botocore.signers
import botocore.useragent
from moto.core.base_backend import BaseBackend
from moto.moto_api._internal.moto_random import MotoRandom

ENVIRONMENT = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}
"""Else S3's bodies are sent in signed pieces."""


def leave_out(stack: ExitStack) -> None:
    """Leave it out until the stack is closed."""
    resolver = botocore.regions.EndpointRulesetResolver
    for owner, name, instead in (
        (BaseBackend, "urls", property(functools.cache(_getter(BaseBackend.urls)))),
        (MotoRandom, "get_random_string", _as_long_as_asked(MotoRandom.get_random_string)),
        (botocore.signers.RequestSigner, "sign", _not_signed),
        (botocore.useragent.UserAgentString, "to_string", lambda _: "tests"),
        (resolver, "construct_endpoint", _remembered(resolver.construct_endpoint)),
        (logging.Logger, "debug", lambda *_, **__: None),
    ):
        stack.enter_context(patch.object(owner, name, instead))


def _getter(found: Any) -> Any:
    return found.fget


def _as_long_as_asked(drawn: Any) -> Any:
    """moto draws 52 characters for the id of every answer, one by one."""

    @functools.wraps(drawn)
    def draw(random: Any, length: int = 20, *kinds: Any, **more: Any) -> str:
        return "R" * length if length == 52 else drawn(random, length, *kinds, **more)

    return draw


def _not_signed(_: Any, operation: str, request: Any, *rest: Any, **options: Any) -> None:
    """moto takes who does not sign for the public."""
    request.headers["Authorization"] = "tests"


def _remembered(construct: Any) -> Any:
    known: dict[tuple[Any, Any], Any] = {}

    def find(resolver: Any, operation_model: Any, call_args: Any, request_context: Any) -> Any:
        key = resolver, (call_args or {}).get("Bucket")
        if key not in known:
            known[key] = construct(resolver, operation_model, call_args, request_context)
        return known[key]

    return find
