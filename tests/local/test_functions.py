"""Functions run in the real runtime client, cut off from the user's environment."""

import base64
import http.client
import json
import os
import threading
import time

import boto3
import pytest
from botocore.config import Config

from tests.local.cloud_support import HANDLER
from tunestep.local.front import Front, Server
from tunestep.local.functions import Function, FunctionPool
from tunestep.local.interpreter.engine import Invocation
from tunestep.local.lambda_api import LambdaApi
from tunestep.local.runtime_api import MAX_PAYLOAD, Job, RuntimeApi, failure

REGION = "us-west-2"
CANARIES = {
    "AWS_ACCESS_KEY_ID": "CANARYKEY",
    "AWS_SECRET_ACCESS_KEY": "CANARYSECRET",
    "AWS_SESSION_TOKEN": "CANARYTOKEN",
    "AWS_PROFILE": "CANARYPROFILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/CANARY",
    "HTTPS_PROXY": "http://CANARY",
    "http_proxy": "http://CANARY",
    "HF_TOKEN": "CANARYHF",
    "OPENAI_API_KEY": "CANARYAI",
    "PYTHONPATH": "/CANARY",
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("functions")
    user_home = tmp_path_factory.mktemp("user")
    (user_home / ".aws").mkdir()
    (user_home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id=CANARY\naws_secret_access_key=CANARY\n"
    )
    code = folder / "code"
    code.mkdir()
    (code / "work.py").write_text(HANDLER)
    (code / "broken.py").write_text("raise RuntimeError('at import')")
    saved = dict(os.environ)
    os.environ.update(CANARIES, HOME=str(user_home))
    pool = FunctionPool(folder / "functions", endpoint_url="http://127.0.0.1:9", region=REGION)
    for name, handler in {
        "work": "work.handler",
        "absent": "nothing.handler",
        "broken": "broken.handler",
    }.items():
        arn = f"arn:aws:lambda:{REGION}:123456789012:function:{name}"
        pool.put(Function(name, arn, code, handler, {"GREETING": "hello", "AWS_PROFILE": "own"}, timeout=2))
    yield pool
    pool.close()
    os.environ.clear()
    os.environ.update(saved)


@pytest.fixture(scope="module")
def client(pool):
    server = Server(Front(moto=lambda *_: [], functions=LambdaApi(pool, sleep=lambda _: None)), 0)
    server.start()
    os.environ.pop("AWS_PROFILE")
    os.environ["NO_PROXY"] = "127.0.0.1"
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=REGION)
    yield session.client(
        "lambda", endpoint_url=server.url, config=Config(retries={"total_max_attempts": 1}, read_timeout=30)
    )
    server.close()


def call(pool, **event):
    invocation = pool.invoke("work", json.dumps(event).encode())
    return invocation.error, json.loads(invocation.payload)


def test_a_function_gets_its_event_its_variables_and_its_context(pool):
    error, answer = call(pool, a=1)
    assert not error
    assert answer["event"] == {"a": 1}
    assert answer["env"]["GREETING"] == "hello"
    assert answer["arn"].endswith(":function:work")
    assert 0 < answer["left"] <= 2000


def test_nothing_of_the_users_environment_reaches_a_function(pool, tmp_path):
    _, answer = call(pool)
    assert "CANARY" not in json.dumps(answer)
    env = answer["env"]
    assert env["AWS_CONFIG_FILE"] == env["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert env["AWS_EC2_METADATA_DISABLED"] == "true"
    assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"
    assert "/functions/" in answer["home"]
    with open(f"/proc/{answer['pid']}/environ", "rb") as file:  # noqa: PTH123
        assert b"CANARY" not in file.read()


def test_what_a_function_declares_cannot_undo_the_isolation(pool):
    function = pool.get("work")
    variables = {"AWS_CONFIG_FILE": "/x", "AWS_ENDPOINT_URL": "https://aws", "HOME": "/root"}
    pool.put(function._replace(name="sly", variables=variables))
    env = json.loads(pool.invoke("sly", b"{}").payload)["env"]
    assert env["AWS_CONFIG_FILE"] == os.devnull
    assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"
    assert env["HOME"] != "/root"


def test_a_second_call_finds_the_worker_warm(pool):
    assert call(pool)[1]["pid"] == call(pool)[1]["pid"]


def test_a_raised_error_is_reported_with_its_class_and_the_worker_lives_on(pool):
    pid = call(pool)[1]["pid"]
    error, answer = call(pool, **{"raise": "bad row"})
    assert error
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "bad row")
    assert call(pool)[1]["pid"] == pid


def test_a_worker_that_exits_fails_its_call_and_is_replaced(pool):
    error, answer = call(pool, exit=3)
    assert error
    assert answer["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in answer["errorMessage"]
    assert not call(pool)[0]


def test_a_call_over_its_time_is_killed(pool):
    began = time.monotonic()
    error, answer = call(pool, sleep=60)
    assert error
    assert "Task timed out after 2.00 seconds" in answer["errorMessage"]
    assert time.monotonic() - began < 10
    assert not call(pool)[0]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [("absent", "Runtime.ImportModuleError", "nothing"), ("broken", "RuntimeError", "at import")],
)
def test_a_function_that_cannot_start_says_why(pool, name, kind, message):
    invocation = pool.invoke(name, b"{}")
    document = json.loads(invocation.payload)
    assert invocation.error
    assert document["errorType"] == kind
    assert message in document["errorMessage"]


