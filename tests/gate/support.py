"""A run that asks two approvers, and a browser's requests to the page as the HTTP API hands them on."""

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sns import sns_backends

from tests.support.run_world import REGION, RUN_ID, World, world
from tunestep import names
from tunestep.approvals import request_approval
from tunestep.context import Context
from tunestep.gate.api import GateApi
from tunestep.settings import Approver, Settings

HOST = "abc123.execute-api.us-west-2.amazonaws.com"
LAMBDA = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:us-west-2:123456789012:function:f",
    aws_request_id="r",
)
ANN = Approver(
    id="ann", email="ann@example.com", iam_principal="arn:aws:iam::123456789012:role/people/Approver"
)
BOB = Approver(id="bob", email="bob@example.com")
LINK = re.compile(r"https://\S+/approvals/[\w-]{22}\?k=[\w-]{22}")


def settings_of(context: Context, *approvers: Approver, laptop: str = "") -> Context:
    """The same context with other people to ask, on a deployed stack unless said otherwise."""
    settings = Settings(approvers=approvers)
    return replace(context, env=msgspec.structs.replace(context.env, settings=settings, laptop=laptop))


class Gate:
    """One world with two approvers who can be mailed, and the API over it."""

    def __init__(self, w: World) -> None:
        self.w = w
        w.context = settings_of(w.context, ANN, BOB)
        self.topics = {
            approver.id: w.sns.create_topic(Name=names.approver_topic_name("tunestep", approver.id))[
                "TopicArn"
            ]
            for approver in (ANN, BOB)
        }
        for approver in (ANN, BOB):
            w.sns.subscribe(TopicArn=self.topics[approver.id], Protocol="email", Endpoint=approver.email)
        self.api = GateApi(lambda: self.w.context)
        w.begin()

    def ask(self, waiter: str = "t1", **options: Any) -> dict[str, str]:
        """Put the question; the link of every approver who was mailed, the newest one of each."""
        request_approval(self.w.context, self.w.event(token=waiter, **options))
        return {who: found[-1] for who in self.topics if (found := self.links(who))}

    def mails(self, who: str) -> list[str]:
        topic = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[self.topics[who]]
        return [sent[1] for sent in topic.sent_notifications]

    def links(self, who: str) -> list[str]:
        return [link for mail in self.mails(who) for link in LINK.findall(mail)]

    @property
    def item(self) -> dict[str, Any]:
        return self.w.runs.approval(RUN_ID) or {}

    def lets_go_on(self) -> None:
        """Step Functions takes the answer to the waiting state."""
        self.w.sfn_stub.add_response("send_task_success", {})

    def send(self, method: str, link: str, **options: Any) -> dict[str, Any]:
        """One request to a link; the HTTP API's answer."""
        answer: dict[str, Any] = self.api.app.resolve(event(method, link, **options), LAMBDA)
        return answer

    def get(self, link: str, **options: Any) -> dict[str, Any]:
        return self.send("GET", link, **options)

    def post(self, link: str, fields: Mapping[str, str] | None = None, **options: Any) -> dict[str, Any]:
        fields = {"decision": "APPROVED", "agree": "yes", "reason": ""} | dict(fields or {})
        body = urlencode({name: value for name, value in fields.items() if value is not None})
        headers = {"content-type": "application/x-www-form-urlencoded", "origin": f"https://{HOST}"}
        return self.send(
            "POST",
            link,
            **{"body": body.encode(), **options, "headers": headers | options.get("headers", {})},
        )


def event(
    method: str,
    link: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str | None] | None = None,
    user_arn: str = "",
    **changes: Any,
) -> dict[str, Any]:
    """An HTTP API event, payload format 2.0; a body is in base64, as forms are."""
    parts = urlsplit(link)
    query = {name: ",".join(values) for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {name: value for name, value in (headers or {}).items() if value is not None},
        "requestContext": {
            "domainName": HOST,
            "http": {"method": method, "path": parts.path, "sourceIp": "203.0.113.9", "userAgent": "t"},
            "requestId": "r",
            "stage": "$default",
        },
        "isBase64Encoded": body is not None,
    }
    if query:
        made["queryStringParameters"] = query
    if body is not None:
        made["body"] = base64.b64encode(body).decode()
    if user_arn:
        made["requestContext"]["authorizer"] = {"iam": {"userArn": user_arn}}
    return made | changes


@contextmanager
def gate() -> Iterator[Gate]:
    with world() as w:
        yield Gate(w)


class Calls:
    """Counts a client's calls by operation."""

    def __init__(self, client: Any) -> None:
        self.made: list[str] = []
        client.meta.events.register("before-call", self._note)

    def _note(self, model: Any, **_: Any) -> None:
        self.made.append(model.name)

    def take(self) -> list[str]:
        """The operations since the last look."""
        made, self.made[:] = list(self.made), []
        return made
