"""Bedrock's runtime on the laptop: Converse and InvokeModel, answered by a fixed rule and labelled so.

No model is asked. The score counts words, so that RLAIF's steps, calls and numbers can be rehearsed; it
says nothing about what a judge model would think. Answers have the published shapes, and every answer's
text says what wrote it.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from tunestep.checks.reward import JUDGE_REGIONS
from tunestep.local.awsjson import MAX_BODY, AwsError

LABEL = "stand-in judge of the laptop cloud: counts words, no model was asked"
"""What every answer says of itself."""

PATH = re.compile(r"/model/(?P<model>[^/]+)/(?P<operation>converse|invoke)")
"""The paths of the two operations."""

_RESPONSE = re.compile(r"<response>(.*)</response>", re.DOTALL | re.IGNORECASE)
_PROMPT = re.compile(r"<prompt>(.*?)</prompt>", re.DOTALL | re.IGNORECASE)
_WORD = re.compile(r"\w+")


def score(text: str) -> float:
    """From 0 to 1: how short, whole and free of repetition a response is, and how near to its prompt.

    Prompt and response are what stands between tags of these names; without tags, the whole text is the
    response and there is no prompt to be near to.
    """
    response, prompt = _RESPONSE.search(text), _PROMPT.search(text)
    said = (response[1] if response else text).strip()
    words = _WORD.findall(said.casefold())
    if not words:
        return 0.0
    source = _WORD.findall(prompt[1].casefold()) if prompt else []
    near = sum(word in source for word in words) / len(words) if source else 0.0
    whole = float(said[-1] in ".!?")
    fresh = len(set(words)) / len(words)
    short = 1.0 if not source else min(1.0, 0.6 * len(source) / len(words))
    return round(0.4 * near + 0.2 * whole + 0.2 * fresh + 0.2 * short, 4)


class Judge:
    """WSGI application of the two operations, for the judge models of ``region``."""

    def __init__(self, region: str) -> None:
        self._models = {model for model, regions in JUDGE_REGIONS.items() if region in regions}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = [("Content-Type", "application/json")]
        try:
            status, answer = 200, self._answer(environ)
        except AwsError as fault:
            status, answer = fault.status, {"message": fault.message}
            headers.append(("x-amzn-ErrorType", fault.code))
        body = json.dumps(answer).encode()
        headers += [("x-amzn-RequestId", str(uuid.uuid4())), ("Content-Length", str(len(body)))]
        start_response(f"{status} {'OK' if status == 200 else 'Error'}", headers)
        return [body]

    def _answer(self, environ: dict[str, Any]) -> dict[str, Any]:
        path = PATH.fullmatch(environ.get("PATH_INFO", ""))
        if path is None or environ.get("REQUEST_METHOD") != "POST":
            raise AwsError("UnknownOperationException", "this operation is not part of the laptop cloud", 404)
        model = unquote(path["model"])
        if model not in self._models:
            raise AwsError("ValidationException", "The provided model identifier is invalid.")
        text = _asked(_body(environ))
        said = json.dumps({"score": score(text), "reason": f"{LABEL}, not {model}"})
        counts = len(_WORD.findall(text)), len(_WORD.findall(said))
        return (_converse if path["operation"] == "converse" else _completion)(model, said, *counts)


def _body(environ: dict[str, Any]) -> dict[str, Any]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > MAX_BODY:
        raise AwsError("ValidationException", f"the body has {length} bytes")
    try:
        body = json.loads(environ["wsgi.input"].read(length))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise AwsError("ValidationException", "Malformed input request, please reformat your input.")
    return body


def _asked(body: dict[str, Any]) -> str:
    """The text of the last message: Converse's content blocks, or a chat completion's text."""
    try:
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else "\n".join(part["text"] for part in content)
    except (KeyError, IndexError, TypeError):
        raise AwsError("ValidationException", "messages must end with one that has text.") from None
    return text


def _converse(_: str, said: str, read: int, written: int) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": said}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": read, "outputTokens": written, "totalTokens": read + written},
        "metrics": {"latencyMs": 1},
    }


def _completion(model: str, said: str, read: int, written: int) -> dict[str, Any]:
    """What the judge models (openai.*, qwen.*) answer to InvokeModel: a chat completion."""
    return {
        "id": f"chatcmpl-{uuid.uuid4()}",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    }
