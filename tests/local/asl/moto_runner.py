"""moto's own interpreter under the same scripts; it really waits, so time-outs are scaled in its copy."""

import copy
import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.local.asl.machine import ACCOUNT, REGION, ROLE
from tests.local.asl.runners import (
    Action,
    Fails,
    Outcome,
    Player,
    Raises,
    Refuses,
    Returns,
    Script,
    Sends,
    Silent,
    outcome_of,
    raised,
)

SHORT = 2


def scaled(definition: Mapping[str, Any], script: Script) -> dict[str, Any]:
    """A copy for an interpreter that really waits: a time-out that passes lasts a second or two."""
    changed: dict[str, Any] = copy.deepcopy(dict(definition))
    if "TimeoutSeconds" in changed:
        changed["TimeoutSeconds"] = 1
    for name, state in changed["States"].items():
        if state["Type"] != "Task":
            continue
        timeout = _let_pass(script.get(name) or script.get(_function(state), ()))
        for field in ("TimeoutSeconds", "HeartbeatSeconds"):
            if timeout and (field in state or f"{field}Path" in state):
                state.pop(f"{field}Path", None)
                state[field] = timeout
        if timeout and "HeartbeatSeconds" in state:
            state["TimeoutSeconds"] = 3 * timeout
    return changed


def _function(state: Mapping[str, Any]) -> str:
    arn: str = state["Resource"]
    return (arn if ":function:" in arn else state["Parameters"]["FunctionName"]).rsplit(":", 1)[-1]


def _let_pass(actions: Sequence[Action]) -> int:
    """Seconds that a state's time-out lasts when the script lets it pass; 0 when it does not.

    Two where a later attempt has to answer in time, on a machine that may be busy.
    """
    if any(isinstance(action, Returns) and action.after for action in actions):
        return SHORT
    return 1 if any(isinstance(action, Silent) for action in actions) else 0


class Moto:
    """moto's interpreter with a scripted Lambda; executions of several scenarios run at the same time."""

    def __init__(self) -> None:
        self._players: dict[str, Player] = {}
        self._pool = ThreadPoolExecutor(8)
        # moto looks for a token in every execution, in containers that starting another one changes.
        self._lock = threading.Lock()
        self.client: Any = None
        self._backend: Any = None

    @contextmanager
    def running(self) -> Iterator["Moto"]:
        import boto3  # noqa: PLC0415 - moto takes two seconds to import: only for those who compare
        from botocore.config import Config  # noqa: PLC0415
        from moto import mock_aws  # noqa: PLC0415
        from moto.awslambda_simple.models import LambdaSimpleBackend  # noqa: PLC0415
        from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl  # noqa: PLC0415
        from moto.stepfunctions.parser.asl.component.state.exec.state_task import (  # noqa: PLC0415
            lambda_eval_utils,
        )
        from moto.stepfunctions.parser.models import stepfunctions_parser_backends  # noqa: PLC0415

        moto = self

        def invoke(_backend: Any, name: str, _qualifier: Any, body: Any, _headers: Any, answer: Any) -> bytes:
            return moto.invoke(name, body, answer)

        config = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        with mock_aws(config=config), ExitStack() as patches:
            patches.enter_context(patch.object(LambdaSimpleBackend, "invoke", invoke))
            functions = boto3.client(
                "lambda", region_name=REGION, config=Config(retries={"total_max_attempts": 1}), **keys
            )
            patches.enter_context(patch.object(lambda_eval_utils, "boto_client_for", lambda **_: functions))
            patches.enter_context(patch.object(retrier_decl, "time", SimpleNamespace(sleep=lambda _: None)))
            self.client = boto3.client("stepfunctions", region_name=REGION, **keys)
            self._backend = stepfunctions_parser_backends[ACCOUNT][REGION]
            self._warm_up()
            yield self
            self._pool.shutdown()

    def _warm_up(self) -> None:
        """One execution alone: moto loads and makes its parts at first use, which several threads disturb."""
        task = {"Type": "Task", "Resource": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:first", "End": True}
        outcome = self.run({"StartAt": "First", "States": {"First": task}}, {"first": [Returns("warm")]})
        assert outcome.document == "warm", outcome

    def invoke(self, name: str, body: Any, answer: dict[str, Any]) -> bytes:
        from moto.awslambda.exceptions import LambdaClientError  # noqa: PLC0415

        document = json.loads(body or b"{}")
        scenario, _, function = name.rsplit(":", 1)[-1].partition("--")
        match self._players[scenario].action(function, document):
            case Returns(value, after):
                time.sleep(SHORT + 1 if after else 0)
                return json.dumps(value).encode()
            case Raises() as action:
                answer["x-amz-function-error"] = "Unhandled"
                return raised(action)
            case Refuses(code):
                raise LambdaClientError(code, "refused")
            case Sends(output):
                with self._lock:
                    self._backend.send_task_success(document["task_token"], json.dumps(output))
            case Fails(error, cause):
                with self._lock:
                    self._backend.send_task_failure(document["task_token"], error, cause)
        return b"null"

    def submit(self, definition: Mapping[str, Any], script: Script, document: Any = None) -> Future[Outcome]:
        """Begin a run; its outcome comes as a future."""
        return self._pool.submit(self.run, definition, script, document)

    def run(self, definition: Mapping[str, Any], script: Script, document: Any = None) -> Outcome:
        """Run a definition to its end."""
        scenario = "s" + uuid.uuid4().hex[:12]
        self._players[scenario] = Player(script)
        text = json.dumps(scaled(definition, script)).replace(":function:", f":function:{scenario}--")
        with self._lock:
            machine = self.client.create_state_machine(name=scenario, definition=text, roleArn=ROLE)
            arn = self.client.start_execution(
                stateMachineArn=machine["stateMachineArn"],
                name="run-1",
                input=json.dumps({} if document is None else document),
            )["executionArn"]
        limit = time.monotonic() + 60
        while (described := self.client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if time.monotonic() > limit:
                raise TimeoutError(f"{scenario} does not end")
            threading.Event().wait(0.05)
        history = self.client.get_execution_history(executionArn=arn)["events"]
        return outcome_of(
            json.loads(json.dumps(history, default=str).replace(f"{scenario}--", "")), described
        )


def run_moto(definition: Mapping[str, Any], script: Script, document: Any = None) -> Outcome:
    """Run a definition to its end on moto's interpreter."""
    with Moto().running() as moto:
        return moto.run(definition, script, document)
