"""Calling a reward function: bounded payload, wait and answer, and never a function of the stack itself."""

import time
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from tunestep import lambda_functions, names
from tunestep.aws import Client, error_code, is_transient
from tunestep.certify.contract import explain
from tunestep.checks.calls import ask
from tunestep.errors import TransientFault
from tunestep.text import one_line

MAX_PAYLOAD = 5 * 1024 * 1024
"""Most bytes of one batch; a synchronous invocation carries 6 MB."""

MAX_ANSWER = 6 * 1024 * 1024 + 1024
"""Most bytes of an answer that are read: Lambda itself lets no more pass."""

Failure = Literal["", "error", "timeout"]


class Reply(NamedTuple):
    """How one call ended: the answer's bytes, or ``failure`` with what went wrong; ``seconds`` it took.

    ``message`` never holds content of rows; ``said``, the function's own words, may.
    """

    payload: bytes = b""
    seconds: float = 0.0
    failure: Failure = ""
    message: str = ""
    said: str = ""


class Function(Protocol):
    """A reward that can be called with a payload; ``timeout`` is its own limit in seconds."""

    @property
    def title(self) -> str: ...

    @property
    def timeout(self) -> float: ...

    def call(self, payload: bytes) -> Reply:
        """Raises TransientFault when trying again later may help."""
        ...


class FunctionRefused(Exception):  # noqa: N818 - reads like the other refusals
    """A function that is never called as a reward; the message says why."""


def guard(arn: str, *, stack: str, region: str, account: str) -> None:
    """Refuse what is no reward: functions of elsewhere and the stack's own. Raises FunctionRefused."""
    function = lambda_functions.parse(arn)
    if function is None:
        raise FunctionRefused(f"{arn} is not the ARN of a Lambda function")
    if (function.region, function.account) != (region, account):
        raise FunctionRefused(f"{arn} is not in account {account} and region {region}")
    own = {names.function_name(stack, verb) for verb in names.FUNCTIONS}
    of_stack = function.name.startswith(f"{stack}-")
    if function.name in own or (
        of_stack and not function.name.startswith(names.reward_function_prefix(stack))
    ):
        raise FunctionRefused(f"{function.name} is a function of the stack {stack} and no reward")


def admit(client: Client, arn: str, *, stack: str, listed: Sequence[str]) -> None:
    """Hold a function that ``guard`` let pass to a run's rule: listed, or tagged as this stack's reward.

    ``listed`` are the ARNs of the settings' ``allowed.reward_functions``. Raises FunctionRefused; and
    TransientFault or ServiceFault as tunestep.checks.calls does.
    """
    function = lambda_functions.parse(arn)
    known = {entry.unqualified for entry in map(lambda_functions.parse, listed) if entry}
    if function is None or function.unqualified in known:
        return
    how = "list it in the settings under allowed.reward_functions"
    if not function.name.startswith(names.reward_function_prefix(stack)):
        raise FunctionRefused(f"{function.name} is no reward of the stack {stack}: {how}")
    answer = ask(client.list_tags, Resource=function.unqualified)
    if answer.problem and answer.problem != "absent":
        raise FunctionRefused(
            f"the tags of {function.name} cannot be read ({answer.message}): allow lambda:ListTags, or {how}"
        )
    if not answer.problem and names.TAG_REWARD not in answer.data.get("Tags", {}):
        raise FunctionRefused(f"{function.name} is not tagged as a reward of the stack {stack}: {how}")


class LambdaFunction:
    """A deployed reward. ``client`` must neither retry nor wait much longer than the function may run."""

    def __init__(self, client: Client, arn: str, timeout: float) -> None:
        self._client, self._arn = client, arn
        self.timeout = timeout
        self.title = arn.rpartition(":")[2]

    def call(self, payload: bytes) -> Reply:
        started = time.monotonic()
        try:
            answer = self._client.invoke(FunctionName=self._arn, Payload=payload)
            body: bytes = answer["Payload"].read(MAX_ANSWER + 1)
        except ReadTimeoutError:
            return _after(started, failure="timeout", message="No answer came in the time it may take.")
        except ClientError as fault:
            if is_transient(fault):
                raise TransientFault(f"Invoke {self.title}: {error_code(fault)}") from fault
            message = fault.response.get("Error", {}).get("Message", "")
            return _after(started, failure="error", message=_line(f"{error_code(fault)}: {message}"))
        except BotoCoreError as fault:
            return _after(started, failure="error", message=_line(f"It cannot be called: {fault}"))
        if len(body) > MAX_ANSWER:
            return _after(started, failure="error", message="Its answer is larger than 6 MB.")
        if answer.get("FunctionError"):
            return failed(body, time.monotonic() - started)
        return _after(started, payload=body)


def failed(body: bytes, seconds: float) -> Reply:
    """The reply of an invocation that ended with this error document."""
    kind, said = explain(body)
    if "Task timed out" in said or kind == "Sandbox.Timedout":
        return Reply(b"", seconds, "timeout", "It was ended at its time-out.", said)
    return Reply(b"", seconds, "error", f"It ends with {kind}.", said)


def _after(started: float, *, payload: bytes = b"", failure: Failure = "", message: str = "") -> Reply:
    return Reply(payload, time.monotonic() - started, failure, message)


def _line(text: str) -> str:
    return one_line(text, 300)