def test_two_calls_at_once_run_in_two_workers(pool):
    pids = []
    threads = [
        threading.Thread(target=lambda: pids.append(call(pool, sleep=0.4)[1]["pid"])) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pids)) == 2


def test_an_answer_over_the_limit_is_an_error(pool):
    error, answer = call(pool, size=MAX_PAYLOAD + 1)
    assert error
    assert answer["errorType"] == "Function.ResponseSizeTooLarge"


def test_the_log_is_private_and_starts_anew_when_it_is_full(pool, monkeypatch):
    monkeypatch.setattr("tunestep.local.functions.LOG_LIMIT", 1000)
    pid = call(pool, spin=2000)[1]["pid"]
    assert call(pool)[1]["pid"] != pid
    folder = pool._folder / "work"
    assert (folder / "log.1.txt").stat().st_size > 1000
    assert (folder / "log.txt").stat().st_mode & 0o077 == 0


def test_a_changed_function_is_run_by_new_workers(pool):
    pool.put(pool.get("work")._replace(name="changing"))
    pool.invoke("changing", b"{}")
    pool.put(pool.get("changing")._replace(variables={"GREETING": "new"}))
    assert json.loads(pool.invoke("changing", b"{}").payload)["env"]["GREETING"] == "new"


def test_invoke_over_the_api(client):
    answer = client.invoke(FunctionName="work", Payload=b'{"a": 1}')
    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer
    assert json.load(answer["Payload"])["event"] == {"a": 1}


def test_a_function_error_over_the_api(client):
    answer = client.invoke(FunctionName="work", Payload=b'{"raise": "no"}')
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorType"] == "ValueError"


def test_dry_run_and_event_over_the_api(client):
    assert client.invoke(FunctionName="work", InvocationType="DryRun")["StatusCode"] == 204
    assert client.invoke(FunctionName="work", InvocationType="Event", Payload=b"{}")["StatusCode"] == 202


def test_an_unknown_function_and_a_payload_that_is_not_json(client):
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="nobody"):
        client.invoke(FunctionName="nobody")
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="work", Payload=b"{")
    with pytest.raises(client.exceptions.RequestTooLargeException):
        client.invoke(FunctionName="work", Payload=b'"' + b"x" * MAX_PAYLOAD + b'"')


def test_reading_a_function_over_the_api(client):
    arn = client.get_function_configuration(FunctionName="work")["FunctionArn"]
    configuration = client.get_function(FunctionName=arn)["Configuration"]
    assert configuration["Handler"] == "work.handler"
    assert configuration["CodeSha256"]
    assert "work" in {listed["FunctionName"] for listed in client.list_functions()["Functions"]}


def test_tags_and_code_hash_over_the_api(pool, client):
    pool.put(pool.get("work")._replace(name="tagged", tags={"tunestep:reward": "x"}))
    arn = pool.get("work").arn.replace(":work", ":tagged")
    assert client.list_tags(Resource=arn)["Tags"] == {"tunestep:reward": "x"}
    assert client.list_tags(Resource=pool.get("work").arn)["Tags"] == {}
    code = client.get_function_configuration(FunctionName="tagged")["CodeSha256"]
    assert len(base64.b64decode(code)) == 32
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.list_tags(Resource=arn.replace(":tagged", ":nobody"))


class Failing:
    """A pool whose function fails as often as told."""

    def __init__(self, failures, retries=2):
        self.left, self.calls, self.retries = failures, 0, retries

    def get(self, name):
        return Function(name, "arn", None, "h", {}, retries=self.retries)

    def invoke(self, name, payload):
        self.calls += 1
        self.left -= 1
        return failure("E", "m") if self.left >= 0 else Invocation(b"{}", False)


@pytest.mark.parametrize(
    ("failures", "retries", "calls", "given_up"),
    [(0, 2, 1, 0), (1, 2, 2, 0), (2, 2, 3, 0), (9, 2, 3, 1), (9, 0, 1, 1)],
)
def test_an_asynchronous_call_is_tried_again_and_then_given_up(failures, retries, calls, given_up):
    pool, waited, lost = Failing(failures, retries), [], []
    LambdaApi(pool, sleep=waited.append).invoke_later("f", b"{}", lost.append)
    for thread in threading.enumerate():
        if thread.name == "invoke-f":
            thread.join(5)
    assert (pool.calls, len(lost)) == (calls, given_up)
    assert waited == [60.0, 120.0][: calls - 1]


def test_the_runtime_api_of_a_worker_is_closed_to_web_pages_and_to_other_calls():
    api = RuntimeApi()
    job = Job(payload=b"{}", timeout=1, arn="arn")
    api.submit(job)
    host, _, port = api.address.partition(":")

    def ask(method, path, **headers):
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        connection.request(method, path, body=b"1" if method == "POST" else None, headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    following = "/2018-06-01/runtime/invocation/next"
    assert ask("GET", following, Origin="https://evil.example") == 404
    assert ask("GET", following) == 200
    assert ask("POST", "/2018-06-01/runtime/invocation/guess/response") == 400
    assert ask("POST", f"/2018-06-01/runtime/invocation/{job.id}/response", Origin="null") == 404
    assert ask("POST", f"/2018-06-01/runtime/invocation/{job.id}/response") == 202
    assert job.answer.get(timeout=1) == Invocation(b"1", False)
    api.close()
