"""Lambda in a world: functions are described to a plan, and none runs."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tunestep import names
from tunestep.local.front import Front, Server
from tunestep.local.world import World, WorldInvalid
from tunestep.local.worlds.functions import DescribedFunctions

REGION, ACCOUNT = "us-west-2", "111122223333"
PREFIX = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    world = World.read(
        {
            "region": REGION,
            "account": ACCOUNT,
            "functions": {
                "described": {"CodeSha256": "abc", "Tags": {"team": "x"}, "State": "Pending"},
                f"{PREFIX}gone": None,
            },
        }
    )
    functions = DescribedFunctions(world.functions, region=REGION, account=ACCOUNT)
    server = Server(Front(moto=lambda *_: [], functions=functions), 0)
    server.start()
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=REGION)
    once = Config(retries={"total_max_attempts": 1})
    yield session.client("lambda", endpoint_url=server.url, config=once)
    server.close()


def test_a_described_function_is_as_described(client: Any) -> None:
    answer = client.get_function_configuration(FunctionName=f"{PREFIX}described")
    assert (answer["CodeSha256"], answer["State"]) == ("abc", "Pending")
    assert client.list_tags(Resource=f"{PREFIX}described")["Tags"] == {"team": "x"}


def test_an_absent_function_is_absent(client: Any) -> None:
    for name in (f"{PREFIX}gone", f"{PREFIX}gone:prod", "gone"):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_function_configuration(FunctionName=name)


def test_what_is_not_described_is_assumed_and_the_same_at_every_look(client: Any) -> None:
    looks = [client.get_function_configuration(FunctionName=f"{PREFIX}SageMaker-x") for _ in range(2)]
    assert looks[0]["CodeSha256"] == looks[1]["CodeSha256"]
    other = client.get_function_configuration(FunctionName=f"{PREFIX}SageMaker-y")
    assert other["CodeSha256"] != looks[0]["CodeSha256"]


def test_a_reward_s_name_is_assumed_to_carry_its_tag(client: Any) -> None:
    reward = f"{PREFIX}{names.reward_function_name('tunestep', 'math_answer')}"
    assert client.list_tags(Resource=reward)["Tags"] == {names.TAG_REWARD: "math-answer"}
    assert client.list_tags(Resource=f"{PREFIX}SageMaker-x")["Tags"] == {}


def test_nothing_can_be_invoked(client: Any) -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="runs none"):
        client.invoke(FunctionName="described")


@pytest.mark.parametrize("name", ["has space", f"{PREFIX}f:prod", "arn:aws:s3:::bucket", ""])
def test_what_names_no_function_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(WorldInvalid, match=r"\$\.functions"):
        World.read({"functions": [name]})
