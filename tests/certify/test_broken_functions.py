"""Functions that answer badly or not at all: each is a clear finding, and nothing else is tried on them."""

import json
import math
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.certify.support import answering, certify, codes, library, outcomes, probe, products
from tunestep.certify import probes
from tunestep.certify.calls import FunctionRefused, LambdaFunction, admit, guard
from tunestep.certify.certification import Certified, of_function
from tunestep.certify.data import of_bytes
from tunestep.certify.outcomes import Thresholds
from tunestep.errors import TransientFault
from tunestep.local.functions import Function, FunctionPool
from tunestep.names import FUNCTIONS, TAG_REWARD, function_name, reward_function_name

ACCOUNT, REGION = "123456789012", "us-west-2"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:my-reward"


def changed(**fields: Any) -> Any:
    return answering(lambda results: [row | fields for row in results])


ANSWERS: list[tuple[str, Any, str]] = [
    ("one result too few", answering(lambda results: results[1:]), "7 results came back for 8 rows"),
    ("one result too many", answering(lambda results: [*results, results[0]]), "9 results"),
    ("other ids", changed(id="x"), "an id that is not its row's"),
    ("no ids", changed(id=None), "has no id"),
    ("sorted ids", answering(lambda results: sorted(results, key=lambda row: row["id"])), "in the order"),
    ("a text for a number", changed(aggregate_reward_score="1.0"), "has to be a number, not a text"),
    ("true for a number", changed(aggregate_reward_score=True), "not true or false"),
    ("NaN", changed(aggregate_reward_score=math.nan), "finite number, not nan"),
    ("infinity", changed(aggregate_reward_score=math.inf), "finite number, not inf"),
    ("a number without end", changed(aggregate_reward_score=10**400), "finite number"),
    (
        "a metric that is text",
        changed(metrics_list=[{"name": "m", "value": "1", "type": "Metric"}]),
        "metric m",
    ),
    ("a metric without type", changed(metrics_list=[{"name": "m", "value": 1}]), "Metric or Reward"),
    ("metrics that are no list", changed(metrics_list={"m": 1}), "has to be a list"),
    ("one object for the list", answering(lambda results: results[0]), "has to hold a list, not an object"),
    ("a list of texts", answering(lambda results: ["x"] * len(results)), "has to be an object"),
    ("a bare list", lambda event, _: [], "not a list"),
    ("status 500", lambda event, _: {"statusCode": 500, "body": "[]"}, "statusCode is 500"),
    ("a body that is not JSON", lambda event, _: {"statusCode": 200, "body": "{"}, "body is not JSON"),
    ("a body that is a list", lambda event, _: {"statusCode": 200, "body": []}, "as JSON text"),
    ("nothing", lambda event, _: None, "not nothing"),
    ("an error document", lambda event, _: {"errorMessage": "no", "errorType": "Oops"}, "Oops"),
    ("endless nesting", lambda event, _: {"statusCode": 200, "body": "[" * 100_000}, "body is not JSON"),
]


@pytest.mark.parametrize(("handler", "said"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_a_broken_answer_is_one_finding(handler: Any, said: str) -> None:
    certified = certify(handler)
    assert codes(certified) == {"REWARD_CONTRACT"}
    assert said in probe(certified, probes.NAMES[0]).detail
    assert outcomes(certified, "not run") == set(probes.NAMES[1:])
    assert certified.facts["calls"] == 1


def test_each_family_is_held_to_its_own_contract() -> None:
    bare = certify(lambda event, context: json.loads(library("math_answer")(event, context)["body"]))
    assert codes(bare) == {"REWARD_CONTRACT"}
    wrapped = certify(library("math_answer"), family="nova")
    assert "bare list" in probe(wrapped, probes.NAMES[0]).detail


class PoolClient:
    """The laptop's Lambda host behind the call that boto3 has for it."""

    def __init__(self, pool: FunctionPool) -> None:
        self._pool = pool

    def invoke(self, **asked: Any) -> dict[str, Any]:
        answer = self._pool.invoke(asked["FunctionName"], asked["Payload"])
        return {"Payload": BytesIO(answer.payload)} | ({"FunctionError": "Unhandled"} if answer.error else {})


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[FunctionPool]:
    pool = FunctionPool(tmp_path / "functions", endpoint_url="http://127.0.0.1:9", region=REGION)
    yield pool
    pool.close()


def hosted(pool: FunctionPool, folder: Path, code: str, timeout: int = 10) -> Certified:
    """Certify code that runs in the laptop's Lambda host."""
    folder.mkdir(exist_ok=True)
    (folder / "reward.py").write_text(code)
    pool.put(Function("my-reward", ARN, folder, "reward.handler", {}, timeout=timeout))
    sampled = of_bytes("".join(f"{json.dumps(row)}\n" for row in products(5)).encode(), 5)
    function = LambdaFunction(PoolClient(pool), ARN, timeout)
    return of_function(function, "nova", sampled, Thresholds(), "$.reward.lambda_arn")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def handler(event, context): raise ValueError('row 7')", "ends with ValueError"),
        ("this is no Python", "UserCodeSyntaxError"),
        ("handle = None", "HandlerNotFound"),
        ("import os\ndef handler(event, context): os._exit(3)", "Runtime.ExitError"),
        ("def handler(event, context): return ['x' * 10_000_000]", ""),
    ],
)
def test_functions_that_fail_on_the_host_are_told_apart(
    pool: FunctionPool, tmp_path: Path, code: str, said: str
) -> None:
    certified = hosted(pool, tmp_path / "code", code)
    assert codes(certified) == {"REWARD_CONTRACT"}
    assert said in probe(certified, probes.NAMES[0]).detail
    assert "One object per row" not in certified.findings[0].fix
    assert certified.facts["calls"] == 1


