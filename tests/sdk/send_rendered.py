"""Run rendered scripts with the real SDK and keep what they send: python send_rendered.py FOLDER

Every AWS call is answered below boto3's clients, as in tests/conformance/capture.py. ``sent.json`` in the
folder gets a CreateTrainingJob request for each script, by its name, or the error that it ended with.
"""

import importlib.util
import io
import json
import logging
import runpy
import sys
from pathlib import Path
from typing import Any

FUNCTION = "arn:aws:lambda:us-west-2:111122223333:function:SageMaker-mine"
CAPTURE = Path(__file__).parents[1] / "conformance" / "capture.py"


def load_capture() -> Any:
    spec = importlib.util.spec_from_file_location("capture", CAPTURE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answering(capture: Any) -> Any:
    """The capture's AWS, where every evaluator is a function, and that function scores."""

    class Aws(capture.Aws):
        def DescribeHubContent(self, params: dict[str, Any]) -> dict[str, Any]:
            found = super().DescribeHubContent(params)
            if params["HubContentType"] != "JsonDoc":
                return found
            content = {"Reference": FUNCTION, "EvaluatorType": "RewardFunction"}
            document = {"SubType": "AWS/Evaluator", "JsonContent": json.dumps(content)}
            return {**found, "HubContentDocument": json.dumps(document)}

        def Invoke(self, params: dict[str, Any]) -> dict[str, Any]:
            rows = json.loads(params["Payload"])
            scores = [{"id": str(number), "aggregate_reward_score": 1.0} for number, _ in enumerate(rows)]
            answer = {"statusCode": 200, "body": json.dumps(scores)} if not self.nova else scores
            return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}

    return Aws(capture.load_world())


def main() -> None:
    folder = Path(sys.argv[1])
    capture = load_capture()
    logging.disable(logging.CRITICAL)
    capture.telemetry_logging._requests_helper = lambda *_args, **_kwargs: None
    aws = answering(capture)
    capture.botocore.client.BaseClient._make_api_call = (
        lambda client, operation, params: aws.call(client, operation, params)  # noqa: PLW0108 - binds the client
    )
    sent = {}
    for script in sorted(folder.glob("*.py")):
        aws.request, aws.nova = {}, "nova" in script.stem
        try:
            runpy.run_path(str(script))
            sent[script.stem] = json.loads(json.dumps(aws.request))
        except Exception as fault:
            sent[script.stem] = {"error": f"{type(fault).__name__}: {fault}", "request": aws.request}
    (folder / "sent.json").write_text(json.dumps(sent, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
