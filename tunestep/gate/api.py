"""The HTTP API of the approval gate: which request goes to which function."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import msgspec
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from tunestep.context import Context
from tunestep.gate import page, pages, signed, slack_api, slack_request
from tunestep.gate.links import url

_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class GateApi:
    """The routes, over a function that gives the context of this process."""

    def __init__(self, process: Callable[[], Context]) -> None:
        self._process = process
        self.app = APIGatewayHttpResolver()
        self.app.route("/approvals/<approval_id>", method=["GET", "HEAD"])(self._show)
        self.app.post("/approvals/<approval_id>")(self._decide)
        self.app.post("/slack")(self._slack)
        self.app.get("/runs/approvals")(self._pending)
        self.app.post("/runs/<run>/decision")(self._decide_signed)
        self.app.not_found(self._unknown)

    def _show(self, approval_id: str) -> Response[str]:
        return self._page(pages.show(self._context(), approval_id, self._secret()), approval_id)

    def _decide(self, approval_id: str) -> Response[str]:
        answer = pages.decide(self._context(), approval_id, self._secret(), self._event)
        return self._page(answer, approval_id)

    def _slack(self) -> Response[str]:
        sent, encoded = str(self._event.get("body") or ""), bool(self._event.get("isBase64Encoded"))
        try:
            raw = slack_request.raw_body(sent, encoded)
        except slack_request.Refused as refusal:
            return Response(refusal.status, _JSON, json.dumps({"error": refusal.message}), _PRIVATE)
        status, headers, text = slack_api.handle(self._context(), self._event.get("headers") or {}, raw)
        return Response(status, headers.pop("Content-Type", _JSON), text, headers)

    def _pending(self) -> Response[str]:
        return signed.response(signed.pending(self._context()))

    def _decide_signed(self, run: str) -> Response[str]:
        return signed.response(signed.decide(self._context(), unquote(run), self._event))

    @staticmethod
    def _unknown(_: Exception) -> Response[str]:
        answer = page.unknown()
        return Response(answer.status, _HTML, answer.html, dict(page.HEADERS))

    @property
    def _event(self) -> dict[str, Any]:
        event: dict[str, Any] = self.app.current_event.raw_event
        return event

    def _context(self) -> Context:
        """The context of this process, with the address that the request came to as the base of links."""
        here = self._process()
        scheme = "http" if here.env.laptop else "https"
        api_url = f"{scheme}://{self._event['requestContext']['domainName']}"
        return replace(here, env=msgspec.structs.replace(here.env, api_url=api_url))

    def _secret(self) -> str:
        return str((self._event.get("queryStringParameters") or {}).get("k") or "")

    def _page(self, answer: pages.Answer, approval_id: str) -> Response[str]:
        headers = dict(page.HEADERS)
        if answer.again:
            headers["Location"] = url("", approval_id, self._secret())
        head = self._event["requestContext"]["http"]["method"] == "HEAD"
        return Response(answer.status, _HTML, "" if head else answer.html, headers)
