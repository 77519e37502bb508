"""Calls without botocore's work around them, where nothing goes wrong.

Most of a schedule's calls are small reads and writes, and botocore takes longer to ask for one than moto to
answer it. The first call of a kind (its function, place and members) goes the whole way: serialized,
validated, through the wire, parsed. So does every call that a fault strikes. The others are answered at once.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

DONE = {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}}

Asked = Mapping[str, Any]


CONDITION = "ConditionalCheckFailedException"
ABSENT = frozenset({"NoSuchKey", "404"})
REFUSALS = frozenset({CONDITION}) | ABSENT
"""Codes of errors in which nothing but the operation and the object's key differ."""


class Refusal(Exception):  # noqa: N818 - an answer that many a call expects
    """A condition does not hold, or there is no such object."""


class Elsewhere(Exception):  # noqa: N818 - it is no error
    """Not to be answered here."""


class Difference(BaseException):
    """What is answered here is not what is answered to the same at the end of the whole way.

    No handler of the code takes it for an error of AWS.
    """


class Answers(Protocol):
    """Who answers some of a service's operations. ``answer`` raises Refusal and Elsewhere."""

    def can(self, operation: str, asked: Asked) -> bool: ...

    def same(self, operation: str, asked: Asked, answer: Asked) -> bool: ...

    def answer(self, operation: str, asked: Asked) -> dict[str, Any]: ...


class Wired(NamedTuple):
    """What the calls of functions pass: see tests.faults.wire."""

    coming: Callable[[str], Any]
    """The call that an operation would be, unless a fault strikes it or no function is running."""
    passed: Callable[..., None]
    """Told of the call, of what was asked, and whether it was answered that an object is absent."""


class DirectCalls:
    """Stands where a client's ``_make_api_call`` stands."""

    def __init__(self, client: Any, wired: Wired, answers: Answers) -> None:
        self._client, self._whole_way, self._wired = client, client._make_api_call, wired
        self._service, self._answers = client.meta.service_model.service_name, answers
        self._known: set[Any] = set()
        self._refusals: dict[str, Any] = {}
        """What an operation is refused with."""

    def __call__(self, operation: str, asked: dict[str, Any]) -> Any:
        call = self._wired.coming(f"{self._service}.{operation}")
        if call is None or not self._answers.can(operation, asked):
            return self._whole_way(operation, asked)
        kind = (call.verb, call.site, operation, members(asked))
        if kind not in self._known:
            return self._first(kind, operation, asked)
        try:
            answer = self._answers.answer(operation, asked)
        except Elsewhere:
            return self._whole_way(operation, asked)
        except Refusal:
            return self._refused(call, operation, asked)
        self._wired.passed(call, asked)
        return answer

    def _first(self, kind: Any, operation: str, asked: dict[str, Any]) -> Any:
        plain = dict(asked)  # botocore adds to what it is asked with
        try:
            answer = self._remembering(operation, asked)
        except ClientError as fault:
            if fault.response["Error"]["Code"] == CONDITION:
                self._known.add(kind)
            raise
        if not self._answers.same(operation, plain, answer):
            raise Difference(operation, plain, answer)
        self._known.add(kind)
        return answer

    def _remembering(self, operation: str, asked: dict[str, Any]) -> Any:
        """The whole way, and what it is refused with."""
        try:
            return self._whole_way(operation, asked)
        except ClientError as fault:
            if fault.response["Error"]["Code"] in REFUSALS:
                self._refusals[operation] = fault.response
            raise

    def _refused(self, call: Any, operation: str, asked: dict[str, Any]) -> Any:
        if operation not in self._refusals:
            return self._remembering(operation, asked)
        response = copy.deepcopy(self._refusals[operation])
        error = response["Error"]
        self._wired.passed(call, asked, absent=error["Code"] in ABSENT)
        if "Key" in error:
            error["Key"] = asked["Key"]
        raise self._client.exceptions.from_code(error["Code"])(response, operation)


def members(asked: Asked) -> tuple[Any, ...]:
    """What is the same of calls that differ in their values, and in what attributes are called, alone."""
    expressions = [value for name, value in asked.items() if name.endswith("Expression")]
    names, values = asked.get("ExpressionAttributeNames", {}), asked.get("ExpressionAttributeValues", {})
    return *asked, *expressions, *names, *values
