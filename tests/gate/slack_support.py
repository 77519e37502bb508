"""A run that asks, approvers in the settings, and a Slack to ask them in."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
import pytest
from werkzeug.serving import make_server

from tests.support.run_world import REGION, RUN_ID, World, world
from tunestep import approval_facts, approval_states, names, runs
from tunestep.context import Context
from tunestep.gate import links, slack, slack_api, slack_secret
from tunestep.local import fake_slack
from tunestep.runs import run_pk
from tunestep.settings import Approver, Settings, Slack

SLACK = Slack(team="T0LAPTOP", app_id="A0LAPTOP", channel="C0LAPTOP", secret="tunestep/slack")
ANN = Approver(id="ann", email="ann@example.com", slack_user="U0ANN")
BOB = Approver(id="bob.b", email="bob@example.com", slack_user="U0BOB")
EVE = "U0EVE"
"""A member of the team who is no approver."""
TOKEN, SIGNING = "xoxb-test-token-1", "8f742231b10e8888abcd99yyyzzz85a5"
APPROVAL_ID = "A" * 22
TASK_TOKEN = "task-token-of-the-run"


class Gate:
    """What the tests of the channels look at."""

    def __init__(self, of: World, folder: Path) -> None:
        self.world = of
        keys = {"region_name": REGION, "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self.secrets = boto3.client("secretsmanager", **keys)
        self.store("create_secret", Name=SLACK.secret)
        self.invoked: list[dict[str, Any]] = []
        env = msgspec.structs.replace(
            of.context.env,
            settings=Settings(approvers=(ANN, BOB), slack=SLACK),
            laptop="settings",
            api_url="https://api.example",
        )
        clients = SimpleNamespace(
            **{**vars(of.context.clients), "lambda_": SimpleNamespace(invoke=self._invoke)},
            secretsmanager=self.secrets,
        )
        self.context = Context(env=env, clients=clients, now=of.clock)  # type: ignore[arg-type]
        self.slack = fake_slack.FakeSlack(folder / "slack", SLACK, lambda: self.token)
        self.board = fake_slack.Board(folder / "slack")
        self.calls: list[str] = []
        self.answers: list[tuple[str, list[tuple[str, str]], bytes]] = []

    def store(
        self, operation: str = "put_secret_value", *, token: str = TOKEN, signing: str = SIGNING, **more: Any
    ) -> None:
        """Put a secret in the place of the one before."""
        self.token = token
        text = json.dumps({"token": token, "signing_secret": signing})
        more = more or {"SecretId": SLACK.secret}
        getattr(self.secrets, operation)(SecretString=text, **more)

    def _invoke(self, **members: Any) -> dict[str, Any]:
        self.invoked.append({**members, "Payload": json.loads(members["Payload"])})
        return {"StatusCode": 202}

    def serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Slack, or what ``answers`` holds for the next calls."""
        self.calls.append(environ["PATH_INFO"].rpartition("/")[2])
        if self.answers:
            status, headers, body = self.answers.pop(0)
            start_response(status, headers)
            return [body]
        return self.slack(environ, start_response)

    # The run

    def ask(self, **changes: Any) -> dict[str, Any]:
        """Store a question, as request_approval does, with a token that waits."""
        plan = self.world.begin()
        event = self.world.event()
        item = {
            "pk": run_pk(RUN_ID),
            "sk": runs.APPROVAL,
            "run_id": RUN_ID,
            "created_at": self.context.timestamp(),
            "execution_arn": self.context.execution_arn(RUN_ID),
            **approval_facts.question(plan, event, self.context.runs.run(RUN_ID) or {}),
            "state": approval_states.PENDING,
            "delivered": False,
            "approval_id": APPROVAL_ID,
            "approvers": {},
            "expires_at": self.context.epoch() + 3600,
            **changes,
        }
        self.context.runs.put(item)
        links.publish(self.context, RUN_ID, APPROVAL_ID)
        self.context.runs.put(
            {
                "pk": run_pk(RUN_ID),
                "sk": runs.PENDING_APPROVAL,
                "kind": runs.KIND_APPROVAL,
                "token": TASK_TOKEN,
            }
            | {"run_id": RUN_ID, "created_at": self.context.timestamp()}
        )
        return item

    @property
    def item(self) -> dict[str, Any]:
        return self.context.runs.approval(RUN_ID) or {}

    def topic(self, approver: Approver) -> str:
        """The approver's topic, made, with the address confirmed (moto confirms at once)."""
        arn = self.world.sns.create_topic(Name=names.approver_topic_name("tunestep", approver.id))["TopicArn"]
        self.world.sns.subscribe(TopicArn=arn, Protocol="email", Endpoint=approver.email)
        return str(arn)

    # Slack

    def signed(
        self, payload: dict[str, Any], *, age: float = 0, secret: str = SIGNING
    ) -> tuple[dict[str, str], bytes]:
        body = fake_slack.form(payload)
        return fake_slack.sign(secret, body, self.world.clock().timestamp() - age), body

    def click(self, action: str, by: str = "U0ANN", **changes: Any) -> dict[str, Any]:
        """The payload of a click on the question in the channel."""
        (question,) = [message for message in self.board.all() if message["kind"] == "message"][:1]
        return {**fake_slack.click(SLACK, question, action, by), **changes}


@contextmanager
def gate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    slack_secret._reader.cache_clear()
    slack._given_up.clear()
    with world() as of:
        made = Gate(of, folder)
        server = make_server("127.0.0.1", 0, made.serve, threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        try:
            yield made
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)


def waits_for_an_answer(of: Gate) -> None:
    """The run's state machine takes one answer."""
    of.world.sfn_stub.add_response("send_task_success", {})


def post(of: Gate, payload: dict[str, Any], *, age: float = 0, **headers: str) -> tuple[int, Any]:
    signed, body = of.signed(payload, age=age)
    return sent(of, {**signed, **headers}, body)


def sent(of: Gate, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    status, _, text = slack_api.handle(of.context, headers, body)
    return status, json.loads(text) if text else None


def nothing_was_decided(of: Gate) -> None:
    assert of.item["state"] == "PENDING" and "actor" not in of.item
    assert of.invoked == []


def told(of: Gate, user: str) -> list[str]:
    """What was shown to one person alone."""
    mine = [message for message in of.board.all() if message.get("user") == user]
    return [
        block["text"]["text"] for message in mine for block in message["blocks"] if block["type"] == "section"
    ]
