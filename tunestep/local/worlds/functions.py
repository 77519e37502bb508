"""Lambda as a plan sees it in a world: functions are described, and nothing runs."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from tunestep import lambda_functions, names

Environ = dict[str, Any]

_CONFIGURATION = re.compile(r"/2015-03-31/functions/(?P<name>[^/]+)/configuration/?")
_TAGS = re.compile(r"/2017-03-31/tags/(?P<name>[^/]+)/?")


class DescribedFunctions:
    """WSGI: the configuration and the tags of every function but those that the world says are absent.

    ``described`` is by unqualified ARN: CodeSha256, Runtime, ... as in the Lambda API, and Tags. What is
    not described is assumed, with digests that follow from its name.
    """

    def __init__(
        self, described: Mapping[str, Mapping[str, Any] | None], *, region: str, account: str
    ) -> None:
        self._described = described
        self._prefix = f"arn:aws:lambda:{region}:{account}:function:"

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, answer = self._answer(environ["PATH_INFO"])
        body = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if status == "404 Not Found":
            headers.append(("x-amzn-ErrorType", "ResourceNotFoundException"))
        start_response(status, headers)
        return [body]

    def _answer(self, path: str) -> tuple[str, dict[str, Any]]:
        found = _CONFIGURATION.fullmatch(path) or _TAGS.fullmatch(path)
        if found is None:
            return "404 Not Found", {"Message": "a world describes functions and runs none"}
        written = unquote(found["name"])
        arn = written if written.startswith("arn:") else f"{self._prefix}{written}"
        function = lambda_functions.parse(arn)
        facts = self._described.get(function.unqualified, {}) if function else None
        if function is None or facts is None:
            return "404 Not Found", {"Message": f"Function not found: {arn}"}
        if _TAGS.fullmatch(path):
            return "200 OK", {"Tags": facts.get("Tags", self._assumed_tags(function.name))}
        digest = hashlib.sha256(function.unqualified.encode()).digest()
        return "200 OK", {
            "FunctionName": function.name,
            "FunctionArn": function.unqualified,
            "State": "Active",
            "CodeSha256": base64.b64encode(digest).decode(),
            **{key: value for key, value in facts.items() if key != "Tags"},
        }

    @staticmethod
    def _assumed_tags(name: str) -> dict[str, str]:
        _, mark, reward = name.partition(names.reward_function_prefix(""))
        return {names.TAG_REWARD: reward} if mark else {}
