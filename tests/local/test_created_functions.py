"""Functions that a client creates: who may, what they run, and that they are there again after a restart."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tunestep.local import created_functions
from tunestep.local.created_functions import CreatedFunctions, own_key
from tunestep.local.front import Front, Server
from tunestep.local.functions import Function, FunctionPool
from tunestep.local.lambda_api import LambdaApi

pytestmark = pytest.mark.slow

REGION, ACCOUNT = "us-west-2", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"


def zipped(text: str, name: str = "lambda_function.py") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def answering(word: str) -> bytes:
    return zipped(f"def lambda_handler(event, context):\n    return {word!r}\n")


class Home:
    """One home folder with the functions of a stack and of clients, behind a port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = own_key(folder)
        self.pool = FunctionPool(folder / "functions", endpoint_url="http://127.0.0.1:9", region=REGION)
        stack = folder / "stack"
        stack.mkdir(exist_ok=True)
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:of-the-stack"
        self.pool.put(Function("of-the-stack", arn, stack, "x.y", {}))
        self.created = CreatedFunctions(
            folder / "created", self.pool, key=self.key, region=REGION, account=ACCOUNT
        )
        self.created.load()
        self.server = Server(Front(moto=lambda *_: [], functions=LambdaApi(self.pool, self.created)), 0)
        self.server.start()
        self.client = self.signed(self.key)

    def signed(self, key: str) -> Any:
        return boto3.client(
            "lambda",
            endpoint_url=self.server.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key="s",
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def create(self, name: str, code: bytes, **changes: Any) -> dict[str, Any]:
        request = {
            "FunctionName": name,
            "Runtime": "python3.9",
            "Role": ROLE,
            "Handler": "lambda_function.lambda_handler",
            "Code": {"ZipFile": code},
        }
        made: dict[str, Any] = self.client.create_function(**request | changes)
        return made

    def invoke(self, name: str) -> Any:
        return json.loads(self.client.invoke(FunctionName=name, Payload=b"{}")["Payload"].read())

    def close(self) -> None:
        self.server.close()
        self.pool.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for all; each test has functions of its own in it."""
    made = Home(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


def refusal(call: Any, *args: Any, **kwargs: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as fault:
        call(*args, **kwargs)
    return fault.value.response["Error"]["Code"], fault.value.response["Error"]["Message"]


def test_a_created_function_runs_is_changed_and_is_deleted(home: Home) -> None:
    code = answering("first")
    made = home.create("mine", code, Timeout=9, Environment={"Variables": {"KEY": "b"}})
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert (made["State"], made["Timeout"], made["Environment"]) == ("Active", 9, {"Variables": {"KEY": "b"}})
    assert home.invoke("mine") == "first"
    home.client.update_function_code(FunctionName="mine", ZipFile=answering("second"))
    assert home.invoke("mine") == "second"
    assert home.client.get_function_configuration(FunctionName="mine")["Timeout"] == 9
    home.client.delete_function(FunctionName="mine")
    assert refusal(home.invoke, "mine")[0] == "ResourceNotFoundException"
    assert not (home.folder / "created" / "mine").exists()


def test_created_functions_are_there_again_after_a_restart(tmp_path: Path) -> None:
    first = Home(tmp_path)
    first.create("mine", answering("still here"), Description="kept")
    first.close()
    second = Home(tmp_path)
    try:
        assert second.invoke("mine") == "still here"
        assert second.client.get_function_configuration(FunctionName="mine")["Description"] == "kept"
        assert second.key == first.key
    finally:
        second.close()


@pytest.mark.parametrize("key", ["testing", "", "LAPTOP" + "0" * 32])
def test_only_a_caller_that_can_read_the_home_runs_code_of_its_own(home: Home, key: str) -> None:
    assert (home.folder / created_functions.KEY_FILE).stat().st_mode & 0o777 == 0o600
    stranger = home.signed(key or "x")
    request = {
        "FunctionName": "theirs",
        "Runtime": "python3.9",
        "Role": ROLE,
        "Handler": "lambda_function.lambda_handler",
        "Code": {"ZipFile": answering("no")},
    }
    code, message = refusal(stranger.create_function, **request)
    assert code == "AccessDeniedException"
    assert created_functions.KEY_FILE in message
    assert home.key not in message
    name = f"mine-{len(key)}"
    home.create(name, answering("mine"))
    assert refusal(stranger.update_function_code, FunctionName=name, ZipFile=answering("no"))[0] == code
    assert refusal(stranger.delete_function, FunctionName=name)[0] == code
    assert home.client.get_function_configuration(FunctionName=name)["Role"] == ROLE


def test_functions_of_the_stack_are_not_replaced_changed_or_deleted(home: Home) -> None:
    assert refusal(home.create, "of-the-stack", answering("x"))[0] == "ResourceConflictException"
    client = home.client
    changed = refusal(client.update_function_code, FunctionName="of-the-stack", ZipFile=answering("x"))
    assert changed[0] == "AccessDeniedException"
    assert refusal(client.delete_function, FunctionName="of-the-stack")[0] == "AccessDeniedException"
    assert home.pool.get("of-the-stack").handler == "x.y"


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"Code": {"ZipFile": b"not a zip"}}, "InvalidParameterValueException", "Could not unzip"),
        ({"Code": {"S3Bucket": "b12", "S3Key": "k"}}, "InvalidParameterValueException", "ZipFile alone"),
        ({"Runtime": "nodejs20.x"}, "InvalidParameterValueException", "Python functions only"),
        ({"FunctionName": "a.b"}, "ValidationException", "functionName"),
        ({"FunctionName": "us-west-2:123456789012:function:a"}, "InvalidParameterValueException", "name"),
        ({"Role": "someone"}, "ValidationException", "role"),
        ({"Timeout": 100000}, "ValidationException", "timeout"),
    ],
)
def test_a_wrong_request_makes_nothing(home: Home, changes: dict[str, Any], code: str, says: str) -> None:
    before = home.pool.all()
    found, message = refusal(home.create, "wrong", answering("x"), **changes)
    assert found == code
    assert says.lower() in message.lower()
    assert home.pool.all() == before
    assert not (home.folder / "created" / "wrong").exists()


def test_a_zip_cannot_write_outside_and_cannot_be_too_large(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.create("escapes", zipped("x = 1\n", "../../escaped.py"))
    assert not list(home.folder.glob("escaped.py"))
    assert not (home.folder / "created" / "escaped.py").exists()
    monkeypatch.setattr(created_functions, "MAX_UNZIPPED", 10)
    code, message = refusal(home.create, "large", answering("more than ten bytes"))
    assert (code, "smaller than 10 bytes" in message) == ("InvalidParameterValueException", True)
