"""A loopback endpoint for reinforcement jobs: S3, an evaluator in a hub, a scripted function, the judge."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.local import job_folder
from tests.local.job_folder import REGION, ran
from tunestep import evaluators
from tunestep.local.front import Front
from tunestep.local.judge import Judge

BUCKET = "reward-bucket"
FUNCTION = f"arn:aws:lambda:{REGION}:123456789012:function:tunestep-SageMaker-reward-scripted"
EVALUATOR = f"arn:aws:sagemaker:{REGION}:123456789012:hub-content/HUB/JsonDoc/scripted/1.0.0"
PROMPT_EVALUATOR = f"arn:aws:sagemaker:{REGION}:123456789012:hub-content/HUB/JsonDoc/a-prompt/1.0.0"
PROMPT = f"s3://{BUCKET}/prompts/own.jinja"

__all__ = ["RewardCloud", "answer_of", "open_weights", "ran", "serving"]

Function = Callable[[Any], Any]


class Silent(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """Requests are no news."""


class RaisedError(Exception):
    """What the scripted function raises."""


def open_weights(results: Any) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {}, "body": json.dumps(results)}


def answer_of(item: Mapping[str, Any]) -> str:
    return str(item["messages"][-1]["content"])


class RewardCloud:
    """``function`` is what the reward Lambda does with its event; ``events`` is all it was sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.function: Function = lambda event: open_weights([])
        self.events: list[list[dict[str, Any]]] = []
        self.judged: list[dict[str, Any]] = []

    def connect(self) -> None:
        """Take the port; moto's buckets are those of the process, so they are emptied first."""
        self.s3 = boto3.client("s3", endpoint_url=self.url, region_name=REGION)
        urlopen(Request(f"{self.url}/moto-api/reset", method="POST")).close()  # noqa: S310 - our own port
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def lambda_api(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        event = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.events.append(event)
        headers = [("Content-Type", "application/json")]
        try:
            answer = self.function(event)
        except RaisedError as error:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
            answer = {"errorType": "Raised", "errorMessage": str(error)}
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    def hub_api(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        content = {
            "scripted": evaluators.Content(FUNCTION, evaluators.FUNCTION),
            "a-prompt": evaluators.Content(PROMPT, evaluators.PROMPT),
        }[asked["HubContentName"]]
        body = json.dumps({"HubContentDocument": evaluators.document(content)}).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    def put(self, key: str, body: str) -> str:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
        return f"s3://{BUCKET}/{key}"

    def rows(self, key: str, rows: list[Any]) -> str:
        return self.put(key, "".join(json.dumps(row) + "\n" for row in rows))

    def job(self, folder: Path, train: str, **changes: Any) -> Path:
        """A job folder; ``changes`` name what differs from a short RLVR job with the scripted function."""
        technique = changes.get("technique", "RLVR")
        serverless = {"CustomizationTechnique": technique, "Peft": changes.get("peft", "LORA")}
        if evaluator := changes.get("evaluator", EVALUATOR):
            serverless["EvaluatorArn"] = evaluator
        return job_folder.written(
            folder,
            self.url,
            train=train,
            serverless=serverless,
            hyperparameters={"max_epochs": "1", "global_batch_size": "64", "rollout_n": "4"},
            output=f"s3://{BUCKET}/output/",
            changes=changes,
        )


@contextmanager
def serving() -> Iterator[RewardCloud]:
    """The endpoint on a port of its own, with credentials that no service checks."""
    cloud = RewardCloud("")
    front = Front(
        moto=DomainDispatcherApplication(create_backend_app),
        sagemaker=cloud.hub_api,
        functions=cloud.lambda_api,
        bedrock=Judge(REGION),
    )
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=Silent)
    Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "local")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        cloud.url = f"http://127.0.0.1:{server.server_port}"
        cloud.connect()
        yield cloud
    server.shutdown()
    server.server_close()