def test_a_function_that_sleeps_is_a_timeout(pool: FunctionPool, tmp_path: Path) -> None:
    code = "import time\ndef handler(event, context): time.sleep(60)"
    certified = hosted(pool, tmp_path / "code", code, timeout=1)
    assert codes(certified) == {"REWARD_TIMES_OUT"}
    assert (probe(certified, probes.NAMES[0]).outcome, certified.facts["calls"]) == ("timeout", 2)


def test_what_a_function_says_is_kept_beside_the_table_and_not_in_it(
    pool: FunctionPool, tmp_path: Path
) -> None:
    certified = hosted(pool, tmp_path / "code", "def handler(event, context): raise KeyError('PRIVATE')")
    assert "PRIVATE" not in json.dumps(
        [p.detail for p in certified.probes] + [f.message for f in certified.findings]
    )
    assert "PRIVATE" in certified.facts["function_said"][0]


class FaultyClient:
    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def invoke(self, **_: Any) -> Any:
        raise self._fault


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Invoke")


def test_a_client_that_stops_waiting_is_a_timeout() -> None:
    reply = LambdaFunction(FaultyClient(ReadTimeoutError(endpoint_url="x")), ARN, 3).call(b"[]")
    assert reply.failure == "timeout"


def test_a_refused_call_says_why_and_a_busy_service_is_tried_again_later() -> None:
    reply = LambdaFunction(FaultyClient(refusal("AccessDeniedException", 403)), ARN, 3).call(b"[]")
    assert (reply.failure, reply.message) == ("error", "AccessDeniedException: m")
    with pytest.raises(TransientFault):
        LambdaFunction(FaultyClient(refusal("TooManyRequestsException", 429)), ARN, 3).call(b"[]")


class Endless(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert 0 < size < 10_000_000
        return b"x" * size


def test_an_answer_is_read_up_to_a_limit_only() -> None:
    class Client:
        def invoke(self, **_: Any) -> Any:
            return {"Payload": Endless()}

    assert "larger than 6 MB" in LambdaFunction(Client(), ARN, 3).call(b"[]").message


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:lambda:{REGION}:999999999999:function:my-reward",
        f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:my-reward",
        f"arn:aws:iam::{ACCOUNT}:role/x",
        "my-reward",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tunestep-anything-else",
        *(
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name('tunestep', verb)}"
            for verb in FUNCTIONS
        ),
    ],
)
def test_what_is_no_reward_is_refused(arn: str) -> None:
    with pytest.raises(FunctionRefused):
        guard(arn, stack="tunestep", region=REGION, account=ACCOUNT)


@pytest.mark.parametrize("name", ["my-reward", "tunestep-SageMaker-reward-math-answer", "tunesteps"])
def test_rewards_pass_the_guard(name: str) -> None:
    guard(
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}", stack="tunestep", region=REGION, account=ACCOUNT
    )


def test_a_broken_function_is_found_out_by_its_first_call() -> None:
    assert certify(changed(id="x")).facts["calls"] == 1


class TaggingClient:
    """Lambda with tags for every function; counts what is asked of it."""

    def __init__(self, tags: dict[str, str] | None = None, fault: Exception | None = None) -> None:
        self._tags, self._fault = tags or {}, fault
        self.asked: list[str] = []

    def list_tags(self, **parameters: Any) -> dict[str, Any]:
        self.asked.append(parameters["Resource"])
        if self._fault:
            raise self._fault
        return {"Tags": self._tags}


OWN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{reward_function_name('tunestep', 'mine', 'open-weights')}"


def test_a_listed_function_is_admitted_without_a_question_and_with_any_qualifier() -> None:
    client = TaggingClient()
    admit(client, f"{ARN}:live", stack="tunestep", listed=[ARN, "no arn"])
    assert client.asked == []


def test_a_tagged_reward_of_the_stack_is_admitted() -> None:
    client = TaggingClient({TAG_REWARD: "mine"})
    admit(client, f"{OWN}:3", stack="tunestep", listed=())
    assert client.asked == [OWN]


@pytest.mark.parametrize(
    ("arn", "client", "said"),
    [
        (ARN, TaggingClient({TAG_REWARD: "mine"}), "is no reward of the stack"),
        (OWN, TaggingClient({"team": "x"}), "is not tagged"),
        (OWN, TaggingClient(fault=refusal("AccessDeniedException", 403)), "cannot be read"),
        (
            OWN.replace("tunestep-", "other-"),
            TaggingClient({TAG_REWARD: "mine"}),
            "is no reward of the stack",
        ),
    ],
)
def test_a_function_that_is_neither_listed_nor_tagged_is_refused(
    arn: str, client: TaggingClient, said: str
) -> None:
    with pytest.raises(FunctionRefused, match=said) as refused:
        admit(client, arn, stack="tunestep", listed=[f"{ARN}-other"])
    assert "allowed.reward_functions" in str(refused.value)
